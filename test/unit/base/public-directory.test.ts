/** Directories that lead to datasets. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TempDir } from '../../support/files.ts';

test('directories that are made are for every user to pass whatever the umask is, and those that were there stay as they were', async () => {
  await using temp = await TempDir.create('public');
  mkdirSync(temp.join('there'), { mode: 0o700 });
  const module = fileURLToPath(new URL('../../../src/base/public-directory.ts', import.meta.url));
  const program = `
    import { makePublicDirectory } from ${JSON.stringify(module)};
    process.umask(0o077);
    for (let n = 0; n < 2; n++) makePublicDirectory(${JSON.stringify(temp.join('there', 'root', 'namespace'))});`;
  execFileSync(process.execPath, ['--input-type=module', '--eval', program]);
  const modes = ['there', 'there/root', 'there/root/namespace'].map((path) => statSync(temp.join(path)).mode & 0o777);
  assert.deepEqual(modes, [0o700, 0o755, 0o755]);
});
