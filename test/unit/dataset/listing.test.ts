import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareKeys } from '../../../src/dataset/listing.ts';

test('keys compare as their UTF-8 bytes do, characters above U+FFFF included', () => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .array(fc.constantFrom('a', '/', '\u{1F600}', '\uE000', '\uFFFD', '\uD7FF', '\u{10FFFF}', 'é'))
      .map((x) => x.join('')),
  );
  fc.assert(
    fc.property(anyText, anyText, (left, right) => {
      assert.equal(Math.sign(compareKeys(left, right)), Buffer.compare(Buffer.from(left), Buffer.from(right)));
    }),
  );
});
