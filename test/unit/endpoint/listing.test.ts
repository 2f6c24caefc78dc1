/** Pages of a listing: against a model, and on the wire. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteString } from '../../../demo/endpoint/byte-string.ts';
import type { ByteString } from '../../../demo/endpoint/index.ts';
import { BytesContent, ObjectStore, storedObject } from '../../../demo/endpoint/index.ts';
import type { PageEntry } from '../../../demo/endpoint/list-page.ts';
import { listPage } from '../../../demo/endpoint/list-page.ts';
import { uriEscape, xmlElement } from '../../support/s3/signed-request.ts';
import { Fixture, verdict } from './endpoint-fixture.ts';

/** All entries, the obvious way: every key is looked at. */
function model(keys: readonly ByteString[], prefix: string, delimiter: string, after: string): PageEntry[] {
  const names = new Map<string, PageEntry>();
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const name = (cut < 0 ? key : key.slice(0, cut + delimiter.length)) as ByteString;
    if (name > after) names.set(name, { kind: cut < 0 ? 'key' : 'prefix', name });
  }
  return [...names.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

// A small alphabet around the delimiter makes common prefixes, neighbours and prefixes of each other likely.
const name = fc.string({ unit: fc.constantFrom('a', 'b', '/', '.', '0', '\u00ff'), minLength: 1, maxLength: 7 });

test('pages put together are what the obvious way finds, for any keys, prefix, delimiter, start and page size', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(name, { maxLength: 60 }),
      fc.oneof(
        fc.constant(''),
        name.map((text) => text.slice(0, 3)),
      ),
      fc.constantFrom('', '/', 'a/', '.'),
      fc.oneof(fc.constant(''), name),
      fc.integer({ min: 1, max: 9 }),
      (texts, prefix, delimiter, start, maxKeys) => {
        const keys = texts.toSorted() as ByteString[];
        const all: PageEntry[] = [];
        let after = start as ByteString;
        for (;;) {
          const page = listPage(keys, {
            prefix: prefix as ByteString,
            delimiter: delimiter as ByteString,
            after,
            maxKeys,
          });
          all.push(...page.entries);
          assert.ok(page.entries.length <= maxKeys);
          if (!page.truncated) break;
          assert.equal(page.entries.length, maxKeys);
          after = page.entries.at(-1)!.name;
        }
        assert.deepEqual(all, model(keys, prefix, delimiter, start));
      },
    ),
  );
});

test('a page by delimiter does not walk what lies below its common prefixes', () => {
  const keys = Array.from({ length: 200_000 }, (_, n) => byteString(`${n < 100_000 ? 'a' : 'b'}/${String(n)}`)).sort();
  let looks = 0;
  const counted = new Proxy(keys, {
    get: (target, property, receiver) => {
      if (typeof property === 'string' && /^\d+$/.test(property)) looks++;
      return Reflect.get(target, property, receiver) as unknown;
    },
  });
  const empty = byteString('');
  const page = listPage(counted, { prefix: empty, delimiter: byteString('/'), after: empty, maxKeys: 1000 });
  assert.deepEqual(
    page.entries.map((entry) => entry.name),
    ['a/', 'b/'],
  );
  assert.ok(looks < 200, `${String(looks)} keys were looked at`);
});

test('the store keeps the order of bytes when objects come and go', async () => {
  await using fixture = await Fixture.start({ objects: { b: '1', '\u{1F600}': '2', '\uFF5E': '3' } });
  const keys = async (): Promise<string[]> =>
    [...(await fixture.list()).body.toString().matchAll(/<Key>([^<]*)</g)].map(([, key]) => key!);
  assert.deepEqual(await keys(), ['b', '\uFF5E', '\u{1F600}']);
  fixture.store.add(storedObject('a', new BytesContent('new')));
  fixture.store.add(storedObject('c/d', new BytesContent('new')));
  fixture.store.replace(storedObject('b', new BytesContent('changed')));
  fixture.store.remove('\uFF5E');
  assert.deepEqual(await keys(), ['a', 'b', 'c/d', '\u{1F600}']);
  assert.equal((await fixture.get('b')).body.toString(), 'changed');
  assert.equal(verdict(await fixture.get('\uFF5E')), '404 NoSuchKey');
  assert.throws(() => {
    fixture.store.add(storedObject('a', new BytesContent('')));
  });
  assert.throws(() => {
    fixture.store.remove('nothing');
  });
  assert.throws(() => {
    fixture.store.replace(storedObject('nothing', new BytesContent('')));
  });
});

