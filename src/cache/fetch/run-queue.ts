/**
 * Planned runs that wait for their start: by priority, each in the order in which it came.
 *
 * Invariants:
 * 1. `first` is of the highest priority that waits: demand, then readahead, then what jobs fill, then what a scrub repairs.
 * 2. At most `MAX_READAHEAD` readahead runs wait; the oldest wish goes, since its reader has moved on. Jobs bound their own.
 * 3. Looking at one object's runs costs that object's runs, not the queue.
 */
import { FETCH_PRIORITIES, type FetchPriority } from '../policy/runs.ts';
import type { BlockRange } from '../policy/geometry.ts';

/** A run of an object that waits. */
export interface QueuedRun extends BlockRange {
  readonly ino: number;
  readonly priority: FetchPriority;
  /** Nothing that was used since then, on the wall clock, leaves the cache for its sake; left out: no such limit. */
  readonly spareSince?: number;
}

const MAX_READAHEAD = 512;

/** See the file's header. */
export class RunQueue {
  readonly #waiting: Readonly<Record<FetchPriority, Set<QueuedRun>>> = {
    demand: new Set(),
    readahead: new Set(),
    fill: new Set(),
    scrub: new Set(),
  };
  readonly #byIno = new Map<number, Set<QueuedRun>>();

  get size(): number {
    return FETCH_PRIORITIES.reduce((sum, priority) => sum + this.#waiting[priority].size, 0);
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
    const { readahead } = this.#waiting;
    if (run.priority === 'readahead' && readahead.size >= MAX_READAHEAD) {
      for (const oldest of readahead) {
        this.#remove(oldest);
        break;
      }
    }
    this.#waiting[run.priority].add(run);
    const runs = this.#byIno.get(run.ino);
    if (runs === undefined) this.#byIno.set(run.ino, new Set([run]));
    else runs.add(run);
  }

  /** The run to start next; null for none. */
  first(): QueuedRun | null {
    for (const priority of FETCH_PRIORITIES) for (const run of this.#waiting[priority]) return run;
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
    const queue = this.#waiting[run.priority];
    const behind = [...queue].slice(1);
    this.#remove(run);
    queue.clear();
    const rest = { ...run, first: run.first + blocks, count: run.count - blocks };
    for (const one of [{ ...run, count: blocks }, rest]) this.push(one);
    for (const one of behind) queue.add(one);
  }

  /** Takes the object's runs out that `matches`, demanded ones excepted. */
  take(ino: number, matches: (run: QueuedRun) => boolean): QueuedRun[] {
    const taken = [...this.of(ino)].filter((run) => run.priority !== 'demand' && matches(run));
    for (const run of taken) this.#remove(run);
    return taken;
  }

  /** Takes the object's readahead runs out that `matches`. */
  takeReadahead(ino: number, matches: (run: QueuedRun) => boolean): QueuedRun[] {
    return this.take(ino, (run) => run.priority === 'readahead' && matches(run));
  }

  #remove(run: QueuedRun): void {
    this.#waiting[run.priority].delete(run);
    const runs = this.#byIno.get(run.ino);
    runs?.delete(run);
    if (runs?.size === 0) this.#byIno.delete(run.ino);
  }
}
