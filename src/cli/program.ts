/**
 * The command line: commander's tree of commands, made of the parts in commands/.
 *
 * Invariants:
 * 1. Commander parses words and nothing more: values are checked by the schemas, so that every way in (command line,
 *    fstab) says the same.
 * 2. A wrong word is refused in one line, with the nearest right one where there is one.
 */
import { Command, CommanderError } from 'commander';
import { DlfsError } from '../base/errors.ts';
import { EXIT } from '../base/errors/exit.ts';
import { addCacheCommands } from './commands/caching.ts';
import { addCompletionCommands } from './commands/completing.ts';
import { addDatasetCommands } from './commands/datasets.ts';
import { addJobCommands } from './commands/jobs.ts';
import { addLookingCommands } from './commands/looking.ts';
import { addMachineCommands } from './commands/machine.ts';
import { addServingCommands } from './commands/serving.ts';
import { quiet } from './commands/register.ts';
import type { Context } from './context.ts';

/**
 * Parses a command line and runs it.
 * @param args without the program's name
 * @param version of dlfs
 * @returns the exit code of a command that ended by itself
 * @throws DlfsError for everything else
 */
export async function runProgram(args: readonly string[], version: string, context: Context): Promise<number> {
  let code: number = EXIT.ok;
  const program = buildProgram(version, context, (result) => (code = result));
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

/** All commands, for running them and for the documents made of them. */
export function buildProgram(version: string, context: Context, exitWith: (code: number) => void): Command {
  const program = quiet(new Command('dlfs'))
    .description('S3 buckets as read-only directories, cached on the local disk.')
    .version(version, '-V, --version')
    .helpCommand(false)
    .addHelpText('after', '\nExample:\n  dlfs mount s3://my-bucket/datasets /mnt/data\n  dlfs umount /mnt/data');
  const registration = { program, context, version, exitWith };
  program.commandsGroup('Mounts and the daemon:');
  addServingCommands(registration);
  program.commandsGroup('Datasets:');
  addDatasetCommands(registration);
  addLookingCommands(registration);
  addJobCommands(registration);
  program.commandsGroup('This machine:');
  addCacheCommands(registration);
  addMachineCommands(registration);
  addCompletionCommands(registration);
  return program;
}

/** `error: unknown option '--x'\n(Did you mean --y?)` as one sentence. */
function sentence(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*?)\?\)$/, '; did you mean $1?')
    .replaceAll('\n', ' ');
}
