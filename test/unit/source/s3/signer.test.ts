import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sha256 } from '@smithy/core/checksum';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { DlfsError } from '../../../../src/base/errors.ts';
import { encodeKey } from '../../../../src/source/s3/key-path.ts';
import { GetSigner, type GetTarget, type SigningIdentity } from '../../../../src/source/s3/signer.ts';

const TARGET: GetTarget = {
  host: 'examplebucket.s3.amazonaws.com',
  basePath: '/',
  region: 'us-east-1',
  service: 's3',
  requesterPays: false,
  forward: null,
};

/** The example keys of AWS's documentation. */
const EXAMPLE: SigningIdentity = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: null,
};

const NO_CONDITION = { etag: '', unmodifiedSinceMs: null };

interface Head {
  readonly line: string;
  readonly fields: ReadonlyMap<string, string>;
}

function parse(head: Uint8Array): Head {
  const text = Buffer.from(head).toString('latin1');
  assert.ok(text.endsWith('\r\n\r\n'));
  const [line = '', ...fields] = text.slice(0, -4).split('\r\n');
  return {
    line,
    fields: new Map(fields.map((field) => [field.slice(0, field.indexOf(':')), field.slice(field.indexOf(':') + 2)])),
  };
}

function prepare(
  target: GetTarget,
  identity: SigningIdentity | null,
  key: string,
  etag: string,
  offset = 0,
  length = 10,
  now = Date.UTC(2013, 4, 24),
  unmodifiedSinceMs: number | null = null,
): Head {
  const signer = new GetSigner(target);
  signer.use(identity);
  return parse(signer.prepare(key, { etag, unmodifiedSinceMs }, offset, length, now).head);
}

test("AWS's documented example of a ranged GET has AWS's documented signature", () => {
  // "Signature Calculations for the Authorization Header: Example: GET Object", Amazon S3 API reference.
  const { line, fields } = prepare(TARGET, EXAMPLE, 'test.txt', '');
  assert.equal(line, 'GET /test.txt HTTP/1.1');
  assert.equal(fields.get('range'), 'bytes=0-9');
  assert.equal(
    fields.get('authorization'),
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
      'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, ' +
      'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  );
});

const hostileKey = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        '/',
        '..',
        '.',
        '//',
        '\r\n',
        '\n',
        ' ',
        '+',
        '%',
        '%2F',
        '%0d%0a',
        '?',
        '#',
        '&',
        '=',
        '\0',
        'ü',
        '\u{1F600}',
        "'",
        '"',
        '(',
        ')',
        '*',
        '!',
        '~',
        '\\',
        '\t',
        '\u2028',
        'HTTP/1.1',
      ),
      {
        minLength: 1,
      },
    )
    .map((parts) => parts.join('')),
);
const word = fc.stringMatching(/^[A-Za-z0-9/+=]{1,40}$/);

test('whatever the key, the etag and the credentials, the signature is the one that the SDK computes', async () => {
  await fc.assert(
    fc.asyncProperty(
      hostileKey,
      fc.option(fc.stringMatching(/^"[ -!#-~]{0,40}"$/)),
      fc.nat({ max: 2 ** 40 }),
      fc.integer({ min: 1, max: 2 ** 30 }),
      fc.record({ accessKeyId: word, secretAccessKey: word, sessionToken: fc.option(word) }),
      fc.constantFrom('/', '/bucket/', '/gate/b.k/'),
      fc.boolean(),
      fc.date({ min: new Date('2001-01-01'), max: new Date('2099-01-01'), noInvalidDate: true }),
      fc.option(fc.nat({ max: 2 ** 41 })),
      async (key, etag, offset, length, identity, basePath, requesterPays, date, since) => {
        const target: GetTarget = { ...TARGET, host: 'h.example:9000', basePath, requesterPays, region: 'eu-west-3' };
        const { line, fields } = prepare(target, identity, key, etag ?? '', offset, length, date.getTime(), since);
        const path = line.split(' ')[1] ?? '';
        const signed = [
          'host',
          'if-match',
          'if-unmodified-since',
          'range',
          'x-amz-content-sha256',
          'x-amz-request-payer',
        ];
        const headers = Object.fromEntries([...fields].filter(([name]) => signed.includes(name)));
        const signer = new SignatureV4({
          service: 's3',
          region: 'eu-west-3',
          sha256: Sha256,
          uriEscapePath: false,
          credentials: {
            accessKeyId: identity.accessKeyId,
            secretAccessKey: identity.secretAccessKey,
            ...(identity.sessionToken === null ? {} : { sessionToken: identity.sessionToken }),
          },
        });
        const theirs = await signer.sign(
          { method: 'GET', protocol: 'http:', hostname: 'h.example', port: 9000, path, query: {}, headers },
          { signingDate: date },
        );
        assert.equal(fields.get('authorization'), theirs.headers['authorization']);
        assert.equal(fields.get('x-amz-date'), theirs.headers['x-amz-date']);
        assert.equal(fields.get('x-amz-security-token'), theirs.headers['x-amz-security-token']);
      },
    ),
    { numRuns: 300 },
  );
});

