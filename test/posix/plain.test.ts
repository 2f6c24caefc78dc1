/**
 * The table over a plain directory on the local disk: proves the rows themselves. A row that fails here is wrong, or
 * belongs to `rows/dlfs.ts`; a row that passes over a directory that breaks its promise is no check.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { DEFAULT_OWNERSHIP, PlainMount } from '../support/mount-plain.ts';
import { makeAssets } from './assets.ts';
import { extremesTree } from './extremes.ts';
import { Helper } from './helper.ts';
import { runRows } from './run-rows.ts';
import { standardTree } from './standard-tree.ts';
import { dlfsTable, extremes, permissionRows, table } from './table.ts';
import type { Rows, Target } from './target.ts';

/** Enough entries for many buffers; the hundred thousand are for the mount, where they are a promise. */
const CROWD = 10_000;

/** The names of the rows that fail over a target. */
async function failing(rows: Rows, target: Target): Promise<string[]> {
  const names: string[] = [];
  for (const [name, row] of Object.entries(rows)) {
    try {
      await row(target);
    } catch {
      names.push(name);
    }
  }
  return names;
}

test('every row of the table holds on a plain read-only directory', async (t) => {
  await using helper = new Helper();
  await using target = await PlainMount.create(standardTree(await makeAssets(helper)), helper);
  await runRows(t, table, target);
});

test('the rows about permissions hold for other owners and modes', async (t) => {
  await using helper = new Helper();
  await using plain = await PlainMount.create(standardTree([]), helper);
  for (const owner of [
    { uid: 0, gid: 0, fileMode: 0o400, dirMode: 0o500 },
    { uid: 12_345, gid: 54_321, fileMode: 0o400, dirMode: 0o500 },
    { uid: 12_345, gid: 54_321, fileMode: 0o540, dirMode: 0o550 },
    { uid: 0, gid: 0, fileMode: 0o555, dirMode: 0o555 },
  ]) {
    const { uid, fileMode, dirMode } = owner;
    await t.test(`uid ${String(uid)}, modes ${fileMode.toString(8)} and ${dirMode.toString(8)}`, async (part) => {
      await runRows(part, permissionRows, plain.owned(owner));
    });
  }
});

test('the rows about extremes hold on a plain read-only directory', async (t) => {
  await using helper = new Helper();
  await using target = await PlainMount.create(extremesTree(CROWD), helper, DEFAULT_OWNERSHIP);
  await runRows(t, extremes, target);
});

test('rows that only dlfs can keep fail on a plain directory, each of them', async () => {
  await using helper = new Helper();
  await using target = await PlainMount.create(standardTree([]), helper);
  assert.deepEqual(await failing(dlfsTable, target), Object.keys(dlfsTable));
});
