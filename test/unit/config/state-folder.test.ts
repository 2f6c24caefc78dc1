import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { StateFolder, describeConfigProblem } from '../../../src/daemon/config/index.ts';
import { manifestOf, yamlOf } from '../dataset/manifest/samples.ts';
import { Ext4Image } from '../../support/ext4.ts';

let root = '';
let folder = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'dlfs-state-'));
  folder = join(root, 'state', 'datasets');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

test('what was written is there again, also under names that are long', async () => {
  const state = await StateFolder.open(folder);
  const long = ['a', 'b'].map((end) => `${'n'.repeat(63)}/${'x'.repeat(252)}${end}`);
  const manifests = ['x', 'n/x', 'n.x', ...long].map((name) => manifestOf(name));
  await Promise.all(manifests.map((manifest) => state.write(manifest)));
  await state.write(manifestOf('x', 'other'));
  await state.remove('n.x');
  const again = await StateFolder.open(folder);
  assert.deepEqual(again.problems, []);
  assert.deepEqual([...again.manifests.keys()].sort(), ['x', 'n/x', ...long].sort());
  assert.deepEqual(again.manifests.get('x'), manifestOf('x', 'other'));
  for (const name of readdirSync(folder)) assert.ok(name.length <= 255);
});

test('nobody else can read or write it', async () => {
  mkdirSync(folder, { recursive: true, mode: 0o777 });
  const state = await StateFolder.open(folder);
  await state.write(manifestOf('n/x'));
  assert.equal(modeOf(folder), '700');
  assert.equal(state.fileOf('n/x'), join(folder, 'n_x.yaml'));
  assert.equal(modeOf(state.fileOf('n/x')), '600');
});

test('what cannot be read is set aside and reported, and takes nothing else with it', async () => {
  const first = await StateFolder.open(folder);
  await first.write(manifestOf('good'));
  writeFileSync(join(folder, 'broken.yaml'), 'kind: "');
  writeFileSync(join(folder, 'moved.yaml'), yamlOf('good'));
  writeFileSync(join(folder, 'two.yaml'), `${yamlOf('two')}---\n${yamlOf('three')}`);
  writeFileSync(join(folder, 'cut.yaml.new'), 'kind');
  writeFileSync(join(root, 'secret'), yamlOf('linked'));
  symlinkSync(join(root, 'secret'), join(folder, 'linked.yaml'));
  const state = await StateFolder.open(folder);
  assert.deepEqual([...state.manifests.keys()], ['good']);
  assert.deepEqual(
    state.problems.map((problem) => describeConfigProblem(problem).replace(`${folder}/`, '')),
    [
      'broken.yaml: 1:8: not valid YAML: a bracket, quote, comma or ":" is missing: set aside as broken.yaml.bad-1; apply the manifest again',
      'linked.yaml: is not a regular file: set aside as linked.yaml.bad-1; apply the manifest again',
      'moved.yaml: holds good, which is stored elsewhere: set aside as moved.yaml.bad-1; apply the manifest again',
      'two.yaml: does not hold one manifest: set aside as two.yaml.bad-1; apply the manifest again',
    ],
  );
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.new')),
    [],
  );
  writeFileSync(join(folder, 'broken.yaml'), 'again: [');
  await StateFolder.open(folder);
  assert.equal(readFileSync(join(folder, 'broken.yaml.bad-1'), 'utf8'), 'kind: "');
  assert.ok(existsSync(join(folder, 'broken.yaml.bad-2')));
});

test('a folder that is a link or a file is refused', async () => {
  mkdirSync(join(root, 'state'));
  mkdirSync(join(root, 'elsewhere'));
  symlinkSync('../elsewhere', folder);
  await assert.rejects(StateFolder.open(folder), { code: 'access-denied' });
});

test('what lies where a file is to be written is replaced, not followed', async () => {
  const state = await StateFolder.open(folder);
  writeFileSync(join(root, 'victim'), 'untouched');
  symlinkSync(join(root, 'victim'), join(folder, 'x.yaml.new'));
  symlinkSync(join(root, 'victim'), join(folder, 'x.yaml'));
  await state.write(manifestOf('x'));
  assert.equal(readFileSync(join(root, 'victim'), 'utf8'), 'untouched');
  assert.deepEqual([...(await StateFolder.open(folder)).manifests.keys()], ['x']);
});

test('removing what was never applied is an error, and later work goes on', async () => {
  const state = await StateFolder.open(folder);
  await assert.rejects(state.remove('x'), { code: 'not-found', dataset: 'x' });
  await state.write(manifestOf('x'));
  assert.equal(state.manifests.size, 1);
});

test('a full disk is an error that names the place, and what was there stays', async () => {
  await using disk = await Ext4Image.create({ bytes: 8 * 1024 * 1024 });
  const state = await StateFolder.open(join(disk.dir, 'datasets'));
  await state.write(manifestOf('x'));
  await disk.fillTo(0);
  await assert.rejects(state.write(manifestOf('x', 'other')), (error: Error & { code?: string; dataset?: string }) => {
    assert.equal(error.code, 'disk-full');
    assert.equal(error.dataset, 'x');
    assert.match(error.message, /the manifest cannot be stored in /);
    return true;
  });
  const again = await StateFolder.open(join(disk.dir, 'datasets'));
  assert.deepEqual(again.manifests.get('x'), manifestOf('x'));
});
