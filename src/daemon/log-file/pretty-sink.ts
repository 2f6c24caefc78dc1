/**
 * Log lines for people at a terminal: `12:34:56.789 WARN  source.s3  message  key=value`.
 *
 * Invariants:
 * 1. One line in gives one line out; what is not a log line passes as it is.
 * 2. No byte of a field reaches the terminal as a control character.
 */
import type { LogSink } from '../../base/log.ts';

/** Colours by level (ECMA-48 SGR); the message itself stays in the terminal's own. */
const COLOURS: Readonly<Record<string, string>> = { trace: '2', debug: '2', info: '32', warn: '33', error: '31' };

/** Turns JSON log lines into text. */
export class PrettySink implements LogSink {
  readonly #out: LogSink;
  readonly #colour: boolean;

  /** @param colour whether the terminal shows colours and the user wants them */
  constructor(out: LogSink, colour: boolean) {
    this.#out = out;
    this.#colour = colour;
  }

  write(line: string): void {
    this.#out.write(prettyLine(line, this.#colour));
  }
}

/** One JSON log line as text, its newline included. */
export function prettyLine(line: string, colour: boolean): string {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { level, time, module, msg, ...fields } = parsed;
  const name = text(level);
  const shownLevel = name.toUpperCase().padEnd(5);
  const parts = [
    text(time).slice(11, 23),
    colour ? `\u001b[${COLOURS[name] ?? '0'}m${shownLevel}\u001b[0m` : shownLevel,
    ...(module === undefined ? [] : [`${text(module)}:`]),
    text(msg),
    ...Object.entries(fields).map(([key, value]) => `${key}=${fieldText(value)}`),
  ];
  return `${parts.join(' ')}\n`;
}

function fieldText(value: unknown): string {
  const message = typeof value === 'object' && value !== null ? (value as { message?: unknown }).message : undefined;
  return typeof message === 'string'
    ? JSON.stringify(message)
    : text(typeof value === 'string' ? value : JSON.stringify(value));
}

function text(value: unknown): string {
  // eslint-disable-next-line no-control-regex -- control characters are what this takes out
  return (typeof value === 'string' ? value : '').replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}
