/**
 * What a dataset's parts say of its health, as conditions.
 */
import type { DatasetServer } from '../dataset/dataset-server.ts';
import type { Conditions, Observation } from './conditions.ts';

const UNSERVED: Observation = { status: 'Unknown', reason: 'NotServed', message: '' };

/**
 * Looks.
 * @param server null where the dataset is not served
 * @returns whether anything is new
 */
export function observe(conditions: Conditions, server: DatasetServer | null): boolean {
  const news = [
    conditions.note('OriginReachable', server === null ? UNSERVED : originOf(server)),
    conditions.note('SnapshotComplete', server === null ? UNSERVED : snapshotOf(server)),
    conditions.note('CacheHealthy', server === null ? UNSERVED : cacheOf(server)),
  ];
  return news.includes(true);
}

function originOf({ origin }: DatasetServer): Observation {
  if (origin.error !== null)
    return { status: 'False', reason: camel(origin.error.code), message: origin.error.message };
  if (origin.reachable === null)
    return { status: 'Unknown', reason: 'NotAsked', message: 'nothing was asked of it yet' };
  return { status: 'True', reason: 'Answered', message: 'its last answer was one' };
}

function snapshotOf(server: DatasetServer): Observation {
  if (server.index.snapshot().complete)
    return { status: 'True', reason: 'Listed', message: 'the whole source is listed' };
  const { listing } = server;
  if (listing.running) return { status: 'False', reason: 'Listing', message: 'the source is being listed' };
  return listing.failures > 0
    ? {
        status: 'False',
        reason: 'ListingFailed',
        message: 'the last listing failed; directories are listed as they are used',
      }
    : { status: 'False', reason: 'NotListed', message: 'directories are listed as they are used' };
}

function cacheOf({ store }: DatasetServer): Observation {
  const { state } = store.space.stats();
  switch (state) {
    case 'bypass':
      return { status: 'False', reason: 'NoRoom', message: 'there is no room: what is fetched is not cached' };
    case 'floor':
      return { status: 'False', reason: 'AtFloor', message: 'the disk is at its floor of free space: blocks leave' };
    case 'quota':
    case 'normal':
      return { status: 'True', reason: 'Room', message: 'there is room, or can be made' };
  }
}

/** `access-denied` as `AccessDenied`. */
export function camel(code: string): string {
  return code.replace(/(?:^|-)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
