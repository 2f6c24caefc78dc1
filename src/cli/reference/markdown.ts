/**
 * docs/CLI.md, generated of the command line itself and the table of exit codes.
 */
import { ERROR_CODES, type ErrorCode } from '../../base/errors/code.ts';
import { EXIT, EXIT_CODE_OF } from '../../base/errors/exit.ts';
import type { CommandReference } from './walk.ts';

/** The document. */
export function markdownReference(commands: readonly CommandReference[]): string {
  const sections = commands.flatMap(({ name, usage, description, ...parts }) => [
    `## ${name}`,
    '',
    description,
    '',
    '```',
    `${name} ${usage}`,
    '```',
    '',
    ...table(
      'argument',
      parts.arguments.map(({ term, description: text }) => [term, text]),
    ),
    ...table(
      'option',
      parts.options.map(({ flags, description: text }) => [flags, text]),
    ),
    ...(parts.examples.length === 0 ? [] : ['```sh', ...parts.examples, '```', '']),
  ]);
  return [
    '# The command line',
    '',
    'Generated from the program (`make generate`); `dlfs COMMAND --help` says the same.',
    '',
    'NAME is a dataset of the daemon (`-n` gives its namespace, or write NAMESPACE/NAME), or the directory of a mount made by',
    '`dlfs mount`.',
    '',
    ...sections,
    ...exitCodes(),
  ].join('\n');
}

function table(title: string, rows: readonly (readonly [string, string])[]): string[] {
  if (rows.length === 0) return [];
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const lines = rows.map(([term, text]) => `| \`${cell(term)}\` | ${cell(text)} |`);
  return [`| ${title} | |`, '|---|---|', ...lines, ''];
}

function exitCodes(): string[] {
  const classes = Object.entries(EXIT).map(([name, code]) => {
    const codes = (Object.keys(ERROR_CODES) as ErrorCode[]).filter((one) => EXIT_CODE_OF[one] === code);
    return `| ${code} | ${name} | ${codes.map((one) => `\`${one}\``).join(', ')} |`;
  });
  return ['## Exit codes', '', '| exit | class | errors |', '|---:|---|---|', ...classes, ''];
}
