/**
 * What the kernel counts for a daemon: CPU time and memory of a process and all that it started.
 */
import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { memoryOf, resetPeak } from '../../test/support/process.ts';

/** USER_HZ, a constant of the kernel's interface on x86-64. */
const TICKS_A_SECOND = 100;
/** A daemon that used less than one tick in this time has nothing to do. */
const QUIET_MS = 300;
/** One tick in `QUIET_MS` is what timers and statistics cost. */
const QUIET_SECONDS = 0.015;
/** Later than this, background work is none of the measurement's. */
const SETTLE_LIMIT_MS = 10_000;

/** Seconds of CPU of a process with its threads, its children that were waited for, and its living descendants. */
export async function cpuSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  // utime, stime, cutime, cstime: fields 14 to 17 of proc(5), the first behind the name is field 3.
  let seconds = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_A_SECOND;
  for (const child of await childrenOf(pid)) seconds += await cpuSeconds(child).catch(() => 0);
  return seconds;
}

async function childrenOf(pid: number): Promise<number[]> {
  const children: number[] = [];
  for (const task of await readdir(`/proc/${pid}/task`)) {
    const text = await readFile(`/proc/${pid}/task/${task}/children`, 'latin1').catch(() => '');
    children.push(...text.split(' ').filter(Boolean).map(Number));
  }
  return children;
}

/** Waits until the process rests, or a limit; the CPU seconds that it then has used. */
export async function settledCpu(pid: number): Promise<number> {
  const deadline = performance.now() + SETTLE_LIMIT_MS;
  let last = await cpuSeconds(pid);
  while (performance.now() < deadline) {
    await delay(QUIET_MS);
    const used = await cpuSeconds(pid);
    if (used - last <= QUIET_SECONDS) return used;
    last = used;
  }
  return last;
}

/** What a daemon used between two moments. */
export interface Used {
  /** Seconds of CPU, until it rests again. */
  readonly cpu: number;
  /** The highest resident memory in bytes. */
  readonly peak: number;
}

/** Starts to measure a daemon once it rests; `stop` waits until it rests again. */
export async function meter(pid: number): Promise<{ stop(): Promise<Used> }> {
  const before = await settledCpu(pid);
  await resetPeak(pid);
  return {
    stop: async () => {
      const cpu = (await settledCpu(pid)) - before;
      return { cpu, peak: (await memoryOf(pid)).peak };
    },
  };
}
