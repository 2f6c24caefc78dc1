/**
 * Finds the native addon's file and opens it, or says in one line why this machine has none that works.
 *
 * How it works: the file that was compiled on this machine comes first, then the one that the package carries; the first
 * that opens is it. What the dynamic loader says of one that does not is put into words with a way out.
 *
 * The addon's ABI rests on three things. Node-API (level 9, a stable ABI). The C library: the prebuilt file needs glibc
 * 2.34 (scripts/build-prebuilt.sh checks that), and carries its C++ library. OpenSSL, exported by the node executable: its
 * ABI holds within a major version, so the addon says which one its headers had, and another one is refused here. All its
 * symbols are bound when it is opened: one that is missing fails here, and not in the middle of a read.
 *
 * Invariants:
 * 1. No environment variable says which file is opened: the process is root's.
 * 2. An addon for another major version of OpenSSL is never handed out.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { DlfsError } from '../base/errors.ts';

/** Below the package's root, in the order tried. The second is named as prebuildify names such files. */
const PLACES = ['build/Release/dlfs.node', 'prebuilds/linux-x64/dlfs.glibc.node'] as const;

/** The way out that ends each message. */
const COMPILE = 'compile it on this machine: `make build` in a checkout, `npm rebuild dlfs` where dlfs is installed';

/** What opening depends on. */
export interface AddonRuntime {
  readonly platform: string;
  readonly arch: string;
  /** As in `process.versions`; `openssl` is missing in a node without it. */
  readonly versions: { readonly node: string; readonly openssl?: string | undefined };
  /** The version of glibc that this process runs with; null where it is another C library. */
  readonly glibc: () => string | null;
  /** Opens a shared object as an addon: its exports. */
  readonly open: (path: string) => unknown;
}

/** This process. */
export function processRuntime(): AddonRuntime {
  const { platform, arch, versions } = process;
  return { platform, arch, versions, glibc: glibcVersion, open: createRequire(import.meta.url) };
}

/**
 * Opens the addon.
 * @param root the package's root, absolute
 * @returns its exports
 * @throws DlfsError `unsupported` that says what is wrong and what to do
 */
export function openAddon(root: string, runtime: AddonRuntime): unknown {
  const { platform, arch } = runtime;
  if (platform !== 'linux' || arch !== 'x64')
    throw new DlfsError('unsupported', `dlfs runs on Linux on x86-64 only; this is ${platform} on ${arch}`);
  const there = PLACES.map((place) => join(root, place)).filter((path) => existsSync(path));
  let first: DlfsError | null = null;
  for (const path of there) {
    try {
      return checked(runtime.open(path), path, runtime);
    } catch (thrown) {
      first ??= thrown instanceof DlfsError ? thrown : refusal(path, thrown, runtime);
    }
  }
  throw (
    first ??
    new DlfsError(
      'unsupported',
      `the native addon is missing: ${resolve(root)} has no ${PLACES.join(' and no ')}; ${COMPILE}`,
    )
  );
}

function checked(addon: unknown, path: string, { versions }: AddonRuntime): unknown {
  const built = (addon as { readonly opensslMajor?: unknown }).opensslMajor;
  const running = versions.openssl;
  if (running !== undefined && Number.parseInt(running, 10) === built) return addon;
  const has = running === undefined ? 'has none' : `has OpenSSL ${running}`;
  throw new DlfsError(
    'unsupported',
    `${path} was compiled for OpenSSL ${String(built)}, and this Node.js (${versions.node}) ${has}; ${COMPILE}`,
  );
}

function refusal(path: string, thrown: unknown, runtime: AddonRuntime): DlfsError {
  // The dynamic loader's words are one line; what node adds comes behind it.
  const said = (thrown instanceof Error ? thrown.message : String(thrown)).split('\n')[0] ?? '';
  return new DlfsError('unsupported', `the native addon ${path} cannot be used: ${reason(said, runtime)}; ${COMPILE}`, {
    cause: thrown,
  });
}

function reason(said: string, { versions, glibc }: AddonRuntime): string {
  const library = glibc();
  if (library === null && !said.includes('undefined symbol'))
    return `it is for glibc, and this system has another C library (${said})`;
  const tooOld = /version `((?:GLIBC|GLIBCXX|CXXABI)_[0-9.]+)' not found/.exec(said)?.[1];
  if (tooOld?.startsWith('GLIBC_') === true)
    return `it needs a newer glibc (${tooOld.slice('GLIBC_'.length)} at least), and this system has ${library ?? 'none'}`;
  if (tooOld !== undefined) return `it needs a newer C++ library (${tooOld}) than this system has`;
  const symbol = /undefined symbol: (\w+)/.exec(said)?.[1];
  if (symbol !== undefined)
    return `this Node.js (${versions.node}) does not export ${symbol}: use one as nodejs.org or a distribution builds it`;
  return said;
}

function glibcVersion(): string | null {
  // The types of Node 24 lack the field. Without it the report looks up the names of all connections.
  const report = process.report as typeof process.report & { excludeNetwork: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime ?? null;
  } finally {
    report.excludeNetwork = before;
  }
}
