/**
 * One daemon a cache directory: a lock that ends with the process, however that ends.
 *
 * Invariants:
 * 1. The kernel drops the lock with the process; a file that is left behind means nothing.
 */
import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DlfsError } from '../../base/errors.ts';

/**
 * Takes the lock.
 * @param lock flock(2), exclusive and non-blocking: an errno, 0 on success
 * @throws DlfsError `conflict` naming the process that has it; `cache-unusable` where the directory cannot be written
 */
export function lockNode(cacheDir: string, lock: (fd: number) => number): Disposable {
  const path = join(cacheDir, 'daemon.lock');
  let fd: number;
  try {
    mkdirSync(cacheDir, { recursive: true, mode: 0o700 });
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw new DlfsError('cache-unusable', `--cache-dir ${cacheDir} cannot be used: ${DlfsError.from(error).message}`, {
      cause: error,
    });
  }
  if (lock(fd) !== 0) {
    const pid = readFileSync(path, 'utf8').trim();
    closeSync(fd);
    throw new DlfsError(
      'conflict',
      `another daemon serves from ${cacheDir}${pid === '' ? '' : ` (process ${pid})`}; end it, or choose another --cache-dir`,
    );
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`, 0);
  return {
    [Symbol.dispose]: () => {
      ftruncateSync(fd);
      closeSync(fd);
    },
  };
}
