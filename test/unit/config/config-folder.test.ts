import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { SystemClock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { ConfigFolder, describeConfigProblem } from '../../../src/daemon/config/index.ts';
import { yamlOf } from '../dataset/manifest/samples.ts';

let root = '';
let folder = '';
let resources: AsyncDisposableStack;
let log: string[] = [];

beforeEach(() => {
  resources = new AsyncDisposableStack();
  root = mkdtempSync(join(tmpdir(), 'dlfs-config-'));
  resources.defer(() => rmSync(root, { recursive: true, force: true }));
  folder = join(root, 'datasets');
  mkdirSync(folder);
  log = [];
});
afterEach(() => resources.disposeAsync());

const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

async function open(path = folder): Promise<ConfigFolder> {
  // A wall clock of a later day: files of a test are not "just written".
  const clock = new ManualClock(Date.now() + 86_400_000);
  const logger = createLogger({ level: 'info', sink: { write: (line) => log.push(line) }, clock });
  return resources.use(await ConfigFolder.open({ path, clock, log: logger }));
}

/** Two looks: a change that stands is taken up. */
async function settle(config: ConfigFolder): Promise<void> {
  await config.look();
  await config.look();
}

const names = (config: ConfigFolder): string[] => config.snapshot.manifests.map(({ manifest }) => manifest.fullName);
const problems = (config: ConfigFolder): string[] =>
  config.snapshot.problems.map((problem) => describeConfigProblem(problem).replace(`${folder}/`, ''));

test('the manifests of a folder are read in the order of its files, and know file and line', async () => {
  write('b.yaml', `${yamlOf('b')}---\n${yamlOf('c')}`);
  write(
    'a.json',
    JSON.stringify({
      apiVersion: 'dlfs.io/v1alpha1',
      kind: 'Dataset',
      metadata: { name: 'a' },
      spec: { source: { s3: { bucket: 'x' } } },
    }),
  );
  write('z.yml', yamlOf('z'));
  for (const name of ['notes.txt', '.hidden.yaml', 'a.yaml~', '.yaml', 'b.yaml.bak']) write(name, 'not: [valid');
  mkdirSync(join(folder, 'sub'));
  const config = await open();
  assert.deepEqual(config.snapshot.problems, []);
  assert.deepEqual(
    config.snapshot.manifests.map(({ manifest, owner }) => [
      manifest.fullName,
      owner.kind === 'file' && `${owner.file}:${owner.line}`,
    ]),
    [
      ['a', `${folder}/a.json:1`],
      ['b', `${folder}/b.yaml:3`],
      ['c', `${folder}/b.yaml:8`],
      ['z', `${folder}/z.yml:3`],
    ],
  );
});

test('added, changed and removed files are taken up at the second look', async () => {
  write('a.yaml', yamlOf('a'));
  const config = await open();
  write('b.yaml', yamlOf('b'));
  write('a.yaml', yamlOf('a', 'other'));
  await config.look();
  assert.deepEqual(names(config), ['a']);
  await config.look();
  assert.deepEqual(names(config), ['a', 'b']);
  assert.equal(config.snapshot.manifests[0]?.manifest.written.spec.source.s3.bucket, 'other');
  unlinkSync(join(folder, 'a.yaml'));
  await settle(config);
  assert.deepEqual(names(config), ['b']);
});

test('a program that writes in pieces, or removes and writes anew, is waited for', async () => {
  write('a.yaml', `${yamlOf('a')}---\n${yamlOf('b')}`);
  const config = await open();
  write('a.yaml', yamlOf('a'));
  await config.look();
  write('a.yaml', `${yamlOf('a')}---\n`);
  await config.look();
  write('a.yaml', `${yamlOf('a')}---\n${yamlOf('b')}---\n${yamlOf('c')}`);
  await config.look();
  assert.deepEqual(names(config), ['a', 'b']);
  await config.look();
  assert.deepEqual(names(config), ['a', 'b', 'c']);
  unlinkSync(join(folder, 'a.yaml'));
  await config.look();
  write('a.yaml', yamlOf('d'));
  await config.look();
  assert.deepEqual(names(config), ['a', 'b', 'c']);
  await config.look();
  assert.deepEqual(names(config), ['d']);
});

describe('a fault', () => {
  test('of one file concerns that file alone, and what it said last stays', async () => {
    write('a.yaml', yamlOf('a'));
    write('b.yaml', yamlOf('b'));
    const config = await open();
    write('a.yaml', 'kind: [\n');
    write('b.yaml', yamlOf('b2'));
    await settle(config);
    assert.deepEqual(names(config), ['a', 'b2']);
    assert.match(problems(config)[0]!, /^a\.yaml:\d+:\d+: not valid YAML/);
    write('a.yaml', yamlOf('a3'));
    await settle(config);
    assert.deepEqual([names(config), problems(config)], [['a3', 'b2'], []]);
  });

  test('of one document leaves the others of its file, and keeps what that dataset was', async () => {
    write('a.yaml', `${yamlOf('a')}---\n${yamlOf('b')}`);
    const config = await open();
    write('a.yaml', `${yamlOf('a', 'other')}---\n${yamlOf('b').replace('bucket', 'bukcet')}---\n${yamlOf('c')}`);
    await settle(config);
    assert.deepEqual(names(config), ['a', 'c', 'b']);
    assert.equal(config.snapshot.manifests[0]?.manifest.written.spec.source.s3.bucket, 'other');
    assert.match(problems(config)[0]!, /^a\.yaml:9:.*bukcet: unknown field; did you mean "bucket"\?$/);
  });

  test('at the start takes nothing else with it, and goes when it is mended', async () => {
    write('a.yaml', `${yamlOf('a')}---\nkind: Pod\n`);
    write('b.yaml', '\u0000');
    const config = await open();
    assert.deepEqual(names(config), ['a']);
    assert.ok(problems(config).length >= 2);
    write('a.yaml', yamlOf('a'));
    unlinkSync(join(folder, 'b.yaml'));
    await settle(config);
    assert.deepEqual([names(config), problems(config)], [['a'], []]);
  });

  test('is said once in the log, and so is its end', async () => {
    write('a.yaml', 'kind: [\n');
    const config = await open();
    for (let look = 0; look < 4; look++) await config.look();
    write('a.yaml', yamlOf('a'));
    await settle(config);
    assert.deepEqual(
      log.map((line) => (JSON.parse(line) as { level: string; msg: string }).level),
      ['warn', 'info'],
    );
  });
});

describe('hostile files', () => {
  const refuse = async (name: string, expected: RegExp): Promise<void> => {
    write('good.yaml', yamlOf('good'));
    const config = await open();
    assert.deepEqual(names(config), ['good']);
    assert.match(problems(config).find((line) => line.startsWith(name)) ?? '', expected);
  };

  test('a link that leaves the folder is refused', async () => {
    writeFileSync(join(root, 'outside.yaml'), yamlOf('outside'));
    symlinkSync('../outside.yaml', join(folder, 'a.yaml'));
    await refuse('a.yaml', /a\.yaml: is a link that leaves the folder$/);
  });

  test('a link by way of a folder that leaves is refused', async () => {
    mkdirSync(join(root, 'datasets-2'));
    writeFileSync(join(root, 'datasets-2', 'a.yaml'), yamlOf('outside'));
    symlinkSync('../datasets-2', join(folder, 'sub'));
    symlinkSync('sub/a.yaml', join(folder, 'a.yaml'));
    await refuse('a.yaml', /leaves the folder$/);
  });

  test('a link that leads nowhere or around is refused', async () => {
    symlinkSync('a.yaml', join(folder, 'a.yaml'));
    await refuse('a.yaml', /leads nowhere/);
    symlinkSync('missing', join(folder, 'b.yaml'));
    await refuse('b.yaml', /leads nowhere/);
  });

  test('a pipe, a device and a folder are refused at once', async () => {
    execFileSync('mkfifo', [join(folder, 'pipe.yaml')]);
    mkdirSync(join(folder, 'folder.yaml'));
    await refuse('pipe.yaml', /not a regular file$/);
    await refuse('folder.yaml', /not a regular file$/);
  });

  test('a huge file is refused', async () => {
    write('a.yaml', '#'.repeat(1024 * 1024 + 1));
    await refuse('a.yaml', /larger than 1024 KiB/);
  });

  test('bytes that are not text are refused', async () => {
    writeFileSync(join(folder, 'a.yaml'), Buffer.from([0x61, 0xff, 0xfe]));
    await refuse('a.yaml', /not UTF-8 text/);
  });

  test('a file that everybody may write, or that somebody else owns, is refused', async () => {
    write('a.yaml', yamlOf('a'));
    chmodSync(join(folder, 'a.yaml'), 0o666);
    await refuse('a.yaml', /may be written by everybody/);
    write('b.yaml', yamlOf('b'));
    chownSync(join(folder, 'b.yaml'), 65_534, 65_534);
    await refuse('b.yaml', /belongs to user 65534/);
  });

  test('more files than are looked at change nothing', async () => {
    write('a.yaml', yamlOf('a'));
    const config = await open();
    for (let file = 0; file <= 4096; file++) write(`n${file}.yaml`, '');
    unlinkSync(join(folder, 'a.yaml'));
    await settle(config);
    assert.deepEqual(names(config), ['a']);
    assert.match(problems(config)[0]!, /4097 files of manifests, and 4096 are the most/);
  });
});

test("a ConfigMap's folder is followed through the swap of its link", async () => {
  const version = (name: string, text: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'a.yaml'), text);
  };
  version('..2025_01', yamlOf('a'));
  symlinkSync('..2025_01', join(folder, '..data'));
  symlinkSync('..data/a.yaml', join(folder, 'a.yaml'));
  const config = await open();
  assert.deepEqual([names(config), problems(config)], [['a'], []]);
  version('..2025_02', yamlOf('b'));
  symlinkSync('..2025_02', join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  rmSync(join(folder, '..2025_01'), { recursive: true });
  await settle(config);
  assert.deepEqual([names(config), problems(config)], [['b'], []]);
});

