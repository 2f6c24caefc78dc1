/**
 * Progress of a step: a bar on a terminal, a line every few seconds elsewhere.
 */
import { SingleBar } from 'cli-progress';

/** Between two lines where there is no terminal. */
const LINE_MS = 3000;

/** Width of a step's name. */
const NAME_WIDTH = 12;

/** Shows one step from its beginning to its end; disposing ends it, with the last state left on the screen. */
export class Progress implements Disposable {
  readonly #name: string;
  readonly #total: number;
  readonly #bar: SingleBar | null;
  readonly #started = performance.now();
  #shown = performance.now();
  #last = { bytes: 0, detail: '' };

  /** @param total bytes of the whole step, ≥ 1 */
  constructor(name: string, total: number) {
    this.#name = name.padEnd(NAME_WIDTH);
    this.#total = total;
    this.#bar = process.stdout.isTTY
      ? new SingleBar({
          format: `  ${this.#name} [{bar}] {percentage}% {detail}`,
          barCompleteChar: '=',
          barIncompleteChar: ' ',
          barsize: 24,
          hideCursor: true,
          stream: process.stdout,
        })
      : null;
    this.#bar?.start(total, 0, { detail: '' });
  }

  /** @param detail a few words, for example how many files */
  update(bytes: number, detail: string): void {
    const rate = bytes / 1e6 / ((performance.now() - this.#started) / 1000);
    this.#last = { bytes, detail: `${detail}, ${rate.toFixed(0)} MB/s` };
    this.#bar?.update(bytes, { detail: this.#last.detail });
    if (this.#bar === null && performance.now() - this.#shown > LINE_MS) this.#line();
  }

  [Symbol.dispose](): void {
    if (this.#bar === null) this.#line();
    else this.#bar.stop(); // shows the cursor again
  }

  #line(): void {
    this.#shown = performance.now();
    const percent = Math.floor((100 * this.#last.bytes) / this.#total);
    process.stdout.write(`  ${this.#name} ${String(percent).padStart(3)}% ${this.#last.detail}\n`);
  }
}
