/**
 * Pins over a real index, and against a model: what a glob means is pinned as long as a pin means it, whatever comes in between.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import type { NodeRow, PinnedObject, PinRow } from '../../../src/cache/index/rows.ts';
import { Pins, type PinIndex } from '../../../src/cache/pins/pins.ts';
import { GlobSet } from '../../../src/dataset/glob/glob-set.ts';
import { commitBlocksOf, IndexFixture, inoAt, listAll } from '../index/fixture.ts';

/** An index of plain objects: each answers in the order in which it was asked. */
class Index implements PinIndex {
  readonly paths: readonly string[];
  readonly superseded = new Set<number>();
  readonly marked = new Set<number>();
  rows: PinRow[] = [];
  /** Runs in the middle of a mark that is under way. */
  meanwhile: (() => Promise<void>) | null = null;

  constructor(paths: readonly string[]) {
    this.paths = paths;
  }

  pins(): PinRow[] {
    return this.rows;
  }

  addPins(pins: readonly PinRow[]): Promise<void> {
    this.rows = [...this.rows, ...pins.filter(({ glob }) => !this.rows.some((row) => row.glob === glob))];
    return Promise.resolve();
  }

  removePins(globs: readonly string[]): Promise<void> {
    this.rows = this.rows.filter(({ glob }) => !globs.includes(glob));
    return Promise.resolve();
  }

  node(ino: number): NodeRow | null {
    if (this.paths[ino] === undefined) return null;
    return { ino, dir: false, superseded: this.superseded.has(ino) } as NodeRow;
  }

  keyOf(ino: number): string {
    return this.paths[ino] ?? '';
  }

  pinnedObjects(afterIno: number, limit: number): PinnedObject[] {
    return [...this.marked]
      .filter((ino) => ino > afterIno)
      .sort((a, b) => a - b)
      .slice(0, limit)
      .map((ino) => ({ ino, bytes: 1 }));
  }

  async setPinned(inos: readonly number[], pinned: boolean): Promise<void> {
    const { meanwhile } = this;
    this.meanwhile = null;
    await meanwhile?.();
    for (const ino of inos) {
      if (pinned) this.marked.add(ino);
      else this.marked.delete(ino);
    }
  }
}

const PATHS = ['', 'a/1', 'a/2', 'a/b/3', 'c/1', 'c/x.bin'];
const GLOBS = ['a', 'a/*', '**/1', 'c/*.bin', 'a/b/3', 'nothing/here'];

