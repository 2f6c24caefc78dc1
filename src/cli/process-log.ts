/**
 * The log of a process that serves: a bounded file or standard error, and its last lines in memory for the API.
 */
import { resolve } from 'node:path';
import { createLogger, type Logger, type LogOptions, type LogSink } from '../base/log.ts';
import { LogTail } from '../daemon/log-file/log-tail.ts';
import { PrettySink } from '../daemon/log-file/pretty-sink.ts';
import { DEFAULT_LOG_BYTES, DEFAULT_LOG_FILES, RotatingFile } from '../daemon/log-file/rotating-file.ts';
import type { Context } from './context.ts';

/** How it logs. */
export interface ProcessLogOptions {
  /** Null: standard error. */
  readonly logFile: string | null;
  readonly logLevel: Pick<LogOptions, 'level' | 'modules'>;
}

/** The log; disposing flushes and closes its file. */
export interface ProcessLog extends AsyncDisposable {
  readonly logger: Logger;
  readonly tail: LogTail;
}

/** Opens it. @throws DlfsError where the file cannot be written */
export function openProcessLog({ logFile, logLevel }: ProcessLogOptions, { clock, environment }: Context): ProcessLog {
  const file =
    logFile === null
      ? null
      : new RotatingFile({ path: resolve(logFile), bytes: DEFAULT_LOG_BYTES, files: DEFAULT_LOG_FILES });
  const tail = new LogTail(file ?? standardError(environment));
  return {
    logger: createLogger({ ...logLevel, sink: tail, clock }),
    tail,
    [Symbol.asyncDispose]: () => file?.[Symbol.asyncDispose]() ?? Promise.resolve(),
  };
}

/** Lines for people on a terminal, JSON elsewhere. */
function standardError(environment: NodeJS.ProcessEnv): LogSink {
  const plain = { write: (line: string) => process.stderr.write(line) };
  return process.stderr.isTTY ? new PrettySink(plain, environment['NO_COLOR'] === undefined) : plain;
}
