import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { TimeoutLog } from '../../../src/daemon/timeout-log.ts';

function recording(): { readonly log: TimeoutLog; readonly clock: ManualClock; readonly lines: string[] } {
  const lines: string[] = [];
  const clock = new ManualClock();
  const error = (message: string): void => void lines.push(message);
  return { log: new TimeoutLog(clock, { ...SILENT_LOGGER, error }), clock, lines };
}

test('a file whose readers run into the limit is named once a minute, however many requests they had', async () => {
  const { log, clock, lines } = recording();
  for (let i = 0; i < 100; i++) log.note(7, 'data/a');
  log.note(8, 'data/b');
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? '', /^data\/a: .*--io-timeout/);
  await clock.advance(59_000);
  log.note(7, 'data/a');
  assert.equal(lines.length, 2);
  await clock.advance(1_000);
  log.note(7, 'data/a');
  assert.equal(lines.length, 3);
});

test('what is remembered of files that ran into the limit is bounded', () => {
  const { log, lines } = recording();
  for (let ino = 0; ino < 3000; ino++) log.note(ino, `data/${ino}`);
  assert.equal(lines.length, 3000);
  log.note(2999, 'data/2999');
  assert.equal(lines.length, 3000, 'the latest are remembered');
  log.note(0, 'data/0');
  assert.equal(lines.length, 3001, 'the oldest are not');
});
