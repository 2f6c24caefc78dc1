import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseSizeOrShare } from '../../../src/base/size.ts';
import { QuotaGate, type CacheUse, type DiskSpace, type QuotaLimits } from '../../../src/cache/policy/quota.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const LIMITS: QuotaLimits = { bytes: 10 * GIB, files: 100_000, floor: parseSizeOrShare('15%') };
const DISK: DiskSpace = { totalBytes: 100 * GIB, availableBytes: 60 * GIB, availableFiles: 1_000_000 };

function use(options: Partial<CacheUse> = {}): CacheUse {
  const { bytes = 0, files = 0 } = options;
  return { bytes, files, reservedBytes: 0, reservedFiles: 0, evictableBytes: bytes, evictableFiles: files, ...options };
}

describe('the quota', () => {
  test('admits what fits', () => {
    const answer = new QuotaGate(LIMITS).decide(use(), DISK, { bytes: MIB, files: 1 });
    assert.deepEqual(answer, { decision: { kind: 'admit' }, transition: null });
  });

  test('asks for an eviction with slack when the bytes are used up, counting reservations', () => {
    const held = use({ bytes: 10 * GIB - 2 * MIB, files: 10, reservedBytes: MIB });
    const { decision } = new QuotaGate(LIMITS).decide(held, DISK, { bytes: 2 * MIB, files: 1 });
    assert.deepEqual(decision, { kind: 'evict', need: { bytes: MIB + 160 * MIB, files: 0 }, reason: 'quota-bytes' });
  });

  test('asks for an eviction of files when those are used up', () => {
    const { decision } = new QuotaGate(LIMITS).decide(use({ bytes: GIB, files: 100_000 }), DISK, {
      bytes: MIB,
      files: 1,
    });
    assert.deepEqual(decision, { kind: 'evict', need: { bytes: 0, files: 1 + 1563 }, reason: 'quota-files' });
  });

  test('keeps the floor although the quota has room, and says so', () => {
    const disk = { ...DISK, availableBytes: 15 * GIB };
    const { decision, transition } = new QuotaGate(LIMITS).decide(use({ bytes: GIB, files: 10 }), disk, {
      bytes: MIB,
      files: 0,
    });
    assert.equal(decision.kind, 'evict');
    assert.deepEqual(transition, { from: 'normal', to: 'floor', reason: 'floor' });
  });

  test('counts what is reserved against the floor: statfs does not see it yet', () => {
    const disk = { ...DISK, availableBytes: 15 * GIB + 10 * MIB };
    const gate = new QuotaGate(LIMITS);
    assert.equal(gate.decide(use(), disk, { bytes: 10 * MIB, files: 1 }).decision.kind, 'admit');
    const reserved = use({ reservedBytes: MIB });
    assert.notEqual(gate.decide(reserved, disk, { bytes: 10 * MIB, files: 1 }).decision.kind, 'admit');
  });

  test('shrinks the cache when somebody else fills the disk, without any request', () => {
    const disk = { ...DISK, availableBytes: 14 * GIB };
    const { decision } = new QuotaGate(LIMITS).decide(use({ bytes: 5 * GIB, files: 10 }), disk, { bytes: 0, files: 0 });
    assert.deepEqual(decision, { kind: 'evict', need: { bytes: GIB + 160 * MIB, files: 0 }, reason: 'floor' });
  });

  test('serves without caching when eviction would not restore the floor, and gives back what it has', () => {
    const disk = { ...DISK, availableBytes: 10 * GIB };
    const gate = new QuotaGate(LIMITS);
    const { decision, transition } = gate.decide(use({ bytes: GIB, files: 3 }), disk, { bytes: MIB, files: 1 });
    assert.deepEqual(decision, { kind: 'bypass', need: { bytes: GIB, files: 0 }, reason: 'floor' });
    assert.deepEqual(transition, { from: 'normal', to: 'bypass', reason: 'floor' });
  });

  test('leaves a bypass only when there is room for the slack too', () => {
    const gate = new QuotaGate(LIMITS);
    const request = { bytes: MIB, files: 1 };
    const at = (availableBytes: number): string =>
      gate.decide(use(), { ...DISK, availableBytes }, request).decision.kind;
    assert.equal(at(14 * GIB), 'bypass');
    assert.equal(at(15 * GIB + 2 * MIB), 'bypass');
    assert.equal(at(15 * GIB + 200 * MIB), 'admit');
    assert.equal(gate.state, 'floor');
    assert.equal(at(16 * GIB), 'admit');
    assert.equal(gate.state, 'normal');
  });

  test('leaves a bypass for the quota with the first request that fits exactly: nobody else would make more room', () => {
    const limits: QuotaLimits = { bytes: 8 * MIB, files: 100, floor: parseSizeOrShare('1MiB') };
    const gate = new QuotaGate(limits);
    const request = { bytes: MIB, files: 1 };
    // Everything is reserved for runs that are on their way.
    const burst = use({ bytes: 2 * MIB, files: 2, reservedBytes: 6 * MIB, evictableBytes: 0 });
    assert.equal(gate.decide(burst, DISK, request).decision.kind, 'bypass');
    assert.equal(gate.state, 'bypass');
    const landed = use({ bytes: 7 * MIB, files: 7, evictableBytes: 0 });
    assert.deepEqual(gate.decide(landed, DISK, request).decision, { kind: 'admit' });
    assert.equal(gate.state, 'quota');
  });

  test('makes the room itself that leaving a bypass for the floor takes, where something may leave', () => {
    const gate = new QuotaGate(LIMITS);
    const request = { bytes: MIB, files: 1 };
    const at = (availableBytes: number, held: number) =>
      gate.decide(use({ bytes: held, files: 9 }), { ...DISK, availableBytes }, request).decision;
    assert.equal(at(10 * GIB, GIB).kind, 'bypass');
    assert.deepEqual(at(15 * GIB + 2 * MIB, GIB), {
      kind: 'evict',
      need: { bytes: 159 * MIB, files: 0 },
      reason: 'floor',
    });
  });

  test('gives nothing up for a request that it will not cache', () => {
    const held = use({ bytes: 2 * GIB, files: 2, reservedBytes: 8 * GIB });
    const { decision } = new QuotaGate(LIMITS).decide(held, DISK, { bytes: 3 * GIB, files: 1 });
    assert.deepEqual(decision, { kind: 'bypass', need: null, reason: 'quota-bytes' });
  });

  test('refuses what is larger than the whole quota, without a transition', () => {
    const answer = new QuotaGate({ ...LIMITS, bytes: 4 * MIB }).decide(use(), DISK, { bytes: 5 * MIB, files: 1 });
    assert.deepEqual(answer, { decision: { kind: 'bypass', need: null, reason: 'too-large' }, transition: null });
  });

  test('runs out of inodes like out of bytes, and ignores a file system that does not count them', () => {
    const request = { bytes: MIB, files: 1 };
    const few = new QuotaGate(LIMITS).decide(
      use({ bytes: GIB, files: 50 }),
      { ...DISK, availableFiles: 1000 },
      request,
    );
    assert.deepEqual([few.decision.kind, few.transition?.reason], ['evict', 'inodes']);
    const none = new QuotaGate(LIMITS).decide(use(), { ...DISK, availableFiles: null }, request);
    assert.equal(none.decision.kind, 'admit');
  });

  test('takes a slack that suits a small disk', () => {
    const disk: DiskSpace = { totalBytes: 256 * MIB, availableBytes: 38 * MIB, availableFiles: null };
    const { decision } = new QuotaGate(LIMITS).decide(use({ bytes: 100 * MIB, files: 9 }), disk, {
      bytes: MIB,
      files: 0,
    });
    assert.ok(decision.kind === 'evict' && decision.need.bytes < 8 * MIB);
  });

  test('makes one transition, not one an eviction, while a load sits at the quota or at the floor', () => {
    for (const availableBytes of [60 * GIB, 15 * GIB + 64 * MIB]) {
      const gate = new QuotaGate(LIMITS);
      let [transitions, evictions, available] = [0, 0, availableBytes];
      let bytes = availableBytes === 60 * GIB ? 10 * GIB - 64 * MIB : 5 * GIB;
      for (let request = 0; request < 5000; request++) {
        const disk = { ...DISK, availableBytes: available };
        const { decision, transition } = gate.decide(use({ bytes, files: 10 }), disk, { bytes: MIB, files: 0 });
        if (transition !== null) transitions += 1;
        assert.notEqual(decision.kind, 'bypass');
        if (decision.kind === 'evict') {
          evictions += 1;
          bytes -= decision.need.bytes;
          available += decision.need.bytes;
        }
        bytes += MIB;
        available -= MIB;
      }
      assert.equal(transitions, 1);
      assert.ok(evictions > 10 && evictions < 50, `${evictions} evictions`);
    }
  });

  test('never admits beyond the quota or below the floor, and never asks for what is not evictable', () => {
    const amount = fc.nat(4000).map((mebibytes) => mebibytes * MIB);
    const step = fc.record({
      bytes: amount,
      files: fc.nat(120),
      reservedBytes: amount,
      reservedFiles: fc.nat(20),
      evictableShare: fc.constantFrom(0, 0.5, 1),
      available: amount,
      availableFiles: fc.option(fc.nat(3000), { nil: null }),
      request: fc.record({ bytes: fc.nat(64).map((mebibytes) => mebibytes * MIB), files: fc.nat(2) }),
    });
    const limits: QuotaLimits = { bytes: 2000 * MIB, files: 100, floor: parseSizeOrShare('15%') };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const gate = new QuotaGate(limits);
        for (const one of steps) {
          const state = gate.state;
          const held: CacheUse = {
            ...one,
            evictableBytes: Math.floor(one.bytes * one.evictableShare),
            evictableFiles: Math.floor(one.files * one.evictableShare),
          };
          const disk = { totalBytes: 4000 * MIB, availableBytes: one.available, availableFiles: one.availableFiles };
          const { decision, transition } = gate.decide(held, disk, one.request);
          const after = (freed: { bytes: number; files: number }): void => {
            assert.ok(held.bytes + held.reservedBytes + one.request.bytes - freed.bytes <= limits.bytes);
            assert.ok(held.files + held.reservedFiles + one.request.files - freed.files <= limits.files);
            assert.ok(one.available - held.reservedBytes - one.request.bytes + freed.bytes >= 600 * MIB);
          };
          if (decision.kind === 'admit') after({ bytes: 0, files: 0 });
          else if (decision.need !== null) {
            assert.ok(decision.need.bytes <= held.evictableBytes && decision.need.files <= held.evictableFiles);
            assert.ok(decision.need.bytes > 0 || decision.need.files > 0);
          }
          if (decision.kind === 'evict') after(decision.need);
          assert.equal(gate.state, transition?.to ?? state);
          if (transition !== null) assert.notEqual(transition.from, transition.to);
        }
      }),
    );
  });
});
