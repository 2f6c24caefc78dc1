import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { SystemClock } from '../../../src/base/clock.ts';
import { launchInBackground, type Launched } from '../../../src/daemon/background/launch.ts';
import { TempDir } from '../../support/files.ts';
import { isAlive, until } from '../../support/process.ts';

interface Launch {
  /** A program in JavaScript. */
  readonly text: string;
  readonly limitMs?: number;
  readonly signal?: AbortSignal;
  readonly environment?: NodeJS.ProcessEnv;
}

/** Launches a small program; its process number is in `temp/pid`. */
async function launch(temp: TempDir, { text, limitMs, signal, environment }: Launch): Promise<Launched> {
  const program = temp.join('program.mjs');
  await writeFile(
    program,
    `import { writeFileSync } from 'node:fs';\nwriteFileSync(process.argv[2], String(process.pid));\n${text}`,
  );
  return await launchInBackground({
    program,
    args: [temp.join('pid')],
    logPath: temp.join('log'),
    environment: environment ?? process.env,
    clock: new SystemClock(),
    signal: signal ?? new AbortController().signal,
    ...(limitMs === undefined ? {} : { limitMs }),
  });
}

async function pidOf(temp: TempDir): Promise<number> {
  return Number(await readFile(temp.join('pid'), 'utf8'));
}

const READY = `process.send({ type: 'ready', dir: '/m', source: 's3://b' }, () => process.disconnect());`;
const STAY = `setInterval(() => undefined, 1000);`;

describe('a process in the background', () => {
  test('is left to itself once it serves: a session of its own, at the root, its output in the log', async () => {
    await using temp = await TempDir.create('launch');
    const text = `${READY} ${STAY} console.log(process.cwd()); console.error('words');`;
    const launched = await launch(temp, { text });
    try {
      assert.deepEqual([launched.dir, launched.source], ['/m', 's3://b']);
      assert.equal(launched.pid, await pidOf(temp));
      // pid (comm) state ppid pgrp session …
      const status = await readFile(`/proc/${launched.pid}/stat`, 'latin1');
      const session = Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[3]);
      assert.equal(session, launched.pid);
      await until(
        async () => (await readFile(temp.join('log'), 'utf8')) === '/\nwords\n',
        5000,
        'its output is in the log',
      );
      assert.equal((await stat(temp.join('log'))).mode & 0o777, 0o600);
    } finally {
      process.kill(launched.pid, 'SIGKILL');
      await until(async () => !(await isAlive(launched.pid)), 5000, 'it has ended');
    }
  });

  test('that says why it fails is ended, and its error is ours', async () => {
    await using temp = await TempDir.create('launch');
    const text = `${STAY} process.send({ type: 'failed', error: { code: 'unauthenticated', message: 'no keys', retryable: false } });`;
    await assert.rejects(launch(temp, { text }), { name: 'DlfsError', code: 'unauthenticated', message: 'no keys' });
    assert.equal(await isAlive(await pidOf(temp)), false);
  });

  test('that dies is reported with its last words', async () => {
    await using temp = await TempDir.create('launch');
    await writeFile(temp.join('log'), 'of the run before\n');
    await assert.rejects(launch(temp, { text: `console.log('{"msg":"no more memory"}'); process.exit(3);` }), {
      code: 'internal',
      message: /ended with code 3 \(its last words: no more memory\); log: .*\/log$/,
    });
    await assert.rejects(launch(temp, { text: `process.kill(process.pid, 'SIGKILL'); ${STAY}` }), {
      message: /was ended by SIGKILL \(it logged nothing\)/,
    });
  });

  test('that says nothing is ended after the limit, also when it does not listen', async () => {
    await using temp = await TempDir.create('launch');
    const text = `console.log('thinking'); process.on('SIGTERM', () => process.exit(0)); ${STAY}`;
    await assert.rejects(launch(temp, { text, limitMs: 2000 }), {
      code: 'timeout',
      message: /did not serve within 2s \(its last words: thinking\)/,
    });
    assert.equal(await isAlive(await pidOf(temp)), false);
  });

  test('that does not hear SIGTERM is killed', async () => {
    await using temp = await TempDir.create('launch');
    const text = `process.on('SIGTERM', () => undefined); ${STAY} process.send({ type: 'failed', error: { code: 'io', message: 'x' } });`;
    await assert.rejects(launch(temp, { text }), { code: 'io' });
    assert.equal(await isAlive(await pidOf(temp)), false);
  });

  test('ends with its starter', async () => {
    await using temp = await TempDir.create('launch');
    const stopped = new AbortController();
    const launching = launch(temp, { text: STAY, signal: stopped.signal });
    await Promise.all([
      assert.rejects(launching, { code: 'interrupted' }),
      until(() => pidOf(temp).then(Boolean, () => false), 10_000, 'it runs').then(() => {
        stopped.abort();
      }),
    ]);
    assert.equal(await isAlive(await pidOf(temp)), false);
  });

  test('finds the files that its environment names from where its starter is', async () => {
    await using temp = await TempDir.create('launch');
    const text = `writeFileSync('${temp.join('seen')}', process.env.AWS_CONFIG_FILE); ${READY}`;
    await launch(temp, { text, environment: { ...process.env, AWS_CONFIG_FILE: 'some/config' } });
    assert.equal(await readFile(temp.join('seen'), 'utf8'), `${process.cwd()}/some/config`);
    await until(async () => !(await isAlive(await pidOf(temp))), 5000, 'it has ended');
  });

  test('whose log cannot be written is not started', async () => {
    await using temp = await TempDir.create('launch');
    const clock = new SystemClock();
    const options = {
      program: temp.join('none'),
      args: [],
      environment: {},
      clock,
      signal: new AbortController().signal,
    };
    await assert.rejects(launchInBackground({ ...options, logPath: temp.join('no', 'log') }), {
      code: 'invalid-argument',
    });
  });
});
