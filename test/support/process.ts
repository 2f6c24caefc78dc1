/**
 * What tests need of processes: waiting for what has no event, and what the kernel says of a process.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** How often a condition without an event of its own is looked at. */
const POLL_MS = 10;

/**
 * Waits until a condition holds, for what the kernel or another process announces by no event.
 * @param limitMs when to give up
 * @param what the condition as words, for the error
 * @throws Error when the limit is reached; whatever the condition throws
 */
export async function until(condition: () => boolean | Promise<boolean>, limitMs: number, what: string): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${String(limitMs)} ms: ${what}`);
    await delay(POLL_MS);
  }
}

/**
 * Settles as the promise does, or fails when the limit is reached; leaves no timer behind.
 * @param what what is awaited, as words
 */
export async function within<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`not within ${String(limitMs)} ms: ${what}`));
  }, limitMs);
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** A process's memory, in bytes. */
export interface Memory {
  /** Resident now. */
  readonly rss: number;
  /** The highest resident size since the start or the last `resetPeak`. */
  readonly peak: number;
}

/**
 * A process's resident memory.
 * @throws Error (ENOENT, ESRCH) where it has ended
 */
export async function memoryOf(pid: number): Promise<Memory> {
  const status = await readFile(`/proc/${String(pid)}/status`, 'utf8');
  const field = (name: string): number => {
    const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
    if (kib === undefined) throw new Error(`process ${String(pid)} has no ${name}: it has ended`);
    return Number(kib) * 1024;
  };
  return { rss: field('VmRSS'), peak: field('VmHWM') };
}

/** Sets a process's highest resident size to what is resident now. */
export async function resetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${String(pid)}/clear_refs`, '5');
}

/** USER_HZ: the unit of times in /proc, a constant of the kernel's interface on x86-64. */
const TICKS_A_SECOND = 100;

/** Seconds of CPU that a process, all its threads included, has used; in hundredths. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const [user = 0, system = 0] = (await statFields(pid)).slice(11, 13).map(Number);
  return (user + system) / TICKS_A_SECOND;
}

/** The state of a process as one letter: R running, S sleeping, D in a call that only some signals end, Z ended. */
export async function stateOf(pid: number): Promise<string> {
  return (await statFields(pid))[0] ?? '?';
}

/** The kernel function that a process sleeps in; '0' while it runs. */
export async function waitChannelOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${String(pid)}/wchan`, 'utf8')).trim();
}

/** How many descriptors a process has open. */
export async function descriptorsOf(pid: number): Promise<number> {
  return (await readdir(`/proc/${String(pid)}/fd`)).length;
}

/** Whether a process exists; one that has ended but was not waited for counts as gone. */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    return (await stateOf(pid)) !== 'Z';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return false;
    throw error;
  }
}

/** The fields of /proc/PID/stat behind the name, which may itself hold spaces and brackets. */
async function statFields(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${String(pid)}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}
