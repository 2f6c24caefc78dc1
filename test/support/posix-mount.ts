/**
 * The rows of the POSIX table over a mount of dlfs, whatever serves the kernel and however files are opened.
 */
import type { TestContext } from 'node:test';
import { makeAssets } from '../posix/assets.ts';
import { extremesTree } from '../posix/extremes.ts';
import { Helper } from '../posix/helper.ts';
import { runRows } from '../posix/run-rows.ts';
import { standardTree } from '../posix/standard-tree.ts';
import { dlfsTable, extremes, permissionRows, table } from '../posix/table.ts';
import type { DlfsTraits, Ownership } from '../posix/target.ts';
import type { Tree } from '../posix/tree.ts';
import { dropCaches } from './files.ts';
import { DlfsTarget } from './mount-target.ts';

async function treeWithAssets(): Promise<Tree> {
  await using helper = new Helper();
  return standardTree(await makeAssets(helper));
}

/** Every row, cold and behind a restart. */
export async function tableHolds(t: TestContext, open: DlfsTraits['open']): Promise<void> {
  await using target = await DlfsTarget.start(await treeWithAssets(), { open });
  const explain = (error: unknown): Error => target.mount.explain(error);
  await t.test('cold', (part) => runRows(part, table, target, explain));
  await t.test('with what only dlfs promises', (part) => runRows(part, dlfsTable, target, explain));
  await t.test('warm, behind a restart, with nothing in the page cache', async (part) => {
    await target.mount.umount();
    await target.mount.startAgain();
    await dropCaches();
    await runRows(part, table, target, explain);
  });
}

/** The rows about extremes. */
export async function extremesHold(t: TestContext, open: DlfsTraits['open']): Promise<void> {
  await using target = await DlfsTarget.start(extremesTree(), { open });
  await runRows(t, extremes, target, (error) => target.mount.explain(error));
}

/** The rows about permissions, of files that belong to `owner`. */
export async function permissionsHold(t: TestContext, open: DlfsTraits['open'], owner: Ownership): Promise<void> {
  await using target = await DlfsTarget.start(standardTree([]), { open, owner });
  await runRows(t, permissionRows, target, (error) => target.mount.explain(error));
}
