import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isWithin, mountAt, mountOf, parseMountinfo, readMounts } from '../../../src/daemon/mountinfo.ts';

const parse = (...lines: string[]): ReturnType<typeof parseMountinfo> =>
  parseMountinfo(Buffer.from(`${lines.join('\n')}\n`));

const ROOT = '27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro';
const OURS = '44 27 0:39 / /mnt/data ro,nosuid,nodev,noatime - fuse.dlfs s3://bucket/a ro,user_id=0,allow_other';

describe('the table of mounts', () => {
  test('is parsed into its fields, with any number of optional ones', () => {
    const [root, ours, many] = parse(ROOT, OURS, '45 27 0:40 /sub /x rw shared:7 master:2 unbindable - tmpfs none rw');
    assert.deepEqual(ours, {
      id: 44,
      parent: 27,
      device: '0:39',
      minor: 39,
      root: '/',
      dir: '/mnt/data',
      options: ['ro', 'nosuid', 'nodev', 'noatime'],
      type: 'fuse.dlfs',
      source: 's3://bucket/a',
      superOptions: ['ro', 'user_id=0', 'allow_other'],
    });
    assert.equal(root?.type, 'ext4');
    assert.deepEqual([many?.root, many?.type, many?.source], ['/sub', 'tmpfs', 'none']);
  });

  test('takes octal escapes back, and decodes names as UTF-8', () => {
    const [mount] = parse(String.raw`44 27 0:39 / /mnt/a\040b\011c\012d\134e/é rw - fuse.dlfs s3://x\040y ro`);
    assert.deepEqual([mount?.dir, mount?.source], ['/mnt/a b\tc\nd\\e/é', 's3://x y']);
  });

  test('leaves out what is not of its form, whatever it is', () => {
    const hostile = [
      '',
      ' ',
      '-',
      '1 2 3',
      'a b 0:1 / / rw - t s o',
      '1 2 0:x / / rw - t s o',
      '1 2 0:1 / / rw t s o',
      '1 2 0:1 / / rw - t',
    ];
    assert.deepEqual(parse(...hostile), []);
    assert.equal(parse(...hostile, ROOT, '\0\0').length, 1);
  });

  test('of this machine has a root', () => {
    assert.notEqual(mountAt(readMounts(), '/'), null);
  });
});

describe('a directory', () => {
  const mounts = parse(
    ROOT,
    OURS,
    OURS.replace('44', '46').replace('0:39', '0:41'),
    '45 27 0:40 / /mnt rw - tmpfs none rw',
  );

  test('shows the mount that was made there last', () => {
    assert.equal(mountAt(mounts, '/mnt/data')?.device, '0:41');
    assert.equal(mountAt(mounts, '/mnt/data/x'), null);
  });

  test('lies in the mount with the longest matching name', () => {
    assert.equal(mountOf(mounts, '/mnt/data/x/y')?.device, '0:41');
    assert.equal(mountOf(mounts, '/mnt/database')?.device, '0:40');
    assert.equal(mountOf(mounts, '/etc')?.device, '254:0');
  });

  test('is within itself and its parents, not within what its name begins with', () => {
    assert.ok(isWithin('/a/b', '/a/b') && isWithin('/a/b/c', '/a/b') && isWithin('/a', '/'));
    assert.ok(!isWithin('/a/bc', '/a/b') && !isWithin('/a', '/a/b'));
  });
});
