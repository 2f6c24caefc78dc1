/**
 * Attributes and mount options in the forms that fuse-native and libfuse 2 take.
 *
 * Invariants:
 * 1. Nothing is cut off silently that a program could rely on: options that do not fit are refused, totals that do not fit into
 *    32 bits are told in larger blocks. What does not fit otherwise is said in docs/SEMANTICS.md, chapter 8.
 */
import { DlfsError } from '../../../base/errors.ts';
import type { FileSystemTotals } from '../../names/names.ts';
import { ATTR_TTL, ENTRY_TTL, type MountWish } from '../transport.ts';
import { MAX_TEXT } from './addon.ts';

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const TWO_32 = 2 ** 32;
/** st_blksize, as the native transport has it. */
const BLKSIZE = 2 ** 20;
const NAMELEN = 255;

/**
 * Requests in the background. libfuse ends a thread where more than ten are idle and makes another for the next burst, and the addon
 * leaves a wake-up handle behind for each, which the event loop looks at from then on every time it is woken: with 128 requests a
 * read from the cache disk took three times as long after some ten gigabytes.
 */
const MAX_BACKGROUND = 8;
const CONGESTION_THRESHOLD = 6;
const MAX_READAHEAD = 16 * 1024 * 1024;

/** Characters of the source that the mount table shows: the rest of the options must fit behind it. */
const MAX_SOURCE = 300;

/** Owner and modes of all files and directories. */
export type Ownership = Pick<MountWish, 'uid' | 'gid' | 'fileMode' | 'dirMode'>;

/** What stat(2) is told of: a `NodeRow` or an `EntryRow`. */
export interface Attributes {
  readonly ino: number;
  readonly dir: boolean | 0 | 1;
  readonly size: number;
  readonly mtimeMs: number;
}

/** What stat(2) tells, where there is a node; zeros otherwise. Eighteen integers, as fuse-native's `populate_stat` reads them. */
export function statOf(node: Attributes | null, own: Ownership): Uint32Array {
  const out = new Uint32Array(18);
  if (node === null) return out;
  const isDirectory = node.dir === true || node.dir === 1;
  const size = isDirectory ? 0 : node.size;
  out[0] = isDirectory ? S_IFDIR | own.dirMode : S_IFREG | own.fileMode;
  out[1] = own.uid;
  out[2] = own.gid;
  put64(out, 3, size);
  out[6] = 1; // links
  out[7] = node.ino;
  out[9] = BLKSIZE;
  put64(out, 10, Math.ceil(size / 512));
  for (const at of [12, 14, 16]) put64(out, at, Math.max(0, node.mtimeMs));
  return out;
}

/** What statfs(2) tells: eleven integers, as fuse-native's `populate_statvfs` reads them. */
export function statvfsOf({ blockSize, blocks, files }: FileSystemTotals): Uint32Array {
  const out = new Uint32Array(11);
  let unit = blockSize;
  let count = blocks;
  for (; count >= TWO_32; unit *= 2) count = Math.ceil(count / 2);
  out[0] = out[1] = unit;
  out[2] = count;
  out[5] = Math.min(files, TWO_32 - 1);
  out[10] = NAMELEN;
  return out;
}

/**
 * The options of fuse_mount(3) as one text.
 * @throws DlfsError `invalid-argument` where the addon would cut it off
 */
export function mountOptions(wish: Pick<MountWish, 'source'>): string {
  const options = [
    ...['ro', 'nosuid', 'nodev', 'noatime', 'allow_other', 'default_permissions'],
    // Names stand for the same version as long as the mount lives: pages stay good when a file is opened again.
    ...['kernel_cache', `entry_timeout=${ENTRY_TTL}`, `attr_timeout=${ATTR_TTL}`],
    ...['use_ino', `max_readahead=${MAX_READAHEAD}`],
    ...[`max_background=${MAX_BACKGROUND}`, `congestion_threshold=${CONGESTION_THRESHOLD}`],
    ...['subtype=dlfs', `fsname=${escaped(shortened(wish.source))}`],
  ];
  const text = `-o${options.join(',')}`;
  if (Buffer.byteLength(text) > MAX_TEXT) throw new DlfsError('invalid-argument', 'the source has too long a name');
  return text;
}

/** libfuse takes a backslash for "the next character as it is". */
function escaped(text: string): string {
  return text.replace(/[\\,]/g, (character) => `\\${character}`);
}

function shortened(source: string): string {
  if (Buffer.byteLength(source) <= MAX_SOURCE) return source;
  let cut = '';
  for (const character of source) {
    if (Buffer.byteLength(cut) + Buffer.byteLength(character) > MAX_SOURCE) break;
    cut += character;
  }
  return cut;
}

function put64(out: Uint32Array, at: number, value: number): void {
  out[at] = value % TWO_32;
  out[at + 1] = Math.floor(value / TWO_32);
}
