import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KernelFeatures } from '../../../src/daemon/kernel.ts';
import { chooseOpenMode, LARGE_FILE } from '../../../src/daemon/open-mode.ts';

const NEW: KernelFeatures = { release: '6.18.0', passthrough: true, incEpoch: true, mountBeneath: true };
const OLD: KernelFeatures = { release: '6.1.0', passthrough: false, incEpoch: false, mountBeneath: false };

describe('the open mode', () => {
  test('is what was asked for, where the kernel can do it', () => {
    assert.equal(chooseOpenMode('stateless', NEW, [[LARGE_FILE, 1]]), 'stateless');
    assert.equal(chooseOpenMode('passthrough', NEW, []), 'passthrough');
    assert.equal(chooseOpenMode('stateless', OLD, []), 'stateless');
  });

  test('that the kernel cannot do is refused with what it needs and the way out', () => {
    assert.throws(() => chooseOpenMode('passthrough', OLD, []), {
      code: 'unsupported',
      message: /6\.9.*6\.1\.0.*--open auto/,
    });
  });

  test('of auto follows where the bytes are, not how many files there are', () => {
    const photos = [[110_000, 1_000_000]] as const;
    assert.equal(chooseOpenMode('auto', NEW, photos), 'stateless');
    assert.equal(chooseOpenMode('auto', NEW, [...photos, [200 * 2 ** 30, 1]]), 'passthrough');
    assert.equal(chooseOpenMode('auto', NEW, [...photos, [50 * 2 ** 30, 1]]), 'stateless');
    assert.equal(chooseOpenMode('auto', NEW, [[LARGE_FILE - 1, 10]]), 'stateless');
    assert.equal(chooseOpenMode('auto', NEW, [[LARGE_FILE, 10]]), 'passthrough');
  });

  test('of auto is stateless for an empty dataset and on an old kernel', () => {
    assert.equal(chooseOpenMode('auto', NEW, []), 'stateless');
    assert.equal(chooseOpenMode('auto', NEW, [[0, 100]]), 'stateless');
    assert.equal(chooseOpenMode('auto', OLD, [[2 ** 40, 1]]), 'stateless');
  });
});
