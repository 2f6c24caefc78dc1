/**
 * The differential test over two plain directories: it must agree where they are the same, and find it where they are not.
 */
import { strict as assert } from 'node:assert';
import { chmod, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Helper } from '../../posix/helper.ts';
import { dropCaches } from '../../support/files.ts';
import { PlainMount } from '../../support/mount-plain.ts';
import { applyToDirectory, modelTree } from './model-tree.ts';
import { runModel } from './run-model.ts';
import type { Actions } from './system.ts';

/** Both sides plain; `spoil` may make the first differ, `actions` come with its directory. */
async function compare(
  spoil: (source: string) => Promise<void>,
  actions: (side: PlainMount) => Actions,
  runs: number,
): Promise<void> {
  await using helper = new Helper();
  const tree = modelTree();
  await using mount = await PlainMount.create(tree, helper);
  await using plain = await PlainMount.create(tree, helper);
  await spoil(mount.source);
  await runModel({ dir: mount.dir, plain, helper, actions: actions(mount) }, tree, { runs, commandsPerRun: 60 });
}

const changes = (side: PlainMount): Actions => ({
  change: (list) => {
    applyToDirectory(side.source, side.owner, list);
    return Promise.resolve();
  },
});

test('two directories of the same content agree, through changes', async () => {
  await compare(
    () => Promise.resolve(),
    (side) => ({ ...changes(side), dropCaches: () => dropCaches(), restart: () => Promise.resolve() }),
    25,
  );
});

/** Enough runs that a fault in one of the large files is met for certain. */
const MANY = 400;

test('one wrong byte is found', async () => {
  const spoil = async (source: string): Promise<void> => {
    const path = join(source, 'dir/10.bin');
    await chmod(path, 0o600);
    const file = await open(path, 'r+');
    await file.write(Buffer.from('x'), 0, 1, 1_234_567);
    await file.utimes(Date.UTC(2020, 0, 1) / 1000, Date.UTC(2020, 0, 1) / 1000);
    await file.close();
    await chmod(path, 0o444);
  };
  await assert.rejects(
    compare(spoil, () => ({}), MANY),
    /Property failed/,
  );
});

test('a missing name is found', async () => {
  await assert.rejects(
    compare(
      (source) => rm(join(source, 'many/33')),
      () => ({}),
      MANY,
    ),
    /Property failed/,
  );
});

test('two files in each other’s place are found', async () => {
  const spoil = async (source: string): Promise<void> => {
    await rename(join(source, 'dir/7.bin'), join(source, 'dir/x'));
    await rename(join(source, 'f7'), join(source, 'dir/7.bin'));
    await rename(join(source, 'dir/x'), join(source, 'f7'));
  };
  await assert.rejects(
    compare(spoil, () => ({}), MANY),
    /Property failed/,
  );
});

test('a change that does not arrive is found', async () => {
  await assert.rejects(
    compare(
      () => Promise.resolve(),
      () => ({ change: () => Promise.resolve() }),
      MANY,
    ),
    /Property failed/,
  );
});
