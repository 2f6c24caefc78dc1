/**
 * The statistics of one dataset as lines for a terminal.
 */
import { printable } from '../../base/printable.ts';
import { formatSize } from '../../base/size.ts';
import { fullName } from '../../daemon/api/contract/names.ts';
import type { DatasetStats } from '../../daemon/api/contract/stats-view.ts';
import { fit, width, type Paint } from '../format/cells.ts';
import { count, percent, rate, seconds } from '../format/human.ts';
import { wrapped } from '../format/wrapped.ts';
import type { ScreenSize } from './screen.ts';

const NAME_COLUMNS = 10;
/** Columns of a bar that shows a share. */
const BAR = 20;

/** See the file's header. */
export function detailScreen(stats: DatasetStats, size: ScreenSize, paint: Paint): string[] {
  const room = Math.max(20, size.columns - NAME_COLUMNS - 1);
  const title = `${fullName(stats)}  ${stats.phase}${stats.openMode === null ? '' : `, ${stats.openMode}`}`;
  const lines = [
    paint('title', fit(printable(title), Math.min(size.columns, width(title)), 'left')),
    ...fields(stats).flatMap(([name, value]) =>
      wrapped(value, room).map(
        (line, index) => `${paint('faint', fit(index === 0 ? name : '', NAME_COLUMNS, 'left'))} ${line}`,
      ),
    ),
    ...wrapped(`hidden by the page cache: ${stats.pageCacheHidden}`, size.columns).map((line) => paint('faint', line)),
  ];
  return lines.slice(0, size.rows);
}

function fields({
  dataset,
  cache,
  reads,
  hitRate,
  waits,
  origin,
  now,
  ...rest
}: DatasetStats): (readonly [string, string])[] {
  const { prefetchWasted, timeSavedEstimate, errors } = rest;
  const quota = cache.quotaBytes === null ? 'the node’s limit' : formatSize(cache.quotaBytes);
  const sum = waits.origin + waits.disk + waits.queue + waits.metadata;
  const wait = (value: number): string => `${seconds(value)} (${percent(sum === 0 ? 0 : value / sum)})`;
  const errorList = Object.entries(errors).filter(([, times]) => times > 0);
  return [
    [
      'dataset',
      `${count(dataset.files)} files, ${formatSize(dataset.bytes)}${dataset.complete ? '' : ' so far: not listed as a whole yet'}`,
    ],
    [
      'cached',
      `${bar(cache.share)}${formatSize(cache.bytes)} in ${count(cache.files)} files, quota ${quota}, ${cache.state}`,
    ],
    [
      'kept',
      `${formatSize(cache.pinnedBytes)} pinned, ${formatSize(cache.reserveBytes)} reserved; evicted ${formatSize(cache.evictedBytes)} in ${count(cache.evictedFiles)} files`,
    ],
    [
      'hits',
      reads.requests === 0
        ? 'nothing was read yet'
        : `${bar(hitRate.bytes)}of ${formatSize(reads.bytes)}; ${percent(hitRate.requests)} of ${count(reads.requests)} reads`,
    ],
    [
      'now',
      `${rate(now.readBytesPerSecond)} read in ${count(now.requestsPerSecond)} requests/s; ${rate(now.originBytesPerSecond)} from the origin in ${count(now.originRequestsPerSecond)} requests/s`,
    ],
    [
      'origin',
      `${formatSize(origin.bytes)} in ${count(origin.requests)} requests, ${count(origin.listRequests)} listings; ${count(origin.inFlight)} in flight, ${count(origin.queued)} queued; ${count(origin.failures)} failed, ${count(origin.retries)} tried again`,
    ],
    [
      'waits',
      `origin ${wait(waits.origin)}, disk ${wait(waits.disk)}, queue ${wait(waits.queue)}, metadata ${wait(waits.metadata)}`,
    ],
    ['opens', `${count(reads.opens)}, ${count(reads.passthroughOpens)} of them in passthrough`],
    ['ahead', `${percent(prefetchWasted)} of what was fetched ahead was read by nobody`],
    ['saved', `about ${seconds(timeSavedEstimate)} (an estimate: bytes from the cache ÷ the origin’s measured rate)`],
    [
      'damaged',
      `${count(cache.lostBlocks)} blocks fetched again; ${count(cache.bypassedRuns)} runs served without caching`,
    ],
    [
      'errors',
      errorList.length === 0 ? 'none' : errorList.map(([code, times]) => `${code} ${count(times)}`).join(', '),
    ],
  ];
}

function bar(share: number | null): string {
  if (share === null) return '';
  const full = Math.round(share * BAR);
  return `[${'='.repeat(full)}${'-'.repeat(BAR - full)}] ${percent(share)} `;
}
