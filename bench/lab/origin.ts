/**
 * The origin: versitygw over the data sets' folder, on this machine, behind a latency, or behind a link of some bandwidth.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from '../../test/posix/execute.ts';
import { LimitedLink, type LinkOptions } from '../../test/support/netns.ts';
import { ServerProcess } from '../../test/support/s3/server-process.ts';
import { testTool } from '../../test/support/s3/test-tool.ts';
import { Toxiproxy } from '../../test/support/s3/toxiproxy.ts';
import { VersityGw } from '../../test/support/s3/versitygw.ts';
import type { Endpoint } from './competitor.ts';
import { BUCKETS, WORK } from './places.ts';

/** An origin that runs until it is disposed of. */
export interface Origin extends AsyncDisposable {
  readonly endpoint: Endpoint;
}

/** The plain origin, which also makes data sets and counts requests. */
export async function startGateway(): Promise<VersityGw> {
  return await VersityGw.start({ root: BUCKETS });
}

/** How clients reach it. */
export function endpointOf({ url, region, accessKeyId, secretAccessKey }: VersityGw): Endpoint {
  return { url, region, accessKeyId, secretAccessKey };
}

/**
 * The plain origin behind a proxy that delays each answer.
 * @param latencyMs what a round trip takes
 */
export async function originAway(gateway: VersityGw, latencyMs: number): Promise<Origin> {
  await using stack = new AsyncDisposableStack();
  const toxiproxy = stack.use(await Toxiproxy.start());
  const proxy = await toxiproxy.proxy(gateway.port);
  await proxy.add({ type: 'latency', latencyMs });
  const endpoint = { ...endpointOf(gateway), url: `http://127.0.0.1:${proxy.port}` };
  const owned = stack.move();
  return { endpoint, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Requests that an origin has answered, by its own log. */
export interface Answered {
  readonly gets: number;
  /** LIST and HEAD: names and attributes. */
  readonly names: number;
}

/** An origin at the far end of a link. */
export interface LinkedOrigin extends Origin {
  /** Bytes that have left the origin, headers of all layers included; counted by the link itself. */
  bytesSent(): Promise<number>;
  /** Since the start. */
  answered(): Promise<Answered>;
}

/** Starts a versitygw of its own at the far end of a link. */
export async function originBehindLink(link: LinkOptions): Promise<LinkedOrigin> {
  await using stack = new AsyncDisposableStack();
  const cable = stack.use(await LimitedLink.create(link));
  const accessKeyId = `AK${randomBytes(9).toString('hex').toUpperCase()}`;
  const secretAccessKey = randomBytes(30).toString('base64url');
  const logs = await mkdtemp(join(WORK, 'origin-'));
  stack.defer(() => rm(logs, { recursive: true, force: true }));
  const log = join(logs, 'access.log');
  const args = ['--port', `${cable.address}:0`, '--quiet', '--keep-alive', '--access-log', log, 'posix', BUCKETS];
  const [program, rest] = cable.command(testTool('versitygw'), args);
  const env = { ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey };
  const server = stack.use(await ServerProcess.start({ program, args: rest, env }));
  const url = `http://${cable.address}:${server.port}`;
  const owned = stack.move();
  return {
    endpoint: { url, region: 'us-east-1', accessKeyId, secretAccessKey },
    bytesSent: () => sentBy(cable.namespace),
    answered: () => answeredIn(log),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function answeredIn(log: string): Promise<Answered> {
  const text = await readFile(log, 'latin1');
  const count = (operation: string): number => text.split(` s3_${operation} `).length - 1;
  return { gets: count('GetObject'), names: count('ListObjectsV2') + count('ListObjects') + count('HeadObject') };
}

async function sentBy(namespace: string): Promise<number> {
  const { stdout } = await execute('ip', ['-n', namespace, '-s', '-j', 'link', 'show', 'dev', 'eth0']);
  const [link] = JSON.parse(stdout.toString()) as { readonly stats64: { readonly tx: { readonly bytes: number } } }[];
  if (link === undefined) throw new Error(`the link of ${namespace} has no counters`);
  return link.stats64.tx.bytes;
}
