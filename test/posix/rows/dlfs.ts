/**
 * What a dlfs mount promises beyond what any read-only directory does. These rows cannot hold on a local disk: ext4 counts
 * links of directories and allocates whole pages, and knows nothing of an origin.
 */
import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { until } from '../../support/process.ts';
import { mountAt, parseMountinfo } from '../../support/mount-table.ts';
import { fails } from '../expect.ts';
import { FUSE_SUPER_MAGIC } from '../linux.ts';
import { DEEP, EMPTY_DIR, SIZES, sized, SMALL, UNEVEN, WIDE } from '../standard-tree.ts';
import { at, type Rows } from '../target.ts';

const ETAG = 'user.dlfs.etag';
const CACHED = 'user.dlfs.cached';

/** A resident fraction as text: 0 to 1, rounded to at most four decimals. */
const FRACTION = /^(0(\.\d{1,4})?|1)$/;

/** How long what was read may take to be counted as cached: it is written to the disk behind the reader's back. */
const SETTLE_MS = 10_000;

/** See the file's header. */
export const dlfsOnly: Rows = {
  'a directory has one link, whatever it holds': async (t) => {
    for (const path of ['', 'deep', DEEP, EMPTY_DIR, WIDE, SMALL]) {
      assert.equal((await t.helper.call('stat', at(t, path))).nlink, 1, path);
    }
  },
  'st_blocks is the size in units of 512 bytes, rounded up': async (t) => {
    for (const size of SIZES) {
      assert.equal((await t.helper.call('stat', at(t, sized(size)))).blocks, Math.ceil(size / 512), String(size));
    }
  },
  'the mount is of FUSE, and its root has the inode number 1': async (t) => {
    assert.equal(await t.helper.call('statfs_type', t.dir), FUSE_SUPER_MAGIC);
    assert.equal((await t.helper.call('stat', t.dir)).ino, 1);
  },
  'the mount table shows fuse.dlfs, read-only, nosuid, nodev, for every user, with modes checked by the kernel': async (
    t,
  ) => {
    const mount = mountAt(parseMountinfo(await readFile('/proc/self/mountinfo')), t.dir);
    assert.ok(mount !== null);
    assert.equal(mount.type, 'fuse.dlfs');
    for (const option of ['ro', 'nosuid', 'nodev']) assert.ok(mount.options.includes(option), option);
    for (const option of ['ro', 'allow_other', 'default_permissions'])
      assert.ok(mount.superOptions.includes(option), option);
    assert.ok(!mount.options.includes('noexec'));
  },
  'user.dlfs.etag is the ETag of the object': async (t) => {
    for (const path of [UNEVEN, sized(0), `${SMALL}/1/1.jpg`]) {
      const { etag } = t.tree.file(path);
      assert.ok(etag !== undefined, 'the tree of a dlfs mount has ETags');
      assert.equal((await t.helper.call('getxattr', at(t, path), ETAG)).toString(), etag, path);
    }
  },
  'user.dlfs.cached is the resident fraction: between 0 and 1, and 1 when all was read': async (t) => {
    for (const path of [UNEVEN, `${SMALL}/3/39.jpg`]) {
      const cached = async (): Promise<string> => (await t.helper.call('getxattr', at(t, path), CACHED)).toString();
      assert.match(await cached(), FRACTION);
      await t.helper.call('digest', at(t, path));
      await until(async () => Number(await cached()) === 1, SETTLE_MS, `${path} is resident`);
    }
    assert.equal(
      (await t.helper.call('getxattr', at(t, sized(0)), CACHED)).toString(),
      '1',
      'nothing of nothing is missing',
    );
  },
  'files list their two extended attributes, directories have none': async (t) => {
    for (const path of [UNEVEN, sized(0)]) {
      assert.deepEqual((await t.helper.call('listxattr', at(t, path))).sort(), [CACHED, ETAG]);
    }
    for (const path of ['', 'deep', EMPTY_DIR]) {
      assert.deepEqual(await t.helper.call('listxattr', at(t, path)), []);
      for (const name of [ETAG, CACHED]) await fails(t.helper.call('getxattr', at(t, path), name), 'ENODATA');
    }
  },
};