test('no key can end the request line, add a header, or be read as another path', () => {
  fc.assert(
    fc.property(hostileKey, (key) => {
      fc.pre(key.isWellFormed());
      const { line, fields } = prepare({ ...TARGET, basePath: '/bucket/' }, EXAMPLE, key, '"e"');
      assert.match(line, /^GET \/bucket\/[A-Za-z0-9._~/%-]+ HTTP\/1\.1$/);
      assert.equal(decodeURIComponent(line.slice('GET /bucket/'.length, -' HTTP/1.1'.length)), key);
      assert.deepEqual(
        [...fields.keys()],
        [
          'host',
          'user-agent',
          'accept-encoding',
          'if-match',
          'range',
          'x-amz-content-sha256',
          'x-amz-date',
          'authorization',
        ],
      );
    }),
  );
});

test('dot segments and empty ones go out as they are', () => {
  assert.equal(encodeKey('../a//b/./c/'), '../a//b/./c/');
});

test('an etag that is listed without its quotes is sent with them', () => {
  assert.equal(prepare(TARGET, EXAMPLE, 'k', 'abc').fields.get('if-match'), '"abc"');
  assert.equal(prepare(TARGET, EXAMPLE, 'k', '"abc"').fields.get('if-match'), '"abc"');
  assert.equal(prepare(TARGET, EXAMPLE, 'k', '').fields.has('if-match'), false);
});

test('a time of modification is sent as the next whole second: the listed version itself always passes', () => {
  const field = (ms: number | null): string | undefined =>
    prepare(TARGET, EXAMPLE, 'k', '', 0, 10, 0, ms).fields.get('if-unmodified-since');
  assert.equal(field(Date.UTC(2024, 0, 1, 12, 0, 0)), 'Mon, 01 Jan 2024 12:00:00 GMT');
  assert.equal(field(Date.UTC(2024, 0, 1, 12, 0, 0, 1)), 'Mon, 01 Jan 2024 12:00:01 GMT');
  assert.equal(field(null), undefined);
  assert.equal(field(2 ** 53), undefined, 'no date has that');
});

const badCalls: readonly (readonly [string, () => unknown])[] = [
  ['an empty key', () => prepare(TARGET, EXAMPLE, '', '')],
  ['half a surrogate pair', () => prepare(TARGET, EXAMPLE, 'a\ud800', '')],
  ['a line break in the etag', () => prepare(TARGET, EXAMPLE, 'k', '"a"\r\nx-evil: 1')],
  ['an endless etag', () => prepare(TARGET, EXAMPLE, 'k', 'x'.repeat(2000))],
  ['a negative offset', () => prepare(TARGET, EXAMPLE, 'k', '', -1)],
  ['a fraction', () => prepare(TARGET, EXAMPLE, 'k', '', 0.5)],
  ['an empty range', () => prepare(TARGET, EXAMPLE, 'k', '', 0, 0)],
  ['a range beyond 2^53', () => prepare(TARGET, EXAMPLE, 'k', '', 2 ** 53 - 2, 10)],
  ['a line break in the host', () => new GetSigner({ ...TARGET, host: 'a\r\nb' })],
  ['a space in the host', () => new GetSigner({ ...TARGET, host: 'a b' })],
  [
    "a line break in the proxy's authorization",
    () => new GetSigner({ ...TARGET, forward: { origin: 'http://x', authorization: 'a\nb' } }),
  ],
];

