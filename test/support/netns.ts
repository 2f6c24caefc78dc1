/**
 * A link of a given bandwidth: a network namespace joined to this one by a veth pair with a token bucket at its end.
 *
 * A server runs in the namespace (`command`), its clients here: what it sends passes the bucket. The process that mounts
 * stays outside, because `ip netns exec` gives a process mounts of its own.
 *
 * Invariants:
 * 1. Names carry this process's id, addresses are from 198.18.0.0/15 (RFC 2544, for benchmarks): no clash with a machine's
 *    own network, nothing routed further.
 * 2. On disposal the namespace is gone, and with it the pair and the bucket. Processes in it are their owners' to end.
 */
import { execute } from '../posix/execute.ts';

/** How the link is. */
export interface LinkOptions {
  /** As tc(8) writes rates: `1gbit`, `200mbit`. */
  readonly rate: string;
  /** Bucket size; at least rate / HZ, or the rate is not reached. */
  readonly burst?: string;
  /** How long a packet may wait in the bucket's queue. */
  readonly latency?: string;
}

let links = 0;

/** See the file's header. */
export class LimitedLink implements AsyncDisposable {
  /** The namespace's name, for `ip netns exec`. */
  readonly namespace: string;
  /** The address on which a server in the namespace listens. */
  readonly address: string;

  private constructor(namespace: string, address: string) {
    this.namespace = namespace;
    this.address = address;
  }

  /** Makes one (needs root and iproute2). */
  static async create({ rate, burst = '256kb', latency = '100ms' }: LinkOptions): Promise<LimitedLink> {
    const number = links++;
    const namespace = `dlfs-${String(process.pid)}-${String(number)}`;
    // Two addresses of a /30 that depends on the process, so that parallel tests have links of their own.
    const block = (process.pid * 8 + number) % (2 ** 17 / 4);
    const [near, far] = [1, 2].map((host) => {
      const value = block * 4 + host;
      return `198.${String(18 + (value >> 16))}.${String((value >> 8) & 255)}.${String(value & 255)}`;
    }) as [string, string];
    const device = `dlfs${String(process.pid % 1_000_000)}${String.fromCharCode(97 + (number % 26))}`;
    await execute('ip', ['netns', 'add', namespace]);
    const link = new LimitedLink(namespace, far);
    try {
      await execute('ip', ['link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
      await execute('ip', ['address', 'add', `${near}/30`, 'dev', device]);
      await execute('ip', ['link', 'set', device, 'up']);
      await execute('ip', ['-n', namespace, 'address', 'add', `${far}/30`, 'dev', 'eth0']);
      await execute('ip', ['-n', namespace, 'link', 'set', 'eth0', 'up']);
      await execute('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
      await execute('tc', [
        ...['-n', namespace, 'qdisc', 'add', 'dev', 'eth0', 'root', 'tbf'],
        ...['rate', rate, 'burst', burst, 'latency', latency],
      ]);
    } catch (error) {
      await link[Symbol.asyncDispose]();
      throw error;
    }
    return link;
  }

  /** A command line that runs a program inside the namespace: [program, arguments]. */
  command(program: string, args: readonly string[]): [program: string, args: string[]] {
    return ['ip', ['netns', 'exec', this.namespace, program, ...args]];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await execute('ip', ['netns', 'delete', this.namespace]);
  }
}
