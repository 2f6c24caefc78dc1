/**
 * Where the requests for a bucket go, by the SDK's own rules.
 *
 * How it works: a client is configured as for real, but its request handler keeps the request and sends nothing. A HeadObject
 * of a marker key then shows what the SDK made of bucket, region, endpoint, profile and environment: scheme, host, path before
 * the key, and in the signature's scope region and service. Rules are thus never copied: virtual host or path style, dots in
 * names, FIPS and dual-stack settings, access-point aliases, AWS_ENDPOINT_URL.
 *
 * Invariants:
 * 1. Nothing is sent and no credential is loaded here.
 * 2. A bucket in front of a host name without a dot (`localhost`, a container's name) would resolve nowhere: it goes into the path.
 */
import { HeadObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { DlfsError } from '../../base/errors.ts';
import type { SourceOptions } from '../../dataset/source-options.ts';
import { SOURCE_WORDS } from '../../dataset/source-words.ts';
import type { CarriedRequest } from './http-carrier.ts';
import type { Environment } from './proxy.ts';

/** Where requests go. Plain data. */
export interface ResolvedEndpoint {
  readonly tls: boolean;
  /** Host without port and brackets. */
  readonly hostname: string;
  readonly port: number;
  /** Value of the Host field. */
  readonly host: string;
  /** The path before a key: begins and ends with `/`. */
  readonly basePath: string;
  /** Region and service of signatures. */
  readonly region: string;
  readonly service: string;
  /** Not one of AWS's own. */
  readonly custom: boolean;
  /** Whether the SDK has to be told to use path style. */
  readonly pathStyle: boolean;
  /** Whether the bucket stands in the host name. */
  readonly virtualHost: boolean;
}

/** The region that servers other than AWS take where nothing else is said. */
const FALLBACK_REGION = 'us-east-1';

/** The key of the request that is never sent. */
const MARKER = 'dlfs';

const AWS_HOST = /(?:^|\.)amazonaws\.com(?:\.cn)?$|\.(?:sc2s\.sgov|c2s\.ic)\.gov$|\.amazonaws\.eu$/;

/**
 * Asks the SDK where the bucket is.
 * @throws DlfsError `invalid-argument` where region, profile or endpoint cannot be used; `unsupported` for directory buckets and
 *   multi-region access points
 */
export async function resolveEndpoint(source: SourceOptions, environment: Environment): Promise<ResolvedEndpoint> {
  const { bucket } = source.reference;
  if (bucket.endsWith('--x-s3')) {
    throw new DlfsError(
      'unsupported',
      `bucket "${bucket}" is a directory bucket (S3 Express), which lists its keys unordered: dlfs cannot use it`,
    );
  }
  const configured = await configuredRegion(source, environment);
  const region = configured ?? FALLBACK_REGION;
  const first = await capture(source, region, source.pathStyle);
  const label = first.virtualHost ? first.hostname.slice(bucket.length + 1) : first.hostname;
  const found = first.virtualHost && first.custom && !label.includes('.') ? await capture(source, region, true) : first;
  if (configured === null && !found.custom) {
    throw new DlfsError(
      'invalid-argument',
      `no region is configured: use ${SOURCE_WORDS[source.written].region}, AWS_REGION, or "region" in the profile`,
    );
  }
  return found;
}

/** The region by the SDK's chain, then by the variable that only AWS's other tools know. */
async function configuredRegion(source: SourceOptions, environment: Environment): Promise<string | null> {
  if (source.region !== null) return source.region;
  const client = new S3Client({ ...(source.profile === null ? {} : { profile: source.profile }) });
  try {
    return await client.config.region();
  } catch {
    const named = environment['AWS_DEFAULT_REGION'] ?? '';
    return named === '' ? null : named;
  } finally {
    client.destroy();
  }
}

async function capture(source: SourceOptions, region: string, pathStyle: boolean): Promise<ResolvedEndpoint> {
  const captured: CarriedRequest[] = [];
  const requestHandler = {
    metadata: { handlerProtocol: 'http/1.1' },
    handle: (request: CarriedRequest) => {
      captured.push(request);
      return Promise.resolve({ response: { statusCode: 200, headers: {}, body: new Uint8Array() } });
    },
    httpHandlerConfigs: () => ({}),
    updateHttpClientConfig: () => undefined,
    destroy: () => undefined,
  };
  const client = new S3Client({
    ...baseClientConfig(source, region, pathStyle),
    credentials: { accessKeyId: 'NONE', secretAccessKey: 'none' },
    requestHandler: requestHandler,
  });
  try {
    await client.send(new HeadObjectCommand({ Bucket: source.reference.bucket, Key: MARKER }));
  } catch (cause) {
    throw refused(cause, source, region);
  } finally {
    client.destroy();
  }
  const [request] = captured;
  if (request === undefined) throw new DlfsError('internal', 'the SDK made no request');
  return readCapture(request, source.reference.bucket, pathStyle);
}

/** The settings that every S3 client here shares. */
export function baseClientConfig(source: SourceOptions, region: string, pathStyle: boolean): S3ClientConfig {
  return {
    region,
    forcePathStyle: pathStyle,
    followRegionRedirects: false,
    maxAttempts: 1,
    ...(source.endpoint === null ? {} : { endpoint: source.endpoint }),
    ...(source.profile === null ? {} : { profile: source.profile }),
  };
}

function readCapture(request: CarriedRequest, bucket: string, pathStyle: boolean): ResolvedEndpoint {
  const tls = request.protocol === 'https:';
  const { host = '', authorization = '' } = request.headers;
  const [, region, service] = /Credential=[^/]+\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request/.exec(authorization) ?? [];
  if (region === undefined || service === undefined || !authorization.startsWith('AWS4-HMAC-SHA256 ')) {
    throw new DlfsError(
      'unsupported',
      `bucket "${bucket}" needs another signature than AWS4-HMAC-SHA256 (a multi-region access point?)`,
    );
  }
  if (!request.path.endsWith(`/${MARKER}`))
    throw new DlfsError('internal', `the SDK made an unexpected path: ${request.path}`);
  const hostname = request.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    tls,
    hostname,
    port: request.port ?? (tls ? 443 : 80),
    host: host === '' ? request.hostname : host,
    basePath: request.path.slice(0, -MARKER.length),
    region,
    service,
    custom: !AWS_HOST.test(hostname),
    pathStyle,
    virtualHost: hostname.startsWith(`${bucket}.`),
  };
}

function refused(cause: unknown, source: SourceOptions, region: string): DlfsError {
  const said = cause instanceof Error ? cause.message : '';
  if (/region/i.test(said))
    return new DlfsError(
      'invalid-argument',
      `"${region}" is not a region: check ${SOURCE_WORDS[source.written].region}`,
      { cause },
    );
  return new DlfsError('invalid-argument', `no request for bucket "${source.reference.bucket}" can be made: ${said}`, {
    cause,
  });
}

/** The endpoint for messages: `https://host[:port]`. */
export function originOf(endpoint: ResolvedEndpoint): string {
  return `${endpoint.tls ? 'https' : 'http'}://${endpoint.host}`;
}
