import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DlfsError } from '../../../src/base/errors.ts';
import { formatSourceReference, parseSourceReference } from '../../../src/dataset/source-reference.ts';

test('a bucket alone means all of it, and a prefix becomes a directory', () => {
  assert.deepEqual(parseSourceReference('s3://data'), { kind: 's3', bucket: 'data', prefix: '' });
  assert.deepEqual(parseSourceReference('s3://data/'), { kind: 's3', bucket: 'data', prefix: '' });
  assert.deepEqual(parseSourceReference('s3://data/a/b'), { kind: 's3', bucket: 'data', prefix: 'a/b/' });
  assert.deepEqual(parseSourceReference('s3://data/a/b/'), { kind: 's3', bucket: 'data', prefix: 'a/b/' });
});

test('a prefix is taken letter by letter', () => {
  assert.equal(parseSourceReference('s3://data/a%20b?c#d/../e').prefix, 'a%20b?c#d/../e/');
  assert.equal(parseSourceReference('s3://data//x').prefix, '/x/');
});

for (const text of [
  'data',
  'http://data',
  's3:/data',
  's3://',
  's3:///x',
  's3://a b',
  's3://user@data',
  's3://a..b',
  's3://data:9000/x',
  's3://-a',
  's3://a.',
  's3://data/a\nb',
  's3://data/a\0b',
  's3://data/\ud800',
  `s3://data/${'x'.repeat(1024)}`,
  `s3://${'x'.repeat(300)}`,
]) {
  test(`${JSON.stringify(text.slice(0, 40))} is refused on one line that quotes it`, () => {
    assert.throws(
      () => parseSourceReference(text),
      (error: unknown) =>
        error instanceof DlfsError &&
        error.code === 'invalid-argument' &&
        !/[\n\0]/.test(error.message) &&
        error.message.length < 500,
    );
  });
}

test('a reference that was parsed is written as one that parses to the same', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z0-9][a-z0-9-]{1,20}[a-z0-9]$/),
      fc.string({ unit: 'binary', maxLength: 100 }),
      (bucket, prefix) => {
        let parsed;
        try {
          parsed = parseSourceReference(`s3://${bucket}/${prefix}`);
        } catch {
          return;
        }
        assert.deepEqual(parseSourceReference(formatSourceReference(parsed)), parsed);
      },
    ),
  );
});
