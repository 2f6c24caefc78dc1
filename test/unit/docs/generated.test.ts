import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { GENERATED } from '../../../scripts/generate/files.ts';

const root = resolve(import.meta.dirname, '../../..');

for (const { path, make } of GENERATED) {
  test(`${path} is what the code makes (make generate writes it again)`, () => {
    assert.equal(readFileSync(join(root, path), 'utf8'), make());
  });
}
