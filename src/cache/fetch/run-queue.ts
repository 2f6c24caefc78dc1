/**
 * Planned runs that wait for their start: demand before readahead, each in the order in which it came.
 *
 * Invariants:
 * 1. `first` is a demanded run as long as there is one.
 * 2. At most `MAX_READAHEAD` readahead runs wait; the oldest wish goes, since its reader has moved on.
 * 3. Looking at one object's runs costs that object's runs, not the queue.
 */
import type { FetchPriority } from '../policy/runs.ts';
import type { BlockRange } from '../policy/geometry.ts';

/** A run of an object that waits. */
export interface QueuedRun extends BlockRange {
  readonly ino: number;
  readonly priority: FetchPriority;
}

const MAX_READAHEAD = 512;

/** See the file's header. */
export class RunQueue {
  readonly #demand = new Set<QueuedRun>();
  readonly #readahead = new Set<QueuedRun>();
  readonly #byIno = new Map<number, Set<QueuedRun>>();

  get size(): number {
    return this.#demand.size + this.#readahead.size;
  }

  /** Whether a run of the object waits. */
  has(ino: number): boolean {
    return this.#byIno.has(ino);
  }

  /** The object's waiting runs. */
  of(ino: number): Iterable<QueuedRun> {
    return this.#byIno.get(ino) ?? [];
  }

  push(run: QueuedRun): void {
    if (run.priority === 'readahead' && this.#readahead.size >= MAX_READAHEAD) {
      for (const oldest of this.#readahead) {
        this.#remove(oldest);
        break;
      }
    }
    (run.priority === 'demand' ? this.#demand : this.#readahead).add(run);
    const runs = this.#byIno.get(run.ino);
    if (runs === undefined) this.#byIno.set(run.ino, new Set([run]));
    else runs.add(run);
  }

  /** The run to start next; null for none. */
  first(): QueuedRun | null {
    for (const run of this.#demand) return run;
    for (const run of this.#readahead) return run;
    return null;
  }

  /** Takes the first one out. */
  shift(): void {
    const run = this.first();
    if (run !== null) this.#remove(run);
  }

  /** Cuts the first one in two: it keeps so many blocks, the rest comes next. */
  cutFirst(blocks: number): void {
    const run = this.first();
    if (run === null || run.count <= blocks) return;
    const queue = run.priority === 'demand' ? this.#demand : this.#readahead;
    const behind = [...queue].slice(1);
    this.#remove(run);
    queue.clear();
    const rest = { ...run, first: run.first + blocks, count: run.count - blocks };
    for (const one of [{ ...run, count: blocks }, rest]) this.push(one);
    for (const one of behind) queue.add(one);
  }

  /** Takes the object's readahead runs out that `matches`. */
  takeReadahead(ino: number, matches: (run: QueuedRun) => boolean): QueuedRun[] {
    const taken = [...this.of(ino)].filter((run) => run.priority === 'readahead' && matches(run));
    for (const run of taken) this.#remove(run);
    return taken;
  }

  #remove(run: QueuedRun): void {
    this.#demand.delete(run);
    this.#readahead.delete(run);
    const runs = this.#byIno.get(run.ino);
    runs?.delete(run);
    if (runs?.size === 0) this.#byIno.delete(run.ino);
  }
}
