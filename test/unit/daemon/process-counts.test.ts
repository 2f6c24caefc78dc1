/** What a process tells of itself. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ProcessCounts } from '../../../src/daemon/views/process-counts.ts';

test('threads and descriptors are counted, and one more descriptor is one more', () => {
  const counts = new ProcessCounts();
  const before = counts.read();
  assert.ok(before.threads >= 1 && before.descriptorLimit > before.descriptors);
  const fd = openSync('/dev/null', 'r');
  try {
    assert.equal(counts.read().descriptors, before.descriptors + 1);
  } finally {
    closeSync(fd);
  }
});

test('a process without a descriptor left answers that all are in use', () => {
  const module = fileURLToPath(new URL('../../../src/daemon/views/process-counts.ts', import.meta.url));
  const program = `
    import { openSync } from 'node:fs';
    import { ProcessCounts } from ${JSON.stringify(module)};
    const counts = new ProcessCounts();
    try { for (;;) openSync('/dev/null', 'r'); } catch {}
    const { descriptors, descriptorLimit } = counts.read();
    process.exitCode = descriptors === 256 && descriptorLimit === 256 ? 0 : 1;`;
  execFileSync('prlimit', ['--nofile=256:256', process.execPath, '--input-type=module', '--eval', program]);
});
