/**
 * Facts of the machine and versions of what took part: figures mean nothing without them.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { join, resolve } from 'node:path';

/** See the file's header. */
export interface Machine {
  readonly kernel: string;
  readonly cores: number;
  readonly processor: string;
  /** In GiB. */
  readonly memory: number;
  readonly disk: {
    readonly device: string;
    readonly fileSystem: string;
    readonly freeGiB: number;
    readonly readAheadKb: number;
  };
  /** Load of the last minute at the start: above 0.5 a core, figures are noise. */
  readonly load: number;
  readonly versions: Readonly<Record<string, string>>;
}

const ROOT = resolve(import.meta.dirname, '../..');
const GIB = 1024 ** 3;

/**
 * @param dir a directory on the disk of the caches
 * @param readAheadKb what the run sets for all
 */
export function describeMachine(dir: string, readAheadKb: number): Machine {
  const [device = '?', fileSystem = '?'] = said('findmnt', ['-n', '-o', 'SOURCE,FSTYPE', '-T', dir]).split(/\s+/);
  const { bavail, bsize } = statfsSync(dir);
  return {
    kernel: release(),
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? '?',
    memory: Math.round(totalmem() / GIB),
    disk: { device, fileSystem, freeGiB: Math.round((bavail * bsize) / GIB), readAheadKb },
    load: loadavg()[0] ?? 0,
    versions: {
      dlfs: `${packageVersion()} ${said('git', ['-C', ROOT, 'rev-parse', '--short', 'HEAD'])}`.trim(),
      node: process.versions.node,
      fio: said('fio', ['--version']).replace('fio-', ''),
      curl: said('curl', ['--version']).split(' ')[1] ?? '?',
      rclone: stamp('rclone'),
      s3fs: /V(\S+)/.exec(said('s3fs', ['--version']))?.[1] ?? '?',
      versitygw: stamp('versitygw'),
      toxiproxy: stamp('toxiproxy-server'),
    },
  };
}

/** The machine in lines, for the head of the table. */
export function machineLines({ kernel, cores, processor, memory, disk, load, versions }: Machine): string[] {
  return [
    `Linux ${kernel}, ${cores} cores (${processor}), ${memory} GiB; load at the start ${load.toFixed(1)}`,
    `${disk.device} ${disk.fileSystem}, ${disk.freeGiB} GiB free; read_ahead_kb ${disk.readAheadKb} for the disk and all mounts`,
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  ];
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string }).version;
}

/** The version that a tool of ours was built from. */
function stamp(tool: string): string {
  try {
    return (
      readFileSync(join(process.env['DLFS_TOOLS'] ?? join(ROOT, '.tools'), 'bin', `.${tool}.stamp`), 'utf8')
        .trim()
        .split('@')[1] ?? '?'
    );
  } catch {
    return 'missing';
  }
}

function said(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'missing';
  }
}
