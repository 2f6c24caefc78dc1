/**
 * The peers: rclone mount with its full file cache, and s3fs with its disk cache. Both as their manuals advise for a
 * bucket that nobody writes to, and otherwise with their defaults.
 *
 * Invariants:
 * 1. Keys reach them by environment or by a file of mode 0600, never by arguments.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backstop } from './backstop.ts';
import type { Competitor, MountRequest, Mounted } from './competitor.ts';
import { PeerProcess, type PeerOptions } from './peer-process.ts';
import { WORK } from './places.ts';

/** rclone, the newest. */
export function rclone(backstop: Backstop, mountPoints: () => string): Competitor {
  return {
    name: 'rclone',
    mount: async ({ endpoint, dataset, cache }) => {
      const dir = mountPoints();
      return mounted(
        await PeerProcess.start(
          {
            program: 'rclone',
            args: [
              ...['mount', `bench:${dataset.bucket}`, dir, '--read-only', '--config', '/dev/null'],
              ...['--vfs-cache-mode', 'full', '--cache-dir', cache],
              // Names are listed once and kept; times come with the listing instead of a HEAD for each file.
              ...['--dir-cache-time', '24h', '--attr-timeout', '1h', '--use-server-modtime'],
            ],
            env: {
              RCLONE_CONFIG_BENCH_TYPE: 's3',
              RCLONE_CONFIG_BENCH_PROVIDER: 'Other',
              RCLONE_CONFIG_BENCH_ENDPOINT: endpoint.url,
              RCLONE_CONFIG_BENCH_REGION: endpoint.region,
              RCLONE_CONFIG_BENCH_FORCE_PATH_STYLE: 'true',
              RCLONE_CONFIG_BENCH_ACCESS_KEY_ID: endpoint.accessKeyId,
              RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY: endpoint.secretAccessKey,
            },
            dir,
          },
          backstop,
        ),
      );
    },
  };
}

/** s3fs, as Debian has it. */
export function s3fs(backstop: Backstop, mountPoints: () => string): Competitor {
  return {
    name: 's3fs',
    mount: async (request) => {
      await using stack = new AsyncDisposableStack();
      const secret = await mkdtemp(join(WORK, 's3fs-'));
      stack.defer(() => rm(secret, { recursive: true, force: true }));
      const passwords = join(secret, 'passwd');
      const { accessKeyId, secretAccessKey } = request.endpoint;
      await writeFile(passwords, `${accessKeyId}:${secretAccessKey}\n`, { mode: 0o600 });
      const peer = stack.use(await PeerProcess.start(s3fsOptions(request, mountPoints(), passwords), backstop));
      const owned = stack.move();
      return { ...mounted(peer), [Symbol.asyncDispose]: () => owned.disposeAsync() };
    },
  };
}

function s3fsOptions({ endpoint, dataset, cache }: MountRequest, dir: string, passwords: string): PeerOptions {
  const options = [
    ...['ro', `url=${endpoint.url}`, `endpoint=${endpoint.region}`, 'use_path_request_style', 'sigv4'],
    ...[`passwd_file=${passwords}`, `use_cache=${cache}`],
    // Attributes are asked once and kept.
    ...['max_stat_cache_size=2000000', 'stat_cache_expire=86400'],
  ];
  return {
    program: 's3fs',
    args: [dataset.bucket, dir, '-f', ...options.flatMap((option) => ['-o', option])],
    env: {},
    dir,
  };
}

function mounted(peer: PeerProcess): Mounted {
  return { dir: peer.dir, pid: peer.pid, openMode: null, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() };
}
