/**
 * A process's identity: its number alone is not one, numbers are used again.
 *
 * The kernel gives each process the time of its start in clock ticks since boot (proc_pid_stat(5), field 22); together with
 * the number it names one process of this boot.
 *
 * Invariants:
 * 1. Nothing here waits, and a process that ends in between reads as gone.
 */
import { readFileSync } from 'node:fs';

/** Names one process of this boot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to its start. */
  readonly startTicks: number;
}

/**
 * When a process started, in clock ticks since boot.
 * @returns null where it has ended, one that nobody has waited for yet (a zombie) included
 */
export function startTicksOf(pid: number): number | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  // The name in brackets may itself hold spaces and brackets; state is field 3, starttime field 22.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[19]);
  return fields[0] === 'Z' || fields[0] === 'X' || !Number.isSafeInteger(ticks) ? null : ticks;
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTicks: startTicksOf(process.pid) ?? 0 };
}

/** Whether that very process still runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  return startTicksOf(identity.pid) === identity.startTicks;
}
