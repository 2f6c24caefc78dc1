/**
 * docs/SEMANTICS.md promises nothing that no test carries, and no row of the POSIX table is without a promise.
 */
import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { ERROR_CODES } from '../../../src/base/errors/code.ts';
import { ERRNO_OF } from '../../../src/base/errors/errno.ts';
import { parseClaims, ROWS, TABLE_FILE, testNames } from '../../support/claims.ts';

const root = resolve(import.meta.dirname, '../../..');
const document = await readFile(resolve(root, 'docs/SEMANTICS.md'), 'utf8');
const claims = parseClaims(document);

test('claims are numbered in order, and each says something', () => {
  assert.ok(claims.length > 30);
  let [chapter, number] = [0, 0];
  for (const claim of claims) {
    const [major, minor] = claim.number.split('.').map(Number);
    number = major === chapter ? number + 1 : 1;
    chapter = major ?? 0;
    assert.equal(minor, number, `claim ${claim.number}`);
    assert.match(claim.text, /^.{20,}[.]$/, `claim ${claim.number}`);
  }
});

test('every claim names at least one test, and each of them exists', async () => {
  const sources = new Map<string, Set<string>>([[TABLE_FILE, new Set(ROWS)]]);
  const missing: string[] = [];
  for (const { number, tests } of claims) {
    if (tests.length === 0) missing.push(`${number} names no test`);
    for (const { file, name } of tests) {
      let names = sources.get(file);
      if (names === undefined) {
        names = testNames(await readFile(resolve(root, file), 'utf8').catch(() => ''));
        sources.set(file, names);
      }
      if (!names.has(name)) missing.push(`${number}: ${file} has no test "${name}"`);
    }
  }
  assert.deepEqual(missing, []);
});

test('every row of the POSIX table is named by a claim', () => {
  const named = new Set(
    claims.flatMap(({ tests }) => tests).flatMap(({ file, name }) => (file === TABLE_FILE ? [name] : [])),
  );
  assert.deepEqual([...ROWS.difference(named)], []);
});

test('the table of errnos is the one in the code', () => {
  const rows = [...document.matchAll(/^\| `([a-z0-9-]+)` *\| ([A-Z]+) *\|/gm)].map(([, code, errno]) => [code, errno]);
  assert.deepEqual(Object.fromEntries(rows), ERRNO_OF);
  assert.equal(rows.length, Object.keys(ERROR_CODES).length, 'each code once');
});

test('a name is read from a test as it is written, with the parts of a template left out', () => {
  const source = [
    "test('plain', () => {});",
    "t.test('it\\'s quoted', async () => {});",
    'test("double",',
    'test(`over ${[1, 2].map((x) => ({ x })).length} parts, ${mode}`, () => {',
    "latest('not a test')",
  ].join('\n');
  assert.deepEqual(testNames(source), new Set(['plain', "it's quoted", 'double', 'over … parts, …']));
});
