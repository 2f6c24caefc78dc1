/** The endpoint's check of signatures. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BytesContent, ObjectStore, S3Endpoint, readPolicy, storedObject } from '../../../demo/endpoint/index.ts';
import type { RawRequest } from '../../support/s3/signed-request.ts';
import { RawS3Client, xmlElement } from '../../support/s3/signed-request.ts';
import { BUCKET, Fixture, KEYS, verdict } from './endpoint-fixture.ts';

test("AWS's published example of a signed GET is accepted, and with one character changed refused", async () => {
  // docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "Example: GET Object"
  const keys = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
  await using endpoint = await S3Endpoint.start({
    buckets: {
      examplebucket: { objects: new ObjectStore([storedObject('test.txt', new BytesContent('0123456789ab'))]) },
    },
    credentials: [{ ...keys, policy: readPolicy() }],
    domain: 's3.amazonaws.com',
    now: () => Date.UTC(2013, 4, 24, 0, 1),
  });
  using client = new RawS3Client(endpoint.url, keys);
  const send = (signature: string): ReturnType<RawS3Client['send']> =>
    client.send({
      path: '/test.txt',
      keys: null,
      host: 'examplebucket.s3.amazonaws.com',
      headers: {
        range: 'bytes=0-9',
        'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
        'x-amz-date': '20130524T000000Z',
        authorization:
          'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,' +
          `SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=${signature}`,
      },
    });
  const right = await send('f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41');
  assert.equal(right.status, 206);
  assert.equal(right.body.toString(), '0123456789');
  assert.equal(
    verdict(await send('f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb42')),
    '403 SignatureDoesNotMatch',
  );
});

const HOUR = 3600_000;
const OBJECT: RawRequest = { path: `/${BUCKET}/a` };
const LIST: RawRequest = { path: `/${BUCKET}`, query: 'list-type=2&prefix=a' };

const CASES: readonly (readonly [name: string, request: RawRequest, verdict: string])[] = [
  ['an untouched request', OBJECT, '200'],
  ['an untouched listing', LIST, '200'],
  ['a parameter without "="', { path: `/${BUCKET}`, query: 'list-type=2&fetch-owner' }, '200'],
  ['another key than signed', { ...OBJECT, sentPath: `/${BUCKET}/b` }, '403 SignatureDoesNotMatch'],
  ['another query than signed', { ...LIST, sentQuery: 'list-type=2&prefix=b' }, '403 SignatureDoesNotMatch'],
  ['an additional parameter', { ...LIST, sentQuery: `${LIST.query!}&max-keys=1` }, '403 SignatureDoesNotMatch'],
  ['another method than signed', { ...LIST, sentMethod: 'POST' }, '403 SignatureDoesNotMatch'],
  ['another host than signed', { ...OBJECT, tampered: { host: 'elsewhere' } }, '403 SignatureDoesNotMatch'],
  [
    'another payload hash than signed',
    { ...OBJECT, tampered: { 'x-amz-content-sha256': 'a'.repeat(64) } },
    '403 SignatureDoesNotMatch',
  ],
  [
    'a signed header removed',
    { ...OBJECT, headers: { 'x-amz-foo': '1' }, tampered: { 'x-amz-foo': null } },
    '403 SignatureDoesNotMatch',
  ],
  ['an x-amz header that is not signed', { ...OBJECT, tampered: { 'x-amz-foo': '1' } }, '403 AccessDenied'],
  ['an unsigned header of another kind', { ...OBJECT, tampered: { range: 'bytes=0-0' } }, '206'],
  ['another secret', { ...OBJECT, keys: { ...KEYS, secretAccessKey: 'guess' } }, '403 SignatureDoesNotMatch'],
  ['an unknown key', { ...OBJECT, keys: { ...KEYS, accessKeyId: 'AKOTHER' } }, '403 InvalidAccessKeyId'],
  ['no signature', { ...OBJECT, keys: null }, '403 AccessDenied'],
  ['another region', { ...OBJECT, region: 'eu-central-1' }, '400 AuthorizationHeaderMalformed'],
  ['a time 14 minutes ago', { ...OBJECT, time: Date.now() - 14 * 60_000 }, '200'],
  ['a time 16 minutes ago', { ...OBJECT, time: Date.now() - 16 * 60_000 }, '403 RequestTimeTooSkewed'],
  ['a time an hour ahead', { ...OBJECT, time: Date.now() + HOUR }, '403 RequestTimeTooSkewed'],
  ['no time', { ...OBJECT, tampered: { 'x-amz-date': null } }, '403 AccessDenied'],
  ['a time that is none', { ...OBJECT, tampered: { 'x-amz-date': 'now' } }, '403 AccessDenied'],
  ['no payload hash', { ...OBJECT, tampered: { 'x-amz-content-sha256': null } }, '400 InvalidRequest'],
  ['a payload hash that is none', { ...OBJECT, payloadHash: 'none' }, '400 InvalidArgument'],
  ['the hash of another payload', { ...OBJECT, payloadHash: '0'.repeat(64) }, '400 XAmzContentSHA256Mismatch'],
  ['a signed stream', { ...OBJECT, payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' }, '501 NotImplemented'],
  [
    'a body that the empty hash does not cover',
    {
      ...OBJECT,
      payloadHash: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      body: Buffer.from('x'),
    },
    '400 XAmzContentSHA256Mismatch',
  ],
  ['a body that is too long to check', { ...OBJECT, body: Buffer.alloc(100_000) }, '400 MaxMessageLengthExceeded'],
  ['a presigned URL', { ...OBJECT, query: 'X-Amz-Signature=00', keys: null }, '501 NotImplemented'],
  ['version 2', { ...OBJECT, tampered: { authorization: 'AWS AK:sig' } }, '400 InvalidRequest'],
  ['another scheme', { ...OBJECT, tampered: { authorization: 'Bearer token' } }, '400 InvalidArgument'],
  [
    'an incomplete header',
    { ...OBJECT, tampered: { authorization: 'AWS4-HMAC-SHA256 Credential=a' } },
    '400 AuthorizationHeaderMalformed',
  ],
];

for (const [name, request, expected] of CASES) {
  test(`a request with ${name} is answered by ${expected}`, async () => {
    await using fixture = await Fixture.start({ objects: { a: 'content' } });
    assert.equal(verdict(await fixture.client.send(request)), expected);
  });
}

test('a scope of another day than the request is malformed, though its signature be right', async () => {
  await using fixture = await Fixture.start({ objects: { a: 'content' } });
  const { authorization = '' } = fixture.client.sign(OBJECT);
  const response = await fixture.get(
    'a',
    {},
    { tampered: { authorization: authorization.replace(/\/\d{8}\//, '/20200101/') } },
  );
  assert.equal(verdict(response), '400 AuthorizationHeaderMalformed');
});

test("the endpoint's clock decides about the skew, and every answer carries it in its Date header", async () => {
  let now = Date.now() + HOUR;
  await using fixture = await Fixture.start({ objects: { a: 'content' }, now: () => now });
  const refused = await fixture.get('a');
  assert.equal(verdict(refused), '403 RequestTimeTooSkewed');
  assert.ok(Math.abs(Date.parse(refused.headers.date!) - now) < 1000);
  assert.equal(xmlElement(refused.body, 'MaxAllowedSkewMilliseconds'), '900000');
  assert.equal(verdict(await fixture.get('a', {}, { time: Date.parse(refused.headers.date!) })), '200');
  now = Date.now();
  assert.equal(verdict(await fixture.get('a')), '200');
});

test('a temporary key is worth nothing without its token, and a wrong token is told apart', async () => {
  await using fixture = await Fixture.start({ objects: { a: 'content' }, sessionToken: 'token+/=' });
  assert.equal(verdict(await fixture.get('a')), '200');
  assert.equal(verdict(await fixture.get('a', {}, { keys: KEYS })), '403 InvalidAccessKeyId');
  assert.equal(verdict(await fixture.get('a', {}, { keys: { ...KEYS, sessionToken: 'old' } })), '400 InvalidToken');
});

test('a token for a key that has none is refused', async () => {
  await using fixture = await Fixture.start({ objects: { a: 'content' } });
  assert.equal(verdict(await fixture.get('a', {}, { keys: { ...KEYS, sessionToken: 'x' } })), '400 InvalidToken');
});

test('no answer to a wrong signature holds the secret or the session token', async () => {
  await using fixture = await Fixture.start({ objects: { a: 'content' }, sessionToken: 'session-secret' });
  const response = await fixture.get('a', {}, { sentPath: `/${BUCKET}/b` });
  assert.equal(verdict(response), '403 SignatureDoesNotMatch');
  assert.doesNotMatch(response.body.toString(), /fixture-secret|session-secret/);
});

test('unsigned requests are served where the endpoint is set up for them, within their policy', async () => {
  await using fixture = await Fixture.start({
    objects: { 'public/a': 'content', 'private/b': 'secret' },
    anonymous: readPolicy('public/'),
  });
  assert.equal(verdict(await fixture.get('public/a', {}, { keys: null })), '200');
  assert.equal(verdict(await fixture.get('private/b', {}, { keys: null })), '403 AccessDenied');
  assert.equal(verdict(await fixture.list('prefix=public%2F', { keys: null })), '200');
  assert.equal(verdict(await fixture.list('', { keys: null })), '403 AccessDenied');
  // A wrong signature does not become anonymous.
  assert.equal(
    verdict(await fixture.get('public/a', {}, { keys: { ...KEYS, secretAccessKey: 'x' } })),
    '403 SignatureDoesNotMatch',
  );
});
