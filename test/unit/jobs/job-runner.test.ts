/**
 * The runner of jobs, with work that a test ends when it likes, and records on a real disk.
 */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DlfsError } from '../../../src/base/errors.ts';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import type { JobContext } from '../../../src/daemon/jobs/job-body.ts';
import { JobRunner } from '../../../src/daemon/jobs/job-runner.ts';
import { NO_PROGRESS, type Job, type JobReport, type JobSpec } from '../../../src/daemon/jobs/job-types.ts';
import { TempDir } from '../../support/files.ts';
import { until } from '../../support/process.ts';

const SOON_MS = 10_000;
const WARM: JobSpec = { kind: 'warm', globs: ['a'], bandwidth: null };
const EVICT: JobSpec = { kind: 'evict', globs: [], pinned: false };
const REPORT: JobReport = {
  kind: 'refresh',
  dryRun: true,
  complete: true,
  added: 0,
  changed: 0,
  removed: 0,
  sample: { added: [], changed: [], removed: [] },
  seconds: 1,
};

/** Work under way. */
interface Work {
  readonly spec: JobSpec;
  readonly context: JobContext;
  readonly end: PromiseWithResolvers<JobReport>;
}

class World implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly folder: TempDir;
  readonly work: Work[] = [];
  runner: JobRunner;
  #seed = 1;

  private constructor(folder: TempDir) {
    this.folder = folder;
    this.runner = this.#make();
  }

  static async create(): Promise<World> {
    return new World(await TempDir.create('runner'));
  }

  /** The process ends and another one begins. */
  async restart(): Promise<void> {
    await this.runner[Symbol.asyncDispose]();
    await this.resume();
  }

  /** As `restart`, without the end in good order. */
  async resume(): Promise<void> {
    this.work.length = 0;
    this.runner = this.#make();
    await this.runner.resume();
  }

  /** Waits until so many works are under way. */
  async running(count: number): Promise<void> {
    await until(() => this.work.length === count, SOON_MS, `${count} jobs run`);
  }

  async records(): Promise<string[]> {
    return (await readdir(this.folder.join('jobs')).catch(() => [])).sort();
  }

  /** All that a watcher sees, once it has ended. */
  async watched(id: string): Promise<Job[]> {
    const seen: Job[] = [];
    for await (const job of this.runner.watch(id)) seen.push(job);
    return seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runner[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
    assert.equal(this.clock.pending, 0, 'no timer is left');
  }

  #make(): JobRunner {
    return new JobRunner({
      folder: this.folder.join('jobs'),
      make: (spec) => {
        if (spec.kind === 'warm' && spec.globs[0] === '../x') throw new DlfsError('invalid-argument', 'no glob');
        return (context) => {
          const end = Promise.withResolvers<JobReport>();
          this.work.push({ spec, context, end });
          const giveUp = (): void => {
            end.reject(new DlfsError('interrupted', 'given up'));
          };
          if (context.signal.aborted) giveUp();
          else context.signal.addEventListener('abort', giveUp);
          return end.promise;
        };
      },
      clock: this.clock,
      random: () => {
        this.#seed = (this.#seed * 16_807) % 2_147_483_647;
        return this.#seed / 2_147_483_647;
      },
      log: SILENT_LOGGER,
    });
  }
}

