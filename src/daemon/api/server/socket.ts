/**
 * The Unix socket that the API listens on.
 *
 * How it works: the socket is bound in a folder of its own that only its owner may enter, gets its mode there, and is linked to its
 * place: nobody can connect before the mode is right, and of two that come at once the second finds the place taken. A socket that is
 * there already is asked: whoever answers keeps it; one that nobody listens on is moved out of the way, and back where it turns out to be
 * another one by then.
 *
 * Invariants:
 * 1. At its place the socket is 0600 from the first moment on.
 * 2. Nothing but a socket is ever replaced or removed, and on closing only our own.
 * 3. One that somebody serves is never taken from him, not even by who began at the same moment.
 */
import { once } from 'node:events';
import { chmodSync, linkSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, type Stats } from 'node:fs';
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
  const stale = await checkPlace(path);
  const temporary = mkdtempSync(join(folder, '.dlfs-'));
  let own: Stats;
  try {
    const made = join(temporary, 's');
    server.listen(made);
    await once(server, 'listening');
    chmodSync(made, 0o600);
    own = lstatSync(made);
    if (stale !== null) moveAway(path, stale, join(temporary, 'old'));
    take(made, path);
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

/** @returns the socket that is there and that nobody serves; null where there is nothing */
async function checkPlace(path: string): Promise<Stats | null> {
  const there = statOf(path);
  if (there === null) return null;
  if (!there.isSocket()) {
    throw new DlfsError('invalid-argument', `${path} is there and is no socket: choose another path with --socket`);
  }
  if (await answers(path)) throw taken(path);
  return there;
}

function taken(path: string): DlfsError {
  return new DlfsError('conflict', `another process serves ${path}: end it, or choose another path with --socket`);
}

/** Moves the socket that nobody serves out of the way. @throws DlfsError `conflict` where another has taken its place meanwhile */
function moveAway(path: string, stale: Stats, aside: string): void {
  if (statOf(path) === null) return;
  renameSync(path, aside);
  const moved = lstatSync(aside);
  if (moved.ino === stale.ino && moved.dev === stale.dev) return;
  // Somebody else was faster, and serves it: it goes back to where it was.
  take(aside, path);
  throw taken(path);
}

/** Puts a socket in its place. @throws DlfsError `conflict` where there is one already */
function take(made: string, path: string): void {
  try {
    linkSync(made, path);
  } catch (thrown) {
    throw (thrown as NodeJS.ErrnoException).code === 'EEXIST' ? taken(path) : thrown;
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
