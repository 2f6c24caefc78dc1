import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DlfsError } from '../../../../src/base/errors.ts';
import { parseListResult, type ListResult } from '../../../../src/source/s3/list-result.ts';

const NOW = Date.UTC(2024, 5, 1);

const listing = (inner: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</ListBucketResult>`;
const parse = (text: string): ListResult => parseListResult(Buffer.from(text), NOW);
const entry = (fields: Readonly<Record<string, string>>): string => {
  const all = { Key: 'k', Size: '1', LastModified: '2024-01-01T00:00:00.000Z', ETag: '&quot;e&quot;', ...fields };
  return `<Contents>${Object.entries(all)
    .map(([name, value]) => `<${name}>${value}</${name}>`)
    .join('')}</Contents>`;
};

test('a page is read with its objects, prefixes and continuation', () => {
  const page = parse(
    listing(
      `<Name>b</Name><Prefix>a/</Prefix><KeyCount>2</KeyCount><IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>` +
        `${entry({ Key: 'a/x', Size: '5497558138880', StorageClass: 'STANDARD' })}<CommonPrefixes><Prefix>a/b/</Prefix><Prefix>a/c/</Prefix></CommonPrefixes>`,
    ),
  );
  assert.deepEqual(page, {
    objects: [{ key: 'a/x', size: 5_497_558_138_880, mtimeMs: Date.UTC(2024, 0, 1), etag: '"e"', archived: false }],
    prefixes: ['a/b/', 'a/c/'],
    undecodable: 0,
    nextToken: 't&1',
  });
});

test('an empty listing is empty', () => {
  assert.deepEqual(parse(listing('<IsTruncated>false</IsTruncated>')), {
    objects: [],
    prefixes: [],
    undecodable: 0,
    nextToken: null,
  });
});

test('encoded keys are decoded as the form that S3 makes of them', () => {
  const keyOf = (text: string): string | undefined =>
    parse(listing(`<EncodingType>url</EncodingType>${entry({ Key: text })}`)).objects[0]?.key;
  assert.equal(keyOf('a+b%2Bc%20d'), 'a b+c d');
  assert.equal(keyOf('%C3%BC%F0%9F%98%80%00%01%0A'), 'ü\u{1F600}\0\u0001\n');
  assert.equal(keyOf('%EF%BF%BD'), '\uFFFD');
});

test('keys that a server lists without encoding are taken as they are', () => {
  const keyOf = (text: string): string | undefined =>
    parse(listing(`<EncodingType></EncodingType>${entry({ Key: text })}`)).objects[0]?.key;
  assert.equal(keyOf('a+b%2Bc &amp;&#xA;\u{1F600}'), 'a+b%2Bc &\n\u{1F600}');
  assert.equal(keyOf(' '), ' ');
});

test('names that are no text are counted, and the others stay', () => {
  const url = listing(
    `<EncodingType>url</EncodingType>${['%FF', '%ED%A0%80', '100%', 'good'].map((Key) => entry({ Key })).join('')}<CommonPrefixes><Prefix>%C3/</Prefix></CommonPrefixes>`,
  );
  assert.deepEqual([parse(url).undecodable, parse(url).objects.map(({ key }) => key)], [4, ['good']]);
  const raw = Buffer.concat([
    Buffer.from('<ListBucketResult>'),
    Buffer.from(entry({ Key: 'X\xff' }), 'latin1'),
    Buffer.from(`${entry({ Key: 'good' })}</ListBucketResult>`),
  ]);
  assert.deepEqual([parseListResult(raw, NOW).undecodable, parseListResult(raw, NOW).objects.length], [1, 1]);
});

test('archive classes are told apart, and a restored object is no longer archived', () => {
  const archived = (fields: Readonly<Record<string, string>>): boolean | undefined =>
    parse(listing(entry(fields))).objects[0]?.archived;
  assert.equal(archived({ StorageClass: 'GLACIER' }), true);
  assert.equal(archived({ StorageClass: 'DEEP_ARCHIVE' }), true);
  assert.equal(archived({ StorageClass: 'GLACIER_IR' }), false);
  const restored = (date: string): string =>
    `<IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>${date}</RestoreExpiryDate>`;
  assert.equal(archived({ StorageClass: 'GLACIER', RestoreStatus: restored('2024-06-02T00:00:00Z') }), false);
  assert.equal(archived({ StorageClass: 'GLACIER', RestoreStatus: restored('2024-05-02T00:00:00Z') }), true);
});

test('an object without an ETag is listed with an empty one', () => {
  assert.equal(parse(listing(entry({ ETag: '' }))).objects[0]?.etag, '');
});

const wrong: readonly (readonly [string, string, RegExp])[] = [
  ['a negative size', entry({ Size: '-5' }), /"k" the size "-5"/],
  ['a size that is no number', entry({ Size: 'NaN' }), /"k" the size "NaN"/],
  ['a size beyond 2^53', entry({ Size: '9999999999999999' }), /"k" the size/],
  ['an endless size', entry({ Size: '1'.repeat(10_000) }), /"k" the size/],
  ['a size with a fraction', entry({ Size: '1e3' }), /"k" the size "1e3"/],
  [
    'no size',
    '<Contents><Key>k</Key><LastModified>2024-01-01T00:00:00Z</LastModified></Contents>',
    /without Size: "k"/,
  ],
  ['no key', '<Contents><Size>1</Size></Contents>', /without Key/],
  ['an empty key', entry({ Key: '' }), /without Key/],
  ['a date that is none', entry({ LastModified: 'yesterday' }), /"k" the date "yesterday"/],
  ['a month that is none', entry({ LastModified: '2024-13-01T00:00:00Z' }), /"k" the date/],
  ['a line break in an ETag', entry({ ETag: 'a&#10;b' }), /"k" an ETag/],
  ['two keys in one entry', '<Contents><Key>a</Key><Key>b</Key></Contents>', /says Key of one entry twice/],
  [
    'two answers to whether it goes on',
    '<IsTruncated>true</IsTruncated><IsTruncated>false</IsTruncated>',
    /IsTruncated twice/,
  ],
  ['an unclear answer to whether it goes on', '<IsTruncated>maybe</IsTruncated>', /IsTruncated "maybe"/],
  ['a continuation without a token', '<IsTruncated>true</IsTruncated>', /NextContinuationToken/],
  [
    'an endless token',
    `<IsTruncated>true</IsTruncated><NextContinuationToken>${'t'.repeat(10_000)}</NextContinuationToken>`,
    /of 10000 characters/,
  ],
  ['an encoding nobody asked for', '<EncodingType>rot13</EncodingType>', /"rot13"/],
  ['elements in a key', entry({ Key: '<b>k</b>' }), /an element inside <Key>/],
  ['an entity of its own', entry({ Key: '&lol9;' }), /unknown entity/],
];

for (const [what, inner, expected] of wrong) {
  test(`a listing with ${what} is refused by the name of what is wrong`, () => {
    assert.throws(
      () => parse(listing(inner)),
      (error: unknown) =>
        error instanceof DlfsError &&
        error.code === 'protocol' &&
        expected.test(error.message) &&
        error.message.length < 400,
    );
  });
}

test('a listing cut anywhere is never taken for a shorter one', () => {
  const whole = listing(
    `<IsTruncated>false</IsTruncated>${entry({ Key: 'a' })}${entry({ Key: 'b' })}<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>`,
  );
  for (let length = 0; length < whole.length; length += 1) {
    assert.throws(() => parse(whole.slice(0, length)), DlfsError, `cut at ${length}`);
  }
});

test('2 MB of XML without end, and entities nested into a bomb, are refused in well under a second', () => {
  const bomb = `<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">${Array.from({ length: 20 }, (_, n) => `<!ENTITY a${n} "${`&a${n - 1};`.repeat(10)}">`).join('')}]><ListBucketResult>&a19;</ListBucketResult>`;
  const endless = `<ListBucketResult>${entry({}).repeat(12_000)}`;
  assert.ok(endless.length > 1_500_000);
  const began = performance.now();
  for (const text of [bomb, endless]) {
    assert.throws(
      () => parse(text),
      (error: unknown) => error instanceof DlfsError && error.code === 'protocol',
    );
  }
  assert.ok(performance.now() - began < 1000);
});

const others: readonly (readonly [string, string, RegExp])[] = [
  ['a web page', '<!DOCTYPE html><html><body>It works!</body></html>', /web page/],
  ['JSON', '{"error":"no"}', /not with XML/],
  ['another document', '<Feed></Feed>', /<Feed>/],
  ['the list of buckets', '<ListAllMyBucketsResult></ListAllMyBucketsResult>', /--path-style/],
];

for (const [what, text, expected] of others) {
  test(`${what} in place of a listing means that the endpoint is not S3`, () => {
    assert.throws(
      () => parse(text),
      (error: unknown) =>
        error instanceof DlfsError && error.code === 'endpoint-not-s3' && expected.test(error.message),
    );
  });
}
