/**
 * The helper process itself: its surface, its errors, its end.
 */
import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { isAlive } from '../support/process.ts';
import { CallError, Helper, KilledError } from './helper.ts';
import { MAP, O, PAGE, PROT } from './linux.ts';

test('calls.ts declares exactly the calls that helper.py makes', async () => {
  await using helper = new Helper();
  const source = await readFile(new URL('calls.ts', import.meta.url), 'utf8');
  const body = source.slice(source.indexOf('export interface Calls {'), source.indexOf('/** The name of a call. */'));
  const declared = [...body.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1]).sort();
  assert.deepEqual(declared, await helper.call('calls'));
});

test('a failed call is rejected with the name of its errno', async () => {
  await using helper = new Helper();
  await assert.rejects(
    helper.call('open', '/no such path', 0),
    (error) => error instanceof CallError && error.code === 'ENOENT',
  );
});

test('a mistake in a call is rejected with a traceback, not taken for an errno', async () => {
  await using helper = new Helper();
  await assert.rejects(
    helper.call('open', 5 as never, 'x' as never),
    (error: Error) => !(error instanceof CallError) && error.message.includes('Traceback'),
  );
});

test('a forked call has the ids that were asked for, and what kills it leaves the helper alive', async () => {
  await using helper = new Helper();
  await assert.rejects(
    helper.callAs({ uid: 65534, gid: 65534 }, 'open', '/etc/shadow', 0),
    (error) => error instanceof CallError && error.code === 'EACCES',
  );
  const empty = await helper.call('open', '/dev/shm', O.O_RDWR | O.O_TMPFILE, 0o600);
  await assert.rejects(
    helper.callForked('mmap_read', empty, PAGE, MAP.SHARED, PROT.READ, [[0, 1]]),
    (error) => error instanceof KilledError && error.signal === 'SIGBUS',
  );
  await helper.call('close', empty);
});

test('disposal ends the process', async () => {
  const helper = new Helper();
  await helper.call('calls');
  const { pid } = helper;
  await helper[Symbol.asyncDispose]();
  assert.equal(await isAlive(pid), false);
  await assert.rejects(helper.call('calls'), /the helper process ended/);
});
