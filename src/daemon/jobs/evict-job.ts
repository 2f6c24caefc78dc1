/**
 * `evict`: the blocks of files leave the cache.
 *
 * What is cached is gone through, not what is listed: that is the smaller of the two, and it asks nothing of the origin. Only
 * where all globs are plain paths their names are looked up instead.
 *
 * Invariants:
 * 1. Nothing is dropped before it is known that each glob matches something.
 * 2. A pinned file is spared unless asked for; one that is in use is tried again, then spared.
 */
import { GlobSet, type GlobPlace } from '../../dataset/glob/glob-set.ts';
import { requireGoingOn } from '../../base/abort.ts';
import { requireMatches } from '../../fs/snapshot/unmatched.ts';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DatasetJobParts } from './dataset-parts.ts';
import type { JobBody, JobContext } from './job-body.ts';
import type { EvictReport } from './job-types.ts';
import { ProgressMeter } from './meter.ts';

/** What is asked for. */
export interface EvictSpec {
  readonly globs: readonly string[];
  /** Also what is pinned. */
  readonly pinned: boolean;
}

/** Objects looked at, and objects dropped, at a time. */
const PAGE = 256;
const PORTION = 64;
/** Milliseconds until what was in use is tried again, and how often. */
const AGAIN = 1_000;
const TRIES = 3;

type Parts = Pick<DatasetJobParts, 'index' | 'store' | 'walk' | 'pins' | 'clock'>;
type Counts = { -readonly [Key in keyof EvictReport]: EvictReport[Key] };

/**
 * The job.
 * @throws DlfsError `invalid-argument` for what is no glob
 */
export function evictJob(parts: Parts, spec: EvictSpec): JobBody {
  const set = GlobSet.compile(spec.globs);
  return async (context) => {
    const meter = new ProgressMeter(parts.clock);
    context.show(meter.read);
    if (spec.globs.length > 0) await requireMatches(parts.walk, set, context.signal);
    return await evict(parts, { set, pinned: spec.pinned }, meter, context);
  };
}

async function evict(
  parts: Parts,
  { set, pinned }: { readonly set: GlobSet; readonly pinned: boolean },
  meter: ProgressMeter,
  { signal }: JobContext,
): Promise<EvictReport> {
  const { store, index, pins, clock } = parts;
  const counts: Counts = {
    kind: 'evict',
    files: 0,
    freedBytes: 0,
    heldFiles: 0,
    heldBytes: 0,
    pinnedFiles: 0,
    pinnedBytes: 0,
    busyFiles: 0,
  };
  // What came just now is not in the index yet.
  await store.flush();
  let busy: number[] = [];
  const drop = async (inos: readonly number[]): Promise<void> => {
    const free: number[] = [];
    for (const ino of inos) {
      if (store.isInUse(ino)) busy.push(ino);
      else free.push(ino);
    }
    if (free.length === 0) return;
    const { bytes, files, openBytes, openFiles } = await store.dropObjects(free);
    counts.files += files;
    counts.freedBytes += bytes - openBytes;
    counts.heldFiles += openFiles;
    counts.heldBytes += openBytes;
    meter.files += free.length;
    meter.worked(bytes);
  };
  for await (const inos of cachedOf(parts, set)) {
    requireGoingOn(signal);
    const chosen: number[] = [];
    for (const ino of inos) {
      if (pinned || !pins.isPinned(ino)) {
        chosen.push(ino);
        continue;
      }
      counts.pinnedFiles += 1;
      counts.pinnedBytes += index.object(ino)?.bytes ?? 0;
    }
    for (let at = 0; at < chosen.length; at += PORTION) await drop(chosen.slice(at, at + PORTION));
  }
  for (let tries = 0; busy.length > 0 && tries < TRIES; tries++) {
    await clock.sleep(AGAIN, signal);
    const again = busy;
    busy = [];
    await drop(again);
  }
  counts.busyFiles = busy.length;
  return counts;
}

/** Numbers of cached objects that globs mean, superseded versions left out. */
async function* cachedOf(parts: Parts, set: GlobSet): AsyncGenerator<readonly number[], void, undefined> {
  const { index, store } = parts;
  const isCached = (ino: number): boolean => index.object(ino) !== null || store.isInUse(ino);
  if (isPlain(set)) {
    for await (const files of parts.walk.files(set)) {
      const cached = files.map(({ node }) => node.ino).filter(isCached);
      if (cached.length > 0) yield cached;
    }
    return;
  }
  for (let after = 0; ;) {
    const page = index.objects(after, PAGE);
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.ino;
    const meant = page.map(({ ino }) => ino).filter((ino) => isMeant(index, set, ino));
    if (meant.length > 0) yield meant;
    await nextTurn();
  }
}

function isMeant(index: Parts['index'], set: GlobSet, ino: number): boolean {
  const node = index.node(ino);
  return node !== null && !node.superseded && set.covers(index.keyOf(ino));
}

/** Whether names alone lead to all that is meant. */
function isPlain(set: GlobSet): boolean {
  const places: GlobPlace[] = [set.root];
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const names = set.names(place);
    if (names === null) return false;
    for (const name of names) {
      const below = set.below(place, name);
      if (below !== null && below.taken.size === 0) places.push(below);
    }
  }
  return true;
}