describe('the runner of jobs', () => {
  test('runs a job to its end, whether anybody watches or not, and forgets its record', async () => {
    await using world = await World.create();
    const { id } = await world.runner.submit(WARM);
    assert.match(id, /^warm-[0-9a-z]{8}$/);
    await world.running(1);
    assert.deepEqual(await world.records(), [`${id}.json`]);
    assert.equal(world.runner.get(id)?.state, 'running');
    world.work[0]?.end.resolve(REPORT);
    const seen = await world.watched(id);
    assert.deepEqual([seen.at(-1)?.state, seen.at(-1)?.report], ['done', REPORT]);
    assert.deepEqual(await world.records(), []);
  });

  test('ends a job that fails as failed, with its error, and goes on with the next', async () => {
    await using world = await World.create();
    const first = await world.runner.submit(EVICT);
    const second = await world.runner.submit(EVICT);
    await world.running(1);
    assert.equal(world.runner.get(second.id)?.state, 'queued', 'one of a kind at a time');
    world.work[0]?.end.reject(new DlfsError('disk-full', 'no room'));
    const [last] = (await world.watched(first.id)).slice(-1);
    assert.deepEqual([last?.state, last?.error?.code], ['failed', 'disk-full']);
    await world.running(2);
    world.work[1]?.end.resolve(REPORT);
    assert.equal((await world.watched(second.id)).at(-1)?.state, 'done');
  });

  test('lets two jobs that fetch run at a time, beside one of another kind', async () => {
    await using world = await World.create();
    for (let n = 0; n < 3; n++) await world.runner.submit(WARM);
    await world.runner.submit(EVICT);
    await world.runner.submit({ kind: 'prefetch' });
    await world.running(4);
    await nextTurn();
    assert.deepEqual(world.work.map(({ spec }) => spec.kind).sort(), ['evict', 'prefetch', 'warm', 'warm']);
  });

  test('cancels a job that waits at once, and one that runs when it has given up; an ended one stays as it is', async () => {
    await using world = await World.create();
    const running = await world.runner.submit(EVICT);
    const waiting = await world.runner.submit(EVICT);
    await world.running(1);
    assert.equal((await world.runner.cancel(waiting.id)).state, 'cancelled');
    assert.equal((await world.runner.cancel(running.id)).state, 'cancelled');
    assert.equal((await world.runner.cancel(running.id)).state, 'cancelled');
    assert.deepEqual(await world.records(), []);
    await nextTurn();
    assert.equal(world.work.length, 1, 'what was cancelled is not begun');
    await assert.rejects(world.runner.cancel('warm-none0000'), { code: 'not-found' });
  });

  test('shows a watcher how a job moves, at most every quarter of a second, and its end', async () => {
    await using world = await World.create();
    const { id } = await world.runner.submit(WARM);
    await world.running(1);
    let files = 0;
    world.work[0]?.context.show(() => ({ ...NO_PROGRESS, files }));
    const watching = world.watched(id);
    await world.clock.advance(0);
    for (files = 1; files <= 10; files++) await world.clock.advance(100);
    world.work[0]?.end.resolve(REPORT);
    const seen = await watching;
    assert.equal(seen.at(-1)?.state, 'done');
    assert.ok(seen.length >= 4 && seen.length <= 7, `${seen.length} states were seen`);
    const counts = seen.map(({ progress }) => progress.files);
    assert.deepEqual(
      counts,
      counts.toSorted((a, b) => a - b),
    );
  });

  test('lets a watcher go without ending the job', async () => {
    await using world = await World.create();
    const { id } = await world.runner.submit(WARM);
    await world.running(1);
    const stop = new AbortController();
    const seen: Job[] = [];
    const watching = (async () => {
      for await (const job of world.runner.watch(id, stop.signal)) seen.push(job);
    })();
    await nextTurn();
    stop.abort();
    await watching;
    assert.equal(world.runner.get(id)?.state, 'running');
  });

  test('goes on, behind a stop, with what had not ended: under its old id, without counting the stop against it', async () => {
    await using world = await World.create();
    const warm = await world.runner.submit(WARM);
    await world.runner.submit({ kind: 'refresh', dryRun: false });
    await world.runner.submit({ kind: 'prefetch' });
    await world.running(3);
    for (let time = 0; time < 8; time++) {
      await world.restart();
      await world.running(1);
      assert.deepEqual(
        world.runner.list().map(({ id }) => id),
        [warm.id],
        'a listing, and what is fetched ahead, begin by themselves',
      );
    }
    world.work[0]?.end.resolve(REPORT);
    assert.equal((await world.watched(warm.id)).at(-1)?.state, 'done');
    await world.restart();
    assert.deepEqual(world.runner.list(), []);
  });

  test('does not begin a job again that was interrupted five times by the end of its process', async () => {
    await using world = await World.create();
    const { id } = await world.runner.submit(WARM);
    for (let time = 1; time < 5; time++) {
      await world.running(1);
      await until(
        async () =>
          (JSON.parse(await readFile(world.folder.join('jobs', `${id}.json`), 'utf8')) as { starts: number }).starts ===
          time,
        SOON_MS,
        'its start is noted',
      );
      await world.resume(); // the process before has been killed: nothing more was written
    }
    await world.running(1);
    await until(
      async () => (await readFile(world.folder.join('jobs', `${id}.json`), 'utf8')).includes('"starts":5'),
      SOON_MS,
      'its start is noted',
    );
    await world.resume();
    const job = world.runner.get(id);
    assert.deepEqual([job?.state, job?.error?.code], ['failed', 'interrupted']);
    assert.deepEqual(await world.records(), []);
  });

  test('leaves alone what is no record of its own, and refuses what can never be done', async () => {
    await using world = await World.create();
    await mkdir(world.folder.join('jobs'));
    const record = { id: 'warm-00000001', spec: WARM, createdMs: 1, starts: 0 };
    const foreign: Record<string, string> = {
      'warm-00000001.json': JSON.stringify(record),
      'warm-00000002.json': JSON.stringify(record), // another's id
      'warm-00000003.json': '{"id":"warm-0000',
      'warm-00000004.json': JSON.stringify({ ...record, id: 'warm-00000004', spec: { kind: 'rm', globs: ['/'] } }),
      'warm-00000005.json': JSON.stringify({ ...record, id: 'warm-00000005', spec: { ...WARM, globs: ['../x'] } }),
      'notes.txt': 'x',
    };
    for (const [name, text] of Object.entries(foreign)) await writeFile(world.folder.join('jobs', name), text);
    await world.resume();
    await world.running(1);
    assert.deepEqual(
      world.runner.list().map(({ id }) => id),
      ['warm-00000001'],
    );
    await assert.rejects(world.runner.submit({ ...WARM, globs: ['../x'] }), { code: 'invalid-argument' });
  });

  test('takes a hundred jobs at most that have not ended, and remembers as many that have', async () => {
    await using world = await World.create();
    const first = await world.runner.submit(EVICT);
    for (let n = 1; n < 100; n++) await world.runner.submit(EVICT);
    await assert.rejects(world.runner.submit(EVICT), { code: 'conflict' });
    await world.runner.cancel(first.id);
    for (let n = 0; n < 120; n++) {
      const { id } = await world.runner.submit(WARM).catch(() => ({ id: '' }));
      if (id !== '') await world.runner.cancel(id);
    }
    assert.equal(world.runner.list().filter(({ state }) => state === 'cancelled').length, 100);
    assert.equal(world.runner.get(first.id), null, 'the oldest are forgotten');
  });

  test('takes nothing on once it is closed, and lets its watchers go', async () => {
    await using world = await World.create();
    const { id } = await world.runner.submit(WARM);
    await world.running(1);
    const watching = world.watched(id);
    await nextTurn();
    await world.runner[Symbol.asyncDispose]();
    assert.notEqual((await watching).at(-1)?.state, 'cancelled');
    await assert.rejects(world.runner.submit(WARM), { code: 'interrupted' });
    assert.deepEqual(await world.records(), [`${id}.json`]);
  });
});
