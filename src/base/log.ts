/**
 * Logging as a dependency.
 *
 * A `Logger` is bound to a module name (`cache`, `source.s3`, …) and fixed fields. `createLogger` makes the root of a process:
 * JSON lines by pino, a level for all and others by module, secrets taken out of every message and field.
 *
 * Invariants:
 * 1. No line holds a secret (redact.ts), and each is one line.
 * 2. A log call never throws, and below its level costs one comparison; expensive fields are built only if `enabled` says so.
 * 3. The level of a module is that of its longest listed prefix at a dot: `source.s3` follows `source` unless named itself.
 */
import { pino, type Logger as PinoLogger } from 'pino';
import type { Clock } from './clock.ts';
import { DlfsError } from './errors.ts';
import { redactText, redactValue } from './redact.ts';

/** Levels from talkative to silent. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/** One of the levels. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The levels at which a line can be written. */
export type LineLevel = Exclude<LogLevel, 'silent'>;

/** Structured fields of a line; an `err` field takes an error of any kind. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What modules log to. */
export interface Logger {
  /** Steps of one request. */
  trace(message: string, fields?: LogFields): void;
  /** Decisions: fetched, evicted, retried. */
  debug(message: string, fields?: LogFields): void;
  /** What an administrator wants to know of a healthy process. */
  info(message: string, fields?: LogFields): void;
  /** What went wrong and was dealt with. */
  warn(message: string, fields?: LogFields): void;
  /** What went wrong and reached a reader. */
  error(message: string, fields?: LogFields): void;
  /** Whether a line of that level would be written. */
  enabled(level: LineLevel): boolean;
  /**
   * A logger for a part.
   * @param module appended to this one's module with a dot; empty: the same module
   * @param fields fixed fields of all its lines
   */
  child(module: string, fields?: LogFields): Logger;
}

/** Where lines go: one call a line, its newline included. A process's own stream or a rotating file. */
export interface LogSink {
  write(line: string): unknown;
}

/** How a process logs. */
export interface LogOptions {
  /** Level of modules not listed. */
  readonly level: LogLevel;
  /** Levels by module, for example `{ 'source.s3': 'debug' }`. */
  readonly modules?: Readonly<Record<string, LogLevel>>;
  /** Where lines go; owned by the caller, who flushes and closes it. */
  readonly sink: LogSink;
  /** Wall time of the lines. */
  readonly clock: Pick<Clock, 'wall'>;
}

/**
 * Parses what a `--log-level` option takes: `info`, or `info,cache=debug,source.s3=trace`.
 * @throws DlfsError `invalid-argument` for an unknown level or an empty module
 */
export function parseLogLevels(text: string): Required<Pick<LogOptions, 'level' | 'modules'>> {
  let level: LogLevel = 'info';
  const modules: Record<string, LogLevel> = {};
  for (const part of text.split(',').map((item) => item.trim())) {
    const [first = '', second] = part.split('=', 2);
    if (second === undefined) level = asLevel(first);
    else if (first !== '') modules[first] = asLevel(second);
    else throw new DlfsError('invalid-argument', `no module name in log level "${part}"`);
  }
  return { level, modules };
}

function asLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text);
  if (level !== undefined) return level;
  throw new DlfsError('invalid-argument', `unknown log level "${text}"; one of ${LOG_LEVELS.join(', ')}`);
}

/**
 * Makes the root logger of a process.
 * @returns a logger whose module is empty: modules take a child of it
 */
export function createLogger(options: LogOptions): Logger {
  const root = pino(
    {
      level: 'trace', // levels are decided per module, below
      base: null,
      timestamp: () => `,"time":"${new Date(options.clock.wall()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {}, // fields arrive as plain data
    },
    { write: (line: string) => void options.sink.write(line) },
  );
  return new PinoModuleLogger(root, options, '', {});
}

/** A logger that writes nothing: for tests, and parts that somebody uses without a process. */
export const SILENT_LOGGER: Logger = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  enabled: () => false,
  child: () => SILENT_LOGGER,
};

class PinoModuleLogger implements Logger {
  readonly #pino: PinoLogger;
  readonly #options: LogOptions;
  readonly #module: string;
  readonly #fields: LogFields;
  readonly #least: number;

  constructor(root: PinoLogger, options: LogOptions, module: string, fields: LogFields) {
    this.#pino = root;
    this.#options = options;
    this.#module = module;
    this.#fields = fields;
    this.#least = LOG_LEVELS.indexOf(levelOf(module, options));
  }

  trace(message: string, fields?: LogFields): void {
    this.#write('trace', message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    this.#write('debug', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#write('info', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#write('warn', message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#write('error', message, fields);
  }

  enabled(level: LineLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= this.#least;
  }

  child(module: string, fields: LogFields = {}): Logger {
    const name = [this.#module, module].filter((part) => part !== '').join('.');
    return new PinoModuleLogger(this.#pino, this.#options, name, { ...this.#fields, ...fields });
  }

  #write(level: LineLevel, message: string, fields: LogFields | undefined): void {
    if (!this.enabled(level)) return;
    try {
      const plain = redactValue({ ...this.#fields, ...fields }) as Record<string, unknown>;
      const module = this.#module === '' ? {} : { module: this.#module };
      this.#pino[level]({ ...module, ...plain }, redactText(message));
    } catch {
      // A sink that fails must not fail the caller (invariant 2); there is nowhere left to say it.
    }
  }
}

/** Invariant 3. */
function levelOf(module: string, options: LogOptions): LogLevel {
  for (let prefix = module; prefix !== ''; prefix = prefix.slice(0, Math.max(prefix.lastIndexOf('.'), 0))) {
    const level = options.modules?.[prefix];
    if (level !== undefined) return level;
  }
  return options.level;
}
