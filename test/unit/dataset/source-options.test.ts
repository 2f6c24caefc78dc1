import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DlfsError } from '../../../src/base/errors.ts';
import { parseSourceOptions, type SourceOptionsInput } from '../../../src/dataset/source-options.ts';

test('a source alone is enough, and says nothing of the rest', () => {
  assert.deepEqual(parseSourceOptions({ source: 's3://data/x' }), {
    reference: { kind: 's3', bucket: 'data', prefix: 'x/' },
    endpoint: null,
    region: null,
    profile: null,
    keys: null,
    anonymous: false,
    pathStyle: false,
    caFile: null,
    caPem: null,
    requesterPays: false,
    written: 'options',
  });
});

test('an endpoint is kept as origin and path without a trailing slash', () => {
  const endpointOf = (endpoint: string): string | null =>
    parseSourceOptions({ source: 's3://data', endpoint }).endpoint;
  assert.equal(endpointOf('HTTPS://S3.Example.com:443/'), 'https://s3.example.com');
  assert.equal(endpointOf('http://127.0.0.1:9000'), 'http://127.0.0.1:9000');
  assert.equal(endpointOf('http://[::1]:9000/gate/'), 'http://[::1]:9000/gate');
});

const refused: readonly (readonly [string, SourceOptionsInput, RegExp])[] = [
  ['an endpoint without a scheme', { source: 's3://d', endpoint: '127.0.0.1:9000' }, /^--endpoint: .*https:\/\//],
  ['an endpoint of another scheme', { source: 's3://d', endpoint: 'ftp://x' }, /^--endpoint: /],
  ['keys in the endpoint', { source: 's3://d', endpoint: 'https://me:secret@x' }, /^--endpoint: keys do not belong/],
  ['a query in the endpoint', { source: 's3://d', endpoint: 'https://x/?a' }, /^--endpoint: /],
  ['a region that could not stand in a host name', { source: 's3://d', region: 'eu west' }, /^--region: /],
  ['a profile with a line break', { source: 's3://d', profile: 'a\nb' }, /^--profile: /],
  ['keys and no keys at once', { source: 's3://d', anonymous: true, profile: 'x' }, /^--anonymous: .*--profile/],
  [
    'payment without keys',
    { source: 's3://d', anonymous: true, requesterPays: true },
    /^--requester-pays: .*--anonymous/,
  ],
  ['a CA without TLS', { source: 's3://d', caFile: '/x', endpoint: 'http://x' }, /^--ca-file: .*https/],
  ['an unknown option', { source: 's3://d', color: 'red' } as SourceOptionsInput, /color/],
  ['a source that is none', { source: 'd' }, /s3:\/\/BUCKET/],
];

for (const [what, input, expected] of refused) {
  test(`${what} is refused with the option's name and what to write`, () => {
    assert.throws(
      () => parseSourceOptions(input),
      (error: unknown) =>
        error instanceof DlfsError &&
        error.code === 'invalid-argument' &&
        expected.test(error.message) &&
        !error.message.includes('secret'),
    );
  });
}
