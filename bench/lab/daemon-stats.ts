/**
 * The statistics that a serving dlfs writes into its cache folder, as far as benchmarks read them.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { until } from '../../test/support/process.ts';

const SCHEMA = z.object({
  openMode: z.string(),
  engine: z.object({ fetchBytes: z.number(), passthroughOpens: z.number() }),
  fetch: z.object({ gets: z.number(), bytes: z.number() }),
  cache: z.object({ bytes: z.number(), files: z.number() }),
  snapshot: z.object({ complete: z.boolean(), files: z.number() }),
  listing: z.object({ lastDurationMs: z.number() }),
  eventLoop: z.object({ p50: z.number(), p99: z.number(), max: z.number() }),
  rss: z.number(),
});

/** See the file's header. */
export type DaemonStats = z.output<typeof SCHEMA>;

/** It is written every second. */
const FRESH_LIMIT_MS = 15_000;

/** The statistics file below a cache directory; null while there is none. */
async function statsFile(cache: string): Promise<string | null> {
  for (const entry of await readdir(cache, { withFileTypes: true }).catch(() => [])) {
    const path = join(cache, entry.name, 'stats.json');
    if (entry.isDirectory() && (await stat(path).catch(() => null)) !== null) return path;
  }
  return null;
}

/**
 * What the file says now.
 * @param cache the `--cache-dir` of one source
 * @throws Error where it is missing or says something else
 */
export async function readStats(cache: string): Promise<DaemonStats> {
  const path = await statsFile(cache);
  if (path === null) throw new Error(`no stats.json below ${cache}`);
  return SCHEMA.parse(JSON.parse(await readFile(path, 'utf8')));
}

/** What the file says once it was written after this call. */
export async function freshStats(cache: string): Promise<DaemonStats> {
  const asked = Date.now();
  const isFresh = async (): Promise<boolean> => {
    const path = await statsFile(cache);
    return path !== null && (await stat(path)).mtimeMs > asked;
  };
  await until(isFresh, FRESH_LIMIT_MS, `new statistics below ${cache}`);
  return await readStats(cache);
}
