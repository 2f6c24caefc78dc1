/**
 * One stream of candidates for eviction out of many: the coldest of all datasets, in the order of their last use.
 *
 * A dataset's own stream costs a look into its index, so it is begun only when its turn may have come. When that is, its last known
 * coldest tells: uses only move forward, so what was the time of the coldest once is a lower bound for ever.
 *
 * Invariants:
 * 1. Sources whose bound lies above what is taken are never read.
 * 2. Candidates come in the order of their last use, as far as each source's do.
 */
import type { EvictionCandidate } from './eviction.ts';

/** No candidate of a source was used before this, on the scale of `lastUsed`; moved forward as it is merged. */
export interface ColdBound {
  at: number;
}

/** One dataset's candidates. */
export interface ColdSource<Candidate extends EvictionCandidate = EvictionCandidate> {
  readonly bound: ColdBound;
  /** Coldest first, lazily. */
  candidates(): Iterator<Candidate>;
}

interface Head<Candidate extends EvictionCandidate> {
  readonly source: ColdSource<Candidate>;
  /** Null: not begun. */
  stream: Iterator<Candidate> | null;
  /** Null: the next is not read yet, and `at` is a bound. */
  next: Candidate | null;
  at: number;
}

/**
 * Merges.
 * @param now the time of a use from here on: what an empty source's first candidate will have at least
 */
export function* mergeColdest<Candidate extends EvictionCandidate>(
  sources: Iterable<ColdSource<Candidate>>,
  now: number,
): Generator<Candidate, void, undefined> {
  const heads = new Heap<Candidate>();
  for (const source of sources) heads.push({ source, stream: null, next: null, at: source.bound.at });
  for (let head = heads.pop(); head !== null; head = heads.pop()) {
    if (head.next !== null) {
      yield head.next;
      head.next = null;
      heads.push(head);
      continue;
    }
    const isFirst = head.stream === null;
    head.stream ??= head.source.candidates();
    const step = head.stream.next();
    const { bound } = head.source;
    if (isFirst) bound.at = step.done === true ? now : Math.max(bound.at, step.value.lastUsed);
    if (step.done === true) continue;
    head.next = step.value;
    // A source's superseded versions come last, whenever they were used.
    head.at = Math.max(head.at, step.value.lastUsed);
    heads.push(head);
  }
}

/** A binary heap by `at`, the smallest on top. */
class Heap<Candidate extends EvictionCandidate> {
  readonly #items: Head<Candidate>[] = [];

  push(item: Head<Candidate>): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = items[above];
      if (parent === undefined || parent.at <= item.at) break;
      items[at] = parent;
      at = above;
    }
    items[at] = item;
  }

  pop(): Head<Candidate> | null {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined) return null;
    if (items.length > 0) this.#sink(last);
    return top;
  }

  #sink(item: Head<Candidate>): void {
    const items = this.#items;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      const right = items[below + 1];
      let child = items[below];
      if (child === undefined) break;
      if (right !== undefined && right.at < child.at) {
        below += 1;
        child = right;
      }
      if (child.at >= item.at) break;
      items[at] = child;
      at = below;
    }
    items[at] = item;
  }
}
