/**
 * The writer of an index next to a model of its origin, driven step by step on one thread: listings overlap as the test says,
 * down to single transactions.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ManualClock } from '../../src/base/manual-clock.ts';
import type { ListPage } from '../../src/dataset/listing.ts';
import { openDatabase } from '../../src/cache/index/worker/open-database.ts';
import type { Pace } from '../../src/cache/index/worker/pace.ts';
import { Store } from '../../src/cache/index/worker/store.ts';
import { Writer } from '../../src/cache/index/worker/writer.ts';
import { checkInvariants, isDirectory, type RawNode } from './index-invariants.ts';
import { etagOf, ModelOrigin, type ExpectedTree } from './index-origin.ts';

/** The prefix of the mount: keys of the origin have it, the index's do not. */
const PREFIX = 'data/';
const BLOCK_SIZE = 4096;

/** A listing, or a shard of one, that asks for pages. */
interface Feeder {
  readonly lane: number;
  readonly prefix: string;
  readonly delimiter: '/' | null;
  after: string;
  /** A page is being applied. */
  busy: boolean;
  done: boolean;
}

interface ActiveDirectory extends Feeder {
  readonly directory: number;
  readonly changesAtBegin: number;
  alone: boolean;
}

interface ActiveFull {
  readonly lane: number;
  readonly shards: Feeder[];
  readonly toDescend: string[];
  /** Requests to cover one of those that are not answered yet. */
  covering: number;
  readonly changesAtBegin: number;
  failed: boolean;
  alone: boolean;
}

/** See the file's header. */
export class IndexWorld implements Disposable {
  readonly origin = new ModelOrigin();
  readonly #folder = mkdtempSync(join(tmpdir(), 'dlfs-model-'));
  readonly #clock = new ManualClock();
  readonly #pace: Pace;
  readonly #history = new Map<number, string>();
  readonly #deferred: (() => void)[] = [];
  readonly #failures: unknown[] = [];
  #store: Store;
  #writer: Writer;
  #nextLane = 1;
  #directories: ActiveDirectory[] = [];
  #full: ActiveFull | null = null;
  /** A full listing is about to begin or to end: its requests are not answered yet. */
  #betweenFulls = false;
  /** Requests that are not answered yet; those of a process that is dead never are. */
  #pending = 0;
  #generation = 0;

  constructor(pace: Pace) {
    this.#pace = pace;
    [this.#store, this.#writer] = this.#open();
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Changes the origin. */
  put(key: string, version: number, size: number): void {
    this.origin.put(PREFIX + key, { version, size });
  }

  /** Changes the origin. */
  delete(key: string): void {
    this.origin.delete(PREFIX + key);
  }

  /** Changes the origin: all keys with a prefix go. */
  deleteBelow(prefix: string): void {
    for (const key of [...this.origin.objects.keys()]) if (key.startsWith(PREFIX + prefix)) this.origin.delete(key);
  }

  /** Begins to list the nth visible directory, unless it is being listed. */
  async beginDirectory(nth: number): Promise<void> {
    const directories = this.#visible().filter(isDirectory);
    const directory = directories[nth % directories.length];
    if (directory === undefined || this.#directories.some((active) => active.directory === directory.ino)) return;
    const lane = this.#lane();
    let prefix: string;
    try {
      ({ prefix } = await this.#writer.handle('beginDirectory', { lane, dir: directory.ino }));
    } catch (thrown) {
      // It is visible, but being buried.
      assert.equal((thrown as { code?: string }).code, 'not-found');
      return;
    }
    const alone = this.#directories.length === 0 && this.#full === null && !this.#betweenFulls;
    if (!alone) this.#nobodyIsAlone();
    this.#directories.push({
      lane,
      prefix,
      delimiter: '/',
      after: '',
      busy: false,
      done: false,
      directory: directory.ino,
      changesAtBegin: this.origin.changes,
      alone,
    });
  }

  /** Lets the nth listing of a directory take a page. */
  directoryPage(nth: number, size: number): void {
    const active = this.#directories[nth % this.#directories.length];
    if (active === undefined || active.busy || active.done) return;
    const page = this.#next(active, size);
    const adding = this.#writer.handle('addPage', { lane: active.lane, page });
    this.#watch(active, adding, async ({ stopped }) => {
      active.done = page.last || stopped !== null;
      if (active.done) await this.#finishDirectory(active);
    });
  }

