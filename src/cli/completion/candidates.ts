/**
 * What may come next on a command line: pure, from commander's own tree of commands.
 */
import type { Argument, Command, Option } from 'commander';

/** What may stand at the end of a line. */
export interface Candidates {
  /** Words, those that begin like the last one first checked here. */
  readonly words: readonly string[];
  /** Whether names of datasets may stand there, too. */
  readonly datasets: boolean;
  /** Whether files and directories may. */
  readonly files: boolean;
}

const NOTHING: Candidates = { words: [], datasets: false, files: false };
const FILES: Candidates = { words: [], datasets: false, files: true };

/** Placeholders of option values that are files. */
const FILE_VALUE = /<(file|dir|path|pem|file_or_dir)(\.\.\.)?>/i;

/**
 * Candidates for the last of `words`.
 * @param program the whole command line
 * @param words what is written so far, without the program's name; the last may be empty or half a word
 */
export function candidatesFor(program: Command, words: readonly string[]): Candidates {
  const last = words.at(-1) ?? '';
  let at = program;
  let given = 0;
  let onlyArguments = false;
  for (let index = 0; index < words.length - 1; index += 1) {
    const word = words[index] ?? '';
    if (onlyArguments || !word.startsWith('-')) {
      const below = given === 0 && !onlyArguments ? visible(at).find((sub) => sub.name() === word) : undefined;
      if (below === undefined) given += 1;
      else at = below;
    } else if (word === '--') onlyArguments = true;
    else {
      const option = optionOf(at, word);
      if (option === undefined || !takesValue(option) || word.includes('=')) continue;
      if (index === words.length - 2) return valuesOf(option, last);
      index += 1;
    }
  }
  const argument = at.registeredArguments[Math.min(given, at.registeredArguments.length - 1)];
  if (last.startsWith('-') && !onlyArguments) return begin({ ...NOTHING, words: flagsOf(at) }, last);
  const below = given === 0 ? visible(at).map((sub) => sub.name()) : [];
  return begin(withArgument(below, argument, given), last);
}

function withArgument(words: readonly string[], argument: Argument | undefined, given: number): Candidates {
  if (argument === undefined || (given > 0 && !argument.variadic && argument.name() === 'name'))
    return { ...NOTHING, words };
  const name = argument.name();
  if (argument.argChoices !== undefined) return { ...NOTHING, words: [...words, ...argument.argChoices] };
  return { words, datasets: name === 'name', files: name === 'dir' };
}

function visible(command: Command): Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((sub) => sub.name() !== 'help');
}

function flagsOf(command: Command): string[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long }) => (long === undefined ? [] : [long]));
}

function optionOf(command: Command, word: string): Option | undefined {
  const [flag] = word.split('=', 1);
  return command.options.find(({ short, long }) => short === flag || long === flag);
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

function valuesOf(option: Option, last: string): Candidates {
  if (option.argChoices !== undefined) return begin({ ...NOTHING, words: option.argChoices }, last);
  return FILE_VALUE.test(option.flags) ? FILES : NOTHING;
}

function begin(candidates: Candidates, last: string): Candidates {
  return { ...candidates, words: candidates.words.filter((word) => word.startsWith(last)) };
}
