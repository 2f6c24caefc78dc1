import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { SystemClock } from '../../../src/base/clock.ts';
import { DlfsError } from '../../../src/base/errors.ts';
import { parseSizeOrShare } from '../../../src/base/size.ts';
import { reportLines } from '../../../src/cli/doctor-command.ts';
import { wrapped } from '../../../src/cli/format/wrapped.ts';
import { parseSourceOptions } from '../../../src/dataset/source-options.ts';
import {
  cacheDiskType,
  examineAddon,
  examineCacheDisk,
  examineMachine,
  examineSource,
} from '../../../src/daemon/doctor/index.ts';
import * as machine from '../../../src/daemon/doctor/machine.ts';
import { BytesContent, ObjectStore, readPolicy, S3Endpoint, storedObject } from '../../../demo/endpoint/index.ts';
import { examineMounts } from '../../../src/daemon/doctor/index.ts';
import { parseMountinfo } from '../../../src/daemon/mountinfo.ts';
import { MountRegistry } from '../../../src/daemon/registry/mount-registry.ts';
import { ownIdentity } from '../../../src/daemon/registry/process-identity.ts';
import { TempDir } from '../../support/files.ts';

const GIB = 2 ** 30;
const FLOOR = parseSizeOrShare('1B');

describe('the doctor on the machine', () => {
  test("wants an addon that loads, and gives the loader's way out", () => {
    assert.deepEqual([examineAddon().state, examineAddon(() => ({})).state], ['ok', 'ok']);
    const broken = examineAddon(() => {
      throw new DlfsError('unsupported', 'it is for glibc; another library; compile it');
    });
    assert.deepEqual(
      [broken.code, broken.found, broken.advice],
      ['unsupported', 'it is for glibc; another library', 'compile it'],
    );
    assert.equal(
      examineAddon(() => {
        throw new Error('out of luck');
      }).state,
      'fail',
    );
  });

  test('wants a kernel that speaks the protocol', () => {
    assert.equal(machine.judgeKernel('4.19.0-27-amd64').code, 'unsupported');
    assert.match(machine.judgeKernel('5.4.0').found, /7\.31/);
    assert.match(machine.judgeKernel('6.18.44-x').found, /7\.45/);
    assert.equal(machine.judgeKernel('10.0.1').state, 'ok');
  });

  test('tells a missing device from one that may not be opened', () => {
    assert.deepEqual(
      [machine.judgeDevice('missing').code, machine.judgeDevice('refused').code],
      ['no-fuse', 'privilege'],
    );
    assert.equal(machine.judgeDevice('usable').code, null);
  });

  test('wants the privilege to mount', () => {
    assert.equal(machine.judgePrivilege(0, true).state, 'ok');
    assert.match(machine.judgePrivilege(0, false).advice ?? '', /container/);
    assert.match(machine.judgePrivilege(1000, false).advice ?? '', /sudo/);
  });

  test('says what keeps large files from passthrough', () => {
    assert.equal(machine.judgePassthrough('6.9.0', true, 'ext4').state, 'ok');
    for (const [version, sysAdmin, type] of [
      ['6.8.12', true, 'ext4'],
      ['6.9.0', false, 'ext4'],
      ['6.9.0', true, 'overlay'],
    ] as const) {
      assert.equal(machine.judgePassthrough(version, sysAdmin, type).state, 'warn');
    }
    assert.deepEqual([machine.judgeEpoch('6.16.0').state, machine.judgeEpoch('6.15.9').state], ['ok', 'warn']);
  });

  test('warns of few descriptors, little memory, and no control of FUSE', () => {
    assert.deepEqual(
      [machine.judgeDescriptors(1024, 4096).state, machine.judgeDescriptors(1024, 1024).state],
      ['ok', 'warn'],
    );
    assert.deepEqual(
      [machine.judgeMemory(GIB, GIB / 2).state, machine.judgeMemory(GIB / 2, GIB / 2).state],
      ['ok', 'warn'],
    );
    assert.deepEqual([machine.judgeControl(true).state, machine.judgeControl(false).state], ['ok', 'warn']);
  });

  test('looks at each thing once, and has advice wherever something is not well', () => {
    const findings = examineMachine(GIB / 2, 'ext4');
    const names = findings.map(({ name }) => name);
    assert.deepEqual(names, [
      'kernel',
      '/dev/fuse',
      'privilege',
      'passthrough',
      'names',
      'fusectl',
      'open files',
      'memory',
    ]);
    for (const { state, advice, code } of findings) {
      assert.equal(advice === null, state === 'ok');
      assert.equal(code === null, state !== 'fail');
    }
  });
});

