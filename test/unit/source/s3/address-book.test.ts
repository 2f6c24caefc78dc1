import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { test } from 'node:test';
import { DlfsError } from '../../../../src/base/errors.ts';
import { SILENT_LOGGER } from '../../../../src/base/log.ts';
import { ManualClock } from '../../../../src/base/manual-clock.ts';
import { AddressBook } from '../../../../src/source/s3/address-book.ts';

function setUp(hostname: string, answers: (LookupAddress[] | Error)[]) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const book = new AddressBook({
    hostname,
    port: 443,
    clock,
    log: SILENT_LOGGER,
    lookup: async (name) => {
      asked.push(name);
      const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    explain: (thrown) => DlfsError.from(thrown),
  });
  return { clock, asked, book };
}

const v4 = (address: string): LookupAddress => ({ address, family: 4 });

test('an address needs no look-up', async () => {
  const { book, asked, clock } = setUp('::1', []);
  using _ = book;
  await book.ready();
  assert.deepEqual(book.addresses, [{ address: '::1', port: 443, family: 6 }]);
  assert.deepEqual([asked, clock.pending], [[], 0]);
});

test('a name is looked up when it is needed, and again each minute', async () => {
  const { book, asked, clock } = setUp('s3.example', [
    [v4('10.0.0.1')],
    [v4('10.0.0.1')],
    [v4('10.0.0.2'), { address: 'fd00::1', family: 6 }],
  ]);
  using _ = book;
  let changes = 0;
  using listening = book.onChange(() => (changes += 1));
  assert.deepEqual(book.addresses, []);
  await Promise.all([book.ready(), book.ready()]);
  assert.deepEqual([asked.length, changes], [1, 1]);
  await clock.advance(60_000);
  assert.deepEqual([asked.length, changes], [2, 1]);
  await clock.advance(60_000);
  assert.deepEqual([asked.length, changes], [3, 2]);
  assert.deepEqual(
    book.addresses.map(({ address }) => address),
    ['10.0.0.2', 'fd00::1'],
  );
  listening[Symbol.dispose]();
});

test('a resolver that fails takes no address away', async () => {
  const { book, clock } = setUp('s3.example', [[v4('10.0.0.1')], new Error('down'), []]);
  using _ = book;
  await book.ready();
  await clock.advance(60_000);
  await clock.advance(60_000);
  assert.equal(book.addresses.length, 1);
});

test('a name that does not resolve at first is an error, and is asked again by the next who needs it', async () => {
  const { book, asked, clock } = setUp('s3.example', [new Error('down'), [], [v4('10.0.0.1')]]);
  using _ = book;
  await assert.rejects(book.ready(), DlfsError);
  await assert.rejects(book.ready(), DlfsError);
  assert.equal(clock.pending, 0);
  await book.ready();
  assert.equal(asked.length, 3);
});

test('after disposal nothing is looked up and nobody called', async () => {
  const { book, asked, clock } = setUp('s3.example', [[v4('10.0.0.1')], [v4('10.0.0.2')]]);
  await book.ready();
  book.onChange(() => assert.fail());
  book[Symbol.dispose]();
  assert.equal(clock.pending, 0);
  assert.equal(asked.length, 1);
});