test('a folder that is gone or cannot be read changes nothing until it is back', async () => {
  write('a.yaml', yamlOf('a'));
  const config = await open();
  renameSync(folder, `${folder}.away`);
  await settle(config);
  assert.deepEqual(names(config), ['a']);
  assert.match(problems(config)[0]!, /is gone: what was read from it before stays$/);
  renameSync(`${folder}.away`, folder);
  write('a.yaml', yamlOf('b'));
  await settle(config);
  assert.deepEqual([names(config), problems(config)], [['b'], []]);
});

test('one file may be named, also by a link', async () => {
  writeFileSync(join(root, 'one.yaml'), yamlOf('a'));
  symlinkSync('../one.yaml', join(folder, 'link.conf'));
  const config = await open(join(folder, 'link.conf'));
  assert.deepEqual(names(config), ['a']);
  writeFileSync(join(root, 'one.yaml'), yamlOf('b'));
  await settle(config);
  assert.deepEqual(names(config), ['b']);
  unlinkSync(join(root, 'one.yaml'));
  await settle(config);
  assert.deepEqual(names(config), []);
});

test('a path that is not there is an error', async () => {
  await assert.rejects(open(join(root, 'missing')), {
    code: 'not-found',
    message: `--config: ${root}/missing does not exist`,
  });
});