describe('the doctor on the cache’s disk', () => {
  test('judges a directory that is not there by the one that it would be made in, and makes nothing', async () => {
    await using temp = await TempDir.create('doctor');
    const [cache, space] = await examineCacheDisk(temp.join('a', 'b'), FLOOR);
    assert.match(cache?.found ?? '', /will be made/);
    assert.equal(space?.state, 'ok');
    assert.deepEqual(await readdir(temp.path), []);
  });

  test('leaves nothing in one that is there', async () => {
    await using temp = await TempDir.create('doctor');
    await mkdir(temp.join('cache'));
    await examineCacheDisk(temp.join('cache'), FLOOR);
    assert.deepEqual(await readdir(temp.join('cache')), []);
  });

  test('refuses memory and files', async () => {
    await using temp = await TempDir.create('doctor');
    await writeFile(temp.join('file'), '');
    assert.equal(cacheDiskType('/dev/shm'), 'tmpfs');
    assert.equal((await examineCacheDisk('/dev/shm/cache', FLOOR))[0]?.code, 'cache-unusable');
    assert.equal((await examineCacheDisk('/dev/shm', FLOOR))[0]?.code, 'cache-unusable');
    assert.equal((await examineCacheDisk(temp.join('file'), FLOOR))[0]?.code, 'cache-unusable');
    assert.equal((await examineCacheDisk(temp.join('file', 'x'), FLOOR))[0]?.state, 'fail');
  });

  test('warns where the floor leaves no room', async () => {
    await using temp = await TempDir.create('doctor');
    const [, space] = await examineCacheDisk(temp.path, parseSizeOrShare('99.99%'));
    assert.deepEqual([space?.state, (space?.advice ?? '').includes('--cache-floor')], ['warn', true]);
  });
});

describe('the doctor on mounts', () => {
  const mountsWith = (dir: string, type = 'fuse.dlfs'): ReturnType<typeof parseMountinfo> =>
    parseMountinfo(Buffer.from(`9 1 0:999999 / ${dir} ro - ${type} s3://b ro\n`));

  test('tells those that are served from dead ones, and from those of which nothing is known', async () => {
    await using temp = await TempDir.create('doctor');
    const registry = new MountRegistry(temp.join('run'));
    const fixed = { dir: '/m', device: '0:999999', source: 's3://b', cacheFolder: temp.path, log: null, daemon: false };
    const examine = (): string[] =>
      examineMounts(mountsWith('/m'), registry).map(({ state, found }) => `${state} ${found}`);
    const unexpected = (error: unknown): void => {
      throw error;
    };
    assert.match(examine().join(), /^warn .*not known here$/);
    registry.add({ ...fixed, pid: 2 ** 22 + 1, startTicks: 1 }, unexpected);
    assert.match(examine().join(), /^warn .*its process has ended$/);
    registry.add({ ...fixed, ...ownIdentity() }, unexpected);
    assert.deepEqual(examine(), [`ok s3://b at /m by process ${process.pid}`]);
    await writeFile(temp.join('stats.json'), '{"cache":{"bytes":1048576,"atFloor":true}}');
    assert.match(examine().join(), /^warn .* 1.00 MiB cached; its disk is at the floor of free space$/);
    assert.deepEqual(examineMounts(mountsWith('/m', 'ext4'), registry), []);
  });
});

describe('the doctor on a source', () => {
  const keys = { accessKeyId: 'DOCTOR', secretAccessKey: 'a secret of the doctor' };
  const environment = {
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_REGION: 'us-east-1',
  };
  const serve = (): Promise<S3Endpoint> =>
    S3Endpoint.start({
      buckets: { bucket: { objects: new ObjectStore([storedObject('a/x', new BytesContent(Buffer.from('x')))]) } },
      credentials: [{ ...keys, policy: readPolicy() }],
    });
  const examine = (
    source: string,
    endpoint: string,
    changes: Record<string, string> = {},
  ): ReturnType<typeof examineSource> =>
    examineSource({
      source: parseSourceOptions({ source, endpoint }),
      environment: { ...environment, ...changes },
      clock: new SystemClock(),
    });

  test('says that it answers, and how quickly', async () => {
    await using endpoint = await serve();
    const [finding, more] = await examine('s3://bucket', endpoint.url);
    assert.match(finding?.found ?? '', /^s3:\/\/bucket at http:.*, region us-east-1: answers in \d+.*, 1 objects$/);
    assert.deepEqual([finding?.state, more], ['ok', undefined]);
  });

  test('wonders about a prefix with nothing below it', async () => {
    await using endpoint = await serve();
    assert.equal((await examine('s3://bucket/typo', endpoint.url))[0]?.state, 'warn');
  });

  test('says what is wrong, without the secret', async () => {
    await using endpoint = await serve();
    const codes = await Promise.all([
      examine('s3://other', endpoint.url),
      examine('s3://bucket', endpoint.url, { AWS_SECRET_ACCESS_KEY: 'another secret' }),
      examine('s3://bucket', 'http://127.0.0.1:1'),
    ]);
    assert.deepEqual(
      codes.map(([finding]) => [finding?.state, finding?.code]),
      [
        ['fail', 'bucket-not-found'],
        ['fail', 'unauthenticated'],
        ['fail', 'endpoint-unreachable'],
      ],
    );
    assert.doesNotMatch(JSON.stringify(codes), /secret of|another secret/);
  });
});

describe('a finding', () => {
  const finding = {
    name: 'space',
    state: 'warn' as const,
    found: `${'word '.repeat(30)}end`,
    advice: 'do something',
    code: null,
  };

  test('fits a terminal of 80 columns, its text under itself', () => {
    const lines = reportLines(finding, true);
    assert.ok(lines.length > 1 && lines.every((line) => line.length <= 80));
    assert.match(lines[0] ?? '', /^warn {2}space {8}word/);
    assert.match(lines[1] ?? '', /^ {19}word/);
  });

  test('is one line with tabs elsewhere', () => {
    assert.deepEqual(reportLines({ ...finding, found: 'full' }, false), ['warn\tspace\tfull: do something']);
  });

  test('is broken at spaces only', () => {
    assert.deepEqual(wrapped('aa bb cc', 5), ['aa bb', 'cc']);
    assert.deepEqual(wrapped('a longerword b', 4), ['a', 'longerword', 'b']);
  });
});
