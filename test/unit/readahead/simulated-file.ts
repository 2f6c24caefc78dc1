/**
 * A simulated file under readahead: which blocks are there, which carry marks, what a reader's accesses make the daemon hear.
 *
 * A read of a resident block without a mark is heard by nobody; a mark is heard once; anything else is a miss. What is planned is
 * resident at once (`latency` 0), or after as many further reads as `latency` says, during which another read of it is a miss too.
 */
import {
  SequentialReadahead,
  type ReadaheadStep,
  type SequentialOptions,
} from '../../../src/fs/readahead/sequential.ts';

export const MIB = 1024 * 1024;

/** Who reads which block. */
export type Access = readonly [pid: number, block: number];

/** What the accesses came to. */
export interface FileResult {
  readonly misses: number;
  readonly fetched: number;
  /** Fetched and never read. */
  readonly wasted: number;
  readonly cancels: number;
  readonly steps: readonly ReadaheadStep[];
  /** The fewest blocks that lay ahead of an access in the second half of them, up to the file's end. */
  readonly leastAhead: number;
}

/** Lets `accesses` happen in their order on a file of `blocks` blocks. */
export function readFile(
  accesses: readonly Access[],
  blocks: number,
  options: Partial<SequentialOptions> & { readonly latency?: number } = {},
): FileResult {
  const readahead = new SequentialReadahead({ blockSize: MIB, ...options });
  const arrives = new Map<number, number>();
  const marks = new Set<number>();
  const read = new Set<number>();
  const steps: ReadaheadStep[] = [];
  let [misses, cancels, leastAhead] = [0, 0, Infinity];
  for (const [now, [pid, block]] of accesses.entries()) {
    read.add(block);
    const resident = (arrives.get(block) ?? Infinity) <= now;
    const kind = resident ? (marks.delete(block) ? 'mark' : null) : 'miss';
    if (kind === 'miss') misses += 1;
    if (kind !== null) {
      const step = readahead.on({ ino: 1, pid, block, blocks, kind, now });
      steps.push(step);
      cancels += step.cancel.length;
      if (step.mark !== null) marks.add(step.mark);
      for (const range of step.fetch) {
        for (let each = range.first; each < range.first + range.count; each++) {
          if (!arrives.has(each)) arrives.set(each, now + (options.latency ?? 0));
        }
      }
    }
    if (now < accesses.length / 2) continue;
    let ahead = 0;
    while (block + ahead + 1 < blocks && arrives.has(block + ahead + 1)) ahead += 1;
    if (block + ahead + 1 < blocks) leastAhead = Math.min(leastAhead, ahead);
  }
  const wasted = [...arrives.keys()].filter((block) => !read.has(block)).length;
  return { misses, fetched: arrives.size, wasted, cancels, steps, leastAhead };
}

/** Accesses of one pid to consecutive blocks. */
export function sequence(first: number, count: number, pid = 1): Access[] {
  return Array.from({ length: count }, (_, index) => [pid, first + index] as const);
}
