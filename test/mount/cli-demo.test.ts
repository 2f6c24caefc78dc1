import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execute } from '../posix/execute.ts';
import { cleanEnvironment } from '../support/mount.ts';
import { isAlive, until } from '../support/process.ts';
import { CliWorld, kernelMounts } from './cli-world.ts';

const DEMO = fileURLToPath(new URL('../../demo/main.ts', import.meta.url));

/** A tenth of the dataset makes all the steps, in a few seconds. */
function start(changes: Readonly<Record<string, string>>): {
  child: ChildProcess;
  said: () => string;
  ended: Promise<unknown[]>;
} {
  const env = { ...cleanEnvironment(), ORIGIN: 'embedded', SCALE: '0.1', ...changes };
  const child = spawn(process.execPath, [DEMO], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (text += data.toString()));
  return { child, said: () => text, ended: once(child, 'close') };
}

/** A process that is killed has its stage clean up behind it: soon, not at once. */
async function nothingIsLeft(): Promise<void> {
  const folders = async (): Promise<string[]> =>
    (await readdir(tmpdir())).filter((name) => name.startsWith('dlfs-demo-'));
  await until(async () => (await folders()).length === 0, 30_000, 'its folder is gone');
  assert.deepEqual(
    (await kernelMounts()).filter(({ dir }) => dir.startsWith(join(tmpdir(), 'dlfs-demo-'))),
    [],
  );
}

/** The rows of its table, as words. */
function rowsOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => /^(?:cold epoch|warm epoch|the local disk) /.test(line))
    .map((line) => line.trim().split(/ {2,}/));
}

describe('the demo', () => {
  for (const origin of ['embedded', 'versitygw']) {
    test(`reads everything twice from ${origin}, the second time without the origin, and cleans up`, async () => {
      const { said, ended } = start({ ORIGIN: origin });
      assert.deepEqual(await ended, [0, null], said());
      const [cold, warm, local] = rowsOf(said());
      assert.deepEqual([cold?.[0], warm?.[0], local?.[0]], ['cold epoch', 'warm epoch', 'the local disk'], said());
      assert.deepEqual(warm?.slice(4), ['0', '0', '0', '100.0 %']);
      assert.equal(cold?.at(-1), '0.0 %');
      assert.deepEqual(local?.slice(4), ['-', '-', '-', '-']);
      assert.ok(
        said()
          .split('\n')
          .every((line) => line.length <= 160),
      );
      assert.match(said(), origin === 'embedded' ? /the embedded S3 endpoint/ : /versitygw \(/);
      await nothingIsLeft();
    });
  }

  for (const [when, mark] of [
    ['while it writes the dataset', /Generating/],
    ['as soon as it is mounted', /Mounted/],
    ['between the epochs', /cold epoch +100%/],
  ] as const) {
    test(`cleans up when it is interrupted ${when}`, async () => {
      const { child, said, ended } = start({});
      await until(() => mark.test(said()), 60_000, String(mark));
      child.kill('SIGINT');
      assert.deepEqual(await ended, [130, null], said());
      await nothingIsLeft();
    });
  }

  test('cleans up when it is killed', async () => {
    const { child, said, ended } = start({});
    await until(() => said().includes('Reading'), 60_000, 'it reads');
    child.kill('SIGKILL');
    await ended;
    await nothingIsLeft();
  });

  test('stays mounted with KEEP=1 until the command that it names', async () => {
    const { said, ended } = start({ KEEP: '1' });
    assert.deepEqual(await ended, [0, null], said());
    const dir = /ls -l (\S+)/.exec(said())?.[1] ?? '';
    const pid = Number(/kill (\d+)\n/.exec(said())?.[1]);
    assert.match((await execute('ls', ['-l', dir], { limitMs: 20_000 })).stdout.toString(), /archive\.tar/);
    process.kill(pid, 'SIGTERM');
    await until(async () => !(await isAlive(pid)), 30_000, 'it has ended');
    await nothingIsLeft();
  });

  test('reads a bucket of one’s own', async () => {
    await using world = await CliWorld.create();
    const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = world.env;
    const options = `--endpoint ${world.endpoint.url} --region us-east-1`;
    const { said, ended } = start({
      BUCKET: 's3://bucket',
      OPTIONS: options,
      AWS_ACCESS_KEY_ID,
      AWS_SECRET_ACCESS_KEY,
    });
    assert.deepEqual(await ended, [0, null], said());
    assert.equal(rowsOf(said())[1]?.at(-1), '100.0 %', said());
    await nothingIsLeft();
  });

  test('says what is wrong with a bucket of one’s own in one line', async () => {
    await using world = await CliWorld.create();
    const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = world.env;
    const options = `--endpoint ${world.endpoint.url} --region us-east-1`;
    const { said, ended } = start({
      BUCKET: 's3://bukcet',
      OPTIONS: options,
      AWS_ACCESS_KEY_ID,
      AWS_SECRET_ACCESS_KEY,
    });
    assert.deepEqual(await ended, [1, null]);
    assert.match(said(), /^demo: dlfs: [^\n]*bukcet[^\n]*\n$/);
    await nothingIsLeft();
  });
});
