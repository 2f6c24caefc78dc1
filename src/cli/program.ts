/**
 * The commands and their options, as commander knows them.
 *
 * Invariants:
 * 1. Commander parses words and nothing more: values are checked by the schemas, so that every way in (command line,
 *    fstab) says the same.
 * 2. A wrong word is refused in one line, with the nearest right one where there is one.
 */
import { Command, CommanderError, Option } from 'commander';
import { DlfsError } from '../base/errors.ts';
import { EXIT } from '../base/errors/exit.ts';
import { unmount } from '../daemon/registry/unmount.ts';
import { describeHolders } from '../daemon/registry/holders.ts';
import { cacheList, cacheRemove } from './cache-command.ts';
import type { Context } from './context.ts';
import { daemonHere } from './daemon-command.ts';
import { DAEMON_ROWS } from './daemon-options.ts';
import { doctor } from './doctor-command.ts';
import { announcement, mountHere, mountInBackground } from './mount-command.ts';
import { mountHelper } from './mount-helper-command.ts';
import { loadLock, loadUnmount } from './native.ts';
import { longName, MOUNT_ROWS, SOURCE_ROWS, type GivenOptions, type OptionRow } from './option-table.ts';

/** The default of `--cache-dir`, for the commands that only look. */
const CACHE_DIR = '/var/cache/dlfs';

/**
 * Parses a command line and runs it.
 * @param args without the program's name
 * @param version of dlfs
 * @returns the exit code of a command that ended by itself
 * @throws DlfsError for everything else
 */
export async function runProgram(args: readonly string[], version: string, context: Context): Promise<number> {
  let code: number = EXIT.ok;
  const program = build(version, context, (result) => (code = result));
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (thrown.exitCode === 0) return EXIT.ok; // --help and --version end by an exception, too
    if (thrown.code === 'commander.help') {
      const words = ['dlfs', ...args, '--help'].join(' ');
      throw new DlfsError('invalid-argument', `a command is missing; see: ${words}`);
    }
    throw new DlfsError('invalid-argument', sentence(thrown.message));
  }
  return code;
}

