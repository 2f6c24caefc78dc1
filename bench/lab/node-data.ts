/**
 * The bucket of the node's datasets: a directory each, with a few files; made once and kept.
 *
 * Invariants:
 * 1. A stamp file appears after the data it stands for.
 */
import { createCipheriv } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VersityGw } from '../../test/support/s3/versitygw.ts';
import { BUCKETS, DATA } from './places.ts';

/** The bucket. */
export const NODE_BUCKET = 'node-datasets';
/** Datasets whose files are large enough to be read at random. */
export const READ_DATASETS = 21;
/** Files of the dataset that stalls. */
export const STALLED_FILES = 64;
const READ_BYTES = 32 * 1024 * 1024;
const SMALL_BYTES = 16 * 1024;
/** Datasets in the bucket. */
const DATASETS = 500;

/** Makes the bucket unless it is there. */
export async function provideNode(gateway: VersityGw, datasets: number, say: (line: string) => void): Promise<void> {
  if (datasets > DATASETS) throw new Error(`the bucket has ${DATASETS} datasets`);
  const stamp = join(DATA, `${NODE_BUCKET}.json`);
  if (existsSync(stamp)) return;
  say(`making the data set ${NODE_BUCKET} ...`);
  const folder = join(BUCKETS, NODE_BUCKET);
  rmSync(folder, { recursive: true, force: true });
  await gateway.createBucket(NODE_BUCKET);
  // A fixed key: this is noise, not a secret.
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, NODE_BUCKET), Buffer.alloc(16));
  for (let n = 0; n < DATASETS; n++) {
    const dir = join(folder, `d${String(n).padStart(3, '0')}`);
    mkdirSync(dir, { recursive: true });
    const files = n === 0 ? STALLED_FILES : n < READ_DATASETS ? 1 : 2;
    const bytes = n === 0 || n < READ_DATASETS ? READ_BYTES / (n === 0 ? 16 : 1) : SMALL_BYTES;
    for (let f = 0; f < files; f++) writeFileSync(join(dir, `f${f}`), cipher.update(Buffer.alloc(bytes)));
  }
  await gateway.stampBucket(NODE_BUCKET);
  writeFileSync(stamp, '1');
}
