/**
 * The command line as plain data, for the documents that are generated of it.
 */
import type { Command } from 'commander';

/** One command. */
export interface CommandReference {
  /** `dlfs cache ls` */
  readonly name: string;
  /** `[options] <name> [glob...]` */
  readonly usage: string;
  readonly description: string;
  readonly arguments: readonly { readonly term: string; readonly description: string }[];
  readonly options: readonly { readonly flags: string; readonly description: string }[];
  readonly examples: readonly string[];
}

/** All commands that people see, in the order of the help; those that only hold others are left out. */
export function referenceOf(program: Command): CommandReference[] {
  const found: CommandReference[] = [];
  const visit = (command: Command, name: string): void => {
    const help = command.createHelp();
    const below = help.visibleCommands(command).filter((sub) => sub.name() !== 'help');
    if (below.length === 0) {
      found.push({
        name,
        usage: command.usage(),
        description: help.commandDescription(command),
        arguments: help.visibleArguments(command).map((argument) => ({
          term: help.argumentTerm(argument),
          description: help.argumentDescription(argument),
        })),
        options: help.visibleOptions(command).map((option) => ({
          flags: help.optionTerm(option),
          description: help.optionDescription(option),
        })),
        examples: examplesOf(command),
      });
    }
    for (const sub of below) visit(sub, `${name} ${sub.name()}`);
  };
  visit(program, program.name());
  return found;
}

/** The last part of the help (commands/register.ts). */
function examplesOf(command: Command): string[] {
  let text = '';
  const saved = command.configureOutput();
  command.configureOutput({ ...saved, writeOut: (piece) => (text += piece) });
  command.outputHelp();
  command.configureOutput(saved);
  const [, tail = ''] = text.split('\nExample:\n');
  return tail
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
