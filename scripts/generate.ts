/**
 * Writes again the files of the repository that are made from the code: `make generate`.
 *
 * Each is a row of `GENERATED`; a test (test/unit/docs/generated.test.ts) holds that the files are what the code makes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { GENERATED } from './generate/files.ts';

const root = resolve(import.meta.dirname, '..');

for (const { path, make } of GENERATED) {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, make());
  process.stdout.write(`${path}\n`);
}