  /** Gives the nth listing of a directory up. */
  async abortDirectory(nth: number): Promise<void> {
    const active = this.#directories[nth % this.#directories.length];
    if (active === undefined) return;
    this.#directories = this.#directories.filter((other) => other !== active);
    await this.#writer.handle('abortDirectory', { lane: active.lane });
  }

  /** Begins to list everything, unless that is under way. */
  beginFull(limit: number): void {
    if (this.#full !== null || this.#betweenFulls) return;
    this.#betweenFulls = true;
    const lane = this.#lane();
    const alone = this.#directories.length === 0;
    this.#nobodyIsAlone();
    this.#track(
      this.#writer.handle('beginFull', { lane, limit }).then(() => {
        this.#betweenFulls = false;
        this.#full = {
          lane,
          shards: [],
          toDescend: [''],
          covering: 0,
          changesAtBegin: this.origin.changes,
          failed: false,
          alone: alone && this.#directories.length === 0,
        };
      }),
    );
  }

  /** Begins a shard of the full listing at one of the directories that need one. */
  async beginShard(nth: number, kind: 'level' | 'subtree'): Promise<void> {
    const full = this.#full;
    const key = full?.toDescend.splice(nth % Math.max(1, full.toDescend.length), 1)[0];
    if (full === null || key === undefined) return;
    const lane = this.#lane();
    const shard: Feeder = {
      lane,
      prefix: PREFIX + key,
      delimiter: kind === 'level' ? '/' : null,
      after: '',
      busy: true,
      done: false,
    };
    full.shards.push(shard);
    this.#watch(shard, this.#writer.handle('beginShard', { lane, full: full.lane, kind, key }), () =>
      Promise.resolve(),
    );
    await nextTurn();
  }

  /**
   * Takes one of the directories that need a shard as it was listed by itself, if it was since the full listing began.
   * @returns called when that is answered: its number, where it is to be listed by itself first
   */
  cover(nth: number): () => number | null {
    const full = this.#full;
    const key = full?.toDescend.splice(nth % Math.max(1, full.toDescend.length), 1)[0];
    let first: number | null = null;
    if (full !== null && key !== undefined) {
      full.covering += 1;
      this.#track(
        this.#writer
          .handle('coverDirectory', { full: full.lane, key })
          .then(({ descend, byItself, stopped }) => {
            full.toDescend.push(...(descend ?? [key]));
            full.failed ||= stopped !== null;
            first = byItself;
          })
          .finally(() => {
            full.covering -= 1;
          }),
      );
    }
    return () => first;
  }

  /** Lets the nth shard take a page. */
  shardPage(nth: number, size: number): void {
    const full = this.#full;
    const open = full?.shards.filter((shard) => !shard.done) ?? [];
    const shard = open[nth % Math.max(1, open.length)];
    if (full === null || shard === undefined || shard.busy) return;
    const page = this.#next(shard, size);
    this.#watch(
      shard,
      this.#writer.handle('addShardPage', { lane: shard.lane, page }),
      async ({ descend, stopped }) => {
        shard.done = page.last || stopped !== null;
        full.failed ||= stopped !== null;
        full.toDescend.push(...descend);
      },
    );
  }

  /** Ends the full listing if all of it has been listed, or it has stopped. */
  finishFull(): void {
    const full = this.#full;
    if (full === null) return;
    const complete = full.toDescend.length === 0 && full.covering === 0 && full.shards.every((shard) => shard.done);
    if (!complete && !full.failed) return;
    this.#full = null;
    this.#betweenFulls = true;
    this.#track(
      this.#writer.handle('finishFull', { lane: full.lane }).then((outcome) => {
        this.#betweenFulls = false;
        assert.equal(outcome.stopped !== null, full.failed);
        if (outcome.stopped === null && full.alone && full.changesAtBegin === this.origin.changes)
          this.assertTree(this.origin.tree());
      }),
    );
  }

  /** Gives the full listing up. */
  abortFull(): void {
    if (this.#full === null) return;
    const { lane } = this.#full;
    this.#full = null;
    this.#track(this.#writer.handle('abortFull', { lane }));
  }

  /** Deletes what is superseded, as if the kernel had forgotten all of it; or only what an earlier run has left. */
  purge(leftovers: boolean): void {
    if (leftovers) {
      this.#track(this.#writer.handle('purgeLeftovers', {}));
      return;
    }
    const dead = this.#nodes().filter((node) => node.died <= this.#store.cur);
    this.#track(this.#writer.handle('purge', { inos: dead.map((node) => node.ino) }));
  }

  /** Commits some blocks of the nth visible file, or drops some. */
  async blocks(nth: number, drop: boolean): Promise<void> {
    const files = this.#visible().filter((node) => !isDirectory(node) && node.size > 0);
    const file = files[nth % Math.max(1, files.length)];
    if (file === undefined) return;
    if (drop) {
      this.#track(this.#writer.handle('dropBlocks', { ino: file.ino, ranges: [{ first: nth % 3, count: 2 }] }));
      return;
    }
    const idx = Float64Array.from({ length: Math.ceil(file.size / BLOCK_SIZE) }, (_, index) => index).filter(
      (index) => (index + nth) % 2 === 0,
    );
    const inos = new Float64Array(idx.length).fill(file.ino);
    const at = this.#clock.wall();
    assert.deepEqual(
      await this.#writer.handle('commitBlocks', { inos, idx, hashes: new Uint8Array(idx.length * 8), at }),
      { rejected: [] },
    );
  }

  /** Runs that many slices, checking after each that what a crash would leave is right. */
  async run(slices: number): Promise<void> {
    for (let slice = 0; slice < slices; slice += 1) {
      const next = this.#deferred.shift();
      if (next === undefined) break;
      next();
      await nextTurn();
      this.check();
    }
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  /** Ends the process without a word, and starts another. */
  crash(undoAtStart: boolean): void {
    this.#store[Symbol.dispose]();
    this.#deferred.length = 0;
    this.#pending = 0;
    this.#generation += 1;
    this.#directories = [];
    this.#full = null;
    this.#betweenFulls = false;
    [this.#store, this.#writer] = this.#open();
    if (undoAtStart) this.#track(this.#writer.undoLeftovers());
  }

  /** Lists the nth visible directory from its begin to its end. */
  async directoryThrough(nth: number): Promise<void> {
    await this.beginDirectory(nth);
    const active = this.#directories.at(-1);
    while (active !== undefined && this.#directories.includes(active)) {
      this.directoryPage(this.#directories.indexOf(active), 3);
      await this.#drain();
    }
  }

  /** Lists everything to its end, going on with what is under way. */
  async fullThrough(): Promise<void> {
    this.beginFull(Number.MAX_SAFE_INTEGER);
    await this.#drain();
    while (this.#full !== null) {
      const byItself = this.cover(0);
      await this.#drain();
      const nth = this.#visible()
        .filter(isDirectory)
        .findIndex(({ ino }) => ino === byItself());
      if (nth >= 0 && this.#full.shards.length % 3 !== 2) {
        await this.directoryThrough(nth);
        this.cover(this.#full.toDescend.length - 1);
        await this.#drain();
      }
      await this.beginShard(0, this.#full.shards.length % 2 === 0 ? 'level' : 'subtree');
      await this.#drain();
      this.shardPage(0, 3);
      await this.#drain();
      this.finishFull();
      await this.#drain();
    }
  }

  /** Lists everything from an origin that stands still, and compares. */
  async settle(): Promise<void> {
    await this.#drain();
    while (this.#directories.length > 0) await this.abortDirectory(0);
    this.abortFull();
    await this.#drain();
    await this.fullThrough();
    this.assertTree(this.origin.tree());
    const listed = new Set(
      this.#store.database
        .prepare<[number], number>('SELECT ino FROM dir WHERE listed_seq <= ?')
        .pluck()
        .all(this.#store.cur),
    );
    for (const directory of this.#visible().filter(isDirectory))
      assert.ok(listed.has(directory.ino), `directory ${directory.name} counts as listed`);
  }

  /** Compares all that is visible with a tree. */
  assertTree(expected: ExpectedTree): void {
    const strip = (key: string): string => key.slice(PREFIX.length);
    const { directories, files } = this.#tree();
    const wanted = [...expected.directories].filter((key) => key.startsWith(PREFIX)).map(strip);
    assert.deepEqual([...directories].sort(), [...new Set(['', ...wanted])].sort());
    assert.deepEqual([...files].sort(), [...expected.files].map(([key, file]) => [strip(key), file]).sort());
  }

  /** Checks what must always hold. */
  check(): void {
    const nodes = checkInvariants(this.#store.database, this.#full === null);
    for (const node of nodes) {
      const is = JSON.stringify(
        isDirectory(node) ? [node.parent, node.name] : [node.parent, node.name, node.size, node.etag],
      );
      const was = this.#history.get(node.ino);
      if (was === undefined) this.#history.set(node.ino, is);
      else assert.equal(is, was, `number ${node.ino} names something else than before`);
    }
    const versions = new Map<string, number>();
    for (const node of this.#visible(nodes))
      if (!isDirectory(node)) versions.set(`${node.parent}:${node.name}:${node.etag}:${node.size}`, node.ino);
    for (const [version, ino] of versions) {
      const before = this.#visibleBefore.get(version);
      if (before !== undefined) assert.equal(ino, before, `an unchanged file has another number: ${version}`);
    }
    this.#visibleBefore = versions;
  }

  #visibleBefore = new Map<string, number>();

  async #finishDirectory(active: ActiveDirectory): Promise<void> {
    const outcome = await this.#writer.handle('finishDirectory', { lane: active.lane });
    this.#directories = this.#directories.filter((other) => other !== active);
    if (outcome.stopped !== null || !active.alone || active.changesAtBegin !== this.origin.changes) return;
    const tree = this.origin.tree();
    const here = (key: string): boolean =>
      key.startsWith(active.prefix) && !key.slice(active.prefix.length).replace(/\/$/, '').includes('/');
    const names = this.#visible()
      .filter((node) => node.parent === active.directory)
      .map((node) => [node.name, node.etag]);
    const files = [...tree.files]
      .filter(([key]) => here(key))
      .map(([key, { etag }]) => [key.slice(active.prefix.length), etag]);
    const directories = [...tree.directories]
      .filter((key) => key !== active.prefix && here(key))
      .map((key) => [key.slice(active.prefix.length), '']);
    assert.deepEqual(names.sort(), [...files, ...directories].sort());
  }

  #next(feeder: Feeder, size: number): ListPage {
    const page = this.origin.page(feeder.prefix, feeder.delimiter, feeder.after, size);
    feeder.after =
      [feeder.after, page.objects.at(-1)?.key ?? '', page.prefixes.at(-1) ?? '']
        .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        .at(-1) ?? '';
    return page;
  }

  #watch<T>(feeder: Feeder, call: Promise<T>, then: (value: T) => Promise<void>): void {
    feeder.busy = true;
    this.#track(
      call.then(async (value) => {
        feeder.busy = false;
        await then(value);
      }),
    );
  }

  /** What was given up may say so; anything else is a failure. */
  #track(call: Promise<unknown>): void {
    const generation = this.#generation;
    this.#pending += 1;
    const done = (): void => {
      if (generation === this.#generation) this.#pending -= 1;
    };
    call.then(done, (thrown: unknown) => {
      done();
      if ((thrown as { code?: string }).code !== 'interrupted') this.#failures.push(thrown);
    });
  }

  #nobodyIsAlone(): void {
    for (const active of this.#directories) active.alone = false;
    if (this.#full !== null) this.#full.alone = false;
  }

  async #drain(): Promise<void> {
    for (let turns = 0; this.#pending > 0; turns += 1) {
      assert.ok(turns < 100_000, 'a request is never answered');
      await nextTurn();
      await this.run(1);
    }
    await this.run(0);
  }

  #lane(): number {
    this.#nextLane += 1;
    return this.#nextLane;
  }

  #nodes(): RawNode[] {
    return this.#store.database.prepare<[], RawNode>('SELECT * FROM node ORDER BY ino').all();
  }

  #visible(nodes = this.#nodes()): RawNode[] {
    return nodes.filter((node) => node.born <= this.#store.cur && this.#store.cur < node.died);
  }

  #tree(): { directories: Set<string>; files: Map<string, { etag: string; size: number }> } {
    const nodes = new Map(this.#visible().map((node) => [node.ino, node]));
    const keyOf = (node: RawNode): string => {
      if (node.ino === 1) return '';
      const parent = nodes.get(node.parent);
      assert.ok(parent !== undefined);
      return keyOf(parent) + node.name;
    };
    const directories = new Set<string>();
    const files = new Map<string, { etag: string; size: number }>();
    for (const node of nodes.values()) {
      if (isDirectory(node)) directories.add(keyOf(node));
      else files.set(keyOf(node), { etag: node.etag, size: node.size });
    }
    return { directories, files };
  }

  #open(): [Store, Writer] {
    const file = join(this.#folder, 'index.db');
    const { database } = openDatabase({ file, blockSize: BLOCK_SIZE, clock: this.#clock });
    // A crash of the process is what is tried here, not one of the machine.
    database.pragma('synchronous = OFF');
    const store = new Store(database, { blockSize: BLOCK_SIZE, prefix: PREFIX });
    const turns = { defer: (callback: () => void): void => void this.#deferred.push(callback), hurry: () => undefined };
    return [store, new Writer({ store, clock: this.#clock, turns, sliceMs: 0, pace: this.#pace })];
  }
}

export { etagOf };
