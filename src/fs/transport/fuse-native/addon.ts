/**
 * The native half of the npm package fuse-native 2.2.6: its functions typed, and how it is loaded.
 *
 * Only the compiled half is used, with the libfuse 2.9.9 beside it. The package's JavaScript unmounts by a shell, looks at the
 * mount point itself, and answers getxattr(2) without knowing how much room there is (docs/decisions/0010-fuse-native.md).
 *
 * How it works: libfuse calls an operation on a thread of its own. The addon wakes the event loop and calls the operation's
 * handler there with `local`, the memory of that thread, while the thread sleeps. `fuse_native_signal_<operation>(local, result,
 * …)` stores the result and wakes the thread, which hands it to libfuse. A result is 0, a count, or a negated errno.
 *
 * Invariants:
 * 1. Every call of a handler is followed by exactly one signal: a second one would wake the thread within its next request, none
 *    would leave the caller asleep for ever.
 * 2. Memory that a handler is given is libfuse's, and gone with the signal.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { DlfsError } from '../../../base/errors.ts';
import type { NativeBinding } from '../../../native/binding.ts';

/** The memory of a libfuse thread. */
export type Local = Uint8Array;

/** What a handler is called with, behind `local` and the operation's number. */
export interface OperationArguments {
  readonly init: [];
  readonly getattr: [path: string];
  readonly fgetattr: [path: string, fd: number];
  readonly statfs: [path: string];
  readonly readdir: [path: string];
  readonly open: [path: string, flags: number];
  readonly release: [path: string, fd: number];
  readonly read: [
    path: string,
    fd: number,
    into: Uint8Array<ArrayBuffer>,
    length: number,
    offsetLow: number,
    offsetHigh: number,
  ];
  readonly getxattr: [path: string, name: string, into: Uint8Array<ArrayBuffer>, position: number];
  readonly listxattr: [path: string, into: Uint8Array<ArrayBuffer>];
}

/** What a signal takes behind `local` and the result. */
export interface SignalArguments {
  readonly init: [];
  readonly getattr: [stat: Uint32Array];
  readonly fgetattr: [stat: Uint32Array];
  readonly statfs: [statvfs: Uint32Array];
  readonly readdir: [names: readonly string[], stats: readonly Uint32Array[]];
  readonly open: [fd: number];
  readonly release: [];
  /** The memory is given back with its buffer. */
  readonly read: [unused: number, memory: ArrayBuffer];
  readonly getxattr: [memory: ArrayBuffer];
  readonly listxattr: [memory: ArrayBuffer];
}

/** The operations in use. */
export type Operation = keyof OperationArguments;

/** A handler of one operation. */
export type Handler<O extends Operation> = (local: Local, operation: number, ...args: OperationArguments[O]) => void;

/** Handlers of all operations in use. */
export type Handlers = { readonly [O in Operation]: Handler<O> };

type Signals = {
  readonly [O in Operation as `fuse_native_signal_${O}`]: (
    local: Local,
    result: number,
    ...args: SignalArguments[O]
  ) => void;
};

type Numbers = { readonly [O in Operation as `op_${O}`]: number };

/** The addon's exports. */
export interface FuseAddon extends Signals, Numbers {
  /** Bytes of a mount's memory. */
  readonly sizeof_fuse_thread_t: number;
  /**
   * fuse_mount(3), and a thread that serves. Synchronous: libfuse looks at the mount point, so nothing of ours may be mounted there.
   * @param mount memory of the mount, zeroed; libfuse's from here on until the process ends
   * @param self is held for ever, and with it what hangs on it
   * @param allocate makes the memory of a thread
   * @throws Error where it fails; libfuse writes the reason to standard error
   */
  fuse_native_mount(
    dir: string,
    options: string,
    mount: Uint8Array,
    self: object,
    allocate: (bytes: number) => Uint8Array,
    handlers: readonly unknown[],
    implemented: Uint32Array,
  ): void;
  /** Lets the event loop end; unmounts nothing. */
  fuse_native_unmount(dir: string, mount: Uint8Array): void;
}

/** Operations are numbered below this. */
export const OPERATIONS = 35;

/** Path and options are copied into arrays of this size, the rest is cut off. */
export const MAX_TEXT = 1023;

/** The version whose memory layout this file describes; package.json has the same. */
const VERSION = '2.2.6';

const HOW_TO_GET_IT = `npm install fuse-native@${VERSION} where dlfs is installed (--global, if it is)`;

/**
 * Loads libfuse 2 and the addon of the package fuse-native, which is an optional dependency.
 * @param native loads the library under its own name, so that the addon finds it
 * @param from the module from which the package is looked for
 * @throws DlfsError `unsupported` saying what is missing
 */
export function loadFuseAddon(native: Pick<NativeBinding, 'preload'>, from: string = import.meta.url): FuseAddon {
  const require = createRequire(from);
  const platform = `${process.platform}-${process.arch}`;
  let description: string;
  try {
    description = require.resolve('fuse-native/package.json');
  } catch (error) {
    throw missing(`the optional package fuse-native is not installed: ${HOW_TO_GET_IT}`, error);
  }
  const { version } = JSON.parse(readFileSync(description, 'utf8')) as { readonly version?: unknown };
  if (version !== VERSION) {
    throw missing(
      `fuse-native ${String(version)} is installed, and only ${VERSION} is known to work: ${HOW_TO_GET_IT}`,
    );
  }
  const binaries = join(dirname(description), 'prebuilds', platform);
  const addon = join(binaries, 'node.napi.node');
  if (!existsSync(addon)) throw missing(`the package fuse-native has no binary for ${platform}`);
  const why = native.preload(join(binaries, 'libfuse.so'));
  if (why !== '') throw missing(`libfuse 2 does not load: ${why}`);
  try {
    return require(addon) as FuseAddon;
  } catch (error) {
    throw missing(`the addon of fuse-native does not load: ${DlfsError.from(error).message}`, error);
  }
}

function missing(what: string, cause?: unknown): DlfsError {
  return new DlfsError('unsupported', `${what}; or use --transport native`, { cause });
}
