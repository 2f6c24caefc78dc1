/**
 * `dlfs logs [NAME] [--follow]`: the process's log as people read it.
 */
import { printable } from '../base/printable.ts';
import type { LogLine } from '../daemon/api/contract/answers.ts';
import { fullName } from '../daemon/api/contract/names.ts';
import type { Context } from './context.ts';
import { painter, type Tone } from './format/cells.ts';
import { datasetTarget, nodeTarget, type TargetOptions } from './target.ts';

/** What the options say. */
export interface LogsOptions extends TargetOptions {
  readonly follow?: true;
  readonly level?: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  /** How many of the lines that are there. */
  readonly lines?: number;
  readonly output: 'table' | 'json';
}

const TONES: Readonly<Record<string, Tone>> = { error: 'bad', warn: 'warning', debug: 'faint', trace: 'faint' };

/** See the file's header; with `follow` it ends with the daemon, or when it is told to. @throws DlfsError */
export async function showLogs(name: string | null, options: LogsOptions, context: Context): Promise<void> {
  const target = name === null ? null : await datasetTarget(name, options, context);
  const client = target?.client ?? nodeTarget(options, context);
  const { follow = false, level, lines } = options;
  const answer = await client.call('logs', {
    query: {
      ...(target === null ? {} : { dataset: fullName(target.ref) }),
      ...(level === undefined ? {} : { level }),
      ...(lines === undefined ? {} : { lines }),
      follow: follow ? 'true' : 'false',
    },
  });
  const paint = painter(context.output.colour);
  for await (const line of answer) {
    if (context.output.gone.aborted) return; // leaving the loop ends the stream
    context.output.line(
      options.output === 'json' ? JSON.stringify(line) : paint(TONES[line.level] ?? 'plain', textOf(line)),
    );
  }
}

function textOf({ at, level, module, dataset, message, fields }: LogLine): string {
  const names = [module, dataset].filter((part) => part !== null && part !== '').join(' ');
  const rest = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return printable(`${new Date(at).toISOString()} ${level.padEnd(5)} ${names}: ${[message, ...rest].join(' ')}`);
}
