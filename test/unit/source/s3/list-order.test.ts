import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DlfsError } from '../../../../src/base/errors.ts';
import { compareKeys } from '../../../../src/dataset/listing.ts';
import { ListOrder, type ListOrderOptions } from '../../../../src/source/s3/list-order.ts';
import type { ListResult } from '../../../../src/source/s3/list-result.ts';

const ALL: ListOrderOptions = { prefix: '', delimiter: null, startAfter: '' };
const page = (
  keys: readonly string[],
  nextToken: string | null = null,
  prefixes: readonly string[] = [],
): ListResult => ({
  objects: keys.map((key) => ({ key, size: 1, mtimeMs: 0, etag: '', archived: false })),
  prefixes,
  undecodable: 0,
  nextToken,
});

function refuse(options: ListOrderOptions, pages: readonly ListResult[], expected: RegExp): void {
  const order = new ListOrder(options);
  const [last, ...before] = [...pages].reverse();
  for (const one of before.reverse()) order.accept(one);
  assert.throws(
    () => order.accept(last!),
    (error: unknown) => error instanceof DlfsError && error.code === 'protocol' && expected.test(error.message),
  );
}

test('pages that follow each other in key order are passed on', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), { maxLength: 50 }),
      fc.integer({ min: 1, max: 7 }),
      (keys, size) => {
        const sorted = keys.toSorted(compareKeys);
        const order = new ListOrder(ALL);
        for (let at = 0; at < sorted.length; at += size) {
          const last = at + size >= sorted.length;
          const accepted = order.accept(page(sorted.slice(at, at + size), last ? null : `t${at}`));
          assert.equal(accepted.last, last);
        }
      },
    ),
  );
});

test('objects and prefixes of one directory may mix on a page, and pages follow the later of both', () => {
  const options: ListOrderOptions = { prefix: 'd/', delimiter: '/', startAfter: '' };
  const order = new ListOrder(options);
  order.accept(page(['d/a', 'd/c'], 't', ['d/b/']));
  order.accept(page(['d/x'], null, ['d/y/']));
  refuse(options, [page(['d/a'], 't', ['d/m/']), page(['d/b'])], /not in key order: "d\/b" comes after "d\/m\/"/);
});

test('a start in the middle of a directory may bring that directory again, and nothing else before it', () => {
  const options: ListOrderOptions = { prefix: '', delimiter: '/', startAfter: 'd/x' };
  assert.deepEqual(new ListOrder(options).accept(page([], null, ['d/'])).prefixes, ['d/']);
  refuse(options, [page([], null, ['c/'])], /not in key order/);
  refuse(options, [page(['a'])], /not in key order/);
});

test('names out of order, twice, or before where they should begin are refused', () => {
  refuse(ALL, [page(['b', 'a'])], /not in key order: "a" comes after "b"/);
  refuse(ALL, [page(['a', 'a'])], /not in key order/);
  refuse(ALL, [page(['a', 'b'], 't'), page(['b'])], /not in key order/);
  refuse({ ...ALL, startAfter: 'm' }, [page(['m'])], /not in key order/);
});

test('names that nobody asked for are refused', () => {
  refuse({ ...ALL, prefix: 'p/' }, [page(['q/x'])], /"q\/x", which is not below "p\/"/);
  refuse({ prefix: 'p/', delimiter: '/', startAfter: '' }, [page([], null, ['q/'])], /"q\/", which is not below/);
  refuse({ prefix: 'p/', delimiter: '/', startAfter: '' }, [page(['p/a/b'])], /"p\/a\/b" of a deeper one/);
  refuse({ prefix: 'p/', delimiter: '/', startAfter: '' }, [page([], null, ['p/a/b/'])], /none directly below/);
  refuse({ prefix: 'p/', delimiter: '/', startAfter: '' }, [page([], null, ['p/a'])], /none directly below/);
  refuse(ALL, [page([], null, ['a/'])], /no delimiter/);
  refuse(ALL, [page(['ü'.repeat(513)])], /a key of 1026 bytes/);
});

test('a continuation that leads back to itself is refused', () => {
  refuse(ALL, [page(['a'], 't'), page(['b'], 't')], /goes in a circle: two pages in a row continue at "t"/);
});

test('a listing without end is refused, be its pages empty or full', () => {
  const empty = Array.from({ length: 1001 }, (_, n) => page([], `t${n}`));
  refuse(ALL, empty, /does not end: 1001 pages in a row without a name/);
  const full = Array.from({ length: 6 }, (_, n) => page([`k${n}a`, `k${n}b`], `t${n}`));
  refuse({ ...ALL, maxNames: 10 }, full, /does not end: more than 10 names/);
});

test('some empty pages are a walk over deleted versions', () => {
  const order = new ListOrder(ALL);
  for (let n = 0; n < 900; n += 1) order.accept(page([], `t${n}`));
  assert.equal(order.accept(page(['a'])).last, true);
});
