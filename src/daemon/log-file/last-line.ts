/**
 * What a process said last: the end of its log, for the error that reports its death.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** How much of the end is looked at. */
const TAIL = 16 * 1024;

/**
 * The last line that a process wrote, as a sentence.
 * @param path of the log
 * @param from where the process began to write; earlier lines are another's
 * @returns null where it wrote nothing
 */
export function lastLogLine(path: string, from: number): string | null {
  const lines = tail(path, from)
    .split('\n')
    .filter((line) => line.trim() !== '');
  // A crash of the runtime ends with its stack and version; the error itself is what the user needs.
  const line =
    lines.findLast((each) => /^(\w*Error|FATAL ERROR|terminate called|.*Assertion)\b/.test(each)) ?? lines.at(-1);
  if (line === undefined) return null;
  try {
    const { msg } = JSON.parse(line) as { msg?: unknown };
    return typeof msg === 'string' ? msg : line;
  } catch {
    return line.trim();
  }
}

function tail(path: string, from: number): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(fd);
    const start = Math.max(from > size ? 0 : from, size - TAIL);
    const buffer = Buffer.alloc(size - start);
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, start));
  } finally {
    closeSync(fd);
  }
}
