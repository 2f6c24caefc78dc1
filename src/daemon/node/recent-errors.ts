/**
 * The last lines of trouble of a dataset, for whoever asks what is wrong with it.
 *
 * Invariants:
 * 1. Bounded: the oldest goes; the same message in a row is counted, not repeated.
 * 2. What is kept has been cleaned of secrets as the log's lines are.
 */
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import { isErrorCode } from '../../base/errors/code.ts';
import type { LogFields, Logger } from '../../base/log.ts';
import { redactText } from '../../base/redact.ts';

/** One line. */
export interface RecentError {
  /** When it was logged last, milliseconds since 1970. */
  readonly at: number;
  readonly level: 'warn' | 'error';
  /** The module that said it. */
  readonly module: string;
  readonly message: string;
  /** The error's code, where it has one. */
  readonly code: string | null;
  /** How often in a row. */
  readonly count: number;
}

/** Lines kept. */
const KEPT = 50;
/** Characters of a message. */
const MAX_MESSAGE = 1000;

/** See the file's header. */
export class RecentErrors {
  readonly #clock: Pick<Clock, 'wall'>;
  readonly #lines: RecentError[] = [];
  readonly #byCode = new Map<string, number>();

  constructor(clock: Pick<Clock, 'wall'>) {
    this.#clock = clock;
  }

  /** The oldest first. */
  list(): readonly RecentError[] {
    return this.#lines;
  }

  /** How many there were by code, since the start; those without one aside. */
  counts(): ReadonlyMap<string, number> {
    return this.#byCode;
  }

  /** A logger that writes to `log`, and keeps what is a warning or an error. */
  recording(log: Logger, module = ''): Logger {
    const keep = (level: RecentError['level'], message: string, fields: LogFields | undefined): void => {
      log[level](message, fields);
      this.#keep(level, module, message, fields);
    };
    return {
      trace: (message, fields) => log.trace(message, fields),
      debug: (message, fields) => log.debug(message, fields),
      info: (message, fields) => log.info(message, fields),
      warn: (message, fields) => keep('warn', message, fields),
      error: (message, fields) => keep('error', message, fields),
      enabled: (level) => level === 'warn' || level === 'error' || log.enabled(level),
      child: (name, fields) =>
        this.recording(log.child(name, fields), [module, name].filter((part) => part !== '').join('.')),
    };
  }

  #keep(level: RecentError['level'], module: string, text: string, fields: LogFields | undefined): void {
    const message = redactText(text).slice(0, MAX_MESSAGE);
    const code = codeOf(fields);
    if (code !== null) this.#byCode.set(code, (this.#byCode.get(code) ?? 0) + 1);
    const last = this.#lines.at(-1);
    const at = this.#clock.wall();
    if (last?.message === message && last.module === module && last.level === level) {
      this.#lines[this.#lines.length - 1] = { ...last, at, count: last.count + 1 };
      return;
    }
    if (this.#lines.length >= KEPT) this.#lines.shift();
    this.#lines.push({ at, level, module, message, code, count: 1 });
  }
}

function codeOf(fields: LogFields | undefined): string | null {
  const { err, code } = fields ?? {};
  if (err instanceof DlfsError) return err.code;
  if (isErrorCode(code)) return code;
  const known = typeof err === 'object' && err !== null && 'code' in err ? err.code : null;
  return isErrorCode(known) ? known : null;
}
