/**
 * The demo: a bucket is mounted, everything in it is read twice, and the second time costs what the local disk costs.
 *
 *   KEEP=1           leave it mounted afterwards
 *   ORIGIN=embedded  the embedded endpoint even where versitygw is installed
 *   SCALE=0.1        a tenth of the dataset
 *   BUCKET=s3://…    a bucket of one's own; OPTIONS='--endpoint … --anonymous' are options of `dlfs mount`
 *
 * Invariants:
 * 1. However it ends, everything that it started or wrote is gone (stage-main.ts), except with KEEP.
 * 2. Each epoch reads the same parts in the same order by as many readers, and checks what it read.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expectedBytes, generate, shapeOf, shuffled, type Part, type Shape } from './dataset.ts';
import { READERS, runEpoch, type EpochResult } from './epoch.ts';
import { checkMachine, chooseDisk, findVersitygw, MissingPrerequisite } from './prerequisites.ts';
import { Progress } from './progress.ts';
import { since, table, type Row } from './report.ts';
import { sample } from './sample.ts';
import { StageProcess } from './stage.ts';

const CHECKOUT = fileURLToPath(new URL('..', import.meta.url));

/** Beside the dataset and its copy in the cache: the index, logs, and the disk's own needs. */
const SPARE_BYTES = 700 * 2 ** 20;

/** What is read, and where it lies on the local disk. */
interface Work {
  readonly parts: readonly Part[];
  /** Null until the first epoch has made them. */
  sums: readonly number[] | null;
  local: string;
}

const say = (text = ''): void => void process.stdout.write(`${text}\n`);

async function main(signal: AbortSignal): Promise<void> {
  const bucket = process.env['BUCKET'] ?? '';
  const keep = ['1', 'yes', 'true'].includes(process.env['KEEP'] ?? '');
  checkMachine();
  const shape = shapeOf(scaleOf(process.env['SCALE'] ?? '1'));
  const disk = chooseDisk(2 * expectedBytes(shape) + SPARE_BYTES);
  const folder = mkdtempSync(join(disk, 'dlfs-demo-'));
  await using stage = new StageProcess(folder);

  const versitygw = bucket === '' && process.env['ORIGIN'] !== 'embedded' ? findVersitygw(CHECKOUT) : null;
  const work: Work = { parts: [], sums: null, local: join(folder, 'buckets', 'demo') };
  if (bucket === '') Object.assign(work, await prepare(work.local, shape, signal));
  else work.local = join(folder, 'local');

  signal.throwIfAborted();
  const options = (process.env['OPTIONS'] ?? '').split(/\s+/).filter((word) => word !== '');
  const mounted = await stage.start({ versitygw, bucket: bucket === '' ? null : { source: bucket, options } });
  const origin = bucket !== '' ? bucket : versitygw === null ? 'the embedded S3 endpoint' : `versitygw (${versitygw})`;
  say(`Mounted from ${origin}${mounted.url === null ? '' : ` at ${mounted.url}`}.`);
  if (bucket !== '') Object.assign(work, { parts: await pick(mounted.dir, signal) });

  const { files, bytes } = describe(work.parts);
  say(`Reading ${files} files, ${(bytes / 1e6).toFixed(0)} MB, by ${READERS} processes in shuffled order:`);
  const rows: Row[] = [];
  for (const name of ['cold epoch', 'warm epoch']) {
    if (rows.length > 0) dropPageCache();
    const before = await stage.count();
    const epoch = await epochOf(name, mounted.dir, work, signal);
    rows.push({ name, epoch, origin: since(before, await stage.count()) });
  }
  if (bucket !== '') {
    mkdirSync(work.local);
    await runEpoch({ root: mounted.dir, parts: work.parts, copyTo: work.local, onProgress: () => undefined, signal });
  }
  dropPageCache();
  rows.push({ name: 'the local disk', epoch: await epochOf('local disk', work.local, work, signal), origin: null });

  report(rows, bucket === '' && versitygw !== null);
  if (!keep) return;
  signal.throwIfAborted();
  await stage.leave();
  stays(mounted.dir, mounted.log, folder, stage.pid);
}

