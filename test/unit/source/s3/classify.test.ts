import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ErrorCode } from '../../../../src/base/errors.ts';
import { classify, type ErrorAnswer, type Origin, type Remedy } from '../../../../src/source/s3/classify.ts';
import { SOURCE_WORDS } from '../../../../src/dataset/source-words.ts';
import { parseErrorReply } from '../../../../src/source/s3/error-reply.ts';

const ORIGIN: Origin = {
  bucket: 'data',
  endpoint: 'https://data.s3.eu-west-1.amazonaws.com',
  region: 'eu-west-1',
  anonymous: false,
  keysFrom: 'profile x',
  custom: false,
  words: SOURCE_WORDS.options,
};

const body = (code: string, more = ''): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>The server's words.</Message>${more}<RequestId>1</RequestId></Error>`;

function answer(operation: 'list' | 'get', status: number, text: string, more: Partial<ErrorAnswer> = {}): ErrorAnswer {
  return { operation, status, reply: parseErrorReply(Buffer.from(text)), region: null, retryAfterMs: null, ...more };
}

type Row = readonly [
  operation: 'list' | 'get',
  status: number,
  body: string,
  code: ErrorCode,
  retryable: boolean,
  message: RegExp,
  remedy?: Remedy,
];

const rows: readonly Row[] = [
  ['get', 412, body('PreconditionFailed'), 'changed-at-origin', false, /another version/],
  ['get', 412, '', 'changed-at-origin', false, /another version/],
  ['get', 404, body('NoSuchKey'), 'gone', false, /no longer/],
  ['get', 404, '', 'gone', false, /no longer/],
  ['get', 404, body('NoSuchBucket'), 'bucket-not-found', false, /"data" does not exist .*--endpoint/],
  ['list', 404, body('NoSuchBucket'), 'bucket-not-found', false, /"data" does not exist/],
  ['get', 403, body('InvalidObjectState'), 'archived', false, /restore/],
  ['get', 403, body('AccessDenied'), 'access-denied', false, /the keys of profile x: s3:GetObject is needed/],
  ['list', 403, body('AccessDenied'), 'access-denied', false, /s3:ListBucket on its prefix/],
  ['get', 403, '', 'access-denied', false, /GetObject/],
  ['get', 400, body('KMS.DisabledException'), 'access-denied', false, /KMS/],
  [
    'get',
    403,
    body('InvalidAccessKeyId'),
    'unauthenticated',
    true,
    /does not accept the keys of profile x.*--profile/,
    'renew-credentials',
  ],
  ['get', 403, body('SignatureDoesNotMatch'), 'unauthenticated', true, /does not accept/, 'renew-credentials'],
  ['get', 400, body('ExpiredToken'), 'unauthenticated', true, /expired.*renew/, 'renew-credentials'],
  ['get', 401, '', 'unauthenticated', true, /does not accept/, 'renew-credentials'],
  ['get', 403, body('RequestTimeTooSkewed'), 'unauthenticated', true, /clocks/, 'correct-clock'],
  ['get', 503, body('SlowDown'), 'throttled', true, /slow down \(503 SlowDown\)/],
  ['get', 429, '', 'throttled', true, /slow down \(status 429\)/],
  ['get', 503, '<html>busy</html>', 'endpoint-unreachable', true, /status 503/],
  ['get', 500, body('InternalError'), 'endpoint-unreachable', true, /500 InternalError/],
  ['get', 502, '<html>bad gateway</html>', 'endpoint-unreachable', true, /status 502/],
  ['get', 504, '', 'timeout', true, /status 504/],
  ['get', 400, body('RequestTimeout'), 'timeout', true, /gave up/],
  [
    'list',
    301,
    body('PermanentRedirect', '<Region>us-west-2</Region>'),
    'region-mismatch',
    false,
    /in region us-west-2, not in eu-west-1: use --region us-west-2/,
  ],
  ['get', 307, body('TemporaryRedirect'), 'region-mismatch', false, /--region/],
  ['get', 301, '', 'region-mismatch', false, /--region/],
  [
    'get',
    400,
    body('AuthorizationHeaderMalformed', '<Region>us-west-2</Region>'),
    'region-mismatch',
    false,
    /use --region us-west-2/,
  ],
  ['get', 400, body('AuthorizationHeaderMalformed'), 'unauthenticated', true, /does not accept/, 'renew-credentials'],
  ['get', 416, body('InvalidRange'), 'protocol', false, /range/],
  [
    'get',
    400,
    body('InvalidRequest').replace(
      "The server's words.",
      'The object was stored using a form of Server Side Encryption.',
    ),
    'unsupported',
    false,
    /SSE-C/,
  ],
  ['list', 501, body('NotImplemented'), 'endpoint-not-s3', false, /ListObjectsV2/],
  ['list', 200, '<!DOCTYPE html>', 'endpoint-not-s3', false, /no S3 error/],
  ['list', 404, '<html>Not found</html>', 'endpoint-not-s3', false, /status 404/],
  ['list', 404, '', 'endpoint-not-s3', false, /status 404/],
  ['list', 404, 'default backend - 404', 'endpoint-not-s3', false, /status 404/],
  [
    'list',
    400,
    body('InvalidArgument'),
    'protocol',
    false,
    /refused a listing with 400 InvalidArgument \(InvalidArgument: The server's words/,
  ],
];

for (const [operation, status, text, code, retryable, message, remedy = 'none'] of rows) {
  const what = /<Code>(.*?)<\/Code>/.exec(text)?.[1] ?? (text === '' ? 'no body' : 'a foreign body');
  test(`a ${operation} answered with ${status} and ${what} is ${code}`, () => {
    const verdict = classify(answer(operation, status, text), ORIGIN);
    assert.equal(verdict.failure.code, code);
    assert.equal(verdict.failure.retryable, retryable);
    assert.match(verdict.failure.message, message);
    assert.equal(verdict.remedy, remedy);
  });
}

test('the region of a header counts where the body names none', () => {
  const { failure } = classify(answer('list', 301, '', { region: 'ap-south-1' }), ORIGIN);
  assert.match(failure.message, /use --region ap-south-1/);
});

test('how long to wait comes from the origin', () => {
  assert.equal(
    classify(answer('get', 503, body('SlowDown'), { retryAfterMs: 7000 }), ORIGIN).failure.retryAfterMs,
    7000,
  );
});

test('plain HTTP that is answered by 400 may be TLS', () => {
  const origin = { ...ORIGIN, endpoint: 'http://127.0.0.1:443' };
  assert.match(
    classify(answer('list', 400, 'Client sent an HTTP request to an HTTPS server.\n'), origin).failure.message,
    /write https:\/\//,
  );
});

test('without keys nobody is told to check their keys', () => {
  const origin = { ...ORIGIN, anonymous: true };
  assert.match(classify(answer('list', 403, body('AccessDenied')), origin).failure.message, /--anonymous/);
  const { failure, remedy } = classify(answer('list', 403, body('InvalidAccessKeyId')), origin);
  assert.deepEqual([failure.retryable, remedy], [false, 'none']);
});

test('every answer means something, on one line without what could echo a secret', () => {
  const echo =
    '<StringToSign>SECRET</StringToSign><AWSAccessKeyId>SECRET</AWSAccessKeyId><CanonicalRequest>SECRET</CanonicalRequest>';
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 599 }),
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary' }).map((code) => body(code, echo)),
      ),
      fc.constantFrom('list', 'get'),
      (status, text, operation) => {
        const { failure } = classify(answer(operation, status, text), ORIGIN);
        assert.ok(failure.message.length < 700);
        assert.doesNotMatch(failure.message, /[\r\n]|SECRET/);
      },
    ),
  );
});

test('the body of an error cut anywhere still gives the fields before the cut', () => {
  const text = body('SlowDown');
  for (let length = 0; length <= text.length; length += 1) {
    const reply = parseErrorReply(Buffer.from(text.slice(0, length)));
    assert.equal(reply.code, length >= text.indexOf('</Code>') + '</Code>'.length ? 'SlowDown' : null);
  }
});

test('an answer that asks for a change names the fields of a manifest, where the source was written in one', () => {
  for (const [operation, status, text] of rows) {
    for (const anonymous of [false, true]) {
      const { failure } = classify(answer(operation, status, text), {
        ...ORIGIN,
        anonymous,
        words: SOURCE_WORDS.manifest,
      });
      assert.doesNotMatch(failure.message, /--[a-z]/);
    }
  }
  const moved = classify(answer('list', 400, body('AuthorizationHeaderMalformed', '<Region>eu-central-1</Region>')), {
    ...ORIGIN,
    words: SOURCE_WORDS.manifest,
  });
  assert.match(moved.failure.message, /use spec\.source\.s3\.region: eu-central-1/);
});
