/**
 * Opens and reads one file of manifests, taking nothing for granted: whoever can write next to it must not make the daemon, which is
 * root, read something else, wait for ever, or fill its memory.
 *
 * Invariants:
 * 1. What is read is a regular file, below the folder where one is given, wherever links lead and whoever swaps them meanwhile:
 *    the descriptor's own path is looked at after it is open.
 * 2. Nobody but root and this process's user can have written it, nor may everybody.
 * 3. At most `MAX_TEXT` bytes are read; a pipe or device is never waited for.
 * 4. Text and signature belong together: a file that changed while it was read is `unsettled`.
 */
import { constants, type BigIntStats } from 'node:fs';
import { open, readlink, realpath, stat, type FileHandle } from 'node:fs/promises';
import { DlfsError } from '../../base/errors.ts';
import { MAX_TEXT } from '../../dataset/manifest/index.ts';
import { isWithin } from '../mountinfo.ts';

/** What was read. */
export type FileText =
  | { readonly kind: 'text'; readonly text: string; readonly signature: string }
  /** Somebody writes to it: look again. */
  | { readonly kind: 'unsettled' };

/**
 * What tells two states of a file apart: which file the name leads to, its length and its times. Of a link it is the target's.
 * @returns null where there is no such file
 * @throws DlfsError where it cannot be looked at
 */
export async function signatureOf(path: string): Promise<string | null> {
  try {
    return signature(await stat(path, { bigint: true }));
  } catch (thrown) {
    const error = DlfsError.from(thrown);
    if (error.code === 'not-found') return null;
    throw error;
  }
}

/** When the file was last written, milliseconds since 1970; by its signature. */
export function writtenAtMs(fileSignature: string): number {
  return Number(BigInt(fileSignature.split(':')[3] ?? 0) / 1_000_000n);
}

/**
 * Reads a file of manifests.
 * @param path absolute
 * @param folder real path of the folder that it must not leave; null: it may lie anywhere
 * @throws DlfsError saying what is wrong with it, to stand behind its name
 */
export async function readManifestFile(path: string, folder: string | null): Promise<FileText> {
  const real = await asFile(() => realpath(path));
  if (folder !== null && !isWithin(real, folder)) throw refused('is a link that leaves the folder');
  // Non-blocking, so that a pipe opens at once; not following, so that a link put in place meanwhile fails.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
  await using handle = await asFile(() => open(real, flags));
  const before = await handle.stat({ bigint: true });
  if (!before.isFile()) throw refused('is not a regular file');
  const actual = await readlink(`/proc/self/fd/${handle.fd}`);
  if (folder !== null && !isWithin(actual, folder)) throw refused('is a link that leaves the folder');
  requireOwner(before);
  if (before.size > BigInt(MAX_TEXT))
    throw refused(`is larger than ${MAX_TEXT / 1024} KiB: divide it into several files`);
  const bytes = await readAll(handle);
  const after = await handle.stat({ bigint: true });
  if (bytes === null || signature(before) !== signature(after) || BigInt(bytes.length) !== after.size) {
    return { kind: 'unsettled' };
  }
  return { kind: 'text', text: decode(bytes), signature: signature(after) };
}

/** Real path of a folder. @throws DlfsError */
export async function realFolder(path: string): Promise<string> {
  return asFile(() => realpath(path));
}

function signature({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

function requireOwner({ uid, mode }: BigIntStats): void {
  if (uid !== 0n && uid !== BigInt(process.geteuid?.() ?? 0)) {
    throw refused(`belongs to user ${uid}: manifests are taken from root and from this process's user only`);
  }
  if ((mode & 0o002n) !== 0n) throw refused('may be written by everybody: chmod o-w');
}

/** @returns null where it is longer than it said */
async function readAll(handle: FileHandle): Promise<Buffer | null> {
  const buffer = Buffer.allocUnsafe(MAX_TEXT + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await asFile(() => handle.read(buffer, length, buffer.length - length, length));
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
    if (length > MAX_TEXT) return null;
  }
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw refused('is not UTF-8 text');
  }
}

async function asFile<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const { code } = DlfsError.from(thrown);
    if (code === 'not-found')
      throw new DlfsError(code, 'does not exist, or is a link that leads nowhere', { cause: thrown });
    if ((thrown as { code?: unknown }).code === 'ELOOP') throw refused('is a link that leads nowhere');
    throw new DlfsError(code, `cannot be read (${(thrown as { code?: string }).code ?? code})`, {
      cause: thrown,
    });
  }
}

function refused(message: string): DlfsError {
  return new DlfsError('invalid-argument', message);
}
