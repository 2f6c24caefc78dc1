/**
 * The commands that make and end mounts: mount, umount, daemon, and what mount(8) calls.
 */
import { printable } from '../../base/printable.ts';
import { unmount } from '../../daemon/registry/unmount.ts';
import { describeHolders } from '../../daemon/registry/holders.ts';
import { daemonHere } from '../daemon-command.ts';
import { DAEMON_ROWS } from '../daemon-options.ts';
import { announcement, mountHere, mountInBackground } from '../mount-command.ts';
import { mountHelper } from '../mount-helper-command.ts';
import { loadUnmount } from '../native.ts';
import { MOUNT_ROWS, SOURCE_ROWS, type GivenOptions } from '../option-table.ts';
import { addRows, command, quiet, type Registration } from './register.ts';

/** Registers them. */
export function addServingCommands({ program, context, version, exitWith }: Registration): void {
  const { output } = context;
  const mount = command(
    program,
    'mount',
    'Mount a bucket, or a directory of it, read-only. Returns once the mount serves.',
    [
      'dlfs mount s3://my-bucket/datasets /mnt/data --cache-size 200GiB',
      'dlfs mount s3://b /mnt/b --endpoint http://127.0.0.1:9000 --path-style --profile minio',
    ],
  )
    .argument('<source>', 's3://BUCKET[/PREFIX]')
    .argument('<dir>', 'an empty directory')
    .addHelpText(
      'afterAll',
      '\nKeys and region come from the places that all AWS tools use: environment, ~/.aws, instance role.',
    )
    .action(async (source: string, dir: string, options: Record<string, string | true>) => {
      if (options['foreground'] === true) await mountHere({ source, dir, given: options }, version, context);
      else output.line(announcement(await mountInBackground({ source, dir, given: options }, context)));
    });
  addRows(mount, [...SOURCE_ROWS, ...MOUNT_ROWS]);

  command(program, 'umount', 'End a mount: what is cached stays.', ['dlfs umount /mnt/data'])
    .argument('<dir>', 'where it is mounted')
    .option('--lazy', 'also where it is in use: take it away now, end with its last user')
    .action(async (dir: string, { lazy = false }: { lazy?: boolean }) => {
      const { registry, clock } = context;
      const done = await unmount(dir, lazy, { registry, clock, unmount: await loadUnmount() });
      output.line(`${done.source} unmounted from ${done.dir}`);
      if (done.elsewhere.length > 0) output.line(`it is still seen at ${done.elsewhere.join(', ')}`);
      if (done.holders.length > 0)
        output.line(`it is still used by ${printable(describeHolders(done.holders))}, and ends with the last`);
      else if (!done.ended && done.elsewhere.length === 0)
        output.line('it is still used by somebody who is not seen here, and ends with the last');
    });

  const daemon = command(
    program,
    'daemon',
    'Serve all datasets of a node, each a directory below --root, until told to end.',
    ['dlfs daemon --config /etc/dlfs/datasets --cache-dir /nvme/dlfs --cache-size 2TiB --cache-floor 10%'],
  ).action((options: GivenOptions) => daemonHere(options, version, context));
  addRows(daemon, DAEMON_ROWS);

  quiet(program.command('mount-helper', { hidden: true }))
    .description('What mount(8) calls.')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[args...]')
    .action(async (words: string[]) => {
      exitWith(await mountHelper(words, context));
    });
}
