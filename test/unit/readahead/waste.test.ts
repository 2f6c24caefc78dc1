import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WasteLedger } from '../../../src/fs/readahead/waste.ts';

test('waste is allowed up to the allowance first, then up to its share of what is read', () => {
  const ledger = new WasteLedger(0.01, 100, 1e9);
  assert.equal(ledger.share, 0);
  assert.ok(ledger.allows(100));
  assert.ok(!ledger.allows(101));
  ledger.waste(100);
  assert.ok(!ledger.allows(1));
  ledger.read(1000);
  assert.ok(ledger.allows(10));
  assert.equal(ledger.share, 0.1);
});

test('what is read after all is refunded, and never more than was wasted', () => {
  const ledger = new WasteLedger(0.01, 0, 1e9);
  ledger.read(10_000);
  ledger.waste(100);
  assert.ok(!ledger.allows(1));
  ledger.refund(60);
  assert.ok(ledger.allows(60) && !ledger.allows(61));
  ledger.refund(1000);
  assert.equal(ledger.share, 0);
});

test('the past is forgotten by halves, the share stays', () => {
  const ledger = new WasteLedger(0.01, 0, 1000);
  ledger.waste(50);
  ledger.read(999);
  ledger.read(1);
  assert.equal(ledger.share, 0.05);
  ledger.read(250);
  assert.ok(Math.abs(ledger.share - 25 / 750) < 1e-9);
});
