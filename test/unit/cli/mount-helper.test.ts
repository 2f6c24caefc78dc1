import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseHelperArguments } from '../../../src/cli/mount-helper.ts';

const SOURCE = 's3://bucket/prefix';

describe('the helper of mount(8)', () => {
  test('takes options by the names of the long ones, with dashes or underscores', () => {
    const { source, dir, given } = parseHelperArguments([
      SOURCE,
      '/mnt',
      '-o',
      'rw,cache_size=1GiB,path-style,io_timeout=10s,uid=5',
    ]);
    assert.deepEqual([source, dir], [SOURCE, '/mnt']);
    assert.deepEqual(given, { cacheSize: '1GiB', pathStyle: true, ioTimeout: '10s', uid: '5' });
  });

  test('ignores what concerns who mounts, when, and in what order', () => {
    const fstab =
      'ro,defaults,noauto,nofail,_netdev,user,x-systemd.automount,x-systemd.idle-timeout=60,X-mount.mkdir,comment=a,allow_other,nosuid';
    assert.deepEqual(parseHelperArguments([SOURCE, '/mnt', '-o', fstab]).given, {});
  });

  test('refuses what it does not know, by name', () => {
    assert.throws(() => parseHelperArguments([SOURCE, '/mnt', '-o', 'ro,cachesize=1']), {
      code: 'invalid-argument',
      message: /^-o cachesize is not an option of dlfs/,
    });
    for (const name of ['context=x', 'remount', 'secret_key=x']) {
      assert.throws(() => parseHelperArguments([SOURCE, '/mnt', '-o', name]), { code: 'invalid-argument' });
    }
    assert.throws(() => parseHelperArguments([SOURCE, '/mnt', '-o', 'foreground']), { message: /mount\(8\) waits/ });
  });

  test('ignores what it does not know with -s, and says which', () => {
    const { ignored, given } = parseHelperArguments([SOURCE, '/mnt', '-s', '-o', 'foo=1,bar,region=x']);
    assert.deepEqual(ignored, ['foo', 'bar']);
    assert.deepEqual(given, { region: 'x' });
  });

  test('knows its flags, alone, joined, and with a joined value', () => {
    const { fake, verbose, given } = parseHelperArguments([
      '-fnv',
      SOURCE,
      '/mnt',
      '-so',
      'gid=1',
      '-ouid=2',
      '-t',
      'dlfs',
    ]);
    assert.deepEqual([fake, verbose, given], [true, true, { gid: '1', uid: '2' }]);
  });

  test('keeps noexec, where the last word counts', () => {
    assert.equal(parseHelperArguments([SOURCE, '/mnt', '-o', 'noexec,nosuid,nodev']).noexec, true);
    assert.equal(parseHelperArguments([SOURCE, '/mnt', '-o', 'noexec,exec']).noexec, false);
    assert.equal(parseHelperArguments([SOURCE, '/mnt']).noexec, false);
  });

  test('takes commas within quotes', () => {
    const { given } = parseHelperArguments([SOURCE, '/mnt', '-o', 'cache_dir="/a,b",log-level="info,cache=debug"']);
    assert.deepEqual(given, { cacheDir: '/a,b', logLevel: 'info,cache=debug' });
  });

  test('refuses a switch with a value, an option without one, and wrong words', () => {
    const refused = [
      ['-o', 'path_style=yes'],
      ['-o', 'cache_size'],
      ['-o', 'cache_size='],
      ['-o'],
      ['-x'],
      ['third'],
      ['-N', 'ns'],
    ];
    for (const more of refused) {
      assert.throws(
        () => parseHelperArguments([SOURCE, '/mnt', ...more]),
        { code: 'invalid-argument' },
        more.join(' '),
      );
    }
    assert.throws(() => parseHelperArguments([SOURCE]), { message: /^usage: mount -t dlfs/ });
  });
});
