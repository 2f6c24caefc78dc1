/**
 * What the tests of the S3 source share: a source with nothing of this machine's configuration in it, and a reader that
 * sends a prepared head over a socket of its own, as the native fetcher would, and returns the whole answer.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SystemClock, type Clock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { parseSourceOptions, type SourceOptionsInput } from '../../../src/dataset/source-options.ts';
import { S3Source, type S3SourceOptions } from '../../../src/source/s3/s3-source.ts';
import type { FailedReply, PreparedGet } from '../../../src/source/source.ts';

/** Keys as environment variables. */
export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** An environment without this machine's profiles, instance role or proxies. */
export const BARE_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '',
  HOME: '/nonexistent',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/nonexistent/config',
  AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/credentials',
};

/** The environment that hands keys to the SDK. */
export function environmentOf(keys: Keys, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    ...BARE_ENVIRONMENT,
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    ...(keys.sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: keys.sessionToken }),
    ...more,
  };
}

/** A source and what it logged. */
export interface OpenedSource extends AsyncDisposable {
  readonly source: S3Source;
  /** Lines of JSON. */
  readonly log: readonly string[];
}

/** Opens a source; everything that it logs is kept. */
export async function openSource(
  input: SourceOptionsInput,
  environment: Readonly<Record<string, string>>,
  more: Partial<S3SourceOptions> & { readonly clock?: Clock } = {},
): Promise<OpenedSource> {
  const log: string[] = [];
  const clock = more.clock ?? new SystemClock();
  const source = await S3Source.open({
    source: parseSourceOptions(input),
    environment,
    log: createLogger({ level: 'trace', sink: { write: (line) => log.push(line) }, clock }),
    ...more,
    clock,
  });
  return { source, log, [Symbol.asyncDispose]: () => source[Symbol.asyncDispose]() };
}

/** An answer to a prepared GET. */
export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Sends a head the way that the source's transport says, on a connection of its own, and reads the answer. */
export async function send(source: S3Source, { head }: PreparedGet): Promise<Answer> {
  const [to] = source.addresses();
  if (to === undefined) throw new Error('the source has no address: await ready()');
  const { tls, serverName, caPem, proxy } = source.transport;
  let socket: Socket = connect(to.port, to.address);
  await once(socket, 'connect');
  if (proxy !== null) {
    const authority = `${proxy.host}:${proxy.port}`;
    const authorization = proxy.authorization === null ? '' : `proxy-authorization: ${proxy.authorization}\r\n`;
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${authorization}\r\n`);
    const [established] = (await once(socket, 'data')) as [Buffer];
    if (!established.toString('latin1').startsWith('HTTP/1.1 200 ')) throw new Error(established.toString('latin1'));
  }
  if (tls) {
    const isAddress = /^[\d.]+$|:/.test(serverName);
    socket = connectTls({
      socket,
      ca: caPem ?? '',
      host: serverName,
      ...(isAddress ? {} : { servername: serverName }),
    });
    await once(socket, 'secureConnect');
  }
  try {
    socket.write(head);
    return await readAnswer(socket);
  } finally {
    socket.destroy();
  }
}

/** Reads one answer that is framed by Content-Length. */
async function readAnswer(socket: Socket): Promise<Answer> {
  let bytes = Buffer.alloc(0);
  for await (const data of socket as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, data]);
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) continue;
    const [line = '', ...fields] = bytes.subarray(0, end).toString('latin1').split('\r\n');
    const headers = new Map(
      fields.map((field) => [
        field.slice(0, field.indexOf(':')).toLowerCase(),
        field.slice(field.indexOf(':') + 1).trim(),
      ]),
    );
    const length = Number(headers.get('content-length') ?? 0);
    if (bytes.length >= end + 4 + length)
      return { status: Number(line.split(' ')[1]), headers, body: bytes.subarray(end + 4, end + 4 + length) };
  }
  throw new Error('the connection ended within the answer');
}

/** An answer as `Source.failure` takes it. */
export function failedReply({ status, headers, body }: Answer): FailedReply {
  return {
    status,
    body,
    date: headers.get('date') ?? null,
    retryAfter: headers.get('retry-after') ?? null,
    region: headers.get('x-amz-bucket-region') ?? null,
  };
}

/** All that a listing gave. */
export interface Listed {
  readonly keys: string[];
  readonly prefixes: string[];
  readonly etags: Map<string, string>;
  undecodable: number;
  pages: number;
}

/** Lists to the end. */
export async function listAll(
  source: S3Source,
  prefix: string,
  delimiter: '/' | null,
  pageSize = 1000,
  signal = new AbortController().signal,
): Promise<Listed> {
  const all: Listed = { keys: [], prefixes: [], etags: new Map(), undecodable: 0, pages: 0 };
  for await (const page of source.list(prefix, { delimiter, pageSize, signal })) {
    all.pages += 1;
    all.undecodable += page.undecodable;
    for (const { key, etag } of page.objects) {
      all.keys.push(key);
      all.etags.set(key, etag);
    }
    all.prefixes.push(...page.prefixes);
  }
  return all;
}
