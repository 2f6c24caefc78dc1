/**
 * How commands speak: results on standard output, progress and errors on standard error, an error as one line.
 *
 * Invariants:
 * 1. An error is exactly one line, `dlfs: …`; its class is the exit code.
 * 2. A reader that went away (`dlfs cache ls | head`) ends nothing.
 * 3. Colour only where a terminal shows it and NO_COLOR (no-color.org) is not set.
 */
import { printable } from '../base/printable.ts';
import { DlfsError } from '../base/errors.ts';
import { EXIT_CODE_OF, type ExitCode } from '../base/errors/exit.ts';

/** Where a command's words go. */
export interface Output {
  /** One line of a result. */
  readonly line: (text: string) => void;
  /** Text as it is, for screens that are drawn over. */
  readonly write: (text: string) => void;
  /** Whether a person looks at the results. */
  readonly terminal: boolean;
  /** Whether it shows colour. */
  readonly colour: boolean;
  /** The terminal's size now; 80 × 24 where there is none. */
  readonly size: () => { readonly columns: number; readonly rows: number };
  /** Aborted when nobody reads the results any more. */
  readonly gone: AbortSignal;
  /** A stream for progress, apart from results; null where nobody looks. */
  readonly progress: NodeJS.WriteStream | null;
}

/** The process's own. */
export function processOutput(): Output {
  const { stdout, stderr } = process;
  const gone = new AbortController();
  stdout.on('error', () => {
    gone.abort();
  });
  stderr.on('error', () => undefined);
  return {
    line: (text) => void stdout.write(`${text}\n`),
    write: (text) => void stdout.write(text),
    terminal: stdout.isTTY,
    colour: stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '',
    size: () => (stdout.isTTY ? { columns: stdout.columns, rows: stdout.rows } : { columns: 80, rows: 24 }),
    gone: gone.signal,
    progress: stderr.isTTY ? stderr : null,
  };
}

/**
 * Says why a command failed.
 * @returns its exit code
 */
export function reportError(thrown: unknown): ExitCode {
  const error = DlfsError.from(thrown);
  process.stderr.write(`dlfs: ${printable(error.describe())}\n`);
  if (error.code === 'internal' && process.env['DLFS_DEBUG'] !== undefined)
    process.stderr.write(`${String(error.stack)}\n`);
  return EXIT_CODE_OF[error.code];
}
