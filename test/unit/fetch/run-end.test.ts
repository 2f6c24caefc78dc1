import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeRunEnd } from '../../../src/cache/fetch/run-end.ts';
import type { NativeEvent } from '../../../src/native/events.ts';

/** The event as the data plane makes it: numbers, then four texts with a NUL each, then the body. */
function event(
  kind: number,
  status: number,
  texts: readonly string[],
  body: Uint8Array = new Uint8Array(),
): NativeEvent {
  const bytes = Buffer.concat([...texts.map((text) => Buffer.from(`${text}\0`, 'latin1')), body]);
  return { type: 12, origin: 1, a: 77, b: 5, c: 3, d: kind, e: status, f: 196_608, bytes: new Uint8Array(bytes) };
}

describe('the end of a run', () => {
  test('carries what was delivered and received, whatever became of it', () => {
    for (const kind of [0, 1, 2, 3, 4, 5, 6, 7, 8, 100]) {
      const { run, ino, delivered, received } = decodeRunEnd(event(kind, 500, ['', '', '', '']));
      assert.deepEqual([run, ino, delivered, received], [77, 5, 3, 196_608]);
    }
  });

  test('is ok, cancelled or changed by its number', () => {
    assert.deepEqual(decodeRunEnd(event(0, 206, ['', '', '', ''])).outcome, { kind: 'ok' });
    assert.deepEqual(decodeRunEnd(event(7, 0, ['', '', '', ''])).outcome, { kind: 'cancelled' });
    assert.deepEqual(decodeRunEnd(event(100, 206, ['another etag', '', '', ''])).outcome, { kind: 'changed' });
  });

  test('holds a refusal with its headers and its body, NULs in the body included', () => {
    const body = Buffer.from('<Error>\0\0SlowDown</Error>');
    const { outcome } = decodeRunEnd(event(1, 503, ['', 'Tue, 01 Jan 2030 00:00:00 GMT', '7', 'eu-west-1'], body));
    assert.ok(outcome.kind === 'reply');
    assert.deepEqual(
      { ...outcome.reply, body: Buffer.from(outcome.reply.body).toString() },
      {
        status: 503,
        date: 'Tue, 01 Jan 2030 00:00:00 GMT',
        retryAfter: '7',
        region: 'eu-west-1',
        body: body.toString(),
      },
    );
  });

  test('has null for headers that the origin did not send', () => {
    const { outcome } = decodeRunEnd(event(1, 404, ['', '', '', '']));
    assert.ok(outcome.kind === 'reply');
    const { date, retryAfter, region } = outcome.reply;
    assert.deepEqual([date, retryAfter, region], [null, null, null]);
  });

  test('names what broke on the way', () => {
    const how = [2, 3, 4, 5, 6, 8].map((kind) => {
      const { outcome } = decodeRunEnd(event(kind, 0, ['it broke', '', '', '']));
      return outcome.kind === 'transport' ? `${outcome.how}: ${outcome.text}` : outcome.kind;
    });
    assert.deepEqual(how, [
      'connect_failed: it broke',
      'tls_failed: it broke',
      'timeout: it broke',
      'reset: it broke',
      'protocol: it broke',
      'rejected: it broke',
    ]);
  });

  test('of a kind that nobody knows is a broken protocol', () => {
    const { outcome } = decodeRunEnd(event(42, 0, ['', '', '', '']));
    assert.equal(outcome.kind === 'transport' && outcome.how, 'protocol');
  });

  test('survives texts that are missing, and keeps its body when the event is reused', () => {
    const short = { ...event(1, 500, []), bytes: Buffer.from('no NUL at all') };
    assert.equal(decodeRunEnd(short).outcome.kind, 'reply');
    const reused = event(1, 500, ['', '', '', ''], Buffer.from('body'));
    const { outcome } = decodeRunEnd(reused);
    reused.bytes.fill(0);
    assert.ok(outcome.kind === 'reply');
    assert.equal(Buffer.from(outcome.reply.body).toString(), 'body');
  });
});
