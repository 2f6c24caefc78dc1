/**
 * Which processes hold a mount busy.
 *
 * Reads the texts of links and tables below /proc: working directories, roots, programs, descriptors and mapped files. The kernel
 * composes those texts from names that it holds; the mount is not asked.
 *
 * Invariants:
 * 1. No path that a link names is ever opened or looked at.
 * 2. A process that ends meanwhile, or that this user may not look into, is left out.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { isWithin } from '../mountinfo.ts';

/** One process that holds something below a directory. */
export interface Holder {
  readonly pid: number;
  /** The program's short name. */
  readonly name: string;
  /** What it holds, for example `working directory` or a path. */
  readonly what: string;
}

/** Names that a sentence lists; a shell script may have dozens of children. */
const HOLDERS_NAMED = 5;

/** For people: `bash[12] (working directory), cp[13] (open file /m/x), …`. */
export function describeHolders(holders: readonly Holder[]): string {
  const named = holders.slice(0, HOLDERS_NAMED).map(({ pid, name, what }) => `${name}[${pid}] (${what})`);
  const more = holders.length - named.length;
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/**
 * Finds who holds a mount.
 * @param dir absolute, without symbolic links
 * @param limit how many are enough
 */
export async function holdersOf(dir: string, limit = 20): Promise<Holder[]> {
  const holders: Holder[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry) || holders.length >= limit) continue;
    const what = await heldBy(`/proc/${entry}`, dir).catch(() => null);
    if (what === null) continue;
    const name = await readFile(`/proc/${entry}/comm`, 'utf8').catch(() => '?');
    holders.push({ pid: Number(entry), name: name.trim(), what });
  }
  return holders;
}

async function heldBy(process: string, dir: string): Promise<string | null> {
  if (await leadsInto(`${process}/cwd`, dir)) return 'working directory';
  if (await leadsInto(`${process}/root`, dir)) return 'root directory';
  if (await leadsInto(`${process}/exe`, dir)) return 'program';
  for (const fd of await readdir(`${process}/fd`)) {
    if (await leadsInto(`${process}/fd/${fd}`, dir)) return `open file ${await readlink(`${process}/fd/${fd}`)}`;
  }
  // address perms offset device inode path; last, because reading it waits for the process's own page faults.
  for (const line of (await readFile(`${process}/maps`, 'utf8')).split('\n')) {
    const path = /^\S+ \S+ \S+ \S+ \d+ +(\/.*)$/.exec(line)?.[1];
    if (path !== undefined && isWithin(path, dir)) return `mapped file ${path}`;
  }
  return null;
}

async function leadsInto(link: string, dir: string): Promise<boolean> {
  try {
    return isWithin(await readlink(link), dir);
  } catch {
    return false;
  }
}
