/**
 * What the data plane has of an object's blocks, asked for where it is looked at: two readers at the ends of an object of
 * millions of blocks are two looks, not one at all that lies between.
 *
 * Invariants:
 * 1. Valid for one turn: nothing is kept beyond it.
 */
import { BLOCK_STATE, type Engine } from '../../native/binding.ts';

/** Blocks of one look: those that a plan looks at lie near each other. */
const PAGE = 64;

/** See the file's header. */
export class BlockStates {
  readonly #pages = new Map<number, Uint8Array>();
  readonly #ask: (first: number, out: Uint8Array) => void;

  constructor(engine: Pick<Engine, 'states'>, volume: number, ino: number) {
    this.#ask = (first, out) => {
      engine.states(volume, ino, first, out);
    };
  }

  /** A `BLOCK_STATE`. @param block ≥ 0; behind the object's end: absent */
  of(block: number): number {
    const number = Math.floor(block / PAGE);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = new Uint8Array(PAGE);
      this.#ask(number * PAGE, page);
      this.#pages.set(number, page);
    }
    return page[block % PAGE] ?? BLOCK_STATE.absent;
  }
}
