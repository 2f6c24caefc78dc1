/**
 * How commands speak: results on standard output, errors as one line on standard error.
 *
 * Invariants:
 * 1. An error is exactly one line, `dlfs: …`; its class is the exit code.
 * 2. A reader that went away (`dlfs cache ls | head`) ends nothing.
 */
import { DlfsError } from '../base/errors.ts';
import { EXIT_CODE_OF, type ExitCode } from '../base/errors/exit.ts';

/** Where a command's words go. */
export interface Output {
  /** One line of a result. */
  readonly line: (text: string) => void;
  /** Whether a person looks at the results. */
  readonly terminal: boolean;
}

/** The process's own. */
export function processOutput(): Output {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  return {
    line: (text) => void process.stdout.write(`${text}\n`),
    terminal: process.stdout.isTTY,
  };
}

/**
 * Says why a command failed.
 * @returns its exit code
 */
export function reportError(thrown: unknown): ExitCode {
  const error = DlfsError.from(thrown);
  process.stderr.write(`dlfs: ${error.describe()}\n`);
  if (error.code === 'internal' && process.env['DLFS_DEBUG'] !== undefined)
    process.stderr.write(`${String(error.stack)}\n`);
  return EXIT_CODE_OF[error.code];
}
