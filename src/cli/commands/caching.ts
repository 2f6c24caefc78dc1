/**
 * `dlfs cache ls` and `dlfs cache rm`: caches on this disk, whether or not anything serves from them.
 */
import { Option } from 'commander';
import { cacheList, cacheRemove } from '../cache-command.ts';
import { loadLock } from '../native.ts';
import { command, outputOption, quiet, type Registration } from './register.ts';

/** The default of `--cache-dir`, for the commands that only look. */
export const CACHE_DIR = '/var/cache/dlfs';

/** `--cache-dir`, for the commands that only look. */
export function cacheDirOption(): Option {
  return new Option('--cache-dir <DIR>', 'where caches lie').default(CACHE_DIR);
}

/** Registers them. */
export function addCacheCommands({ program, context }: Registration): void {
  const cache = quiet(program.command('cache')).description('Look at the caches on this disk, and remove them.');
  command(cache, 'ls', 'List the caches, also of sources that are not mounted.', ['dlfs cache ls -o json'])
    .addOption(cacheDirOption())
    .addOption(outputOption(['table', 'json']))
    .action((options: { cacheDir: string; output: string }) =>
      cacheList(options.cacheDir, options.output === 'json', context),
    );
  command(cache, 'rm', 'Remove caches that are not in use.', ['dlfs cache rm s3://my-bucket/datasets'])
    .argument('[cache...]', 'a fingerprint of the list, or s3://BUCKET[/PREFIX]')
    .option('--all', 'all of them')
    .addOption(cacheDirOption())
    .action(async (names: string[], options: { cacheDir: string; all?: boolean }) => {
      await cacheRemove(options.cacheDir, { names, all: options.all ?? false }, await loadLock(), context);
    });
}