function build(version: string, context: Context, exitWith: (code: number) => void): Command {
  const { output } = context;
  const program = quiet(new Command('dlfs'))
    .description('An S3 bucket as a read-only directory, cached on the local disk.')
    .version(version, '-V, --version')
    .helpCommand(false)
    .addHelpText('after', '\nExample:\n  dlfs mount s3://my-bucket/datasets /mnt/data\n  dlfs umount /mnt/data');

  const mount = command(program, 'mount')
    .description('Mount a bucket, or a directory of it, read-only. Returns once the mount serves.')
    .argument('<source>', 's3://BUCKET[/PREFIX]')
    .argument('<dir>', 'an empty directory')
    .addHelpText(
      'after',
      [
        '\nKeys and region come from the places that all AWS tools use: environment, ~/.aws, instance role.',
        '\nExample:',
        '  dlfs mount s3://my-bucket/datasets /mnt/data --cache-size 200GiB',
        '  dlfs mount s3://b /mnt/b --endpoint http://127.0.0.1:9000 --path-style --profile minio',
      ].join('\n'),
    )
    .action(async (source: string, dir: string, options: Record<string, string | true>) => {
      if (options['foreground'] === true) await mountHere({ source, dir, given: options }, context);
      else output.line(announcement(await mountInBackground({ source, dir, given: options }, context)));
    });
  addRows(mount, [...SOURCE_ROWS, ...MOUNT_ROWS]);

  command(program, 'umount')
    .description('End a mount: what is cached stays.')
    .argument('<dir>', 'where it is mounted')
    .option('--lazy', 'also where it is in use: take it away now, end with its last user')
    .addHelpText('after', '\nExample:\n  dlfs umount /mnt/data')
    .action(async (dir: string, { lazy = false }: { lazy?: boolean }) => {
      const { registry, clock } = context;
      const done = await unmount(dir, lazy, { registry, clock, unmount: await loadUnmount() });
      output.line(`${done.source} unmounted from ${done.dir}`);
      if (done.elsewhere.length > 0) output.line(`it is still seen at ${done.elsewhere.join(', ')}`);
      if (done.holders.length > 0)
        output.line(`it is still used by ${describeHolders(done.holders)}, and ends with the last`);
      else if (!done.ended && done.elsewhere.length === 0)
        output.line('it is still used by somebody who is not seen here, and ends with the last');
    });

  const daemon = command(program, 'daemon')
    .description('Serve all datasets of a node, each a directory below --root, until told to end.')
    .addHelpText(
      'after',
      '\nExample:\n  dlfs daemon --config /etc/dlfs/datasets --cache-dir /nvme/dlfs --cache-size 2TiB --cache-floor 10%',
    )
    .action(async (options: GivenOptions) => {
      await daemonHere(options, context);
    });
  addRows(daemon, DAEMON_ROWS);

  const cache = command(program, 'cache').description('Look at the caches on this disk, and remove them.');
  const cacheDir = (): Option => new Option('--cache-dir <DIR>', 'where caches lie').default(CACHE_DIR);
  command(cache, 'ls')
    .description('List the caches, also of sources that are not mounted.')
    .addOption(cacheDir())
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  dlfs cache ls -o json')
    .action((options: { cacheDir: string; output: string }) =>
      cacheList(options.cacheDir, options.output === 'json', context),
    );
  command(cache, 'rm')
    .description('Remove caches that are not in use.')
    .argument('[cache...]', 'a fingerprint of the list, or s3://BUCKET[/PREFIX]')
    .option('--all', 'all of them')
    .addOption(cacheDir())
    .addHelpText('after', '\nExample:\n  dlfs cache rm s3://my-bucket/datasets')
    .action(async (names: string[], options: { cacheDir: string; all?: boolean }) => {
      await cacheRemove(options.cacheDir, { names, all: options.all ?? false }, await loadLock(), context);
    });

  const check = command(program, 'doctor')
    .description('Look at everything a mount depends on, and say what to do.')
    .argument('[source]', 's3://BUCKET[/PREFIX] to reach, too')
    .addOption(cacheDir())
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  dlfs doctor s3://my-bucket --profile research')
    .action(async (source: string | undefined, options: GivenOptions & { cacheDir: string; output: string }) => {
      const { cacheDir: dir, output: format, ...given } = options;
      if (source === undefined && Object.keys(given).length > 0) {
        throw new DlfsError(
          'invalid-argument',
          `--${longName(Object.keys(given)[0] ?? '')} is of no use without a source: dlfs doctor s3://BUCKET`,
        );
      }
      exitWith(await doctor({ source: source ?? null, given, cacheDir: dir, json: format === 'json' }, context));
    });
  addRows(check, SOURCE_ROWS);

  command(program, 'version')
    .description('Say which version this is.')
    .addHelpText('after', '\nExample:\n  dlfs version')
    .action(() => {
      output.line(`dlfs ${version} (Node.js ${process.versions.node})`);
    });

  quiet(program.command('mount-helper', { hidden: true }))
    .description('What mount(8) calls.')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[args...]')
    .action(async (words: string[]) => {
      exitWith(await mountHelper(words, context));
    });
  return program;
}

function command(parent: Command, name: string): Command {
  return quiet(parent.command(name));
}

/** Errors become exceptions of ours, in one line; commander itself prints nothing but help. */
function quiet(made: Command): Command {
  return made
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .showSuggestionAfterError(true)
    .helpOption('-h, --help', 'say how it is used');
}

function addRows(made: Command, rows: readonly OptionRow[]): void {
  for (const { key, value, help, group } of rows) {
    const flags = value === null ? `--${longName(key)}` : `--${longName(key)} <${value}>`;
    made.addOption(new Option(flags, help).helpGroup(group));
  }
}

function formatOption(): Option {
  return new Option('-o, --output <format>', 'table or json').choices(['table', 'json']).default('table');
}

/** `error: unknown option '--x'\n(Did you mean --y?)` as one sentence. */
function sentence(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*?)\?\)$/, '; did you mean $1?')
    .replaceAll('\n', ' ');
}
