/**
 * What the doctor finds out about the machine: kernel, FUSE, privileges, limits, memory.
 *
 * Invariants:
 * 1. Nothing is changed: no module is loaded, nothing mounted.
 * 2. Judging is apart from looking: `judge…` are functions of what was found, tested without the machine.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { formatSize } from '../../base/size.ts';
import { kernelFeatures } from '../kernel.ts';
import { readMounts } from '../mountinfo.ts';
import { fail, ok, warn, type Finding } from './finding.ts';

/** The session needs protocol 7.31, which Linux 5.4 has. */
const OLDEST_KERNEL = [5, 4] as const;

/** Kernel releases and the protocol that each has (linux/fuse.h), newest first; releases between have that or a newer one. */
const PROTOCOLS: readonly (readonly [major: number, minor: number, protocol: string])[] = [
  [6, 18, '7.45'],
  [6, 16, '7.44'],
  [6, 12, '7.41'],
  [6, 9, '7.40'],
  [5, 10, '7.32'],
  [5, 4, '7.31'],
];

/** Bit of CAP_SYS_ADMIN in the masks of /proc/PID/status (linux/capability.h). */
const CAP_SYS_ADMIN = 21n;

/** Cache files, sockets and the index at once; below it the daemon closes and opens files all the time. */
const GOOD_DESCRIPTORS = 4096;

/** Memory that a mount takes beside its buffers: the runtime, the index's pages, inodes in use. */
const BESIDE_BUFFERS = 350 * 1024 * 1024;

/** Kernel and protocol. */
export function judgeKernel(version: string): Finding {
  const [major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(version) ?? []).slice(1).map(Number);
  const atLeast = (a: number, b: number): boolean => major > a || (major === a && minor >= b);
  if (!atLeast(...OLDEST_KERNEL)) {
    return fail('kernel', 'unsupported', `Linux ${version}`, `dlfs needs Linux ${OLDEST_KERNEL.join('.')} or newer`);
  }
  const protocol = PROTOCOLS.find(([a, b]) => atLeast(a, b))?.[2] ?? '7.31';
  return ok('kernel', `Linux ${version}, FUSE protocol ${protocol} or newer`);
}

/** Whether a changed listing reaches the kernel's names at once. */
export function judgeEpoch(version: string): Finding {
  const { incEpoch } = kernelFeatures(version);
  if (incEpoch) return ok('names', 'a refresh takes effect at once (INC_EPOCH)');
  return warn(
    'names',
    'the kernel is told of changed names one by one',
    'nothing to do for small changes; large ones are quicker on Linux >= 6.16',
  );
}

/** The device. */
export function judgeDevice(device: 'usable' | 'missing' | 'refused'): Finding {
  if (device === 'usable') return ok('/dev/fuse', 'there and usable');
  if (device === 'refused') {
    return fail(
      '/dev/fuse',
      'privilege',
      'may not be opened',
      'run as root; in a container: --device /dev/fuse --cap-add SYS_ADMIN',
    );
  }
  return fail('/dev/fuse', 'no-fuse', 'missing', 'modprobe fuse; in a container: --device /dev/fuse');
}

/** Who we are. */
export function judgePrivilege(uid: number, sysAdmin: boolean): Finding {
  const who = uid === 0 ? 'root' : `user ${uid}`;
  if (sysAdmin) return ok('privilege', `${who} with CAP_SYS_ADMIN`);
  const advice = uid === 0 ? 'give the container CAP_SYS_ADMIN' : 'run as root: sudo dlfs …';
  return fail('privilege', 'privilege', `${who} without CAP_SYS_ADMIN, which mounting takes`, advice);
}

/** Whether large files can be read without the daemon. */
export function judgePassthrough(version: string, sysAdmin: boolean, cacheType: string): Finding {
  if (!kernelFeatures(version).passthrough) {
    return warn('passthrough', `not on Linux ${version}`, 'large files are copied once more; Linux >= 6.9 avoids that');
  }
  if (!sysAdmin) return warn('passthrough', 'not without CAP_SYS_ADMIN', 'run as root');
  if (cacheType === 'overlay')
    return warn('passthrough', 'not with a cache on overlay', 'choose a cache directory on ext4 or xfs: --cache-dir');
  return ok('passthrough', 'possible');
}

/** Descriptors. @param limits soft and hard RLIMIT_NOFILE */
export function judgeDescriptors(soft: number, hard: number): Finding {
  const found = `${hard} open files (a mount raises its limit from ${soft})`;
  if (hard >= GOOD_DESCRIPTORS) return ok('open files', found);
  return warn(
    'open files',
    found,
    `raise the hard limit: ulimit -Hn ${GOOD_DESCRIPTORS * 16}, or LimitNOFILE= of the service`,
  );
}

/** Memory. @param available bytes, from MemAvailable and the control group; @param buffers `--memory` */
export function judgeMemory(available: number, buffers: number): Finding {
  const needed = buffers + BESIDE_BUFFERS;
  const found = `${formatSize(available)} available, a mount takes up to ${formatSize(needed)}`;
  return available >= needed ? ok('memory', found) : warn('memory', found, 'give less to buffers: --memory');
}

/** The kernel's control of FUSE connections. */
export function judgeControl(mounted: boolean): Finding {
  if (mounted) return ok('fusectl', 'mounted at /sys/fs/fuse/connections');
  return warn(
    'fusectl',
    'not mounted, so a stuck mount of any FUSE program cannot be aborted',
    'mount -t fusectl none /sys/fs/fuse/connections',
  );
}

/** Everything about this machine. @param buffers `--memory`, in bytes; @param cacheType of the cache's file system */
export function examineMachine(buffers: number, cacheType: string): Finding[] {
  const version = release();
  const sysAdmin = hasSysAdmin();
  const limits = descriptorLimits();
  return [
    judgeKernel(version),
    judgeDevice(lookAtDevice()),
    judgePrivilege(process.geteuid?.() ?? 0, sysAdmin),
    judgePassthrough(version, sysAdmin, cacheType),
    judgeEpoch(version),
    judgeControl(readMounts().some(({ type }) => type === 'fusectl')),
    judgeDescriptors(limits.soft, limits.hard),
    judgeMemory(availableMemory(), buffers),
  ];
}

/** The device, looked at. Opening it would be the better proof, but an open one without a mount is of no use to anybody. */
export function lookAtDevice(): 'usable' | 'missing' | 'refused' {
  if (!existsSync('/dev/fuse')) return 'missing';
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    return 'usable';
  } catch {
    return 'refused';
  }
}

/** Whether this process has CAP_SYS_ADMIN in effect. */
export function hasSysAdmin(): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}

function descriptorLimits(): { soft: number; hard: number } {
  const [, soft = '0', hard = '0'] =
    /^Max open files\s+(\S+)\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
  const number = (text: string): number => (text === 'unlimited' ? Infinity : Number(text));
  return { soft: number(soft), hard: number(hard) };
}

function availableMemory(): number {
  const kib = /^MemAvailable:\s*(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1] ?? '0';
  const machine = Number(kib) * 1024;
  // Zero, or more than the machine has: the control group says nothing.
  const group = process.availableMemory();
  return group > 0 ? Math.min(machine, group) : machine;
}
