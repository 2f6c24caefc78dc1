/**
 * `dlfs completion SHELL`, and the hidden `dlfs complete` that its scripts call.
 */
import { Argument } from 'commander';
import { printable } from '../../base/printable.ts';
import { fullName } from '../../daemon/api/contract/names.ts';
import { candidatesFor } from '../completion/candidates.ts';
import { SCRIPTS, SHELLS } from '../completion/scripts.ts';
import type { Context } from '../context.ts';
import { nodeTarget } from '../target.ts';
import { command, quiet, type Registration } from './register.ts';

/** A shell waits for it: a daemon that does not answer in so many milliseconds is as good as none. */
const DAEMON_WITHIN = 500;

/** Registers them. */
export function addCompletionCommands({ program, context }: Registration): void {
  command(program, 'completion', 'Print the script with which a shell completes commands, options and datasets.', [
    'source <(dlfs completion bash)',
    'dlfs completion fish > ~/.config/fish/completions/dlfs.fish',
  ])
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .action((shell: (typeof SHELLS)[number]) => {
      for (const line of SCRIPTS[shell].trimEnd().split('\n')) context.output.line(line);
    });

  quiet(program.command('complete', { hidden: true }))
    .description('What the completion scripts call.')
    .helpOption(false)
    .argument('[words...]')
    .action(async (words: string[]) => {
      const last = words.at(-1) ?? '';
      const { words: known, datasets, files } = candidatesFor(program, words);
      if (files) context.output.line(':files');
      const names = datasets ? await datasetNames(context) : [];
      for (const word of [...known, ...names.filter((name) => name.startsWith(last))])
        context.output.line(printable(word));
    });
}

async function datasetNames(context: Context): Promise<string[]> {
  try {
    const signal = AbortSignal.timeout(DAEMON_WITHIN);
    const { datasets } = await nodeTarget({}, context).call('listDatasets', {}, { signal });
    return datasets.map((dataset) => fullName(dataset));
  } catch {
    return []; // no daemon, no names
  }
}
