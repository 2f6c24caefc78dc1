/**
 * What must hold of an index's database whenever no transaction is open, whatever was interrupted before.
 *
 * 1. At the visible number and at that of a staged listing: at most one row of a name is visible, and no file together with a
 *    directory of its name; every visible row is in a visible directory.
 * 2. The totals are those of a recount; what a listing has staged is the difference between its number and now.
 * 3. Rows are counted right, and so are skipped keys.
 * 4. Blocks, bits and totals of the cache agree.
 */
import assert from 'node:assert/strict';
import type { Database } from 'better-sqlite3';
import { allocatedBytes, hasBit, PAGE_BLOCKS } from '../../src/cache/index/bitmap.ts';
import { FLAG_DIRECTORY } from '../../src/cache/index/schema.ts';

/** A row of `node`. */
export interface RawNode {
  readonly ino: number;
  readonly parent: number;
  readonly name: string;
  readonly size: number;
  readonly mtime: number;
  readonly etag: string;
  readonly flags: number;
  readonly born: number;
  readonly died: number;
}

interface Count {
  files: number;
  dirs: number;
  bytes: number;
}

/**
 * Checks all of it.
 * @param undoing a staged listing is being taken back: its number is still accounted for, but shows no tree any more
 * @returns the rows
 */
export function checkInvariants(database: Database, undoing: boolean): RawNode[] {
  const nodes = database.prepare<[], RawNode>('SELECT * FROM node').all();
  const state = database.prepare<[], Record<string, number>>('SELECT * FROM state').get() ?? {};
  const cur = state['cur'] ?? 0;
  const visible = countAt(nodes, cur, true);
  assert.deepEqual(
    { files: state['files'], dirs: state['dirs'], bytes: state['bytes'] },
    visible,
    'totals of what is visible',
  );
  for (const staging of database
    .prepare<[], { seq: number } & Count>('SELECT seq, files, dirs, bytes FROM staging')
    .all()) {
    assert.ok(staging.seq > cur, 'a listing is staged ahead of what is visible');
    const then = countAt(nodes, staging.seq, !undoing);
    assert.deepEqual(
      { files: staging.files, dirs: staging.dirs, bytes: staging.bytes },
      { files: then.files - visible.files, dirs: then.dirs - visible.dirs, bytes: then.bytes - visible.bytes },
      'what a listing has staged',
    );
  }
  assert.equal(state['nodes'], nodes.length, 'rows');
  const numbers = new Set(nodes.map((node) => node.ino));
  for (const node of nodes) assert.ok(node.ino === 1 || numbers.has(node.parent), `row ${node.ino} hangs in the air`);
  assert.ok(
    nodes.every((node) => node.ino < (state['next_ino'] ?? 0)),
    'numbers to come are above those given',
  );
  checkSkipped(database);
  checkBlocks(database, state);
  return nodes;
}

function countAt(nodes: readonly RawNode[], seq: number, isTree: boolean): Count {
  const count: Count = { files: 0, dirs: 0, bytes: 0 };
  const visible = nodes.filter((node) => node.born <= seq && seq < node.died);
  const directories = new Set(visible.filter(isDirectory).map((node) => node.ino));
  const names = new Set<string>();
  for (const node of visible) {
    if (node.ino === 1) continue;
    const name = `${node.parent}:${isDirectory(node) ? node.name.slice(0, -1) : node.name}`;
    assert.ok(!isTree || !names.has(name), `two visible rows of one name at ${seq}: ${name}`);
    names.add(name);
    assert.ok(
      !isTree || directories.has(node.parent),
      `row ${node.ino} (${node.name}) is visible at ${seq}, its directory is not`,
    );
    if (isDirectory(node)) {
      count.dirs += 1;
    } else {
      count.files += 1;
      count.bytes += node.size;
    }
  }
  return count;
}

function checkSkipped(database: Database): void {
  const rows = database
    .prepare<[], { reason: string; count: number }>('SELECT reason, sum(count) AS count FROM skipped GROUP BY reason')
    .all();
  const text = database.prepare<[], string>('SELECT skipped FROM state').pluck().get() ?? '{}';
  const told = Object.entries(JSON.parse(text) as Record<string, { count: number }>);
  assert.deepEqual(
    Object.fromEntries(told.map(([reason, { count }]) => [reason, count])),
    Object.fromEntries(rows.map(({ reason, count }) => [reason, count])),
    'skipped keys',
  );
}

function checkBlocks(database: Database, state: Record<string, number>): void {
  const blockSize = database.prepare<[], number>(`SELECT value FROM meta WHERE key = 'block_size'`).pluck().get() ?? 0;
  const objects = database
    .prepare<[], { ino: number; size: number; blocks: number; bytes: number; pinned: number; bits: Uint8Array }>(
      'SELECT * FROM object',
    )
    .all();
  const total = { files: objects.length, blocks: 0, bytes: 0 };
  const pages = database
    .prepare<[number, number], Uint8Array>('SELECT bits FROM resident WHERE ino = ? AND page = ?')
    .pluck();
  for (const object of objects) {
    const indexes = database.prepare<[number], number>('SELECT idx FROM block WHERE ino = ?').pluck().all(object.ino);
    const bytes = indexes.reduce((sum, index) => sum + allocatedBytes(object.size, blockSize, index), 0);
    assert.deepEqual(
      { blocks: object.blocks, bytes: object.bytes },
      { blocks: indexes.length, bytes },
      `object ${object.ino}`,
    );
    for (const index of indexes) {
      const page = Math.floor(index / PAGE_BLOCKS);
      const bits = page === 0 ? object.bits : pages.get(object.ino, page);
      assert.ok(
        bits !== undefined && hasBit(bits, index % PAGE_BLOCKS),
        `block ${index} of object ${object.ino} has no bit`,
      );
    }
    total.blocks += indexes.length;
    total.bytes += bytes;
  }
  assert.deepEqual(
    { files: state['cached_files'], blocks: state['cached_blocks'], bytes: state['cached_bytes'] },
    total,
    'totals of the cache',
  );
  const pinned = objects.filter((object) => object.pinned === 1);
  assert.deepEqual(
    { files: state['pinned_files'], bytes: state['pinned_bytes'] },
    { files: pinned.length, bytes: pinned.reduce((sum, { bytes }) => sum + bytes, 0) },
    'totals of what is pinned',
  );
  const all = database.prepare<[], number>('SELECT count(*) FROM block').pluck().get();
  assert.equal(all, total.blocks, 'blocks without an object');
}

/** Whether a row is a directory's. */
export function isDirectory(node: Pick<RawNode, 'flags'>): boolean {
  return (node.flags & FLAG_DIRECTORY) !== 0;
}
