import assert from 'node:assert/strict';
import { mkdtempSync, mkdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { SystemClock } from '../../../src/base/clock.ts';
import { DesiredState, describeConfigProblem, type DesiredChange } from '../../../src/daemon/config/index.ts';
import { manifestOf, yamlOf } from '../dataset/manifest/samples.ts';

let root = '';
let config = '';
let resources: AsyncDisposableStack;

beforeEach(() => {
  resources = new AsyncDisposableStack();
  root = mkdtempSync(join(tmpdir(), 'dlfs-desired-'));
  resources.defer(() => rmSync(root, { recursive: true, force: true }));
  config = join(root, 'config');
  mkdirSync(config);
});
afterEach(() => resources.disposeAsync());

async function open(): Promise<DesiredState> {
  const state = join(root, 'state');
  return resources.use(await DesiredState.open({ config, state, clock: new SystemClock(), log: SILENT_LOGGER }));
}

/** What was told, one word each; `until` resolves when it has come. */
class Told {
  readonly words: string[] = [];
  #waiting: { word: string; resolve: () => void } | null = null;

  readonly listener = (changes: readonly DesiredChange[]): void => {
    for (const { kind, name } of changes) this.words.push(`${kind} ${name}`);
    if (this.#waiting !== null && this.words.includes(this.#waiting.word)) this.#waiting.resolve();
  };

  until(word: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#waiting = { word, resolve: () => resolve(undefined) };
    if (this.words.includes(word)) resolve(undefined);
    return promise;
  }
}

test('what is there is told as added, then each change of files and applications once', async () => {
  writeFileSync(join(config, 'a.yaml'), yamlOf('a'));
  const desired = await open();
  const told = new Told();
  desired.follow(told.listener);
  assert.deepEqual(told.words, ['added a']);
  assert.deepEqual(await desired.apply([manifestOf('n/b'), manifestOf('c')]), [
    { name: 'n/b', result: 'created' },
    { name: 'c', result: 'created' },
  ]);
  assert.deepEqual(await desired.apply([manifestOf('c', 'other'), manifestOf('n/b')]), [
    { name: 'c', result: 'configured' },
    { name: 'n/b', result: 'unchanged' },
  ]);
  assert.deepEqual(await desired.delete('c'), manifestOf('c', 'other'));
  assert.deepEqual(told.words.slice(1), ['added n/b', 'added c', 'changed c', 'removed c']);
  unlinkSync(join(config, 'a.yaml'));
  writeFileSync(join(config, 'd.yaml'), yamlOf('d'));
  await told.until('added d');
  assert.deepEqual(told.words.slice(5), ['removed a', 'added d']);
});

test('what was applied survives a restart, and so does a deletion', async () => {
  {
    await using desired = await open();
    await desired.apply([manifestOf('a'), manifestOf('b')]);
    await desired.delete('a');
  }
  const desired = await open();
  assert.deepEqual([...desired.datasets.keys()], ['b']);
  assert.deepEqual(desired.datasets.get('b')?.owner, { kind: 'applied', file: join(root, 'state', 'b.yaml') });
});

test('a dataset of a file is refused to apply and to delete, with the name of the file', async () => {
  writeFileSync(join(config, 'a.yaml'), yamlOf('a'));
  const desired = await open();
  const because = `is described by ${config}/a.yaml:3 and cannot be`;
  await assert.rejects(desired.apply([manifestOf('b'), manifestOf('a')]), {
    code: 'conflict',
    dataset: 'a',
    message: `${because} applied: edit the file`,
  });
  await assert.rejects(desired.delete('a'), {
    code: 'conflict',
    message: `${because} deleted: remove it from the file`,
  });
  assert.deepEqual([...desired.datasets.keys()], ['a'], 'nothing of the refused request was done');
});

test('names that clash, are there twice or are not there are refused', async () => {
  const desired = await open();
  await desired.apply([manifestOf('imagenet'), manifestOf('n/x')]);
  await assert.rejects(desired.apply([manifestOf('imagenet/x')]), { code: 'exists', dataset: 'imagenet/x' });
  await assert.rejects(desired.apply([manifestOf('n')]), {
    code: 'exists',
    message: /^n has no namespace, and n\/x is in/,
  });
  await assert.rejects(desired.apply([manifestOf('z'), manifestOf('z', 'other')]), {
    code: 'invalid-argument',
    dataset: 'z',
  });
  await assert.rejects(desired.delete('imagnet'), {
    code: 'not-found',
    message: 'no such dataset; did you mean imagenet?',
  });
  assert.deepEqual([...desired.datasets.keys()].sort(), ['imagenet', 'n/x']);
});

test('a plan says what would be done, and does nothing', async () => {
  const desired = await open();
  await desired.apply([manifestOf('a')]);
  assert.deepEqual(
    desired.plan([manifestOf('a'), manifestOf('b')]).map(({ result }) => result),
    ['unchanged', 'created'],
  );
  assert.deepEqual([...desired.datasets.keys()], ['a']);
});

test('what a file takes over is reported as long as it stands behind, and can be deleted when the file lets go', async () => {
  {
    await using desired = await open();
    await desired.apply([manifestOf('a', 'applied')]);
  }
  writeFileSync(join(config, 'a.yaml'), yamlOf('a', 'file'));
  const desired = await open();
  assert.equal(desired.require('a').manifest.complete.spec.source.s3.bucket, 'file');
  assert.deepEqual(desired.problems.map(describeConfigProblem), [
    `${root}/state/a.yaml: a is described by ${config}/a.yaml:3 already: it is not taken`,
  ]);
  const told = new Told();
  desired.follow(told.listener);
  unlinkSync(join(config, 'a.yaml'));
  await told.until('changed a');
  assert.equal(desired.require('a').manifest.complete.spec.source.s3.bucket, 'applied');
  await desired.delete('a');
  assert.deepEqual([desired.datasets.size, desired.problems], [0, []]);
});

test('requests at the same time are done one after the other', async () => {
  const desired = await open();
  const told = new Told();
  desired.follow(told.listener);
  await Promise.all([
    desired.apply([manifestOf('a', 'one')]),
    desired.apply([manifestOf('a', 'two')]),
    desired.delete('a'),
    desired.apply([manifestOf('a', 'three')]),
  ]);
  assert.deepEqual(told.words, ['added a', 'changed a', 'removed a', 'added a']);
});

test('without a configuration only what is applied counts', async () => {
  await using desired = await DesiredState.open({
    config: null,
    state: join(root, 'state'),
    clock: new SystemClock(),
    log: SILENT_LOGGER,
  });
  await desired.apply([manifestOf('a')]);
  assert.deepEqual([...desired.datasets.keys()], ['a']);
});
