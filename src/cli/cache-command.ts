/**
 * `dlfs cache ls` and `dlfs cache rm`.
 */
import { DlfsError } from '../base/errors.ts';
import { formatDuration } from '../base/duration.ts';
import { formatSize } from '../base/size.ts';
import { formatSourceReference, parseSourceReference } from '../dataset/source-reference.ts';
import { readMounts } from '../daemon/mountinfo.ts';
import { listCaches, removeCaches, type CacheFolderInfo } from '../daemon/registry/cache-folders.ts';
import { quoted } from '../daemon/registry/mount-point.ts';
import { resolvePath } from '../daemon/registry/resolve-path.ts';
import type { Context } from './context.ts';
import { writeTable, type TableColumn } from './format/documents.ts';

/** Lists the caches. */
export async function cacheList(cacheDir: string, json: boolean, { output, clock }: Context): Promise<void> {
  const caches = await listCaches(rootOf(cacheDir));
  if (json) {
    output.line(JSON.stringify(caches, null, 2));
    return;
  }
  if (caches.length === 0) {
    output.line(`no caches in ${cacheDir}`);
    return;
  }
  const now = clock.wall();
  const columns: readonly TableColumn<CacheFolderInfo>[] = [
    { title: 'FINGERPRINT', cell: ({ fingerprint }) => fingerprint },
    { title: 'SIZE', align: 'right', cell: ({ bytes }) => formatSize(bytes) },
    { title: 'FILES', align: 'right', cell: ({ files }) => String(files) },
    {
      title: 'USED',
      align: 'right',
      cell: ({ pid, usedMs }) => (pid === null ? `${formatDuration(Math.max(0, now - usedMs))} ago` : 'now'),
    },
    { title: 'MOUNTED AT', cell: ({ dir, pid }) => dir ?? (pid === null ? '-' : `pid ${pid}`) },
    { title: 'SOURCE', cell: nameOf },
  ];
  writeTable(columns, caches, 'table', output);
}

/** What to remove. */
export interface CacheRemoval {
  /** Fingerprints or sources. */
  readonly names: readonly string[];
  readonly all: boolean;
}

/**
 * Removes caches.
 * @throws DlfsError `not-found` for a name that none has, `invalid-argument` for one that several have, `cache-busy`
 */
export async function cacheRemove(
  cacheDir: string,
  { names, all }: CacheRemoval,
  lock: (fd: number) => number,
  { output }: Context,
): Promise<void> {
  if (all === names.length > 0) {
    throw new DlfsError(
      'invalid-argument',
      'write which caches to remove: fingerprints or sources, or --all; see: dlfs cache ls',
    );
  }
  const root = rootOf(cacheDir);
  const caches = await listCaches(root);
  const chosen = all ? caches : [...new Set(names.map((name) => find(name, caches, root)))];
  await removeCaches(root, chosen, lock);
  for (const cache of chosen) output.line(`removed the cache of ${nameOf(cache)}: ${formatSize(cache.bytes)}`);
  if (chosen.length === 0) output.line(`no caches in ${cacheDir}`);
}

function find(name: string, caches: readonly CacheFolderInfo[], root: string): CacheFolderInfo {
  const source = name.startsWith('s3://') ? formatSourceReference(parseSourceReference(name)) : null;
  const found = caches.filter((cache) => (source === null ? cache.fingerprint === name : cache.source === source));
  const [first, second] = found;
  if (first === undefined)
    throw new DlfsError(
      'not-found',
      `no cache of "${name}" in ${root}; see: dlfs cache ls --cache-dir ${quoted(root)}`,
    );
  if (second === undefined) return first;
  const list = found.map(({ fingerprint, endpoint }) => `${fingerprint} (${endpoint ?? 'AWS'})`).join(', ');
  throw new DlfsError('invalid-argument', `several endpoints have ${name}; name one by its fingerprint: ${list}`);
}

function nameOf({ source, endpoint, fingerprint }: CacheFolderInfo): string {
  if (source === null) return fingerprint;
  return endpoint === null ? source : `${source} at ${endpoint}`;
}

function rootOf(cacheDir: string): string {
  return resolvePath(cacheDir, readMounts()).path;
}
