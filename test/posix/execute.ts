/**
 * Runs a program without a shell and gives back what it printed.
 *
 * Invariants:
 * 1. A program that is not installed is `Missing`, any other failure an Error that carries what the program said.
 * 2. A program that does not end within its limit is killed, with all that it started in its process group.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Missing } from './target.ts';

/** How a program is to be run. */
export interface ExecuteOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  /** Written to its stdin, which is empty otherwise. */
  readonly input?: Uint8Array;
  /** Milliseconds until it is killed. */
  readonly limitMs?: number;
}

/** What a program printed. */
export interface Executed {
  readonly stdout: Buffer;
  readonly stderr: string;
}

const LIMIT_MS = 120_000;

/**
 * @param program found on PATH
 * @param args each one argument, never split
 * @throws Missing; Error where it ends with another status than 0, by a signal, or too late
 */
export async function execute(
  program: string,
  args: readonly string[],
  options: ExecuteOptions = {},
): Promise<Executed> {
  const { limitMs = LIMIT_MS, input, ...how } = options;
  const child = spawn(program, args, { ...how, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => stdout.push(piece));
  child.stderr.on('data', (piece: Buffer) => stderr.push(piece));
  child.stdin.on('error', () => undefined); // it may end without reading
  child.stdin.end(input);
  const timer = setTimeout(() => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, limitMs);
  try {
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    const said = Buffer.concat(stderr).toString();
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${signal ?? String(status)}\n${said}`);
    return { stdout: Buffer.concat(stdout), stderr: said };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && child.pid === undefined) throw new Missing(program);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
