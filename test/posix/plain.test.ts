/**
 * The table over a plain directory on the local disk: proves the rows themselves. A row that fails here is wrong, or
 * belongs to `rows/dlfs.ts`.
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

test('every row of the table holds on a plain read-only directory', async (t) => {
  await using helper = new Helper();
  await using target = await PlainMount.create(standardTree(await makeAssets(helper)), helper);
  await runRows(t, table, target);
});

for (const owner of [
  { uid: 0, gid: 0, fileMode: 0o400, dirMode: 0o500 },
  { uid: 12_345, gid: 54_321, fileMode: 0o400, dirMode: 0o500 },
  { uid: 12_345, gid: 54_321, fileMode: 0o540, dirMode: 0o550 },
  { uid: 0, gid: 0, fileMode: 0o555, dirMode: 0o555 },
]) {
  const { uid, fileMode, dirMode } = owner;
  const modes = `${fileMode.toString(8)} and ${dirMode.toString(8)}`;
  test(`the rows about permissions hold for uid ${String(uid)} with the modes ${modes}`, async (t) => {
    await using helper = new Helper();
    await using target = await PlainMount.create(standardTree([]), helper, owner);
    await runRows(t, permissionRows, target);
  });
}

test('the rows about extremes hold on a plain read-only directory', async (t) => {
  await using helper = new Helper();
  await using target = await PlainMount.create(extremesTree(), helper, DEFAULT_OWNERSHIP);
  await runRows(t, extremes, target);
});

test('rows that only dlfs can keep fail on a plain directory, each of them', async () => {
  await using helper = new Helper();
  await using target = await PlainMount.create(standardTree([]), helper);
  for (const [name, row] of Object.entries(dlfsTable)) await assert.rejects(row(target), name);
});
