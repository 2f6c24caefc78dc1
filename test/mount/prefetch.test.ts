/**
 * `cache.prefetch: all`: a dataset is in the cache before anybody has read it, as far as there is room, and stays so.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { ApiClient } from '../../src/daemon/api/client/api-client.ts';
import type { JobView } from '../../src/daemon/api/contract/job-view.ts';
import { digestOf } from '../posix/content.ts';
import { Helper } from '../posix/helper.ts';
import { DlfsDaemon } from '../support/daemon.ts';
import { ManyOrigin } from '../support/many-origin.ts';
import { until } from '../support/process.ts';

const MIB = 1024 * 1024;
const SOON_MS = 30_000;
const PARAMS = { namespace: '-', name: 'd' };

function many(folder: string, count: number, size: number): Record<string, number> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, n) => [`d/${folder}/${String(n).padStart(3, '0')}`, size] as const),
  );
}

/** A daemon that serves `d`, with a client. */
class World implements AsyncDisposable {
  readonly origin: ManyOrigin;
  readonly daemon: DlfsDaemon;
  readonly api: ApiClient;

  private constructor(origin: ManyOrigin, daemon: DlfsDaemon) {
    this.origin = origin;
    this.daemon = daemon;
    this.api = new ApiClient(daemon.socket);
  }