describe('pins', () => {
  test('mean files by path or glob, a directory with what is below it, and never a version that was replaced', async () => {
    const index = new Index(PATHS);
    const pins = new Pins({ index, log: SILENT_LOGGER });
    assert.equal(pins.set, null);
    assert.equal(pins.isPinned(1), false);
    await pins.add(['a', 'c/*.bin'], 5);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((ino) => pins.isPinned(ino)),
      [true, true, true, false, true],
    );
    assert.ok(pins.covers('a/new/deep'));
    index.superseded.add(1);
    assert.equal(pins.isPinned(1), false);
    assert.equal(pins.isPinned(99), false, 'what nobody knows is not pinned');
  });

  test('that are given twice stay as they were, and what is no glob is refused whole', async () => {
    const index = new Index(PATHS);
    const pins = new Pins({ index, log: SILENT_LOGGER });
    await pins.add(['a'], 5);
    await pins.add(['a', 'c'], 9);
    assert.deepEqual(
      pins.rows.map(({ glob, atMs }) => [glob, atMs]),
      [
        ['a', 5],
        ['c', 9],
      ],
    );
    await assert.rejects(pins.add(['c/1', '../x'], 9), { code: 'invalid-argument' });
    assert.equal(pins.rows.length, 2);
  });

  test('that are taken back give their marks back, unless another pin means the file; others are told', async () => {
    const index = new Index(PATHS);
    let told = 0;
    const pins = new Pins({ index, log: SILENT_LOGGER, onMarked: () => (told += 1) });
    await pins.add(['a', '**/1'], 1);
    await pins.mark([1, 2, 3, 4, 5]);
    assert.deepEqual([...index.marked], [1, 2, 3, 4], 'what no pin means is not marked');
    assert.deepEqual(await pins.remove(['a', 'unknown']), ['unknown']);
    assert.deepEqual([...index.marked], [1, 4]);
    assert.equal(told, 2);
  });

  test('that are taken back while a mark is on its way leave no mark behind', async () => {
    const index = new Index(PATHS);
    const pins = new Pins({ index, log: SILENT_LOGGER });
    await pins.add(['a'], 1);
    index.meanwhile = async () => {
      await pins.remove(['a']);
    };
    await pins.mark([1, 2]);
    assert.deepEqual([...index.marked], []);
  });

  test('that somebody has broken in the database do not count, and nothing fails', () => {
    const index = new Index(PATHS);
    index.rows = [{ glob: '../x', atMs: 1 }];
    const pins = new Pins({ index, log: SILENT_LOGGER });
    assert.equal(pins.set, null);
    assert.equal(pins.isPinned(1), false);
  });

  test('and their marks follow what was asked for, in any order', async () => {
    const glob = fc.constantFrom(...GLOBS);
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), globs: fc.array(glob, { minLength: 1, maxLength: 3 }) }),
      fc.record({ kind: fc.constant('remove' as const), globs: fc.array(glob, { minLength: 1, maxLength: 3 }) }),
      fc.record({ kind: fc.constant('commit' as const), ino: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ kind: fc.constant('replace' as const), ino: fc.integer({ min: 1, max: 5 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const index = new Index(PATHS);
        const pins = new Pins({ index, log: SILENT_LOGGER });
        const model = new Set<string>();
        for (const one of steps) {
          if (one.kind === 'add') {
            await pins.add(one.globs, 1);
            for (const each of one.globs) model.add(each);
          } else if (one.kind === 'remove') {
            const unknown = await pins.remove(one.globs);
            assert.deepEqual(
              unknown,
              one.globs.filter((each) => !model.has(each)),
            );
            for (const each of one.globs) model.delete(each);
          } else if (one.kind === 'commit') await pins.mark([one.ino]);
          else index.superseded.add(one.ino);
          const set = model.size === 0 ? null : GlobSet.compile([...model]);
          for (let ino = 1; ino < PATHS.length; ino++) {
            const expected = set !== null && !index.superseded.has(ino) && set.covers(PATHS[ino] ?? '');
            assert.equal(pins.isPinned(ino), expected, PATHS[ino]);
          }
          if (one.kind !== 'replace') continue;
          await pins.settleMarks();
          for (const ino of index.marked) assert.ok(pins.isPinned(ino));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('are kept by the index, out of the order of eviction, over a restart', async () => {
    await using fixture = await IndexFixture.create();
    await listAll(fixture.index, { 'a/1': {}, 'a/2': {}, 'c/1': {} });
    const [one, two, other] = ['a/1', 'a/2', 'c/1'].map((path) => inoAt(fixture.index, path)) as [
      number,
      number,
      number,
    ];
    await commitBlocksOf(fixture.index, [one, two, other]);
    const pins = new Pins({ index: fixture.index, log: SILENT_LOGGER });
    await pins.add(['a'], 1);
    await pins.mark([one, two, other]);
    const coldest = (): number[] =>
      fixture.index
        .coldest(9)
        .map(({ ino }) => ino)
        .sort();
    assert.deepEqual(coldest(), [other]);
    assert.equal(fixture.index.totals().pinnedFiles, 2);
    await fixture.reopen();
    const again = new Pins({ index: fixture.index, log: SILENT_LOGGER });
    assert.ok(again.isPinned(one) && again.isPinned(two));
    assert.deepEqual(coldest(), [other]);
    await again.remove(['a']);
    assert.deepEqual(coldest(), [one, two, other].sort());
    assert.deepEqual([fixture.index.totals().pinnedBytes, fixture.index.totals().pinnedFiles], [0, 0]);
  });
});
