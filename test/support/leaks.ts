/**
 * Preloaded into each test process (`node --import`): fails a test file that leaves something behind.
 *
 * How it works: before the file is loaded, the process gets a marker and a temporary folder of its own (leftovers.ts) and
 * the open descriptors are noted. When the process ends, an `exit` handler compares. A timer, server or child that keeps
 * the process alive after its tests is named by a watch that starts when the last test is done; without it
 * the file would just hang.
 *
 * What fails a file: a process, mount or loop device left; an open descriptor that was not there before; a
 * temporary file; an active handle after the tests are done.
 *
 * Invariants:
 * 1. What is found is reported, then ended: the next file starts on a clean machine.
 * 2. What the runtime opens once for itself is opened before the baseline, and what it pools is closed before the comparison.
 * 3. Threads and forked children inherit the preload; only the process that the runner started is checked.
 */
import { createHook } from 'node:async_hooks';
import { chmodSync, mkdtempSync, readdirSync, readlinkSync, watch } from 'node:fs';
import { globalAgent as httpAgent } from 'node:http';
import { globalAgent as httpsAgent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { isMainThread } from 'node:worker_threads';
import { describeLeftovers, endLeftovers, findLeftovers, MARKER } from './leftovers.ts';

/** How long the process may live on after its last test: root `after` hooks close servers and unmount. */
const GRACE_MS = Number(process.env['DLFS_TEST_GRACE_MS'] ?? 20_000);

/** How long an ended child may take to vanish from /proc when the process exits. */
const VANISH_MS = 1000;

const TEMPORARY_PREFIX = 'dlfs-test-';

interface TimerResource {
  hasRef?(): boolean;
}

if (isMainThread && process.send === undefined) install();

function install(): void {
  const marker = `${process.env[MARKER] ?? ''}/${process.pid}`;
  process.env[MARKER] = marker;
  const folder = mkdtempSync(join(tmpdir(), TEMPORARY_PREFIX));
  chmodSync(folder, 0o755); // tests read as other users
  process.env['TMPDIR'] = folder;

  const timers = new Map<number, { readonly resource: TimerResource; readonly stack: string }>();
  const hook = createHook({
    init(id, type, _trigger, resource) {
      if (type === 'Timeout') timers.set(id, { resource, stack: callerOf(new Error().stack ?? '') });
    },
    destroy(id) {
      timers.delete(id);
    },
    trackPromises: false, // it would slow every await
  });
  hook.enable();

  warmUp(folder);
  const handles = countOf(process.getActiveResourcesInfo());
  const descriptors = openDescriptors();

  after(() => {
    const watchdog = setTimeout(() => {
      const extra = excess(countOf(process.getActiveResourcesInfo()), handles);
      const stacks = [...timers.values()]
        .filter(({ resource }) => resource.hasRef?.() === true)
        .map(({ stack }) => stack);
      report(`still running ${GRACE_MS} ms after the last test`, [
        ...extra.map((name) => `active handle: ${name}`),
        ...stacks.map((stack) => `timer started ${stack}`),
      ]);
      process.exit(1);
    }, GRACE_MS);
    watchdog.unref();
  });

  process.on('beforeExit', closePools);

  process.on('exit', () => {
    let found = findLeftovers(marker, folder);
    for (let waited = 0; found.processes.length > 0 && waited < VANISH_MS; waited += 20) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      found = findLeftovers(marker, folder);
    }
    const leaks = [
      ...describeLeftovers(found),
      ...openDescriptors(descriptors),
      // A folder under a mount is not looked into: the mount may be dead.
      ...(found.mounts.length === 0 ? readdirSync(folder).map((name) => `temporary file: ${name}`) : []),
    ];
    const trouble = endLeftovers(found, folder);
    if (leaks.length > 0) report('left behind', [...leaks, ...trouble]);
  });
}

/** Says it where the runner shows it, and fails the process. */
function report(what: string, leaks: readonly string[]): void {
  process.stderr.write(`${what}:\n${leaks.map((leak) => `  ${leak}\n`).join('')}`);
  process.exitCode = 1;
}

/** Invariant 2: the event loop makes its signal pipe and its inotify descriptor at first use and keeps them. */
function warmUp(folder: string): void {
  const ignore = (): void => undefined;
  process.on('SIGUSR2', ignore);
  process.off('SIGUSR2', ignore);
  watch(folder, ignore).close();
}

/** Invariant 2: idle connections of the runtime's own clients. */
function closePools(): void {
  httpAgent.destroy();
  httpsAgent.destroy();
  // The dispatcher behind global fetch; there only after a first use.
  const dispatcher = (globalThis as Record<symbol, unknown>)[Symbol.for('undici.globalDispatcher.1')];
  if (typeof dispatcher === 'object' && dispatcher !== null && 'destroy' in dispatcher) {
    (dispatcher as { destroy(): Promise<void> }).destroy().catch(() => undefined);
  }
}

/**
 * Open descriptors as text, beyond a baseline. Targets are compared, not numbers: numbers are reused.
 */
function openDescriptors(baseline: readonly string[] = []): string[] {
  const rest = countOf(baseline);
  const open: string[] = [];
  for (const name of readdirSync('/proc/self/fd')) {
    let target: string;
    try {
      target = readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      continue; // the descriptor that read the folder
    }
    const text = `open descriptor: ${target}`;
    const left = rest.get(text) ?? 0;
    if (left > 0) rest.set(text, left - 1);
    else open.push(text);
  }
  return open;
}

function countOf(items: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

function excess(now: Map<string, number>, before: Map<string, number>): string[] {
  return [...now].flatMap(([name, count]) => {
    const more = count - (before.get(name) ?? 0);
    return more > 0 ? [more === 1 ? name : `${name} × ${more}`] : [];
  });
}

/** The first frames of the code that started a timer: neither the runtime's nor this file's. */
function callerOf(stack: string): string {
  const frames = stack
    .split('\n')
    .slice(1)
    .map((line) => line.trim());
  const own = frames.filter((line) => !line.includes('node:') && !line.includes(import.meta.filename));
  return (own.length > 0 ? own : frames).slice(0, 2).join(' ');
}