async function prepare(root: string, shape: Shape, signal: AbortSignal): Promise<Partial<Work>> {
  say(`Generating a dataset in ${root}:`);
  mkdirSync(root, { recursive: true });
  using progress = new Progress('writing', expectedBytes(shape));
  const made = await generate(root, shape, (bytes) => {
    signal.throwIfAborted();
    progress.update(bytes, `${(bytes / 1e6).toFixed(0)} MB`);
  });
  const order = shuffled(made.parts.map((part, index) => ({ part, sum: made.sums[index] ?? 0 })));
  // The large object first, a part for each reader: else one reader would have most of it.
  order.sort((left, right) => Number(right.part.length > 2 ** 20) - Number(left.part.length > 2 ** 20));
  return { parts: order.map(({ part }) => part), sums: order.map(({ sum }) => sum) };
}

function scaleOf(text: string): number {
  const scale = Number(text);
  if (scale > 0 && scale <= 1) return scale;
  throw new Error(`SCALE is a number above 0, at most 1, not "${text}"`);
}

async function pick(dir: string, signal: AbortSignal): Promise<readonly Part[]> {
  const parts = shuffled(await sample(dir, signal));
  if (parts.length === 0) throw new Error('there is nothing to read in that bucket: is the prefix right?');
  return parts;
}

async function epochOf(name: string, root: string, work: Work, signal: AbortSignal): Promise<EpochResult> {
  const { bytes } = describe(work.parts);
  using progress = new Progress(name, bytes);
  const epoch = await runEpoch({
    root,
    parts: work.parts,
    onProgress: (files, done) => {
      progress.update(done, `${files} files`);
    },
    signal,
  });
  work.sums ??= epoch.sums;
  const wrong = epoch.sums.findIndex((sum, index) => sum !== work.sums?.[index]);
  if (wrong >= 0)
    throw new Error(`${name}: ${work.parts[wrong]?.path ?? '?'} does not have the bytes that it should have`);
  return epoch;
}

function describe(parts: readonly Part[]): { files: number; bytes: number } {
  return {
    files: parts.filter(({ offset }) => offset === 0).length,
    bytes: parts.reduce((sum, { length }) => sum + length, 0),
  };
}

/** Clean pages only: what was written goes to the disk first. */
function dropPageCache(): void {
  spawnSync('sync');
  writeFileSync('/proc/sys/vm/drop_caches', '1');
}

function report(rows: readonly Row[], countedByDlfs: boolean): void {
  say();
  for (const line of table(rows)) say(line);
  const [cold, warm, local] = rows.map(({ epoch }) => epoch.seconds);
  say();
  if (cold !== undefined && warm !== undefined && local !== undefined) {
    say(
      `The second epoch ran at ${(local / warm).toFixed(2)} x the speed of the local disk, ${(cold / warm).toFixed(1)} x that of the first.`,
    );
  }
  say('The page cache was dropped before the second and the third; all bytes were checked in each.');
  if (countedByDlfs) say('Bytes from the origin are counted by dlfs: the access log of versitygw has none.');
}

function stays(dir: string, log: string, folder: string, pid: number): void {
  say();
  say(`It stays mounted. Look around:   ls -l ${dir}`);
  say(`  what is cached, and its log:   ${join(CHECKOUT, 'bin/dlfs')} cache ls --cache-dir ${join(folder, 'cache')}`);
  say(`                                 tail -f ${log}`);
  say(`To stop it and remove all of it: kill ${pid}`);
}

const stopped = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (!stopped.signal.aborted) process.stderr.write('\ndemo: stopping and cleaning up ...\n');
    stopped.abort(name);
  });
}
try {
  await main(stopped.signal);
} catch (error) {
  process.exitCode = stopped.signal.aborted ? 130 : 1;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof MissingPrerequisite) process.stderr.write(`demo: missing: ${message}\n`);
  else if (!stopped.signal.aborted) process.stderr.write(`demo: ${message}\n`);
}
