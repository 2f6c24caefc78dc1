/**
 * A node's daemon with many datasets, most of them small and idle: what fairness between datasets is measured on.
 *
 * Invariants:
 * 1. On disposal the daemon has ended and nothing is mounted.
 */
import { mkdir } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execute } from '../../test/posix/execute.ts';
import { DlfsDaemon } from '../../test/support/daemon.ts';
import { DLFS } from '../../test/support/mount.ts';
import { Toxiproxy, type Proxy } from '../../test/support/s3/toxiproxy.ts';
import type { Endpoint } from './competitor.ts';
import type { Lab } from './lab.ts';
import { BUCKETS } from './places.ts';
import { provideNode, NODE_BUCKET } from './node-data.ts';

/** Names of the datasets. */
export const nameOf = (n: number): string => `d${String(n).padStart(3, '0')}`;

/** A dataset of another origin. */
export interface OtherDataset {
  readonly name: string;
  readonly bucket: string;
  readonly endpoint: Endpoint;
}

/** A node that serves. */
export class BenchNode implements AsyncDisposable {
  readonly daemon: DlfsDaemon;
  /** In front of the origin of the one dataset that may stall. */
  readonly #proxy: Proxy;
  readonly #owned: AsyncDisposableStack;

  private constructor(daemon: DlfsDaemon, proxy: Proxy, owned: AsyncDisposableStack) {
    this.daemon = daemon;
    this.#proxy = proxy;
    this.#owned = owned;
  }

  /**
   * Starts a daemon.
   * @param datasets how many
   * @param others of other origins, whose keys the manifests find in variables
   */
  static async start(lab: Lab, datasets: number, others: readonly OtherDataset[] = []): Promise<BenchNode> {
    await using stack = new AsyncDisposableStack();
    await mkdir(BUCKETS, { recursive: true });
    await provideNode(lab.gateway, datasets, lab.say);
    const { endpoint } = lab;
    const toxiproxy = stack.use(await Toxiproxy.start());
    const proxy = await toxiproxy.proxy(lab.gateway.port);
    const stalling: Endpoint = { ...endpoint, url: `http://127.0.0.1:${proxy.port}` };
    const manifests = Object.fromEntries(
      Array.from({ length: datasets }, (_, n) => [
        `${nameOf(n)}.json`,
        manifestOf(nameOf(n), NODE_BUCKET, nameOf(n), n === 0 ? stalling : endpoint),
      ]),
    );
    const daemon = stack.use(
      await DlfsDaemon.start({
        manifests: {
          ...manifests,
          ...Object.fromEntries(others.map((one) => [`${one.name}.json`, manifestOfOther(one)])),
        },
        // The floor would end caching on a disk that others have filled.
        args: ['--cache-floor', '1GiB'],
        env: {
          AWS_ACCESS_KEY_ID: endpoint.accessKeyId,
          AWS_SECRET_ACCESS_KEY: endpoint.secretAccessKey,
          AWS_REGION: endpoint.region,
          ...Object.fromEntries(others.flatMap((one) => Object.entries(variablesOf(one)))),
        },
      }),
    );
    return new BenchNode(daemon, proxy, stack.move());
  }

  /** From now on nothing comes from the first dataset's origin, until disposed. */
  async stall(): Promise<AsyncDisposable> {
    return await this.#proxy.add({ type: 'timeout', afterMs: 0 });
  }

  /** Takes everything of a dataset out of the cache. */
  async evict(dataset: number): Promise<void> {
    await execute(DLFS, ['evict', nameOf(dataset), '--all', '--socket', this.daemon.socket]);
  }

  /** What the process takes. */
  footprint(): { rss: number; descriptors: number; threads: number } {
    const status = readFileSync(`/proc/${this.daemon.pid}/status`, 'utf8');
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
    return {
      rss: field('VmRSS') / 1024,
      descriptors: readdirSync(`/proc/${this.daemon.pid}/fd`).length,
      threads: field('Threads'),
    };
  }

  /** Seconds of processor time that the process has used. */
  cpuSeconds(): number {
    const text = readFileSync(`/proc/${this.daemon.pid}/stat`, 'latin1');
    const [user = 0, system = 0] = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    return (user + system) / 100;
  }

  /** Paths of files of a dataset. */
  files(dataset: number, count: number, from = 0): string[] {
    return Array.from({ length: count }, (_, n) => join(this.daemon.dirOf(nameOf(dataset)), `f${from + n}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

const variable = ({ name }: OtherDataset, what: string): string => `${name.toUpperCase()}_${what}`;

function variablesOf(other: OtherDataset): Record<string, string> {
  const { accessKeyId, secretAccessKey } = other.endpoint;
  return { [variable(other, 'ID')]: accessKeyId, [variable(other, 'KEY')]: secretAccessKey };
}

function manifestOfOther(other: OtherDataset): object {
  const env = { accessKeyId: variable(other, 'ID'), secretAccessKey: variable(other, 'KEY') };
  return manifestOf(other.name, other.bucket, '', other.endpoint, { credentials: { env } });
}

function manifestOf(
  name: string,
  bucket: string,
  prefix: string,
  { url, region }: Endpoint,
  more: object = {},
): object {
  return {
    apiVersion: 'dlfs.io/v1alpha1',
    kind: 'Dataset',
    metadata: { name },
    spec: {
      source: { s3: { endpoint: url, region, bucket, prefix, pathStyle: true, ...more } },
      // A refresh belongs into no measurement.
      refresh: { never: true },
      open: 'stateless',
    },
  };
}
