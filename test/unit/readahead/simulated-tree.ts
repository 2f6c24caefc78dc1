/**
 * A simulated tree of directories under prefetch: what a reader's accesses make the daemon hear, and what the guesses came to.
 *
 * A read of a file that is there without a mark is heard by nobody; a mark is heard once. What is prefetched is there at once.
 */
import { DirectoryReadahead, type DirectoryOptions, type PrefetchStats } from '../../../src/fs/readahead/directory.ts';
import type { DirectoryLookups, Sibling } from '../../../src/fs/readahead/walk.ts';

/** A file and its directory. */
export interface TreeFile extends Sibling {
  readonly dir: number;
}

/** Who reads which file. */
export type Access = readonly [pid: number, file: TreeFile];

/** What the accesses came to. */
export interface TreeResult {
  readonly misses: number;
  readonly prefetched: number;
  /** Prefetched and never read. */
  readonly unread: number;
  readonly cancelled: number;
  readonly lookups: number;
  readonly stats: PrefetchStats;
}

/** Directories in order, their files in name order; inos rise as a listing hands them out. */
export class SimulatedTree {
  readonly directories: readonly { readonly dir: number; readonly files: readonly TreeFile[] }[];
  readonly #place = new Map<number, number>();

  constructor(directories: number, filesEach: number, size = 110_000) {
    let ino = 2;
    this.directories = Array.from({ length: directories }, (_, index) => {
      const dir = ino++;
      this.#place.set(dir, index);
      const files = Array.from({ length: filesEach }, (__, file) => ({
        ino: ino++,
        name: String(file).padStart(6, '0'),
        size,
        dir,
      }));
      return { dir, files };
    });
  }

  /** All files, directory by directory. */
  get files(): TreeFile[] {
    return this.directories.flatMap(({ files }) => files);
  }

  after(dir: number, name: string, limit: number): readonly TreeFile[] {
    const files = this.directories[this.#place.get(dir) ?? -1]?.files ?? [];
    const first = name === '' ? 0 : Number(name) + 1;
    return files.slice(first, first + limit);
  }

  nextDirectory(dir: number): number | null {
    return this.directories[(this.#place.get(dir) ?? Infinity) + 1]?.dir ?? null;
  }
}

/** Lets `accesses` happen in their order; each takes `pace` milliseconds. */
export function readTree(
  tree: SimulatedTree,
  accesses: readonly Access[],
  options: DirectoryOptions & { readonly crossing?: boolean; readonly pace?: number } = {},
): TreeResult {
  const present = new Set<number>();
  const marks = new Set<number>();
  const read = new Set<number>();
  let [misses, prefetched, cancelled, lookups, now] = [0, 0, 0, 0, 0];
  const base: DirectoryLookups = {
    after: (dir, name, limit) => {
      lookups += 1;
      return tree.after(dir, name, limit);
    },
    resident: (ino) => present.has(ino),
  };
  const crossing = options.crossing ?? true;
  const policy = new DirectoryReadahead(
    crossing ? { ...base, nextDirectory: (dir) => tree.nextDirectory(dir) } : base,
    options,
  );
  for (const [pid, file] of accesses) {
    now += options.pace ?? 0.2;
    read.add(file.ino);
    const marked = marks.delete(file.ino);
    if (present.has(file.ino) && !marked) continue;
    if (!present.has(file.ino)) misses += 1;
    present.add(file.ino);
    const step = policy.on({ pid, dir: file.dir, file, now });
    cancelled += step.cancel.length;
    for (const next of step.prefetch) {
      if (next.bytes > 0) {
        prefetched += 1;
        present.add(next.ino);
      }
      marks.add(next.ino);
    }
  }
  const unread = [...present].filter((ino) => !read.has(ino)).length;
  return { misses, prefetched, unread, cancelled, lookups, stats: policy.stats() };
}

/** All accesses by one pid. */
export function by(pid: number, files: readonly TreeFile[]): Access[] {
  return files.map((file) => [pid, file] as const);
}

/**
 * Files as the workers of a loader read them: batch k goes to worker k mod n, and at most two batches a worker are begun beyond the
 * oldest unfinished one (PyTorch's DataLoader with its default prefetch factor).
 */
export function byLoader(files: readonly TreeFile[], workers: number, batch: number, random: () => number): Access[] {
  const batches = Math.ceil(files.length / batch);
  const sizeOf = (index: number): number => Math.min(batch, files.length - index * batch);
  const done = new Array<number>(batches).fill(0);
  const current = Array.from({ length: workers }, (_, worker) => worker);
  const accesses: Access[] = [];
  for (let finished = 0; finished < batches;) {
    const worker = Math.floor(random() * workers);
    const index = current[worker]!;
    if (index < batches && index < finished + 2 * workers) {
      accesses.push([worker, files[index * batch + done[index]!]!]);
      done[index]! += 1;
      if (done[index] === sizeOf(index)) current[worker] = index + workers;
    }
    while (finished < batches && done[finished] === sizeOf(finished)) finished += 1;
  }
  return accesses;
}
