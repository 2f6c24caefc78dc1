/**
 * An index whose process is killed in the middle of commits and listings.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { CacheIndex } from '../../src/cache/index/index.ts';
import { SystemClock } from '../../src/base/clock.ts';
import { checkInvariants } from '../model/index-invariants.ts';
import { TempDir } from '../support/files.ts';

const ROUNDS = Number(process.env['DLFS_CRASH_ROUNDS'] ?? 10);

/** Runs the victim until it has acknowledged so much, kills it, and tells what it had acknowledged by then. */
async function runAndKill(folder: string, round: number, acknowledgements: number): Promise<string[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'index-victim.ts'), folder, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const acknowledged: string[] = [];
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    // What it says between the decision and its death counts as well: it had the promise.
    acknowledged.push(line);
    if (acknowledged.length === acknowledgements) child.kill('SIGKILL');
  }
  const [, signal] = (await exited) as [number | null, NodeJS.Signals | null];
  assert.equal(signal, 'SIGKILL', 'the victim died of something else');
  return acknowledged;
}

test('killed anywhere, it keeps what it acknowledged and nothing half-done', async () => {
  await using folder = await TempDir.create('index');
  const file = join(folder.path, 'index.db');
  let last = { cur: 0, etag: '' };
  for (let round = 0; round < ROUNDS; round += 1) {
    const acknowledged = await runAndKill(folder.path, round, 1 + ((round * 37) % 60));
    {
      await using index = await CacheIndex.open({ file, blockSize: 4096, prefix: '', clock: new SystemClock() });
      assert.equal(index.opening.kind, 'existing');
      assert.equal(index.opening.clean, false);
      const recent = new Set([...index.recentBlocks()].map(({ ino, idx }) => `${ino}/${idx}`));
      const committed = new Map<number, Set<number>>();
      for (const line of acknowledged) {
        const [what, first = '', second = ''] = line.split(' ');
        if (what === 'listed') last = { cur: Number(first), etag: second };
        else if (what === 'dropping') committed.delete(Number(first));
        else committed.set(Number(first), (committed.get(Number(first)) ?? new Set()).add(Number(second)));
      }
      for (const [ino, indexes] of committed) {
        for (const idx of indexes) {
          // A switch since then may have superseded the file, but rows stay until they are purged.
          assert.equal(index.hashes(ino, idx, 1).idx[0], idx, `block ${idx} of ${ino} was acknowledged`);
          assert.ok(recent.has(`${ino}/${idx}`), 'and is to be verified');
        }
      }
      assert.ok(index.cur >= last.cur, 'a switch that was acknowledged stays');
      // A complete listing gives all files one version; what is visible is of one listing, not of two.
      const directory = index.lookup(1, 'd0');
      const etags = new Set(directory === null ? [] : index.children(directory.ino, 0, 1000).map(({ etag }) => etag));
      assert.ok(
        index.cur !== last.cur || last.cur === 0 || (etags.size === 1 && etags.has(last.etag)),
        `of one version: ${[...etags].join()}`,
      );
      // Taking back what was staged is part of beginning the next one.
      await using listing = await index.beginFull(10);
      await listing[Symbol.asyncDispose]();
    }
    using stack = new DisposableStack();
    const database = stack.adopt(new Database(file), (connection) => connection.close());
    checkInvariants(database, false);
    assert.equal(database.prepare('SELECT count(*) FROM staging').pluck().get(), 0);
    assert.equal(database.pragma('integrity_check', { simple: true }), 'ok');
  }
});
