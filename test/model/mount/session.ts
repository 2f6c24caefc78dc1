/**
 * One run of the differential test: what is open on both sides, what the tree is now, and the comparison itself.
 *
 * Invariants:
 * 1. Each handle stands for two descriptors, one in the mount and one in the plain directory, of the same version of the
 *    same file, with the same position.
 * 2. A call's outcome (its result, its errno, the signal that it raised) is the same on both sides. The one exception is
 *    a superseded version: the origin no longer has it, so bytes that were not cached answer ESTALE (SIGBUS in a mapping),
 *    and the kernel gives back what it had of a read before that. A handle that has answered so is never compared by
 *    position again.
 * 3. `end` closes everything.
 */
import { strict as assert } from 'node:assert';
import type { CallName, Calls, Stat } from '../../posix/calls.ts';
import { CallError, KilledError } from '../../posix/helper.ts';
import { digestOf, fixed } from '../../posix/content.ts';
import type { Tree } from '../../posix/tree.ts';
import { applyToDirectory, versionOf, type Change } from './model-tree.ts';
import type { MountSystem } from './system.ts';

/** How a call came out, as a value that compares. */
export type Outcome = { readonly ok: unknown } | { readonly errno: string } | { readonly signal: string };

/** One file open on both sides. */
export interface Handle {
  readonly path: string;
  readonly direct: boolean;
  readonly mount: number;
  readonly plain: number;
  /** Whether the origin has another version by now, or none. */
  superseded: boolean;
  /** Whether a read has failed on one side only, so that the positions differ. */
  lost: boolean;
}

/** A directory open in the mount, read piece by piece. */
export interface Stream {
  readonly path: string;
  readonly fd: number;
  readonly seen: string[];
  /** Names that were there all the time. */
  lasting: Set<string>;
  /** Names that were there at some time. */
  ever: Set<string>;
}

/** What the mount may answer where the origin has lost a version. */
const STALE: readonly string[] = ['ESTALE', 'SIGBUS'];

/** See the file's header. */
export class Session {
  readonly system: MountSystem;
  /** Every path that was ever there, with the size and version of what is there now (null: nothing). */
  readonly files: Map<string, { readonly size: number; readonly version: number } | null>;
  handles: Handle[] = [];
  streams: Stream[] = [];

  constructor(system: MountSystem, files: Session['files']) {
    this.system = system;
    this.files = files;
  }

  /** The state before the first run. */
  static filesOf(tree: Tree): Session['files'] {
    return new Map([...tree.files.values()].map(({ path, content }) => [path, { size: content.size, version: 0 }]));
  }

  /** All paths, in the order in which they came. */
  get paths(): string[] {
    return [...this.files.keys()];
  }

  /** The same call on both sides; `args` puts the side's path or descriptor in its place. */
  async both<K extends CallName>(
    call: K,
    args: (side: 'mount' | 'plain') => Parameters<Calls[K]>,
    options: { readonly handle?: Handle; readonly reduce?: (result: ReturnType<Calls[K]>) => unknown } = {},
  ): Promise<void> {
    const { handle, reduce = (result: ReturnType<Calls[K]>): unknown => result } = options;
    const mount = await this.#outcome(call, args('mount'), reduce);
    const plain = await this.#outcome(call, args('plain'), reduce);
    if (handle?.superseded === true && (isStale(mount) || isCutOff(mount, plain))) {
      handle.lost = true;
      return;
    }
    assert.deepEqual(printable(mount), printable(plain), `${call} ${JSON.stringify(args('mount'))}`);
  }

  /** The path on a side. */
  at(side: 'mount' | 'plain', path: string): string {
    const root = side === 'mount' ? this.system.dir : this.system.plain.dir;
    return path === '' ? root : `${root}/${path}`;
  }

  /** Opens a file on both sides; a failure must be the same on both. */
  async open(path: string, flags: number, direct: boolean): Promise<void> {
    const opened = async (side: 'mount' | 'plain'): Promise<Outcome> =>
      await this.#outcome('open', [this.at(side, path), flags], (fd) => fd);
    const [mount, plain] = [await opened('mount'), await opened('plain')];
    if ('ok' in mount && 'ok' in plain) {
      const fds = { mount: mount.ok as number, plain: plain.ok as number };
      this.handles.push({ path, direct, ...fds, superseded: false, lost: false });
    } else assert.deepEqual(mount, plain, `open ${path} ${String(flags)}`);
  }

  /** Closes a handle on both sides. */
  async close(handle: Handle): Promise<void> {
    this.handles = this.handles.filter((other) => other !== handle);
    await this.both('close', (side) => [handle[side]]);
  }