for (const [what, call] of badCalls) {
  test(`${what} makes no head`, () => {
    assert.throws(call, (error: unknown) => error instanceof DlfsError && error.code === 'invalid-argument');
  });
}

test('a line break in a credential is refused without showing the credential', () => {
  for (const identity of [
    { ...EXAMPLE, accessKeyId: 'AKIA\nX' },
    { ...EXAMPLE, sessionToken: 'zzz\r\nx-evil: 1' },
  ]) {
    assert.throws(
      () => prepare(TARGET, identity, 'k', ''),
      (error: unknown) =>
        error instanceof DlfsError && error.code === 'unauthenticated' && !/AKIA|zzz/.test(error.message),
    );
  }
});

test('without keys nothing is signed', () => {
  const { fields } = prepare(TARGET, null, 'k', '"e"');
  assert.deepEqual([...fields.keys()], ['host', 'user-agent', 'accept-encoding', 'if-match', 'range']);
});

test('through a forwarding proxy the request line is absolute and the signature is that of the path', () => {
  const forward = { origin: 'http://examplebucket.s3.amazonaws.com', authorization: 'Basic eDp5' };
  const there = prepare({ ...TARGET, forward }, EXAMPLE, 'a b', '"e"');
  const direct = prepare(TARGET, EXAMPLE, 'a b', '"e"');
  assert.equal(there.line, 'GET http://examplebucket.s3.amazonaws.com/a%20b HTTP/1.1');
  assert.equal(there.fields.get('proxy-authorization'), 'Basic eDp5');
  assert.equal(there.fields.get('authorization'), direct.fields.get('authorization'));
});

test('a signer follows the clock over midnight, back, and over to other keys', () => {
  const signer = new GetSigner(TARGET);
  const at = (identity: SigningIdentity, now: number): string | undefined => {
    signer.use(identity);
    return parse(signer.prepare('k', NO_CONDITION, 0, 1, now).head).fields.get('authorization');
  };
  const midnight = Date.UTC(2024, 1, 29);
  const fresh = (identity: SigningIdentity, now: number): string | undefined =>
    prepare(TARGET, identity, 'k', '', 0, 1, now).fields.get('authorization');
  const other = { ...EXAMPLE, secretAccessKey: 'other' };
  signer.use(EXAMPLE);
  for (const now of [midnight - 1, midnight, midnight + 1, midnight - 1, midnight + 86_400_000]) {
    assert.equal(
      parse(signer.prepare('k', NO_CONDITION, 0, 1, now).head).fields.get('authorization'),
      fresh(EXAMPLE, now),
    );
  }
  assert.equal(at(other, midnight), fresh(other, midnight));
  assert.equal(at(EXAMPLE, midnight), fresh(EXAMPLE, midnight));
});

test('a head takes at most 40 µs', () => {
  const signer = new GetSigner({ ...TARGET, requesterPays: true });
  signer.use({ ...EXAMPLE, sessionToken: 't'.repeat(800) });
  let best = Number.POSITIVE_INFINITY;
  // The best of many short runs: what the code takes, not what else the machine does.
  for (let run = 0; run < 100; run += 1) {
    const began = performance.now();
    for (let n = 0; n < 100; n += 1) {
      signer.prepare(
        `train/n01440764/größe ${n}.JPEG`,
        { etag: '"4f6d054536d6613a91472139cc60f072"', unmodifiedSinceMs: null },
        n * 1048576,
        1048576,
        run * 1000,
      );
    }
    best = Math.min(best, (performance.now() - began) * 10);
  }
  assert.ok(best <= 40, `${best} µs`);
});