test('a token that the endpoint did not issue is refused, and so is one that was changed', async () => {
  await using fixture = await Fixture.start({ objects: { a: '', b: '', c: '' } });
  const first = await fixture.list('max-keys=1');
  const token = xmlElement(first.body, 'NextContinuationToken')!;
  assert.equal(verdict(await fixture.list(`continuation-token=${uriEscape(token)}`)), '200');
  for (const wrong of ['', 'a', uriEscape(token.slice(0, -2)), uriEscape('A' + token.slice(1))]) {
    assert.equal(verdict(await fixture.list(`continuation-token=${wrong}`)), '400 InvalidArgument', wrong);
  }
});

test('a token wins over start-after, which is told back', async () => {
  await using fixture = await Fixture.start({ objects: { a: '', b: '', c: '', d: '' } });
  const first = await fixture.list('max-keys=1&start-after=b');
  assert.equal(xmlElement(first.body, 'Key'), 'c');
  const token = uriEscape(xmlElement(first.body, 'NextContinuationToken')!);
  const second = await fixture.list(`max-keys=1&start-after=a&continuation-token=${token}`);
  assert.equal(xmlElement(second.body, 'Key'), 'd');
  assert.equal(xmlElement(second.body, 'StartAfter'), 'a');
  assert.equal(xmlElement(second.body, 'IsTruncated'), 'false');
});

test('encoding-type=url form-encodes names wherever they stand, with spaces as "+"', async () => {
  await using fixture = await Fixture.start({ objects: { 'a b/c+d': '', 'a b/ü~*': '', 'a b/x\ny': '' } });
  const listed = (await fixture.list('encoding-type=url&prefix=a%20b%2F')).body.toString();
  assert.equal(xmlElement(listed, 'Prefix'), 'a+b/');
  assert.deepEqual(
    [...listed.matchAll(/<Key>([^<]*)</g)].map(([, key]) => key),
    ['a+b/c%2Bd', 'a+b/x%0Ay', 'a+b/%C3%BC%7E*'],
  );
});

test('a hostile listing shows whatever the test says, while the objects stay readable', async () => {
  const store = new ObjectStore([
    storedObject('../../etc/passwd', new BytesContent('up')),
    storedObject('a/../b', new BytesContent('dots')),
    storedObject('nul\0byte', new BytesContent('nul')),
    storedObject('long/' + 'x'.repeat(2000), new BytesContent('long')),
    storedObject(Buffer.from([0x66, 0xff, 0xfe]), new BytesContent('not utf-8')),
    storedObject('negative', new BytesContent('n'), { listed: { size: '-5' } }),
    storedObject('huge', new BytesContent('h'), { listed: { size: '99999999999999999999' } }),
    storedObject('renamed', new BytesContent('r'), { listed: { key: '</Key><Injected/>', lastModified: 'yesterday' } }),
  ]);
  await using fixture = await Fixture.start({ store });
  const listed = (await fixture.list()).body;
  const text = listed.toString('latin1');
  for (const expected of [
    '<Key>../../etc/passwd</Key>',
    '<Key>a/../b</Key>',
    '<Key>nul&#x0;byte</Key>',
    `<Key>long/${'x'.repeat(2000)}</Key>`,
    '<Key>f\u00ff\u00fe</Key>',
    '<Size>-5</Size>',
    '<Size>99999999999999999999</Size>',
    '<Key></Key><Injected/></Key>',
    '<LastModified>yesterday</LastModified>',
  ]) {
    assert.ok(text.includes(expected), expected);
  }
  assert.equal((await fixture.get('../../etc/passwd')).body.toString(), 'up');
  assert.equal((await fixture.client.send({ path: '/bucket/f%FF%FE' })).body.toString(), 'not utf-8');
  assert.equal((await fixture.get('nul\0byte')).body.toString(), 'nul');
});
