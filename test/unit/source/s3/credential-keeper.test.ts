import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DlfsError } from '../../../../src/base/errors.ts';
import { ManualClock } from '../../../../src/base/manual-clock.ts';
import { CredentialKeeper } from '../../../../src/source/s3/credential-keeper.ts';
import type { HeldCredentials } from '../../../../src/source/s3/messages.ts';

const HOUR = 3_600_000;

function setUp(load: (call: number, clock: ManualClock) => HeldCredentials | Promise<HeldCredentials>) {
  const clock = new ManualClock();
  const seen = { loads: 0, changes: [] as string[], failures: [] as number[] };
  const keeper = new CredentialKeeper({
    clock,
    random: () => 0,
    load: async () => load((seen.loads += 1), clock),
    onChange: ({ accessKeyId }) => seen.changes.push(accessKeyId),
    onFailure: (_, leftMs) => seen.failures.push(leftMs),
  });
  return { clock, seen, keeper };
}

const keys = (accessKeyId: string, expiresMs: number | null): HeldCredentials => ({
  accessKeyId,
  secretAccessKey: 's',
  sessionToken: null,
  expiresMs,
});

test('keys that do not expire are loaded once', async () => {
  const { keeper, seen, clock } = setUp(() => keys('A', null));
  using _ = keeper;
  await Promise.all([keeper.get(), keeper.get()]);
  await clock.advance(1000 * HOUR);
  assert.equal((await keeper.get()).accessKeyId, 'A');
  assert.deepEqual([seen.loads, clock.pending], [1, 0]);
});

test('keys that expire are renewed ten minutes before, without being asked for', async () => {
  const { keeper, seen, clock } = setUp((call, now) => keys(`K${call}`, now.wall() + HOUR));
  using _ = keeper;
  await keeper.get();
  await clock.advance(HOUR - 601_000);
  assert.deepEqual(seen.changes, ['K1']);
  await clock.advance(1000);
  assert.deepEqual(seen.changes, ['K1', 'K2']);
  assert.equal((await keeper.get()).accessKeyId, 'K2');
});

test('short-lived keys are renewed with a quarter of their life left', async () => {
  const { keeper, seen, clock } = setUp((call, now) => keys(`K${call}`, now.wall() + 400_000));
  using _ = keeper;
  await keeper.get();
  await clock.advance(299_000);
  assert.equal(seen.loads, 1);
  await clock.advance(1000);
  assert.equal(seen.loads, 2);
});

test('a renewal that brings the same keys is tried again, and is no news', async () => {
  const { keeper, seen, clock } = setUp((call, now) =>
    call < 4 ? keys('A', Date.UTC(2025, 0, 1) + HOUR) : keys('B', now.wall() + HOUR),
  );
  using _ = keeper;
  await keeper.get();
  await clock.advance(HOUR - 600_000);
  await clock.advance(60_000);
  await clock.advance(60_000);
  assert.deepEqual([seen.loads, seen.changes], [4, ['A', 'B']]);
});

test('keys stay in use while their renewal fails, and it goes on being tried', async () => {
  const { keeper, seen, clock } = setUp((call, now) => {
    if (call > 1 && call < 4) throw new DlfsError('unauthenticated', 'no');
    return keys(`K${call}`, now.wall() + HOUR);
  });
  using _ = keeper;
  await keeper.get();
  await clock.advance(HOUR - 600_000);
  assert.equal((await keeper.get()).accessKeyId, 'K1');
  assert.deepEqual(seen.failures, [600_000]);
  await clock.advance(30_000);
  await clock.advance(30_000);
  assert.deepEqual(
    [seen.failures, seen.changes],
    [
      [600_000, 570_000],
      ['K1', 'K4'],
    ],
  );
});

test('expired keys are never given out', async () => {
  const { keeper, clock } = setUp((call, now) => {
    if (call > 1) throw new DlfsError('unauthenticated', 'no more');
    return keys('A', now.wall() + HOUR);
  });
  using _ = keeper;
  await keeper.get();
  await clock.advance(2 * HOUR);
  await assert.rejects(keeper.get(), /no more/);
});

test('however many ask, one load is under way', async () => {
  const gate = Promise.withResolvers<HeldCredentials>();
  const { keeper, seen } = setUp(() => gate.promise);
  using _ = keeper;
  const asked = [keeper.get(), keeper.refresh(), keeper.get()];
  gate.resolve(keys('A', null));
  await Promise.all(asked);
  assert.equal(seen.loads, 1);
});

test('a first load that fails is told to who asked, and the next one tries again', async () => {
  const { keeper, clock } = setUp((call) => {
    if (call === 1) throw new DlfsError('unauthenticated', 'no keys');
    return keys('A', null);
  });
  using _ = keeper;
  await assert.rejects(keeper.get(), /no keys/);
  assert.equal(clock.pending, 0);
  assert.equal((await keeper.get()).accessKeyId, 'A');
});

test('after disposal no timer runs and nothing is reported', async () => {
  const { keeper, clock, seen } = setUp((call, now) => keys(`K${call}`, now.wall() + HOUR));
  await keeper.get();
  keeper[Symbol.dispose]();
  assert.equal(clock.pending, 0);
  await keeper.refresh();
  assert.deepEqual([seen.changes, clock.pending], [['K1'], 0]);
});
