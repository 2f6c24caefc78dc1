/**
 * dlfs as a competitor: `bin/dlfs mount --foreground`, as its users start it, over its own transport or over libfuse 2.
 */
import { mkdir, rmdir } from 'node:fs/promises';
import { DlfsMount } from '../../test/support/mount.ts';
import type { Backstop } from './backstop.ts';
import type { Competitor, MountRequest, Mounted } from './competitor.ts';
import { freshStats } from './daemon-stats.ts';
import { setMountReadahead } from './readahead.ts';

/** A million names take a while to open; more than this is a fault. */
const READY_MS = 120_000;

/**
 * See the file's header.
 * @param name `dlfs`: over its own transport; `fuse-native`: the same over that package and libfuse 2
 * @param mountPoints gives a path for a new directory
 */
export function dlfs(name: 'dlfs' | 'fuse-native', backstop: Backstop, mountPoints: () => string): Competitor {
  return {
    name,
    mount: async (request) => {
      await using stack = new AsyncDisposableStack();
      const dir = mountPoints();
      await mkdir(dir, { recursive: true });
      stack.defer(() => rmdir(dir));
      stack.use(backstop.guard(dir));
      const mount = stack.use(await start(request, dir, name === 'dlfs' ? 'native' : name));
      setMountReadahead(dir);
      const { openMode } = await freshStats(request.cache);
      const owned = stack.move();
      return { dir, pid: mount.pid, openMode, [Symbol.asyncDispose]: () => owned.disposeAsync() } satisfies Mounted;
    },
  };
}

function start(
  { endpoint, dataset, cache, open = 'auto' }: MountRequest,
  dir: string,
  transport: 'native' | 'fuse-native',
): Promise<DlfsMount> {
  return DlfsMount.start({
    source: `s3://${dataset.bucket}`,
    dir,
    readyMs: READY_MS,
    args: [
      ...['--endpoint', endpoint.url, '--region', endpoint.region, '--path-style'],
      // The floor would end caching on a disk that others have filled; a refresh belongs into no measurement.
      ...['--cache-dir', cache, '--cache-floor', '1GiB', '--refresh', 'never'],
      ...['--transport', transport, '--open', transport === 'native' ? open : 'auto'],
    ],
    env: { AWS_ACCESS_KEY_ID: endpoint.accessKeyId, AWS_SECRET_ACCESS_KEY: endpoint.secretAccessKey },
  });
}
