/**
 * How commands are made: what all of them share.
 *
 * Invariants:
 * 1. Errors become exceptions of ours, in one line; commander itself prints nothing but help.
 * 2. Every command's help ends with an example.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Context } from '../context.ts';
import { FORMATS } from '../format/documents.ts';
import { longName, type OptionRow } from '../option-table.ts';

/** What commands are registered with. */
export interface Registration {
  readonly program: Command;
  readonly context: Context;
  readonly version: string;
  /** Sets the exit code of a command that ends well otherwise. */
  readonly exitWith: (code: number) => void;
}

/** A command below another. @param examples lines of the help's last part */
export function command(parent: Command, name: string, description: string, examples: readonly string[]): Command {
  const made = quiet(parent.command(name)).description(description);
  if (examples.length > 0) {
    made.addHelpText('after', `\nExample:\n${examples.map((line) => `  ${line}`).join('\n')}`);
  }
  return made;
}

/** Invariant 1. */
export function quiet(made: Command): Command {
  return made
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .showSuggestionAfterError(true)
    .helpOption('-h, --help', 'say how it is used');
}

/** Adds the rows of an option table. */
export function addRows(made: Command, rows: readonly OptionRow[]): Command {
  for (const { key, value, help, group } of rows) {
    const flags = value === null ? `--${longName(key)}` : `--${longName(key)} <${value}>`;
    made.addOption(new Option(flags, help).helpGroup(group));
  }
  return made;
}

/** `-o` with the formats that a command has. */
export function outputOption(formats: readonly string[] = FORMATS): Option {
  const list = `${formats.slice(0, -1).join(', ')} or ${formats.at(-1) ?? ''}`;
  return new Option('-o, --output <format>', list).choices(formats).default(formats[0]);
}

/** `--socket` and, where a dataset is named, `-n`. */
export function addTarget(made: Command, dataset: boolean): Command {
  if (dataset) made.option('-n, --namespace <namespace>', 'namespace of the dataset (default: none)');
  return made.option('--socket <path>', 'socket of the daemon (default: DLFS_SOCKET, or /run/dlfs/daemon.sock)');
}

/** Parses a whole number for commander. @param least the smallest that is allowed */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`write a whole number, ${least} or more.`);
    }
    return value;
  };
}