  static async start(
    files: Readonly<Record<string, number>>,
    cache: Readonly<Record<string, unknown>>,
  ): Promise<World> {
    const origin = await ManyOrigin.start(files);
    try {
      const daemon = await DlfsDaemon.start({
        env: origin.env,
        args: ['--cache-floor', '1MiB'],
        manifests: { 'd.json': origin.manifest('d', { cache: { blockSize: '64KiB', ...cache } }) },
      });
      return new World(origin, daemon);
    } catch (error) {
      await origin[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Another manifest, from now on. */
  async want(cache: Readonly<Record<string, unknown>>): Promise<void> {
    await this.daemon.write('d.json', this.origin.manifest('d', { cache: { blockSize: '64KiB', ...cache } }));
  }

  /** Jobs that fetch the dataset ahead, the newest first. */
  async jobs(): Promise<JobView[]> {
    const { jobs } = await this.api.call('listJobs', {});
    return jobs.filter(({ kind }) => kind === 'prefetch');
  }

  /** The newest of them, once it has ended and is the `number`th. */
  async ended(number: number): Promise<JobView> {
    let last: JobView | undefined;
    await until(
      async () => {
        const jobs = await this.jobs();
        last = jobs[0];
        return jobs.length === number && last !== undefined && last.ended !== null;
      },
      SOON_MS,
      `job ${number} has ended: ${JSON.stringify(last)}`,
    );
    assert.ok(last !== undefined);
    return last;
  }

  async cache() {
    const { datasets } = await this.api.call('stats', { query: { dataset: 'd' } });
    const [dataset] = datasets;
    assert.ok(dataset !== undefined);
    return dataset.cache;
  }

  /** GETs so far, of these keys alone or of all. */
  gets(...keys: readonly string[]): number {
    const isMeant = (key: string): boolean => keys.length === 0 || keys.includes(key);
    return this.origin.requests.filter(({ kind, key }) => kind === 'get' && isMeant(key)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    await this.origin[Symbol.asyncDispose]();
  }
}

test('with prefetch: all every file is cached before it is read, new ones behind a refresh, and nothing twice behind a restart', async () => {
  await using world = await World.start({ ...many('a', 20, 100_000), 'd/big': 2 * MIB }, { prefetch: 'all' });
  const first = await world.ended(1);
  assert.equal(first.state, 'done', JSON.stringify(first));
  assert.ok(first.report?.kind === 'prefetch');
  assert.deepEqual(
    [first.report.files, first.report.totalFiles, first.report.fetchedBytes, first.report.full],
    [21, 21, 2_000_000 + 2 * MIB, false],
  );
  const before = world.gets();
  await using helper = new Helper();
  const [digest] = await helper.call('digest', `${world.daemon.dirOf('d')}/a/007`);
  assert.equal(digest, digestOf(world.origin.contentOf('d/a/007', 100_000)));
  assert.equal(world.gets(), before, 'it was read from the disk');

  world.origin.put('d/new/file', 300_000);
  await world.api.call('refresh', { params: PARAMS, body: { dryRun: false } });
  const second = await world.ended(2);
  assert.ok(second.report?.kind === 'prefetch');
  assert.deepEqual([second.report.fetchedBytes, second.report.residentBytes], [300_000, 2_000_000 + 2 * MIB]);

  await world.daemon.terminate();
  const all = world.gets();
  await world.daemon.startAgain();
  const again = await world.ended(1);
  assert.ok(again.report?.kind === 'prefetch');
  assert.deepEqual([again.report.files, again.report.fetchedBytes], [22, 0]);
  assert.equal(world.gets(), all);
});

test('what is fetched ahead stops where the quota is full, evicts nothing that a reader has used, and goes on when the quota grows', async () => {
  await using world = await World.start(many('a', 12, MIB), { prefetch: 'readahead', quota: { bytes: '8MiB' } });
  await using helper = new Helper();
  const read = async (name: string): Promise<void> => {
    await helper.call('digest', `${world.daemon.dirOf('d')}/a/${name}`);
  };
  await read('010');
  assert.deepEqual(await world.jobs(), [], 'nobody asked for it');
  await until(async () => (await world.cache()).bytes >= MIB, SOON_MS, 'it is cached');
  await world.want({ prefetch: 'all', quota: { bytes: '8MiB' } });
  const job = await world.ended(1);
  assert.equal(job.state, 'done', JSON.stringify(job));
  assert.ok(job.report?.kind === 'prefetch');
  assert.equal(job.report.full, true);
  const cache = await world.cache();
  assert.deepEqual([cache.evictedFiles, cache.bypassedRuns], [0, 0]);
  assert.ok(cache.bytes <= 8 * MIB && cache.bytes >= 7 * MIB, `${cache.bytes} bytes`);
  const both = ['d/a/000', 'd/a/010'];
  const before = world.gets(...both);
  await read('000');
  await read('010');
  assert.equal(world.gets(...both), before, 'what a reader has used is still there, beside what was fetched ahead');

  await world.want({ prefetch: 'all', quota: { bytes: '32MiB' } });
  const rest = await world.ended(2);
  assert.ok(rest.report?.kind === 'prefetch');
  assert.deepEqual([rest.report.files, rest.report.full], [12, false]);
});

test('a job that fetches ahead ends when the manifest no longer asks for it, and one whose process is killed is begun anew', async () => {
  await using world = await World.start(many('a', 6, 200_000), { prefetch: 'readahead' });
  const stall = world.origin.faults.inject(
    { when: ({ key }) => key === 'd/a/003' },
    { type: 'stall', after: 'nothing' },
  );
  await world.want({ prefetch: 'all' });
  await until(async () => (await world.jobs())[0]?.state === 'running', SOON_MS, 'it has begun');
  await until(async () => (await world.cache()).bytes >= 5 * 200_704, SOON_MS, 'the others are there');
  await world.want({ prefetch: 'readahead' });
  assert.equal((await world.ended(1)).state, 'cancelled');

  await world.want({ prefetch: 'all' });
  await until(async () => (await world.jobs())[0]?.state === 'running', SOON_MS, 'it has begun again');
  await world.daemon.kill();
  stall[Symbol.dispose]();
  await world.daemon.startAgain();
  const job = await world.ended(1);
  assert.ok(job.report?.kind === 'prefetch');
  assert.equal(job.report.fetchedBytes + job.report.residentBytes, 1_200_000);
  assert.ok(job.report.residentBytes >= 1_000_000, 'what was there is not fetched again');
});
