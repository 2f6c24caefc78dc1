/**
 * The daemon as a service of systemd: what it says to the socket that it is given.
 */
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { DlfsDaemon } from '../support/daemon.ts';
import { TempDir } from '../support/files.ts';
import { ManyOrigin } from '../support/many-origin.ts';
import { until } from '../support/process.ts';

const PATIENCE_MS = 20_000;

test('systemd hears that the daemon is ready, that its event loop lives, and that it stops', async () => {
  await using temp = await TempDir.create('notify');
  await using origin = await ManyOrigin.start({ 'a/file': 10 });
  const path = temp.join('notify.sock');
  const program = fileURLToPath(new URL('../support/datagrams.py', import.meta.url));
  const receiver = spawn('python3', ['-B', program, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const heard: string[] = [];
  createInterface({ input: receiver.stdout }).on('line', (line) => heard.push(JSON.parse(line) as string));
  const count = (text: string): number => heard.filter((message) => message.startsWith(text)).length;
  try {
    await until(() => heard.includes('bound'), PATIENCE_MS, 'the receiver is there');
    const env = { ...origin.env, NOTIFY_SOCKET: path, WATCHDOG_USEC: '400000' };
    await using daemon = await DlfsDaemon.start({ env, manifests: { 'a.json': origin.manifest('a') } });
    await until(() => count('READY=1') === 1, PATIENCE_MS, 'it is ready');
    assert.match(heard.find((message) => message.startsWith('READY=1')) ?? '', /\nSTATUS=serving 1 of 1 datasets/);
    await until(() => count('WATCHDOG=1') >= 3, PATIENCE_MS, 'the watchdog is fed');
    assert.equal(count('STOPPING=1'), 0);
    await daemon.terminate();
    await until(() => count('STOPPING=1') === 1, PATIENCE_MS, 'it says that it stops');
  } finally {
    receiver.stdin.end();
    await once(receiver, 'exit');
  }
});
