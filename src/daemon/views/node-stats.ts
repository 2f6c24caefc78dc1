/**
 * Statistics of the process and all its datasets; reads the datasets' counters once a second for their rates.
 */
import { memoryUsage, pid } from 'node:process';
import type { Clock, Timer } from '../../base/clock.ts';
import { sizeOf } from '../../base/size.ts';
import { bytes } from '../../base/brand.ts';
import { fullName } from '../api/contract/names.ts';
import type { NodeStats } from '../api/contract/stats-view.ts';
import type { DataPlane, DataPlaneOptions } from '../node/data-plane.ts';
import { datasetStats, trafficReading } from './dataset-stats.ts';
import type { HostedDataset } from './hosted.ts';
import { ProcessCounts } from './process-counts.ts';
import { TrafficMeter } from './traffic.ts';

/** What it reads. */
export interface NodeStatsOptions {
  readonly version: string;
  readonly plane: DataPlane;
  readonly limits: DataPlaneOptions;
  readonly list: () => readonly HostedDataset[];
  readonly clock: Clock;
}

const SECOND = 1000;

/** See the file's header. */
export class NodeStatistics implements Disposable {
  readonly #o: NodeStatsOptions;
  readonly #started: number;
  readonly #traffic = new Map<string, TrafficMeter>();
  readonly #process = new ProcessCounts();
  readonly #timer: Timer;

  constructor(options: NodeStatsOptions) {
    this.#o = options;
    this.#started = options.clock.monotonic();
    this.#timer = options.clock.startInterval(SECOND, () => this.#read()).unref();
  }

  /** Now. @param only full name of the one dataset that is wanted; null: all */
  stats(only: string | null = null): NodeStats {
    const { version, plane, limits, list, clock } = this.#o;
    const disk = plane.disk.stats();
    const engine = plane.host.engine.stats();
    const total = disk.totalBytes ?? 0;
    return {
      ...{ version, pid, uptime: (clock.monotonic() - this.#started) / SECOND, rss: memoryUsage.rss() },
      ...this.#process.read(),
      memory: { used: engine.memoryUsed, cap: engine.memoryCap },
      eventLoop: plane.meter.read(),
      disk: {
        folder: limits.cacheDir,
        total,
        available: disk.availableBytes ?? 0,
        floor: sizeOf(limits.cacheFloor, bytes(total)),
        state: disk.state,
      },
      cache: {
        bytes: Math.max(0, disk.bytes),
        files: Math.max(0, disk.files),
        limitBytes: Number.isFinite(limits.cacheBytes) ? limits.cacheBytes : total,
        limitFiles: Number.isFinite(limits.cacheFiles) ? limits.cacheFiles : null,
      },
      datasets: list()
        .filter((hosted) => only === null || fullName(hosted) === only)
        .map((hosted) => datasetStats(hosted, this.#meterOf(fullName(hosted)))),
    };
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #read(): void {
    const now = this.#o.clock.monotonic();
    const there = new Set<string>();
    for (const hosted of this.#o.list()) {
      const name = fullName(hosted);
      there.add(name);
      if (hosted.server !== null) this.#meterOf(name).read(now, trafficReading(hosted.server));
    }
    for (const name of this.#traffic.keys()) if (!there.has(name)) this.#traffic.delete(name);
  }

  #meterOf(name: string): TrafficMeter {
    let meter = this.#traffic.get(name);
    if (meter === undefined) {
      meter = new TrafficMeter();
      this.#traffic.set(name, meter);
    }
    return meter;
  }
}
