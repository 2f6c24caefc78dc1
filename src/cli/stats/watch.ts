/**
 * A screen that is drawn over and over until it is told to end: q, Ctrl-C, or a signal.
 *
 * How it works: the terminal's alternate screen (xterm's `?1049h`), so that what was there comes back. Each drawing goes to the
 * top left and overwrites line by line, which does not flicker. A daemon that does not answer is said in place of the screen, and asked again: it
 * may be restarting.
 *
 * Invariants:
 * 1. Whatever ends it, the terminal is as it was: the main screen, the cursor, the mode of its keys.
 */
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Context } from '../context.ts';
import type { ScreenSize } from './screen.ts';

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/** What is drawn. */
export interface Watched<T> {
  readonly ask: (signal: AbortSignal) => Promise<T>;
  /** At most `size.rows` lines, none wider than `size.columns`. */
  readonly draw: (value: T, size: ScreenSize) => readonly string[];
  /** Milliseconds from one to the next. */
  readonly every: number;
}

/** Draws until told to end. */
export async function watchScreen<T>({ ask, draw, every }: Watched<T>, { output, clock }: Context): Promise<void> {
  using stop = new StopKeys();
  output.write(ENTER);
  try {
    for (let value: T | null = null; !stop.signal.aborted;) {
      let lines: readonly string[];
      const { columns, rows } = output.size();
      try {
        value = await ask(stop.signal);
        lines = draw(value, { columns, rows: rows - 1 });
      } catch (thrown) {
        if (stop.isTold()) return;
        const error = DlfsError.from(thrown);
        if (error.code !== 'no-daemon' && error.code !== 'timeout') throw error;
        lines = [error.describe().slice(0, columns)];
      }
      const foot = 'q: quit'.slice(0, columns);
      output.write(
        `${HOME}${[...lines.slice(0, Math.max(0, rows - 1)), foot].map((line) => line + CLEAR_LINE).join('\r\n')}${CLEAR_BELOW}`,
      );
      await stop.pause(every, clock);
    }
  } finally {
    output.write(LEAVE);
  }
}

/** The keys and signals that end it. */
class StopKeys implements Disposable {
  readonly #abort = new AbortController();
  readonly #raw: boolean;
  readonly #onKey = (key: Buffer): void => {
    // Raw keys: Ctrl-C and Ctrl-D are bytes 3 and 4.
    if (['q', 'Q', '\u0003', '\u0004', '\u001b'].includes(key.toString('latin1'))) this.#end();
  };
  readonly #onSignal = (): void => {
    this.#end();
  };

  constructor() {
    const { stdin } = process;
    this.#raw = stdin.isTTY;
    if (this.#raw) stdin.setRawMode(true);
    if (this.#raw) stdin.on('data', this.#onKey);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** A function, because the compiler takes a signal that was not aborted for one that never will be. */
  isTold(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Waits so many milliseconds, or until it is told to end. */
  async pause(millis: number, clock: Pick<Clock, 'sleep'>): Promise<void> {
    try {
      await clock.sleep(millis, this.#abort.signal);
    } catch (thrown) {
      if (!this.isTold()) throw thrown;
    }
  }

  #end(): void {
    this.#abort.abort();
  }

  [Symbol.dispose](): void {
    const { stdin } = process;
    if (this.#raw) {
      stdin.off('data', this.#onKey);
      stdin.setRawMode(false);
      stdin.pause();
    }
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, this.#onSignal);
  }
}
