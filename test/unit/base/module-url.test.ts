import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moduleUrl } from '../../../src/base/module-url.ts';

test('a module that is started has the form of the one that starts it', () => {
  assert.equal(moduleUrl('./worker/thread.ts', 'file:///a/src/b/c.ts').href, 'file:///a/src/b/worker/thread.ts');
  assert.equal(moduleUrl('./worker/thread.ts', 'file:///a/dist/b/c.js').href, 'file:///a/dist/b/worker/thread.js');
});
