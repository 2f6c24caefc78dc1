import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DlfsError, type ErrorCode } from '../../../../src/base/errors.ts';
import { networkFailure, transportFailure, type Destination } from '../../../../src/source/s3/network-failure.ts';
import { SOURCE_WORDS } from '../../../../src/dataset/source-words.ts';
import type { TransportFailureKind } from '../../../../src/source/source.ts';

const TO: Destination = {
  endpoint: 'https://s3.example',
  bucketInName: false,
  proxy: null,
  words: SOURCE_WORDS.options,
};

const kinds: readonly (readonly [TransportFailureKind, string, ErrorCode, boolean])[] = [
  ['connect_failed', 'connection refused', 'endpoint-unreachable', true],
  ['tls_failed', 'certificate verify failed: self-signed certificate', 'tls-untrusted', false],
  ['tls_failed', 'wrong version number', 'endpoint-unreachable', true],
  ['timeout', 'no byte for 30 s', 'timeout', true],
  ['reset', '', 'endpoint-unreachable', true],
  ['protocol', 'Content-Range does not match', 'protocol', true],
  ['cancelled', '', 'interrupted', false],
  ['rejected', 'etag', 'changed-at-origin', false],
];

for (const [kind, text, code, retryable] of kinds) {
  test(`a fetch that ended as ${kind} (${text}) is ${code}`, () => {
    const failure = transportFailure(kind, text, TO);
    assert.deepEqual([failure.code, failure.retryable], [code, retryable]);
    if (text !== '' && kind !== 'cancelled') assert.ok(failure.message.includes(text));
    if (kind !== 'cancelled') assert.ok(failure.message.includes(TO.endpoint));
  });
}

test('a bucket in a name that does not resolve suggests path style', () => {
  const thrown = Object.assign(new Error('x'), { code: 'ENOTFOUND' });
  assert.match(networkFailure(thrown, { ...TO, bucketInName: true }).message, /--path-style/);
  assert.match(networkFailure(thrown, TO).message, /--endpoint/);
});

test('an error of several addresses is read by its first', () => {
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  const failure = networkFailure(new AggregateError([refused]), TO);
  assert.deepEqual([failure.code, failure.retryable], ['endpoint-unreachable', true]);
  assert.match(failure.message, /nothing listens at https:\/\/s3\.example/);
});

test('a proxy that cannot be reached is named instead of the endpoint', () => {
  const thrown = Object.assign(new Error('x'), { code: 'ECONNREFUSED' });
  assert.match(
    networkFailure(thrown, { ...TO, proxy: 'http://proxy:3128' }).message,
    /^the proxy http:\/\/proxy:3128 .*HTTPS_PROXY/,
  );
});

test('whatever is thrown, it becomes a failure on one line', () => {
  fc.assert(
    fc.property(fc.anything(), (thrown) => {
      const failure = networkFailure(thrown, TO);
      assert.ok(failure instanceof DlfsError);
      assert.doesNotMatch(failure.message, /[\r\n]/);
    }),
  );
});

test('what is to be changed is named as it was written: as an option, or as a field of a manifest', () => {
  const manifest: Destination = { ...TO, bucketInName: true, words: SOURCE_WORDS.manifest };
  for (const code of [
    'ENOTFOUND',
    'ECONNREFUSED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'ETIMEDOUT',
  ]) {
    const failure = networkFailure(Object.assign(new Error('x'), { code }), manifest);
    assert.match(failure.message, /spec\.source\.s3\.(?:endpoint|caFile)/, code);
    assert.doesNotMatch(failure.message, /--[a-z]/);
  }
  const untrusted = transportFailure('tls_failed', 'certificate verify failed', manifest);
  assert.match(untrusted.message, /name its authority with spec\.source\.s3\.caFile/);
});
