/**
 * The tree that the table is run over.
 *
 * Sizes lie around what a block cache and a page cache cut at (4 KiB, 1 MiB), names are all that UTF-8 allows, directories
 * are chosen so that S3's order of keys and the order of names differ. A git repository, a database and a script come from
 * the programs that read them later (`assets.ts`).
 *
 * Invariants:
 * 1. The same call gives the same tree, but for the assets, whose bytes depend on the programs' versions.
 * 2. Every file has content of its own and a modification time of its own.
 */
import type { Asset } from './assets.ts';
import { fixed, generated, seedOf, type Content } from './content.ts';
import { Tree, type TreeFile } from './tree.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Files `sizes/<size>` around the places where caches cut. */
export const SIZES = [
  0,
  1,
  511,
  512,
  513,
  4095,
  4096,
  4097,
  112_640,
  MIB - 1,
  MIB,
  MIB + 1,
  3_670_016,
  40 * MIB,
] as const;

/** The path of the file of a size. */
export function sized(size: (typeof SIZES)[number]): string {
  return `sizes/${String(size)}`;
}

/** The largest file: more than any window of readahead. */
export const LARGE = sized(40 * MIB);

/** A file of several blocks whose size is no multiple of a page... */
export const UNEVEN = 'deep/er/uneven.bin';

/** ...and that size. */
export const UNEVEN_SIZE = 2 * MIB + 12_345;

/** A directory that an object of its own stands for, and nothing else. */
export const EMPTY_DIR = 'empty-dir';

/** A directory of many small files: more than a page of S3's listing (1000) and many buffers of getdents. */
export const WIDE = 'wide';

/** How many files `WIDE` holds. */
export const WIDE_COUNT = 2500;

/** Small files as a data set of images has them. */
export const SMALL = 'small';

/** A chain of directories this deep ends in a file `leaf`. */
export const DEEP = Array.from({ length: 32 }, (_, level) => `d${String(level)}`).join('/');

/** A shell script that prints its argument; its bits come from the mount's file mode. */
export const SCRIPT = 'bin/echo.sh';

/** Names in `names/` (files) and `names-dir/` (directories, each with a file `in`). */
export const NAMES: readonly string[] = [
  'plain',
  '.hidden',
  '..two',
  '...',
  ' leading and trailing ',
  'trailing.',
  '-dash',
  '--version',
  '~',
  '#',
  '%',
  '%41',
  '%2F',
  '+',
  'a+b c',
  '&amp;',
  '<tag>',
  ']]>',
  '"double"',
  "single's",
  '`tick`',
  '$HOME',
  '*',
  '?',
  '[x]',
  '{a,b}',
  'a|b;c',
  'back\\slash',
  '\\x2f',
  'new\nline',
  'tab\tstop',
  'carriage\rreturn',
  '\u0001',
  '\u001b[31mred',
  '\u007f',
  '\u0085', // a control character that XML 1.0 may normalise
  '\u00a0',
  '\u2028',
  '\ufeffbom',
  '\uffff',
  '\ufffd',
  '\u00e9', // é in one character (NFC) ...
  'e\u0301', // ... and in two (NFD): two names
  'q\u0323\u0307', // combining marks in two orders: again two names
  'q\u0307\u0323',
  '\u212b', // ANGSTROM SIGN, \u00c5 and A\u030a: three names
  '\u00c5',
  'A\u030a',
  '日本語',
  'العربية',
  '한국어',
  '\uff21', // sorts behind the emoji in UTF-16, before it in UTF-8
  '\u{1f600}',
  '👩‍👩‍👧‍👦',
  '🏳️‍🌈',
  'CON',
  'Case',
  'case',
  'x'.repeat(255),
  'é'.repeat(127) + 'y', // 255 bytes
  '\u{1f600}'.repeat(63) + 'abc', // 255 bytes
];

/** Paths in `order/` whose keys sort differently from their names: `-` and `.` come before `/`, `0` after it. */
const ORDER = ['a/x', 'a-/x', 'a-x', 'a.b', 'a0', 'a/y/z', 'a!/x', 'ab', 'A', '\uff21/x', '\u{1f600}/x'];

const FIRST_TIME = Date.UTC(2019, 4, 6, 7, 8, 9);

/**
 * The tree; see the file's header.
 * @param assets what `makeAssets` built; their paths are relative to the root
 * @param version another version has other bytes in every generated file, under the same names and sizes
 */
export function standardTree(assets: readonly Asset[], version = 0): Tree {
  const files: TreeFile[] = [];
  const add = (path: string, content: Content): void => {
    files.push({ path, content, mtimeMs: FIRST_TIME + files.length * 61_000 });
  };
  const make = (path: string, size: number): void => {
    add(path, generated(seedOf(`${String(version)}:${path}`), size));
  };

  for (const size of SIZES) make(sized(size), size);
  make(UNEVEN, UNEVEN_SIZE);
  make(`${DEEP}/leaf`, 77);
  for (const [i, name] of NAMES.entries()) {
    make(`names/${name}`, 10 + i);
    make(`names-dir/${name}/in`, 20 + i);
  }
  for (const path of ORDER) make(`order/${path}`, 5);
  for (let i = 0; i < WIDE_COUNT; i++) make(`${WIDE}/${String(i).padStart(6, '0')}.txt`, i % 300);
  for (let i = 0; i < 40; i++) make(`${SMALL}/${String(i % 4)}/${String(i)}.jpg`, 110_000 + i);
  add(SCRIPT, fixed(Buffer.from('#!/bin/sh\nprintf "%s" "$1"\n')));
  for (const { path, bytes } of assets) if (bytes !== null) add(path, fixed(bytes));

  const markers = assets.filter(({ bytes }) => bytes === null).map(({ path }) => path);
  return new Tree(files, [EMPTY_DIR, 'marked', ...markers, ...['marked/a', 'marked/a/b']]);
}
