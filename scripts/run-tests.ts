/**
 * Runs the tests: `node scripts/run-tests.ts [FILE or FOLDER]…`; by default all of test/ but what takes tools of its own.
 *
 * How it works: node:test's own runner, a process for each file, in an order that fails early: unit first, then models, then what mounts,
 * breaks and kills. Each process is watched for what it leaves behind (test/support/leaks.ts). A file that does not end is
 * killed here, from outside: its event loop may be the thing that hangs.
 *
 * Invariants:
 * 1. The exit status is 0 only when every file passed, and at least one test ran. Where CI=true, a skipped test fails.
 * 2. Whatever the tests leave on the machine, crashed ones included, is ended before this process ends, on Ctrl-C too.
 */
import { mkdtempSync, chmodSync, readFileSync, statSync, globSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { describeLeftovers, endLeftovers, findLeftovers, MARKER } from '../test/support/leftovers.ts';

/** Folders of test/ in the order they run; others come after these. */
const ORDER = ['unit', 'model', 'conformance', 'posix', 'mount', 'faults', 'crash', 'packaging', 'cluster'];

/** Folders of test/ that run only where they are named: `make test-image` builds a container image. */
const APART = ['image'];

/** The longest that one file may take. */
const FILE_LIMIT_MS = Number(process.env['TEST_FILE_LIMIT_MS'] ?? 900_000);

/** Files at the same time. Mount tests mostly wait, unit tests compute; more than four would measure each other. */
const CONCURRENCY = Number(process.env['TEST_CONCURRENCY'] ?? Math.max(1, Math.min(4, availableParallelism())));

const root = resolve(import.meta.dirname, '..');

function testFiles(wanted: readonly string[]): string[] {
  const named = wanted.length > 0 ? wanted : ['test'];
  const files = named.flatMap((path) => {
    const full = resolve(path);
    if (!statSync(full).isDirectory()) return [full];
    const found = globSync('**/*.test.ts', { cwd: full });
    return found.filter((file) => wanted.length > 0 || !APART.includes(topOf(file))).map((file) => join(full, file));
  });
  return [...new Set(files)].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function rank(file: string): number {
  const place = ORDER.indexOf(topOf(relative(join(root, 'test'), file)));
  return place < 0 ? ORDER.length : place;
}

function topOf(path: string): string {
  return path.split('/')[0] ?? '';
}

/** Kills children of ours that live longer than the limit. */
function startWatchdog(): void {
  const since = new Map<number, number>();
  const look = (): void => {
    const now = performance.now();
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1')
      .split(' ')
      .filter(Boolean)
      .map(Number);
    for (const pid of since.keys()) if (!children.includes(pid)) since.delete(pid);
    for (const pid of children) {
      const started = since.get(pid) ?? now;
      since.set(pid, started);
      if (now - started <= FILE_LIMIT_MS) continue;
      process.stderr.write(`killed: process ${pid}, a test file that did not end within ${FILE_LIMIT_MS} ms\n`);
      process.kill(pid, 'SIGKILL');
    }
  };
  setInterval(look, 1000).unref();
}

const files = testFiles(process.argv.slice(2));
if (files.length === 0) {
  process.stderr.write('no test files\n');
  process.exit(1);
}

// What the tests' processes find in their environment: the marker's first part and a folder for theirs.
const marker = `run-${process.pid}.`; // the dot: run-12 is no prefix of run-123
const folder = mkdtempSync(join(tmpdir(), 'dlfs-tests-'));
chmodSync(folder, 0o755);
process.env[MARKER] = marker;
process.env['TMPDIR'] = folder;

process.on('exit', () => {
  const found = findLeftovers(marker, folder);
  for (const line of describeLeftovers(found))
    process.stderr.write(`left by a test that was killed, ended now: ${line}\n`);
  for (const line of endLeftovers(found, folder)) process.stderr.write(`${line}\n`);
});
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code));

startWatchdog();
const preload = join(root, 'test/support/leaks.ts');
const stream = run({
  files,
  cwd: root,
  concurrency: CONCURRENCY,
  timeout: FILE_LIMIT_MS,
  execArgv: ['--import', preload],
});
let tests = 0;
stream.on('test:pass', ({ name, skip }) => {
  if (skip === undefined) tests += 1;
  else if (process.env['CI'] === 'true') {
    process.stderr.write(`skipped, which is a failure where CI=true: ${name}\n`);
    process.exitCode = 1;
  }
});
stream.on('test:fail', () => {
  process.exitCode = 1;
});
stream.on('end', () => {
  if (tests === 0) process.exitCode = 1;
});
stream.pipe(new spec()).pipe(process.stdout);
