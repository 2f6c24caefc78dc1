/**
 * An endpoint with one bucket and a raw client for it: what most tests of the endpoint start from.
 */

import type { EndpointOptions, ObjectAttributes, Policy } from '../../../demo/endpoint/index.ts';
import { BytesContent, ObjectStore, S3Endpoint, readPolicy, storedObject } from '../../../demo/endpoint/index.ts';
import type { RawRequest, RawResponse } from '../../support/s3/signed-request.ts';
import { RawS3Client, uriEscape, xmlElement } from '../../support/s3/signed-request.ts';

/** The keys of the fixture's only credential. */
export const KEYS = { accessKeyId: 'AKFIXTURE', secretAccessKey: 'fixture-secret' };

/** The fixture's bucket. */
export const BUCKET = 'bucket';

/** What a fixture may be told. */
export interface FixtureOptions extends Partial<Omit<EndpointOptions, 'buckets' | 'credentials'>> {
  /** Text or bytes under keys, or [content, attributes]. */
  readonly objects?: Readonly<Record<string, string | Uint8Array | readonly [string | Uint8Array, ObjectAttributes]>>;
  readonly store?: ObjectStore;
  readonly policy?: Policy;
  readonly sessionToken?: string;
  readonly requesterPays?: boolean;
}

/** A running fixture. */
export class Fixture implements AsyncDisposable {
  readonly endpoint: S3Endpoint;
  readonly store: ObjectStore;
  readonly client: RawS3Client;

  private constructor(endpoint: S3Endpoint, store: ObjectStore, client: RawS3Client) {
    this.endpoint = endpoint;
    this.store = store;
    this.client = client;
  }

  static async start(options: FixtureOptions = {}): Promise<Fixture> {
    const { objects = {}, store: given, policy = readPolicy(), sessionToken, requesterPays, ...rest } = options;
    const store =
      given ??
      new ObjectStore(
        Object.entries(objects).map(([key, value]) =>
          typeof value === 'string' || value instanceof Uint8Array
            ? storedObject(key, new BytesContent(value))
            : storedObject(key, new BytesContent(value[0]), value[1]),
        ),
      );
    const token = sessionToken === undefined ? {} : { sessionToken };
    const endpoint = await S3Endpoint.start({
      ...rest,
      buckets: { [BUCKET]: { objects: store, requesterPays: requesterPays ?? false } },
      credentials: [{ ...KEYS, ...token, policy }],
    });
    return new Fixture(endpoint, store, new RawS3Client(endpoint.url, { ...KEYS, ...token }));
  }

  /** A signed GET (or another method) of `key`. */
  get(key: string, headers: Record<string, string> = {}, more: Partial<RawRequest> = {}): Promise<RawResponse> {
    return this.client.send({ path: `/${BUCKET}/${uriEscape(key, true)}`, headers, ...more });
  }

  /** A signed ListObjectsV2 with further parameters. */
  list(query = '', more: Partial<RawRequest> = {}): Promise<RawResponse> {
    return this.client.send({
      path: `/${BUCKET}`,
      query: `list-type=2${query === '' ? '' : '&' + query}`,
      ...more,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await this.endpoint[Symbol.asyncDispose]();
  }
}

/** Status and error code of a response in one line. */
export function verdict(response: RawResponse): string {
  const code = xmlElement(response.body, 'Code');
  return code === null ? String(response.status) : `${String(response.status)} ${code}`;
}
