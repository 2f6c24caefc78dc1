/**
 * `dlfs doctor`: looks at everything that a mount depends on.
 */
import { EXIT, EXIT_CODE_OF, type ExitCode } from '../base/errors/exit.ts';
import {
  cacheDiskType,
  examineAddon,
  examineCacheDisk,
  examineMachine,
  examineMounts,
  examineSource,
  type Finding,
} from '../daemon/doctor/index.ts';
import { readMounts } from '../daemon/mountinfo.ts';
import type { Context } from './context.ts';
import { parseMountOptions, parseSource } from './mount-options.ts';
import type { GivenOptions } from './option-table.ts';
import { wrapped } from './format/wrapped.ts';

/** Columns of the report's first words. */
const NAME_WIDTH = 13;

/** Lines are broken here: a terminal is rarely narrower. */
const WIDTH = 80;

/** What to look at. */
export interface DoctorRequest {
  /** Null: the machine alone. */
  readonly source: string | null;
  readonly given: GivenOptions;
  readonly cacheDir: string;
  readonly json: boolean;
}

/**
 * Examines and reports.
 * @returns 0, or the exit code of the first failure
 * @throws DlfsError `invalid-argument` for options that cannot work
 */
export async function doctor(request: DoctorRequest, context: Context): Promise<ExitCode> {
  const { environment, clock, output, registry } = context;
  const source = request.source === null ? null : parseSource(request.source, request.given);
  // The rest as a mount would have it without options.
  const { memory, cacheFloor } = parseMountOptions('s3://any', {});
  const findings = [
    examineAddon(),
    ...examineMachine(memory, typeOf(request.cacheDir)),
    ...(await examineCacheDisk(request.cacheDir, cacheFloor)),
    ...examineMounts(readMounts(), registry),
    ...(source === null ? [] : await examineSource({ source, environment, clock })),
  ];
  if (request.json) output.line(JSON.stringify(findings, null, 2));
  else for (const finding of findings) for (const line of reportLines(finding, output.terminal)) output.line(line);
  const failure = findings.find(({ code }) => code !== null)?.code ?? null;
  return failure === null ? EXIT.ok : EXIT_CODE_OF[failure];
}

/** One finding as text: on a terminal in columns, else as one line. */
export function reportLines({ name, state, found, advice }: Finding, terminal: boolean): string[] {
  const text = advice === null ? found : `${found}: ${advice}`;
  if (!terminal) return [`${state}\t${name}\t${text}`];
  const [first = '', ...more] = wrapped(text, WIDTH - NAME_WIDTH - 6);
  return [
    `${state.padEnd(5)} ${name.padEnd(NAME_WIDTH)}${first}`,
    ...more.map((line) => ' '.repeat(NAME_WIDTH + 6) + line),
  ];
}

function typeOf(cacheDir: string): string {
  try {
    return cacheDiskType(cacheDir);
  } catch {
    return 'unknown'; // examineCacheDisk says why
  }
}
