/**
 * The last lines of the log in memory, for those who ask the process instead of its file; and the lines to come.
 *
 * Invariants:
 * 1. Bounded: the oldest lines go; a follower that does not keep up loses the oldest of its own and is told how many.
 * 2. Writing never waits for a follower.
 */
import { LOG_LEVELS, type LogLevel, type LogSink } from '../../base/log.ts';
import type { LogLine } from '../api/contract/answers.ts';

/** Lines kept, of at most so many characters each. */
const KEPT = 5000;
const MAX_LINE = 16_384;
/** Characters of the message of a longer one. */
const MAX_MESSAGE = 4096;
/** Lines that wait for a follower. */
const WAITING = 1000;

/** Which lines are wanted. */
export interface LogQuery {
  /** This level and above. */
  readonly level: LogLevel;
  /** Full name of a dataset; null: all lines. */
  readonly dataset: string | null;
  /** How many of those that are there. */
  readonly lines: number;
  /** Whether those to come are wanted, too. */
  readonly follow: boolean;
}

/** A sink that remembers, before another one. */
export class LogTail implements LogSink {
  readonly #next: LogSink;
  readonly #lines: string[] = [];
  readonly #followers = new Set<(line: string) => void>();

  /** @param next where the lines go on to */
  constructor(next: LogSink) {
    this.#next = next;
  }

  write(line: string): unknown {
    this.#lines.push(line.length <= MAX_LINE ? line : shortened(line));
    if (this.#lines.length > KEPT) this.#lines.shift();
    for (const follower of this.#followers) follower(line);
    return this.#next.write(line);
  }

  /**
   * The lines that are wanted; with `follow`, then a null, and those to come until `signal` is aborted.
   * Lines that are none of ours are passed over.
   */
  async *read(query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine | null, void, void> {
    const wanted = (line: string): LogLine | null => {
      const parsed = parseLine(line);
      if (parsed === null || LOG_LEVELS.indexOf(parsed.level as LogLevel) < LOG_LEVELS.indexOf(query.level))
        return null;
      return query.dataset === null || parsed.dataset === query.dataset ? parsed : null;
    };
    const waiting: LogLine[] = [];
    let lost = 0;
    let wake = Promise.withResolvers<undefined>();
    const follower = (line: string): void => {
      const parsed = wanted(line);
      if (parsed === null) return;
      waiting.push(parsed);
      if (waiting.length > WAITING) {
        waiting.shift();
        lost += 1;
      }
      wake.resolve(undefined);
    };
    const onAbort = (): void => wake.resolve(undefined);
    // Before the old lines are handed out: none may fall between.
    if (query.follow) this.#followers.add(follower);
    signal.addEventListener('abort', onAbort);
    try {
      const old = this.#lines.map(wanted).filter((line) => line !== null);
      yield* query.lines === 0 ? [] : old.slice(-query.lines);
      // A quiet log still begins its answer: a client's limit is on the beginning.
      if (query.follow) yield null;
      while (query.follow && !signal.aborted) {
        await wake.promise;
        wake = Promise.withResolvers();
        if (lost > 0) yield lostLine(lost, waiting[0]?.at ?? 0);
        lost = 0;
        yield* waiting.splice(0);
      }
    } finally {
      this.#followers.delete(follower);
      signal.removeEventListener('abort', onAbort);
    }
  }
}

/** Its head, without the fields; a copy, since a slice would keep the whole line in memory. */
function shortened(line: string): string {
  const parsed = parseLine(line);
  if (parsed === null) return '';
  const { at, level, module, dataset, message } = parsed;
  const head = Buffer.from(message.slice(0, MAX_MESSAGE)).toString();
  const fields = { level, time: new Date(at).toISOString(), module, ...(dataset === null ? {} : { dataset }) };
  return JSON.stringify({ ...fields, msg: `${head} … (cut)` });
}

function parseLine(line: string): LogLine | null {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null;
  }
  const { level, time, module = '', dataset = null, msg, ...fields } = value;
  if (typeof level !== 'string' || typeof time !== 'string' || typeof msg !== 'string') return null;
  return {
    at: Date.parse(time),
    level,
    module: typeof module === 'string' ? module : '',
    dataset: typeof dataset === 'string' ? dataset : null,
    message: msg,
    fields,
  };
}

function lostLine(lost: number, at: number): LogLine {
  const message = `${lost} lines are left out: the reader was too slow`;
  return { at, level: 'warn', module: 'log', dataset: null, message, fields: {} };
}
