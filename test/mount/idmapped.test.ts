/** Mounts whose ids are mapped for a user namespace: what a pod with users of its own (`hostUsers: false`) gets to see. */
import assert from 'node:assert/strict';
import { release } from 'node:os';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execute } from '../posix/execute.ts';
import { OPEN_MODES } from '../support/mount-target.ts';
import { CliWorld } from './cli-world.ts';

const SCRIPT = fileURLToPath(new URL('../support/idmapped.py', import.meta.url));

/** Where the namespace's 0 lies outside of it (idmapped.py). */
const BASE = 100_000;

/** FUSE_ALLOW_IDMAP: Linux 6.12. */
const [major = 0, minor = 0] = release().split('.').map(Number);
const KNOWN = major > 6 || (major === 6 && minor >= 12);

for (const open of OPEN_MODES) {
  test(`an id-mapped mount shows the owner mapped, and its modes hold for the mapped one, ${open}`, async () => {
    await using world = await CliWorld.create();
    const dir = world.at('mnt');
    const modes = ['--uid', '7', '--gid', '8', '--file-mode', '0400', '--dir-mode', '0555'];
    assert.equal((await world.mount(dir, [...world.args, '--open', open, ...modes])).err, '');
    const { stdout } = await execute('python3', ['-B', SCRIPT, dir, 'a/x'], { limitMs: 20_000 });
    const seen = JSON.parse(stdout.toString()) as unknown;
    if (KNOWN) {
      const owner = [7, 8];
      const mapped = [BASE + 7, BASE + 8];
      assert.deepEqual(seen, {
        within: [owner, owner],
        // Root of the namespace that owns the ids may read as CAP_DAC_OVERRIDE says; a stranger may not.
        text: 'hello\n',
        outside: [mapped, mapped],
        stranger: 'EACCES',
      });
    } else {
      assert.deepEqual(seen, { refused: 'EINVAL' });
    }
    assert.equal((await world.call(['umount', dir])).code, 0);
  });
}