  /** Opens a directory of the mount for reading it piece by piece. */
  async openStream(path: string, flags: number): Promise<void> {
    const names = (await this.#names(path)) ?? null;
    const fd = await this.#outcome('open', [this.at('mount', path), flags], (opened) => opened);
    if (names === null) assert.deepEqual(fd, { errno: 'ENOENT' }, path);
    else {
      assert.ok('ok' in fd, `open ${path}: ${JSON.stringify(fd)}`);
      this.streams.push({ path, fd: fd.ok as number, seen: [], lasting: new Set(names), ever: new Set(names) });
    }
  }

  /** Reads a piece of a stream; at its end, each name that was there all the time must have come exactly once. */
  async readStream(stream: Stream, size: number): Promise<void> {
    const entries = await this.system.helper.call('getdents_fd', stream.fd, size);
    stream.seen.push(...entries.map(([name]) => name).filter((name) => name !== '.' && name !== '..'));
    if (entries.length > 0) return;
    const seen = new Set(stream.seen);
    assert.equal(seen.size, stream.seen.length, `a name came twice from ${stream.path}`);
    for (const name of stream.lasting) assert.ok(seen.has(name), `${name} did not come from ${stream.path}`);
    for (const name of seen) assert.ok(stream.ever.has(name), `${name} was never in ${stream.path}`);
    await this.closeStream(stream);
  }

  /** Closes a stream wherever it is. */
  async closeStream(stream: Stream): Promise<void> {
    this.streams = this.streams.filter((other) => other !== stream);
    await this.system.helper.call('close', stream.fd);
  }

  /** Brings a change to the origin and to the plain directory. */
  async change(path: string, size: number | null): Promise<void> {
    const now = this.files.get(path) ?? null;
    const version = (now?.version ?? this.#versions) + 1;
    this.#versions = Math.max(this.#versions, version);
    if (size === null && now === null) return;
    if (this.system.actions.changeRemounts === true) await this.end();
    const change: Change =
      size === null ? { kind: 'remove', path } : { kind: 'put', file: versionOf(path, size, version) };
    applyToDirectory(this.system.plain.source, this.system.plain.owner, [change]);
    this.files.set(path, size === null ? null : { size, version });
    for (const handle of this.handles) if (handle.path === path) handle.superseded = true;
    await this.system.actions.change?.([change]);
    for (const stream of this.streams) {
      const names = new Set((await this.#names(stream.path)) ?? []);
      stream.lasting = stream.lasting.intersection(names);
      stream.ever = stream.ever.union(names);
    }
  }

  /** Ends the daemon and starts it again; what is open is closed before, since it does not outlive the mount. */
  async restart(how: 'clean' | 'kill'): Promise<void> {
    await this.end();
    await this.system.actions.restart?.(how);
  }

  /** Closes everything. */
  async end(): Promise<void> {
    for (const stream of this.streams) await this.closeStream(stream);
    for (const handle of this.handles) await this.close(handle);
  }

  #versions = 0;

  /** What the plain directory holds; null where there is none. */
  async #names(path: string): Promise<string[] | null> {
    const listed = await this.#outcome('listdir', [this.at('plain', path)], (names) => names);
    return 'ok' in listed ? (listed.ok as string[]) : null;
  }

  async #outcome<K extends CallName>(
    call: K,
    args: Parameters<Calls[K]>,
    reduce: (result: ReturnType<Calls[K]>) => unknown,
  ): Promise<Outcome> {
    const { helper } = this.system;
    try {
      // A mapping may end in SIGBUS: that must not take the helper with it.
      const forked = call.startsWith('mmap');
      return { ok: reduce(await (forked ? helper.callForked(call, ...args) : helper.call(call, ...args))) };
    } catch (error) {
      if (error instanceof CallError) return { errno: error.code };
      if (error instanceof KilledError) return { signal: error.signal };
      throw error;
    }
  }
}

function isStale(outcome: Outcome): boolean {
  return (
    ('errno' in outcome && STALE.includes(outcome.errno)) || ('signal' in outcome && STALE.includes(outcome.signal))
  );
}

/** Whether the mount gave the first of the bytes that the plain directory gives. */
function isCutOff(mount: Outcome, plain: Outcome): boolean {
  const [got, whole] = [bytesOf(mount), bytesOf(plain)];
  return got !== null && whole !== null && got.length < whole.length && got.equals(whole.subarray(0, got.length));
}

function bytesOf(outcome: Outcome): Buffer | null {
  return 'ok' in outcome && Buffer.isBuffer(outcome.ok) ? outcome.ok : null;
}

/** The outcome with bytes as something short that a failure can show. */
function printable(outcome: Outcome): unknown {
  const bytes = bytesOf(outcome);
  return bytes === null ? outcome : `${String(bytes.length)} bytes ${digestOf(fixed(bytes)).slice(0, 16)}`;
}

/** What of stat(2) must be the same on both sides: not numbers that each file system gives as it likes. */
export function comparable(found: Stat): unknown {
  const { type, mode, uid, gid, size, mtimeNs } = found;
  return type === 'file' ? { type, mode, uid, gid, size, mtimeNs } : { type, mode, uid, gid };
}