test('a file written just before the start is read once more, since its times may not tell of the next write', async () => {
  write('a.yaml', yamlOf('a'));
  const clock = new ManualClock(Date.now());
  const logger = createLogger({ level: 'info', sink: { write: (line) => log.push(line) }, clock });
  await using config = await ConfigFolder.open({ path: folder, clock, log: logger });
  const heard: string[][] = [];
  config.follow(() => heard.push(names(config)));
  await settle(config);
  await settle(config);
  assert.deepEqual(heard, [['a']]);
});

test('a change is told within two seconds of real time, and nothing after the end', async () => {
  const clock = new SystemClock();
  const logger = createLogger({ level: 'info', sink: { write: (line) => log.push(line) }, clock });
  const config = await ConfigFolder.open({ path: folder, clock, log: logger });
  const { promise, resolve } = Promise.withResolvers<number>();
  let told = 0;
  config.follow(({ manifests }) => {
    told += 1;
    if (manifests.length > 0) resolve(performance.now());
  });
  const began = performance.now();
  write('a.yaml', yamlOf('a'));
  const took = (await promise) - began;
  assert.ok(took < 2000, `${Math.round(took)} ms`);
  await config[Symbol.asyncDispose]();
  write('a.yaml', yamlOf('b'));
  await config.look();
  assert.equal(told, 1);
});
