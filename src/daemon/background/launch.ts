/**
 * Starts this program once more, in the background, and waits until it serves.
 *
 * How it works: the child leads a session of its own (setsid), so no terminal's signals reach it; its output is the log
 * file; its first message over an inherited channel says `ready` or why not. Then the channel closes and the parent may end.
 *
 * Invariants:
 * 1. It returns when the child serves; otherwise it throws, and then the child is gone.
 * 2. Nothing secret is among the arguments: options name profiles and files, never keys.
 * 3. A starter that is told to stop takes the child with it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { formatDuration } from '../../base/duration.ts';
import { DlfsError } from '../../base/errors.ts';
import { lastLogLine } from '../log-file/last-line.ts';
import { openLog } from '../log-file/rotating-file.ts';
import { isStartMessage, type ReadyMessage } from './messages.ts';

/** How long a child may take until it serves: a credential chain and a slow origin's first listing lie well within. */
export const START_LIMIT_MS = 60_000;

/** How long a child that is told to stop may take to clean up. */
const STOP_LIMIT_MS = 5000;

/** Variables of the environment that name files, and may do so relative to where the starter is. */
const PATH_VARIABLES = [
  'AWS_CONFIG_FILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
  'AWS_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
] as const;

/** What is started. */
export interface LaunchOptions {
  /** Absolute path of the program's entry. */
  readonly program: string;
  /** Its arguments; paths among them are absolute. */
  readonly args: readonly string[];
  /** Absolute; its folder exists. */
  readonly logPath: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** Aborting it ends the child. */
  readonly signal: AbortSignal;
  /** Milliseconds; a minute by default. */
  readonly limitMs?: number;
}

/** A child that serves. */
export interface Launched extends ReadyMessage {
  readonly pid: number;
}

/** How waiting for a child ended. */
type Outcome =
  | { readonly kind: 'ready'; readonly message: ReadyMessage }
  | { readonly kind: 'failed'; readonly error: DlfsError }
  | { readonly kind: 'exit'; readonly how: string }
  | { readonly kind: 'silent' }
  | { readonly kind: 'stopped' };

/**
 * Starts the program and waits; see the file's header.
 * @throws DlfsError: the child's own, `internal` where it died without a word, `timeout`, `interrupted`
 */
export async function launchInBackground(options: LaunchOptions): Promise<Launched> {
  const log = openLog(options.logPath);
  const logStart = fstatSync(log).size;
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [...process.execArgv, options.program, ...options.args], {
      detached: true,
      cwd: '/', // a daemon keeps no file system busy
      env: withAbsolutePaths(options.environment),
      stdio: ['ignore', log, log, 'ipc'],
    });
  } finally {
    closeSync(log);
  }
  const outcome = await firstOf(child, options);
  if (outcome.kind === 'ready') {
    child.unref();
    return { ...outcome.message, pid: child.pid ?? 0 };
  }
  await stop(child, options.clock);
  throw explain(outcome, options, lastLogLine(options.logPath, logStart));
}

function firstOf(child: ChildProcess, options: LaunchOptions): Promise<Outcome> {
  const { clock, signal } = options;
  return new Promise((done) => {
    const timer = clock.startTimer(options.limitMs ?? START_LIMIT_MS, () => {
      settle({ kind: 'silent' });
    });
    const onAbort = (): void => {
      settle({ kind: 'stopped' });
    };
    const settle = (outcome: Outcome): void => {
      timer[Symbol.dispose]();
      signal.removeEventListener('abort', onAbort);
      done(outcome);
    };
    child.once('error', (error) => {
      settle({ kind: 'exit', how: `could not be started: ${error.message}` });
    });
    child.once('exit', (code, killedBy) => {
      settle({ kind: 'exit', how: killedBy === null ? `ended with code ${code ?? '?'}` : `was ended by ${killedBy}` });
    });
    child.on('message', (message) => {
      if (!isStartMessage(message)) return;
      if (message.type === 'ready') settle({ kind: 'ready', message });
      else settle({ kind: 'failed', error: DlfsError.fromJSON(message.error) });
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

async function stop(child: ChildProcess, clock: Clock): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolved) => {
    child.once('exit', () => {
      resolved();
    });
  });
  child.kill('SIGTERM');
  using _timer = clock.startTimer(STOP_LIMIT_MS, () => {
    child.kill('SIGKILL');
  });
  await exited;
}

function explain(
  outcome: Exclude<Outcome, { kind: 'ready' }>,
  options: LaunchOptions,
  lastLine: string | null,
): DlfsError {
  const said = lastLine === null ? 'it logged nothing' : `its last words: ${lastLine}`;
  switch (outcome.kind) {
    case 'failed':
      return outcome.error;
    case 'exit':
      return new DlfsError(
        'internal',
        `the process that was to serve ${outcome.how} (${said}); log: ${options.logPath}`,
      );
    case 'silent': {
      const limit = formatDuration(options.limitMs ?? START_LIMIT_MS);
      return new DlfsError('timeout', `the mount did not serve within ${limit} (${said}); log: ${options.logPath}`);
    }
    case 'stopped':
      return new DlfsError('interrupted', 'stopped before the mount served; nothing is mounted');
  }
}

function withAbsolutePaths(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const absolute = { ...environment };
  for (const name of PATH_VARIABLES) {
    const value = environment[name];
    if (value !== undefined && value !== '') absolute[name] = resolve(value);
  }
  return absolute;
}
