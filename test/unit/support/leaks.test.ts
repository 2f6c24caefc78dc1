/**
 * The leak check itself: a file that leaves something behind fails, and what it left is gone afterwards.
 *
 * Each test writes a small test file, runs it in a process of its own with the preload, and reads exit code and stderr.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { findMounts } from '../../support/leftovers.ts';

const PRELOAD = join(import.meta.dirname, '../../support/leaks.ts');

interface Outcome {
  readonly code: number | null;
  readonly stderr: string;
  readonly stdout: string;
}

/** Runs a test file with the given body under the preload. `print` in it hands values to the caller through stderr. */
async function runFile(body: string): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'leaks-'));
  try {
    const file = join(folder, 'case.mjs');
    await writeFile(
      file,
      `import { test, after } from 'node:test';
       import { spawn, execFileSync } from 'node:child_process';
       import * as fs from 'node:fs';
       import * as os from 'node:os';
       import * as path from 'node:path';
       const print = (name, value) => process.stderr.write('@' + name + '=' + value + '\\n');
       ${body}`,
    );
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, ['--import', PRELOAD, file], {
      env: { ...env, DLFS_TEST_GRACE_MS: '300' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code: child.exitCode, stderr, stdout };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A value that the file printed. */
function printed(outcome: Outcome, name: string): string {
  const value = new RegExp(`^@${name}=(.*)$`, 'm').exec(outcome.stderr)?.[1];
  assert.ok(value !== undefined, `the file did not print ${name}:\n${outcome.stderr}\n${outcome.stdout}`);
  return value;
}

describe('leak check', () => {
  test('a file that cleans up passes, whatever it used meanwhile', async () => {
    const outcome = await runFile(`
      test('uses and returns everything', async () => {
        const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'used-'));
        const fd = fs.openSync(path.join(dir, 'x'), 'w'); fs.closeSync(fd);
        const timer = setInterval(() => {}, 1000); clearInterval(timer);
        await new Promise((resolve) => spawn('true').on('close', resolve));
        const http = await import('node:http');
        const server = http.createServer((_, res) => res.end('hi')).listen(0, '127.0.0.1');
        await new Promise((resolve) => server.on('listening', resolve));
        await (await fetch('http://127.0.0.1:' + server.address().port)).text();
        const { Worker } = await import('node:worker_threads');
        const worker = new Worker('require("node:worker_threads").parentPort.postMessage(1)', { eval: true });
        await new Promise((resolve) => worker.on('exit', resolve));
        await new Promise((resolve) => server.close(resolve));
        fs.rmSync(dir, { recursive: true });
      });
      after(async () => { await new Promise((resolve) => setTimeout(resolve, 20)); });`);
    assert.equal(outcome.code, 0, outcome.stderr + outcome.stdout);
    assert.equal(outcome.stderr, '');
  });

  test('an open descriptor fails the file and is named', async () => {
    const outcome = await runFile(`test('opens', () => { fs.openSync('/etc/hostname', 'r'); });`);
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /left behind:\n {2}open descriptor: \/etc\/hostname/);
  });

  test('a timer that keeps the process alive fails the file, naming where it was started', async () => {
    const outcome = await runFile(`test('starts', function starter() { setInterval(() => {}, 1000); });`);
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /still running 300 ms after the last test:/);
    assert.match(outcome.stderr, /active handle: Timeout/);
    assert.match(outcome.stderr, /timer started at .*case\.mjs/);
  });

  test('a server that still listens fails the file', async () => {
    const outcome = await runFile(`
      import { createServer } from 'node:net';
      test('listens', async () => {
        await new Promise((resolve) => createServer().listen(0, '127.0.0.1', resolve));
      });`);
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /active handle: TCPServerWrap/);
  });

  test('a daemon that cut all ties fails the file and is killed', async () => {
    const outcome = await runFile(`
      test('daemonises', () => {
        const child = spawn('setsid', ['--fork', 'sleep', '600'], { detached: true, stdio: 'ignore' });
        child.unref();
        return new Promise((resolve) => child.on('exit', resolve));
      });`);
    assert.equal(outcome.code, 1);
    const pid = Number(/process (\d+): sleep 600/.exec(outcome.stderr)?.[1]);
    assert.ok(pid > 0, outcome.stderr);
    const state = existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : 'State:\tX';
    assert.match(state, /^State:\s+[ZX]/m);
  });

  test('a mount fails the file and is unmounted', async () => {
    const outcome = await runFile(`
      test('mounts', () => {
        const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mount point-'));
        print('dir', dir);
        execFileSync('mount', ['-t', 'tmpfs', 'dlfs', dir]);
      });`);
    assert.equal(outcome.code, 1);
    const dir = printed(outcome, 'dir');
    assert.ok(outcome.stderr.includes(`mount of dlfs (tmpfs) at ${dir}`), outcome.stderr);
    assert.deepEqual(findMounts(dir), []);
    assert.equal(existsSync(dir), false);
  });

  test('a FUSE mount whose server is gone fails the file and is unmounted', async () => {
    const outcome = await runFile(`
      test('mounts and dies', () => {
        const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'dead-'));
        print('dir', dir);
        const script = 'exec 9<>/dev/fuse; mount -i -t fuse dlfs "$1" -o fd=9,rootmode=40000,user_id=0,group_id=0';
        execFileSync('bash', ['-c', script, 'bash', dir], { stdio: 'pipe' });
      });`);
    assert.equal(outcome.code, 1, outcome.stdout);
    const dir = printed(outcome, 'dir');
    assert.ok(outcome.stderr.includes(`mount of dlfs (fuse) at ${dir}`), outcome.stderr);
    assert.deepEqual(findMounts(dir), []);
  });

  test('a loop device fails the file and is detached', async () => {
    const outcome = await runFile(`
      test('attaches', () => {
        const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'loop-'));
        fs.writeFileSync(path.join(dir, 'image'), Buffer.alloc(1 << 20));
        const device = execFileSync('losetup', ['--find', '--show', path.join(dir, 'image')], { encoding: 'utf8' }).trim();
        print('device', device);
        fs.rmSync(dir, { recursive: true });
      });`);
    assert.equal(outcome.code, 1);
    const device = printed(outcome, 'device');
    assert.ok(outcome.stderr.includes(`loop device ${device}`), outcome.stderr);
    assert.equal(existsSync(`/sys/block/${device.replace('/dev/', '')}/loop/backing_file`), false);
  });

  test('a temporary file fails the file and is removed', async () => {
    const outcome = await runFile(`
      test('writes', () => {
        print('dir', os.tmpdir());
        fs.writeFileSync(path.join(os.tmpdir(), 'forgotten'), 'x');
      });`);
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /temporary file: forgotten/);
    assert.equal(existsSync(printed(outcome, 'dir')), false);
  });
});
