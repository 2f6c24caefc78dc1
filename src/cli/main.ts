/**
 * The entry of `bin/dlfs`.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { processContext } from './context.ts';
import { reportError } from './output.ts';
import { runProgram } from './program.ts';

// What dlfs writes is for its own user alone, whatever the caller's mask lets through or holds back.
process.umask(0o077);

const context = processContext(fileURLToPath(import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

let code: number;
try {
  code = await runProgram(process.argv.slice(2), version, context);
} catch (error) {
  code = reportError(error);
}
// A command's work is done, or has failed, when it returns; what is left (an idle worker, a kept-alive socket) must not hold it.
process.exit(code);
