/**
 * The program of a reader: opens, reads and closes files one after the other, as a data loader's worker does.
 *
 * Invariants:
 * 1. Plain blocking calls, one read buffer: what is measured is the file system.
 * 2. It lives no longer than its channel.
 */
import { closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { Part } from './dataset.ts';
import type { FromReader, ToReader } from './reader-protocol.ts';

const BUFFER = Buffer.allocUnsafe(2 ** 20);
const REPORT_MS = 100;

function tell(message: FromReader): void {
  process.send?.(message);
}

function readPart(
  root: string,
  { path, offset, length }: Part,
  copyTo: string | null,
  onBytes: (count: number) => void,
): number {
  const fd = openSync(join(root, path), 'r');
  const copy = copyTo === null ? null : openSync(madeFor(join(copyTo, path)), 'w', 0o600);
  let sum = 0;
  try {
    for (let done = 0; done < length;) {
      const count = readSync(fd, BUFFER, 0, Math.min(BUFFER.length, length - done), offset + done);
      if (count === 0) throw new Error(`${path} ends after ${offset + done} bytes`);
      const chunk = BUFFER.subarray(0, count);
      sum = crc32(chunk, sum);
      if (copy !== null) writeSync(copy, chunk);
      done += count;
      onBytes(count);
    }
  } finally {
    closeSync(fd);
    if (copy !== null) closeSync(copy);
  }
  return sum;
}

function madeFor(path: string): string {
  mkdirSync(dirname(path), { recursive: true });
  return path;
}

async function readAll(root: string, parts: readonly Part[], copyTo: string | null): Promise<void> {
  const sums: number[] = [];
  let [files, bytes, told] = [0, 0, performance.now()];
  const report = (): void => {
    tell({ type: 'progress', files, bytes });
    [files, bytes, told] = [0, 0, performance.now()];
  };
  for (const part of parts) {
    const sum = readPart(root, part, copyTo, (count) => {
      bytes += count;
      if (performance.now() - told >= REPORT_MS) report();
    });
    sums.push(sum);
    files += part.offset === 0 ? 1 : 0;
    // Now and then the event loop gets its turn: a closed channel ends the process (invariant 2).
    if (bytes === 0) await setImmediate();
  }
  report();
  tell({ type: 'done', sums });
}

let work: (ToReader & { type: 'parts' }) | null = null;
process.on('SIGINT', () => undefined); // the demo itself decides, and ends its readers
process.on('disconnect', () => process.exit(0));
process.on('message', (message: ToReader) => {
  if (message.type === 'parts') {
    work = message;
    tell({ type: 'ready' });
    return;
  }
  if (work === null) return;
  readAll(work.root, work.parts, work.copyTo).catch((error: unknown) => {
    tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  });
});
