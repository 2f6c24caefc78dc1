/**
 * One million files in one dataset: listed, walked, and there again at once behind a restart.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { BytesContent, storedObject, type StoredObject } from '../../demo/endpoint/index.ts';
import { fixed } from '../posix/content.ts';
import { execute } from '../posix/execute.ts';
import { at } from '../posix/target.ts';
import { Tree } from '../posix/tree.ts';
import { DlfsTarget } from '../support/mount-target.ts';

const DIRS = 1000;
const FILES_A_DIR = 1000;

/** How long the walk over all may take, the first listing included: on two loaded cores, with the origin on the same. */
const WALK_MS = 180_000;

/** Behind a restart, the first look into a directory waits for no listing. */
const AT_ONCE_MS = 5000;

function million(): StoredObject[] {
  const content = new BytesContent('content');
  const objects: StoredObject[] = [];
  for (let dir = 0; dir < DIRS; dir++) {
    for (let file = 0; file < FILES_A_DIR; file++) {
      const key = `data/${String(dir).padStart(4, '0')}/${String(file).padStart(4, '0')}.txt`;
      objects.push(storedObject(key, content, { etag: 'one-for-all' }));
    }
  }
  return objects;
}

test('a dataset of 1,000,000 files is walked whole, and is there at once behind a restart', async () => {
  const tree = new Tree([{ path: 'readme', content: fixed(Buffer.from('x')), mtimeMs: Date.UTC(2024, 0, 1) }]);
  await using target = await DlfsTarget.start(tree, {
    open: 'stateless',
    args: ['--refresh', 'never'],
    origin: { others: million() },
  });
  const { stdout } = await execute('sh', ['-c', 'find "$1" -type f -printf . | wc -c', 'sh', target.dir], {
    limitMs: WALK_MS,
  });
  assert.equal(Number(stdout), DIRS * FILES_A_DIR + 1);

  await target.mount.logged(/listing is complete/, WALK_MS);
  await target.mount.umount();
  target.origin.reset();
  await target.mount.startAgain();
  const start = performance.now();
  assert.equal((await target.helper.call('listdir', at(target, '0999'))).length, FILES_A_DIR);
  assert.equal((await target.helper.call('stat', at(target, '0500/0500.txt'))).size, 7);
  assert.ok(performance.now() - start < AT_ONCE_MS);
  // A question whether the keys are good may read a page ahead; a listing of all has a thousand.
  assert.ok(target.origin.counters().list.requests <= 3, `${target.origin.counters().list.requests} listings`);
});
