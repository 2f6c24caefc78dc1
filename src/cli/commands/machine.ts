/**
 * `dlfs doctor` and `dlfs version`.
 */
import { DlfsError } from '../../base/errors.ts';
import type { Context } from '../context.ts';
import { doctor } from '../doctor-command.ts';
import { writeDocument } from '../format/documents.ts';
import { longName, SOURCE_ROWS, type GivenOptions } from '../option-table.ts';
import { nodeTarget, type TargetOptions } from '../target.ts';
import { cacheDirOption } from './caching.ts';
import { addRows, addTarget, command, outputOption, type Registration } from './register.ts';

/** Registers them. */
export function addMachineCommands({ program, context, version, exitWith }: Registration): void {
  const { output } = context;
  const check = command(program, 'doctor', 'Look at everything a mount depends on, and say what to do.', [
    'dlfs doctor s3://my-bucket --profile research',
  ])
    .argument('[source]', 's3://BUCKET[/PREFIX] to reach, too')
    .addOption(cacheDirOption())
    .addOption(outputOption(['table', 'json']))
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

  addTarget(
    command(program, 'version', 'Say which version this is, and which the daemon is.', ['dlfs version']).addOption(
      outputOption(['table', 'json']),
    ),
    false,
  ).action(async (options: TargetOptions & { output: 'table' | 'json' }) => {
    const daemon = await daemonVersion(options, context);
    if (options.output === 'json') {
      writeDocument({ version, node: process.versions.node, daemon }, 'json', output);
      return;
    }
    output.line(`dlfs ${version} (Node.js ${process.versions.node})`);
    if (daemon !== null) output.line(`the daemon that answers is dlfs ${daemon}`);
  });
}

/** Null where no daemon is to be found. */
async function daemonVersion(options: TargetOptions, context: Context): Promise<string | null> {
  try {
    return (await nodeTarget(options, context).call('version', {})).version;
  } catch (thrown) {
    const { code } = DlfsError.from(thrown);
    // No daemon is no fault of this command; one that was asked for by its socket is.
    if (options.socket === undefined && (code === 'no-daemon' || code === 'privilege')) return null;
    throw thrown;
  }
}
