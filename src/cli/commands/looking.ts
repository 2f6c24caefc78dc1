/**
 * The commands that look at a process and its datasets: stats, ls, logs.
 */
import { Option } from 'commander';
import { parseDuration } from '../../base/duration.ts';
import { listFiles, type ListFilesOptions } from '../files-command.ts';
import { showLogs, type LogsOptions } from '../logs-command.ts';
import { showStats, type StatsOptions } from '../stats/stats-command.ts';
import { addTarget, command, outputOption, wholeNumber, type Registration } from './register.ts';

/** Milliseconds between two screens of `--watch`. */
const EVERY = 1000;

/** Registers them. */
export function addLookingCommands({ program, context }: Registration): void {
  addTarget(
    command(program, 'stats', 'Show what is cached, what it saved, and what readers wait for.', [
      'dlfs stats',
      'dlfs stats imagenet',
      'dlfs stats --watch',
    ])
      .argument('[name]', 'a dataset, or the directory of a mount; none: all of them')
      .option('--watch', 'a live screen; q ends it')
      .addOption(
        new Option('--every <duration>', 'between two screens of --watch')
          .argParser((text) => Math.max(100, parseDuration(text)))
          .default(EVERY, '1s'),
      )
      .addOption(outputOption()),
    true,
  ).action((name: string | undefined, options: StatsOptions) => showStats(name ?? null, options, context));

  addTarget(
    command(program, 'ls', 'List files of a dataset, and what of them is cached.', [
      'dlfs ls imagenet train/n01440764 -l',
      'dlfs ls /mnt/data -o json',
    ])
      .argument('<name>', 'a dataset, or the directory of a mount')
      .argument('[path]', 'a directory or file in it', '')
      .option('-l, --long', 'size, share that is cached, pin, time, etag')
      .addOption(outputOption(['table', 'json', 'yaml'])),
    true,
  ).action((name: string, path: string, options: ListFilesOptions) => listFiles(name, path, options, context));

  addTarget(
    command(program, 'logs', 'Show the log of the daemon, or what concerns one dataset.', [
      'dlfs logs',
      'dlfs logs imagenet --level warn --follow',
    ])
      .argument('[name]', 'a dataset, or the directory of a mount')
      .option('-f, --follow', 'go on with the lines to come')
      .addOption(
        new Option('--level <level>', 'this level and above').choices(['trace', 'debug', 'info', 'warn', 'error']),
      )
      .addOption(new Option('--lines <n>', 'how many of the last lines').argParser(wholeNumber(0)).default(200))
      .addOption(outputOption(['table', 'json'])),
    true,
  ).action((name: string | undefined, options: LogsOptions) => showLogs(name ?? null, options, context));
}
