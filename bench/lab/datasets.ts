/**
 * The data sets, each a bucket: made once, kept in bench/out/data, and made anew when their description here changes.
 *
 * A bucket is a folder of versitygw's, so the same files are the local baseline, on the disk where caches lie, too.
 *
 * Invariants:
 * 1. A stamp file appears after the data it stands for; a half-made data set is made again.
 * 2. Content is a key stream: the same every time, and no file system can compress or share it.
 */
import { createCipheriv } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync, openSync, writeSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import type { ObjectToWrite, VersityGw } from '../../test/support/s3/versitygw.ts';
import { BUCKETS, DATA } from './places.ts';

/** A data set. */
export interface Dataset {
  /** The bucket's name. */
  readonly bucket: string;
  readonly folders: number;
  readonly filesPerFolder: number;
  readonly fileBytes: number;
  /** Whether files hold data; else they are holes, for rows that only list. */
  readonly content: boolean;
}

/** 10,000 files of 110 KB, as many image data sets have them. */
export const SMALL: Dataset = {
  bucket: 'small-files',
  folders: 100,
  filesPerFolder: 100,
  fileBytes: 110_000,
  content: true,
};
/** One large object. */
export const BIG: Dataset = {
  bucket: 'big-object',
  folders: 0,
  filesPerFolder: 1,
  fileBytes: 2 * 1024 ** 3,
  content: true,
};
/** 100,000 objects in one directory. */
export const WIDE: Dataset = {
  bucket: 'wide-folder',
  folders: 1,
  filesPerFolder: 100_000,
  fileBytes: 4096,
  content: false,
};
/** 1,000,000 objects. */
export const MILLION: Dataset = {
  bucket: 'million-files',
  folders: 1000,
  filesPerFolder: 1000,
  fileBytes: 4096,
  content: false,
};

/** The large object's key. */
export const BIG_KEY = 'big.bin';

/** Free space to have before anything is made: data sets, two caches of 2 GiB, and some air. */
const FREE_NEEDED = 12e9;
/** The key stream is made in pieces of this size. */
const PIECE = 4 * 1024 * 1024;

/** Where a data set's files lie on the local disk. */
export function folderOf({ bucket }: Dataset): string {
  return join(BUCKETS, bucket);
}

/** Names of the folders of a data set. */
export function foldersOf({ folders }: Dataset): string[] {
  return Array.from({ length: folders }, (_, number) => `d${String(number).padStart(4, '0')}`);
}

/** Paths of all files, in the order of their names. */
export function filesOf(dataset: Dataset): string[] {
  if (dataset.folders === 0) return [BIG_KEY];
  const names = Array.from(
    { length: dataset.filesPerFolder },
    (_, number) => `f${String(number).padStart(6, '0')}.bin`,
  );
  return foldersOf(dataset).flatMap((folder) => names.map((name) => `${folder}/${name}`));
}

/** The number of bytes of all files. */
export function bytesOf(dataset: Dataset): number {
  return Math.max(1, dataset.folders) * dataset.filesPerFolder * dataset.fileBytes;
}

/**
 * Makes a data set unless it is there.
 * @param gateway the server over the buckets' folder; it writes what an object needs beside its bytes
 * @throws Error where the disk has too little space
 */
export async function provide(dataset: Dataset, gateway: VersityGw, say: (line: string) => void): Promise<void> {
  const stamp = join(DATA, `${dataset.bucket}.json`);
  const wanted = JSON.stringify(dataset);
  if (readIfThere(stamp) === wanted) return;
  const { bavail, bsize } = statfsSync(DATA);
  if (bavail * bsize < FREE_NEEDED) throw new Error(`${DATA}: ${FREE_NEEDED / 1e9} GB of free space are needed`);
  say(`making the data set ${dataset.bucket} ...`);
  rmSync(stamp, { force: true });
  rmSync(folderOf(dataset), { recursive: true, force: true });
  await gateway.createBucket(dataset.bucket);
  if (dataset.content) {
    writeContents(dataset);
    await gateway.stampBucket(dataset.bucket);
  } else {
    const objects = function* (): Generator<ObjectToWrite> {
      for (const key of filesOf(dataset)) yield { key, size: dataset.fileBytes };
    };
    await gateway.writeObjects(dataset.bucket, objects());
  }
  writeFileSync(stamp, wanted);
}

function writeContents(dataset: Dataset): void {
  // A fixed key: this is noise, not a secret.
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, dataset.bucket), Buffer.alloc(16));
  const zeros = Buffer.alloc(PIECE);
  for (const folder of foldersOf(dataset)) mkdirSync(join(folderOf(dataset), folder));
  for (const file of filesOf(dataset)) {
    const fd = openSync(join(folderOf(dataset), file), 'wx');
    for (let left = dataset.fileBytes; left > 0;) {
      left -= writeSync(fd, cipher.update(zeros.subarray(0, Math.min(left, PIECE))));
    }
    closeSync(fd);
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
