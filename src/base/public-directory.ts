/**
 * Directories that every user may enter.
 *
 * The process's umask keeps what it writes to itself (src/cli/main.ts), and takes the permissions of others from mkdir(2), too. The
 * directories that lead to a dataset are for everybody: what is in one is for its own modes to say.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

const MODE = 0o755;

/**
 * Makes a directory and what is missing above it, each 0755 whatever the umask; what is there already stays as it is.
 * @param path absolute; nobody else may write to what is there of it
 * @throws Error of the system call
 */
export function makePublicDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: MODE });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) chmodSync(made, MODE);
}
