/**
 * Where the log of a mount in the background lies: a file named after the mount point, the same for every run.
 */
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** The folder of logs: `/var/log/dlfs` for root, else below the user's state directory (XDG Base Directory Specification). */
export function logFolder(environment: Readonly<Record<string, string | undefined>>, uid: number): string {
  if (uid === 0) return '/var/log/dlfs';
  const state = environment['XDG_STATE_HOME'];
  return join(state !== undefined && isAbsolute(state) ? state : join(homedir(), '.local', 'state'), 'dlfs');
}

/**
 * The log's name for a mount point: its path with dashes, and a few digits that keep `/a/b` and `/a-b` apart.
 * @param dir absolute, without symbolic links
 */
export function logName(dir: string): string {
  const words = dir
    .replace(/[^A-Za-z0-9._]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(-100);
  return `${words}-${createHash('sha256').update(dir).digest('hex').slice(0, 8)}.log`;
}
