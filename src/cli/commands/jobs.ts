/**
 * The commands that start jobs: warm, evict, pin, unpin, verify, refresh; and jobs.
 */
import { Option, type Command } from 'commander';
import { parseSize } from '../../base/size.ts';
import { chosen, jobs, runJob, type JobOptions } from '../jobs/job-commands.ts';
import { pins, unpin } from '../jobs/pin-commands.ts';
import { verifyAll } from '../jobs/verify-command.ts';
import type { TargetOptions } from '../target.ts';
import type { Format } from '../format/documents.ts';
import { addTarget, command, outputOption, type Registration } from './register.ts';

/** Options of every command that starts a job. */
function asJob(made: Command): Command {
  addTarget(made, true);
  return made
    .addOption(outputOption(['table', 'json', 'yaml']))
    .option('--detach', 'start the job, print its id, and leave it to the daemon');
}

/** Registers them. */
export function addJobCommands({ program, context, exitWith }: Registration): void {
  asJob(
    command(program, 'warm', 'Fetch files into the cache.', [
      'dlfs warm imagenet',
      "dlfs warm imagenet 'train/**' --bandwidth 200MiB --detach",
    ])
      .argument('<name>', 'a dataset, or the directory of a mount')
      .argument('[glob...]', 'which files; none: all')
      .addOption(new Option('--bandwidth <size>', 'bytes a second at most').argParser(parseSize)),
  ).action(async (name: string, globs: string[], options: JobOptions & { bandwidth?: number }) => {
    await runJob(name, options, context, (client, params) =>
      client.call('warm', { params, body: { globs, bandwidth: options.bandwidth ?? null } }),
    );
  });

  asJob(
    command(program, 'evict', 'Remove files from the cache; the origin keeps them.', [
      "dlfs evict imagenet 'train/**'",
      'dlfs evict imagenet --all',
    ])
      .argument('<name>', 'a dataset, or the directory of a mount')
      .argument('[glob...]', 'which files')
      .option('--all', 'all files')
      .option('--pinned', 'also what is pinned'),
  ).action(async (name: string, globs: string[], options: JobOptions & { all?: true; pinned?: true }) => {
    await runJob(name, options, context, (client, params) =>
      client.call('evict', {
        params,
        body: { globs: chosen('evict', globs, options.all === true), pinned: options.pinned ?? false },
      }),
    );
  });

  asJob(
    command(program, 'pin', 'Keep files in the cache, also their newer versions; without a glob, list the pins.', [
      'dlfs pin imagenet',
      "dlfs pin imagenet labels.json 'val/**'",
    ])
      .argument('<name>', 'a dataset, or the directory of a mount')
      .argument('[glob...]', 'paths or globs'),
  ).action(async (name: string, globs: string[], options: JobOptions) => {
    if (globs.length === 0) await pins(name, options, context);
    else await runJob(name, options, context, (client, params) => client.call('pin', { params, body: { globs } }));
  });

  addTarget(
    command(program, 'unpin', 'Take pins back: the files may be evicted again.', [
      "dlfs unpin imagenet 'val/**'",
      'dlfs unpin imagenet --all',
    ])
      .argument('<name>', 'a dataset, or the directory of a mount')
      .argument('[glob...]', 'pins, as they are listed')
      .option('--all', 'all of them'),
    true,
  ).action(async (name: string, globs: string[], options: TargetOptions & { all?: true }) =>
    unpin(name, globs, options, context),
  );

  asJob(
    command(program, 'verify', 'Check index, disk and hashes of a dataset, or of all.', [
      'dlfs verify imagenet --repair',
      'dlfs verify',
    ])
      .argument('[name]', 'a dataset, or the directory of a mount')
      .option('--repair', 'drop what is damaged, so that it is fetched again'),
  ).action(async (name: string | undefined, options: JobOptions & { repair?: true }) => {
    exitWith(await verifyAll(name ?? null, options, context));
  });

  asJob(
    command(program, 'refresh', 'List the source anew.', ['dlfs refresh imagenet', 'dlfs refresh imagenet --dry-run'])
      .argument('<name>', 'a dataset, or the directory of a mount')
      .option('--dry-run', 'say what was added, changed and removed, and leave all as it is'),
  ).action(async (name: string, options: JobOptions & { dryRun?: true }) => {
    await runJob(name, options, context, (client, params) =>
      client.call('refresh', { params, body: { dryRun: options.dryRun ?? false } }),
    );
  });

  addTarget(
    command(program, 'jobs', 'List jobs, watch one, or cancel it.', ['dlfs jobs', 'dlfs jobs warm-1 --cancel'])
      .argument('[id]', 'a job')
      .option('--cancel', 'end it')
      .addOption(outputOption()),
    false,
  ).action((id: string | undefined, options: TargetOptions & { output: Format; cancel?: true }) =>
    jobs(id ?? null, options, context),
  );
}
