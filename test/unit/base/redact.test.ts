/** Secrets leave texts and fields; the rest stays readable. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { redactText, redactValue } from '../../../src/base/redact.ts';

const SECRET = 'wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY';

describe('redactText', () => {
  for (const text of [
    `https://b.s3.amazonaws.com/k?X-Amz-Credential=${SECRET}%2F2025&x=1`,
    `X-Amz-Security-Token=${SECRET}`,
    `x-amz-security-token: ${SECRET}`,
    `Authorization: AWS4-HMAC-SHA256 Credential=${SECRET}/x, Signature=${SECRET}`,
    `{"authorization":"Bearer ${SECRET}"}`,
    `Proxy-Authorization: Basic ${SECRET}`,
    `http://user:${SECRET}@proxy:3128/`,
    `http://${SECRET}@proxy:3128/`,
    `aws_secret_access_key = ${SECRET}`,
    `AWS_SECRET_ACCESS_KEY=${SECRET} dlfs mount`,
    `"SecretAccessKey": "${SECRET}"`,
    `AWS_SESSION_TOKEN='${SECRET}'`,
    `password: ${SECRET}`,
  ]) {
    test(`hides the secret of: ${text.replaceAll(SECRET, '…')}`, () => {
      const done = redactText(text);
      assert.ok(!done.includes(SECRET), done);
      assert.ok(done.includes('[redacted]'), done);
    });
  }

  test('leaves ordinary text alone', () => {
    for (const text of [
      's3://bucket/key@2024/a=b: 404 Not Found',
      'https://host:9000/x?list-type=2',
      'key secret/x.jpg',
    ]) {
      assert.equal(redactText(text), text);
    }
  });

  test('gives one line of bounded length', () => {
    assert.equal(redactText('a\r\nb\n\nc'), 'a b c');
    assert.ok(redactText('x'.repeat(10_000_000)).length < 5000);
  });

  test('takes linear time on text made to be slow', () => {
    for (const piece of ['authorization=', 'a://', 'secret', 'X-Amz-Signature=', 'http://a', '":"']) {
      const start = performance.now();
      redactText(piece.repeat(4096));
      assert.ok(performance.now() - start < 500, piece);
    }
  });
});

describe('redactValue', () => {
  test('hides values by the name of their key, at any depth', () => {
    const done = redactValue({
      a: { secretAccessKey: SECRET, list: [{ Authorization: SECRET }] },
      key: 'k',
      token: null,
    });
    assert.deepEqual(done, {
      a: { secretAccessKey: '[redacted]', list: [{ Authorization: '[redacted]' }] },
      key: 'k',
      token: null,
    });
  });

  test('flattens errors with their cause, bigints, dates and bytes', () => {
    const error = new Error('outer', { cause: Object.assign(new Error(`password=${SECRET}`), { code: 'E' }) });
    assert.deepEqual(redactValue({ error, n: 5n, huge: 2n ** 70n, at: new Date(0), body: new Uint8Array(3) }), {
      error: { name: 'Error', message: 'outer', cause: { name: 'Error', message: 'password=[redacted]', code: 'E' } },
      n: 5,
      huge: '1180591620717411303424',
      at: '1970-01-01T00:00:00.000Z',
      body: '[3 bytes]',
    });
  });

  test('any value becomes one that JSON can carry', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withTypedArray: true }), (value) => {
        JSON.stringify(redactValue(value));
      }),
    );
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    JSON.stringify(redactValue(cycle));
  });
});
