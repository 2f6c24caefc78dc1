/**
 * The values of a dataset's options: how each is written, its range and its default.
 *
 * A dataset is described in two places, the options of `dlfs mount` and the fields of a manifest. Both are schemas made of these
 * values, so that the same text means the same, is refused with the same words, and is left out with the same result.
 *
 * Invariants:
 * 1. Each schema takes text and gives a checked value; where a manifest may hold a number, its digits are that text.
 * 2. A default is text that its own schema takes.
 * 3. A refusal is one line that says what to write instead.
 */
import { z } from 'zod';
import { parseDuration, parseDurationOrNever } from '../base/duration.ts';
import { DlfsError } from '../base/errors.ts';
import { formatSize, parseSize } from '../base/size.ts';

/** A block holds a page at least (4 KiB); one GET at most (16 MiB). */
const MIN_BLOCK = 4096;
const MAX_BLOCK = 16 * 1024 * 1024;

/** A run under way, one being written and a few that readers hold must fit at once; less would serve nothing but waits. */
export const MIN_BLOCKS = 8;

/**
 * One READ of the kernel is a mebibyte at most and is answered whole: with less than a few of them, blocks that cannot be stored
 * would wait for each other until all of them time out.
 */
export const MIN_MEMORY = 16 * 1024 * 1024;

/** A refresh more often than once a second would be all that the origin hears. */
const MIN_REFRESH_MS = 1000;

/** The largest user id; 2^32 - 1 means "none" to the kernel. */
const MAX_ID = 2 ** 32 - 2;

/** A region's name, as it stands in signatures and host names. */
const REGION = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?$/;

/** A profile's name in the AWS configuration files: anything that fits on its section's line. */
// eslint-disable-next-line no-control-regex -- control characters are what this refuses
const PROFILE = /^[^\u0000-\u001f\u007f\]]{1,256}$/;

/** A schema that takes text. */
export type TextSchema<T> = z.ZodType<T, string>;

/**
 * A schema of a parser of ours; its refusal becomes the schema's.
 * @param parse throws a DlfsError where it cannot
 * @param refusal what is said of a value that is no text
 */
export function converted<T>(parse: (text: string) => T, refusal?: string): TextSchema<T> {
  return z.string(refusal).transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: DlfsError.from(error).message });
      return z.NEVER;
    }
  });
}

/**
 * A whole number in a range.
 * @param what stands in the refusal: `a user id`
 */
export function count(what: string, least: number, most: number): TextSchema<number> {
  return converted((text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new DlfsError('invalid-argument', `write ${what} as a whole number from ${least} to ${most}, not "${text}"`);
  });
}

/** URL of an S3 endpoint; the result is origin and path without a trailing slash. */
export const endpoint: TextSchema<string> = z.string().transform((text, context) => {
  const url = URL.parse(text);
  const wrong = whatIsWrongWith(url);
  if (url === null || wrong !== null) {
    context.addIssue({ code: 'custom', message: wrong ?? 'not a URL' });
    return z.NEVER;
  }
  return `${url.origin}${url.pathname === '/' ? '' : url.pathname.replace(/\/+$/, '')}`;
});

function whatIsWrongWith(url: URL | null): string | null {
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    return 'write a URL like https://s3.example.com or http://127.0.0.1:9000';
  }
  if (url.username !== '' || url.password !== '')
    return 'keys do not belong into the URL: use a profile or the environment';
  if (url.search !== '' || url.hash !== '') return 'a URL without "?" and "#" is needed';
  return null;
}

/** Region of a bucket. */
export const region: TextSchema<string> = z.string().regex(REGION, 'write a region like eu-central-1');

/** Name of a profile of the AWS configuration files. */
export const profile: TextSchema<string> = z.string().regex(PROFILE, 'write the name of a section of ~/.aws/config');

/** Bytes of a cache. */
export const cacheBytes: TextSchema<number> = converted(parseSize);

/** Files of a cache; Infinity: as many as there are. */
export const cacheFiles: TextSchema<number> = converted((text) =>
  text === 'unlimited' ? Infinity : Number(text),
).refine(
  (files) => files === Infinity || (Number.isSafeInteger(files) && files >= 1),
  'write a whole number ≥ 1, or unlimited',
);

/** Unit of fetching and caching, bytes. */
export const blockSize: TextSchema<number> = converted((text) => {
  const value = parseSize(text);
  const powerOfTwo = value > 0 && Number.isInteger(Math.log2(value));
  if (powerOfTwo && value >= MIN_BLOCK && value <= MAX_BLOCK) return value;
  throw new DlfsError(
    'invalid-argument',
    `a block is a power of two from ${formatSize(MIN_BLOCK)} to ${formatSize(MAX_BLOCK)}, for example 1MiB, not "${text}"`,
  );
});

/** How the kernel is served: by ourselves, or by libfuse 2. Of a process, not of a dataset. */
export const transport = z.enum(['native', 'fuse-native'], 'write native or fuse-native');

/** The ways to open files. */
export const OPEN_MODES = ['auto', 'stateless', 'passthrough'] as const;

/** How files are opened. */
export const open = z.enum(OPEN_MODES, 'write auto, stateless or passthrough');

/** Owner of all files. */
export const uid: TextSchema<number> = count('a user id', 0, MAX_ID);

/** Group of all files. */
export const gid: TextSchema<number> = count('a group id', 0, MAX_ID);

/** Permission bits, in octal. */
export const permissions: TextSchema<number> = converted((text) => {
  const value = /^(?:0o?)?[0-7]{1,3}$/.test(text) ? Number.parseInt(text.replace(/^0o/, ''), 8) : -1;
  if (value >= 0) return value;
  throw new DlfsError('invalid-argument', `write permissions in octal, like 0444, not "${text}"`);
}, 'write permissions in octal and in quotes, like "0444"');

/** When the source is listed anew: milliseconds, or never. */
export const refresh: TextSchema<number | 'never'> = converted((text) => {
  const value = parseDurationOrNever(text);
  if (value === 'never' || value >= MIN_REFRESH_MS) return value;
  throw new DlfsError('invalid-argument', `write 1s or longer, or never, not "${text}"`);
});

/** How long a read waits for the origin, milliseconds; 0: for ever. */
export const ioTimeout: TextSchema<number> = converted(parseDuration);

/** What holds where nothing was written. */
export const DEFAULTS = {
  cacheBytes: '10GiB',
  cacheFiles: 'unlimited',
  blockSize: '1MiB',
  open: 'auto',
  uid: '0',
  gid: '0',
  fileMode: '0444',
  dirMode: '0555',
  refresh: '5m',
  ioTimeout: '5m',
} as const;

/** Why a cache of so many bytes cannot serve blocks of that size; null: it can. @param say how the place names the block size */
export function cacheTooSmall(bytes: number, block: number, say: string): string | null {
  return bytes >= MIN_BLOCKS * block ? null : `must hold ${MIN_BLOCKS} blocks at least: give more, or a smaller ${say}`;
}

/** Why buffers of so many bytes cannot serve blocks of that size; null: they can. @param say how the place names the block size */
export function memoryTooSmall(bytes: number, block: number, say: string): string | null {
  const tooSmall = cacheTooSmall(bytes, block, say);
  if (tooSmall !== null || bytes >= MIN_MEMORY) return tooSmall;
  return `must be ${formatSize(MIN_MEMORY)} at least: several reads of a mebibyte wait in it`;
}
