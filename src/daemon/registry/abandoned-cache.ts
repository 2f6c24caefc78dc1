/**
 * What goes first where the disk is at its floor: the cache that was used longest ago, of those that nobody serves from.
 *
 * Invariants:
 * 1. A cache that is in use, or was within the last minute (its mount may be on its way back), stays.
 * 2. Where a daemon serves from the directory nothing goes: it knows itself which of its datasets come back.
 */
import { join } from 'node:path';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { formatSize } from '../../base/size.ts';
import { describeCache, idleCaches, isHeld, removeCaches } from './cache-folders.ts';

/** How long a cache must have been left alone, in milliseconds. */
const IDLE_FOR = 60_000;

/**
 * Removes one.
 * @param root `--cache-dir`
 * @param nowMs wall time
 * @param lock flock(2), exclusive and non-blocking: an errno, 0 on success
 * @param log told which one
 * @returns whether there was one
 * @throws DlfsError where the disk refuses
 */
export async function removeAbandoned(
  root: string,
  nowMs: number,
  lock: (fd: number) => number,
  log: Logger,
): Promise<boolean> {
  if (isHeld(join(root, 'daemon.lock'))) return false;
  for (const { fingerprint } of await idleCaches(root, nowMs - IDLE_FOR)) {
    const info = await describeCache(root, fingerprint);
    if (info === null) continue;
    try {
      await removeCaches(root, [info], lock);
    } catch (thrown) {
      const error = DlfsError.from(thrown);
      if (error.code === 'cache-busy' || error.code === 'not-found') continue; // somebody has just taken or removed it
      throw error;
    }
    log.info('the cache of a source that is mounted no more was removed: the disk is at its floor', {
      source: info.source ?? fingerprint,
      size: formatSize(info.bytes),
    });
    return true;
  }
  return false;
}
