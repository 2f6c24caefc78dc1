/**
 * The Unix socket that the API listens on.
 *
 * How it works: the socket is bound in a folder of its own that only its owner may enter, gets its mode there, and is renamed to its
 * place: nobody can connect before the mode is right. A socket that is there already is asked: whoever answers keeps it; one
 * that nobody listens on is replaced.
 *
 * Invariants:
 * 1. At its place the socket is 0600 from the first moment on.
 * 2. Nothing but a socket is ever replaced or removed, and on closing only our own.
 */
import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, type Stats } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { DlfsError } from '../../../base/errors.ts';

/** What the kernel's `sockaddr_un` holds, its final NUL left out (unix(7)). */
const MAX_PATH = 107;
/** What the temporary folder adds to the path. */
const TEMPORARY = '.dlfs-XXXXXX/s';
/** Milliseconds within which whoever listens on a socket takes a connection. */
const ANSWER_WITHIN = 2000;

/**
 * Lets a server listen on a socket at a path.
 * @param server not listening yet; the caller closes it after disposing what is returned
 * @param path absolute; its folder is made, 0700, where there is none
 * @returns disposing it removes the socket, where it is still ours
 * @throws DlfsError `conflict` where somebody answers on it, `invalid-argument` where something else is there or the path
 *   is too long, `privilege` and others as the file system says
 */
export async function listenAt(server: Server, path: string): Promise<AsyncDisposable> {
  const folder = dirname(path);
  if (Buffer.byteLength(join(folder, TEMPORARY)) > MAX_PATH || Buffer.byteLength(path) > MAX_PATH) {
    throw new DlfsError(
      'invalid-argument',
      `the socket's path is too long for the kernel: ${path}; choose a shorter one`,
    );
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await checkPlace(path);
  const temporary = mkdtempSync(join(folder, '.dlfs-'));
  let own: Stats;
  try {
    const made = join(temporary, 's');
    server.listen(made);
    await once(server, 'listening');
    chmodSync(made, 0o600);
    own = lstatSync(made);
    renameSync(made, path);
  } catch (thrown) {
    server.close();
    throw DlfsError.from(thrown);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return {
    [Symbol.asyncDispose]: () => {
      const there = statOf(path);
      if (there?.ino === own.ino && there.dev === own.dev) rmSync(path, { force: true });
      return Promise.resolve();
    },
  };
}

async function checkPlace(path: string): Promise<void> {
  const there = statOf(path);
  if (there === null) return;
  if (!there.isSocket()) {
    throw new DlfsError('invalid-argument', `${path} is there and is no socket: choose another path with --socket`);
  }
  if (await answers(path)) {
    throw new DlfsError('conflict', `another process serves ${path}: end it, or choose another path with --socket`);
  }
}

function statOf(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

/** Whether anybody listens; one who does not take the connection in time counts, too. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ANSWER_WITHIN, () => settle(true));
    socket.once('connect', () => settle(true));
    // Whoever is too busy to take a connection (EAGAIN) still serves.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => settle(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}
