/**
 * Objects without any file system: curl for throughput, single ranged GETs for latency.
 */
import { RawS3Client } from '../../test/support/s3/signed-request.ts';
import { quantile } from '../measure/statistics.ts';
import type { Endpoint } from './competitor.ts';
import type { Programs } from './program.ts';

/** What of an object curl reads, and where to. */
interface Pulled {
  readonly target: string;
  /** Further lines of its configuration. */
  readonly lines: readonly string[];
}

/** Runs curl over an object. */
async function run(
  programs: Programs,
  endpoint: Endpoint,
  bucket: string,
  key: string,
  { target, lines }: Pulled,
): Promise<{ readonly stdout: string; readonly seconds: number }> {
  const path = `/${bucket}/${key}`;
  using client = new RawS3Client(endpoint.url, endpoint);
  // The signed headers go through standard input: arguments are for all to see.
  const headers = Object.entries(client.sign({ path })).filter(([name]) => name !== 'host');
  const config = [
    `url = "${endpoint.url}${path}"`,
    ...headers.map(([name, value]) => `header = "${name}: ${value}"`),
    ...[`output = "${target}"`, 'silent', 'show-error', 'fail'],
    ...lines,
  ];
  return await programs.run('curl', ['--config', '-'], { input: `${config.join('\n')}\n`, limitMs: 300_000 });
}

/** Reads an object by curl into nothing; seconds from its start to its end. */
export async function curl(programs: Programs, endpoint: Endpoint, bucket: string, key: string): Promise<number> {
  const lines = [String.raw`write-out = "%{time_total} %{size_download}"`];
  const { stdout } = await run(programs, endpoint, bucket, key, { target: '/dev/null', lines });
  return Number(stdout.split(' ')[0]);
}

/** Pulls a range of an object by curl into a file; seconds that the program ran. */
export async function curlTo(
  programs: Programs,
  endpoint: Endpoint,
  bucket: string,
  key: string,
  { target, offset, bytes }: { readonly target: string; readonly offset: number; readonly bytes: number },
): Promise<number> {
  const lines = [`header = "range: bytes=${offset}-${offset + bytes - 1}"`];
  return (await run(programs, endpoint, bucket, key, { target, lines })).seconds;
}

/** Median latency in microseconds of ranged GETs over one connection that is already open. */
export async function rangedGets(
  endpoint: Endpoint,
  bucket: string,
  key: string,
  { count, bytes, span }: { readonly count: number; readonly bytes: number; readonly span: number },
): Promise<number> {
  using client = new RawS3Client(endpoint.url, endpoint);
  const micros: number[] = [];
  // The first one opens the connection and is not counted.
  for (let number = 0; number <= count; number++) {
    const offset = number * span;
    const started = performance.now();
    const { status, body } = await client.send({
      path: `/${bucket}/${key}`,
      headers: { range: `bytes=${offset}-${offset + bytes - 1}` },
    });
    if (status !== 206 || body.length !== bytes) throw new Error(`a ranged GET: ${status}, ${body.length} bytes`);
    if (number > 0) micros.push((performance.now() - started) * 1000);
  }
  return quantile(micros, 0.5);
}
