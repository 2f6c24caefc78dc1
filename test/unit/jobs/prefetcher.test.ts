/**
 * When a dataset is fetched ahead: over a runner that a test ends jobs of, and a clock moved by hand.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DlfsError } from '../../../src/base/errors.ts';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import type { PrefetchMode } from '../../../src/daemon/dataset/dataset-options.ts';
import { Prefetcher } from '../../../src/daemon/jobs/prefetcher.ts';
import type { Job, JobSpec, JobState } from '../../../src/daemon/jobs/job-types.ts';

class World implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly specs: JobSpec[] = [];
  readonly prefetcher: Prefetcher;
  refuses = false;
  #ends: PromiseWithResolvers<JobState>[] = [];

  constructor(mode: PrefetchMode) {
    const jobOf = (id: string, state: JobState) => ({ id, state }) as Job;
    const ends = this.#ends;
    this.prefetcher = new Prefetcher({
      runner: {
        submit: (spec) => {
          if (this.refuses) return Promise.reject(new DlfsError('conflict', 'too many jobs wait'));
          this.specs.push(spec);
          ends.push(Promise.withResolvers());
          return Promise.resolve(jobOf(String(ends.length - 1), 'queued'));
        },
        watch: async function* (id) {
          yield jobOf(id, 'running');
          const end = ends[Number(id)];
          if (end !== undefined) yield jobOf(id, await end.promise);
        },
        cancel: (id) => {
          ends[Number(id)]?.resolve('cancelled');
          return Promise.resolve(jobOf(id, 'cancelled'));
        },
      },
      mode,
      clock: this.clock,
      log: SILENT_LOGGER,
    });
  }

  /** Jobs begun so far. */
  async begun(): Promise<number> {
    await this.clock.advance(0);
    return this.specs.length;
  }

  /** The job under way ends. */
  async end(state: JobState): Promise<void> {
    this.#ends.at(-1)?.resolve(state);
    await this.clock.advance(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ends.at(-1)?.resolve('cancelled');
    await this.prefetcher[Symbol.asyncDispose]();
    assert.equal(this.clock.pending, 0, 'no timer is left');
  }
}

describe('what is fetched ahead', () => {
  test('waits for the complete listing, and is nothing where nobody asked for it', async () => {
    await using asked = new World('all');
    asked.prefetcher.roomier();
    assert.equal(await asked.begun(), 0);
    asked.prefetcher.listed();
    assert.equal(await asked.begun(), 1);
    assert.deepEqual(asked.specs, [{ kind: 'prefetch' }]);
    await using unasked = new World('readahead');
    unasked.prefetcher.listed();
    assert.equal(await unasked.begun(), 0);
    unasked.prefetcher.mode = 'all';
    assert.equal(await unasked.begun(), 1, 'the listing is known already');
  });

  test('is one job at a time: changes that come meanwhile are one job behind it', async () => {
    await using world = new World('all');
    world.prefetcher.listed();
    for (let n = 0; n < 5; n++) world.prefetcher.listed();
    assert.equal(await world.begun(), 1);
    await world.end('done');
    assert.equal(await world.begun(), 2);
    await world.end('done');
    assert.equal(await world.begun(), 2);
  });

  test('ends when nobody asks for it any longer, and begins again when somebody does', async () => {
    await using world = new World('all');
    world.prefetcher.listed();
    world.prefetcher.listed();
    await world.begun();
    world.prefetcher.mode = 'readahead';
    assert.equal(await world.begun(), 1, 'nothing follows what was ended');
    world.prefetcher.mode = 'all';
    assert.equal(await world.begun(), 2);
  });

  test('that was ended in the moment of its beginning ends', async () => {
    await using world = new World('all');
    world.prefetcher.listed();
    world.prefetcher.mode = 'readahead';
    assert.equal(await world.begun(), 1);
    world.prefetcher.listed();
    assert.equal(await world.begun(), 1);
  });

  test('is tried again when it fails, with growing pauses, but not when somebody has cancelled it', async () => {
    await using world = new World('all');
    world.prefetcher.listed();
    await world.begun();
    await world.end('failed');
    await world.clock.advance(29_000);
    assert.equal(await world.begun(), 1);
    await world.clock.advance(2_000);
    assert.equal(await world.begun(), 2);
    await world.end('failed');
    await world.clock.advance(31_000);
    assert.equal(await world.begun(), 2, 'the next pause is longer');
    await world.clock.advance(30_000);
    assert.equal(await world.begun(), 3);
    await world.end('cancelled');
    await world.clock.advance(7_200_000);
    assert.equal(await world.begun(), 3);
    world.prefetcher.listed();
    assert.equal(await world.begun(), 4, 'the next change begins it');
  });

  test('that cannot be asked for is asked for again later', async () => {
    await using world = new World('all');
    world.refuses = true;
    world.prefetcher.listed();
    assert.equal(await world.begun(), 0);
    world.refuses = false;
    await world.clock.advance(31_000);
    assert.equal(await world.begun(), 1);
  });
});
