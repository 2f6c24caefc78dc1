import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { LogTail, type LogQuery } from '../../../src/daemon/log-file/log-tail.ts';

const ALL: LogQuery = { level: 'info', dataset: null, lines: 100, follow: false };

async function messages(tail: LogTail, query: LogQuery): Promise<string[]> {
  const found: string[] = [];
  for await (const line of tail.read(query, new AbortController().signal)) if (line !== null) found.push(line.message);
  return found;
}

function tailed(): {
  readonly tail: LogTail;
  readonly written: string[];
  readonly log: ReturnType<typeof createLogger>;
} {
  const written: string[] = [];
  const tail = new LogTail({ write: (line) => written.push(line) });
  return { tail, written, log: createLogger({ level: 'debug', sink: tail, clock: new ManualClock() }) };
}

test('lines pass through, and can be read again by level and dataset', async () => {
  const { tail, written, log } = tailed();
  log.info('plain');
  log.child('fetch', { dataset: 'a/b' }).warn('slow', { ms: 5 });
  log.debug('detail');
  tail.write('not of ours\n');
  assert.equal(written.length, 4);
  assert.deepEqual(await messages(tail, ALL), ['plain', 'slow']);
  assert.deepEqual(await messages(tail, { ...ALL, level: 'debug' }), ['plain', 'slow', 'detail']);
  assert.deepEqual(await messages(tail, { ...ALL, level: 'warn' }), ['slow']);
  assert.deepEqual(await messages(tail, { ...ALL, dataset: 'a/b' }), ['slow']);
  assert.deepEqual(await messages(tail, { ...ALL, lines: 1 }), ['slow']);
  assert.deepEqual(await messages(tail, { ...ALL, lines: 0 }), []);
});

test('a line keeps its fields, its module and its time', async () => {
  const { tail, log } = tailed();
  log.child('cache', { dataset: 'd' }).error('gone', { block: 7 });
  const { value } = await tail.read(ALL, new AbortController().signal).next();
  assert.deepEqual(
    { ...value, at: typeof value?.at },
    { at: 'number', level: 'error', module: 'cache', dataset: 'd', message: 'gone', fields: { block: 7 } },
  );
});

test('a follower gets the lines to come until it is told to end, and none twice', async () => {
  const { tail, log } = tailed();
  log.info('before');
  const stop = new AbortController();
  const lines = tail.read({ ...ALL, follow: true }, stop.signal);
  assert.equal((await lines.next()).value?.message, 'before');
  assert.equal((await lines.next()).value, null, 'the answer has begun');
  const next = lines.next();
  log.info('after');
  assert.equal((await next).value?.message, 'after');
  const last = lines.next();
  stop.abort();
  assert.equal((await last).done, true);
});

test('a follower that is too slow loses its oldest lines and is told how many', async () => {
  const { tail, log } = tailed();
  const stop = new AbortController();
  const lines = tail.read({ ...ALL, lines: 0, follow: true }, stop.signal);
  assert.equal((await lines.next()).value, null, 'the answer has begun');
  const first = lines.next();
  for (let index = 0; index < 1500; index += 1) log.info(`line ${index}`);
  assert.match((await first).value?.message ?? '', /^500 lines are left out/);
  assert.equal((await lines.next()).value?.message, 'line 500');
  stop.abort();
  await lines.return();
});
