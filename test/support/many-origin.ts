/**
 * Many datasets behind one embedded endpoint: each a directory of one bucket, with files of its own.
 *
 * Invariants:
 * 1. A dataset's requests can be told by their keys: faults and the journal match `<dataset>/`.
 */
import {
  Faults,
  fullReadPolicy,
  ObjectStore,
  S3Endpoint,
  storedObject,
  VirtualContent,
  type InjectedFault,
  type RequestRecord,
} from '../../demo/endpoint/index.ts';
import { generated, seedOf, type Content } from '../posix/content.ts';

/** The bucket that they lie in. */
export const BUCKET = 'node';
const ACCESS_KEY = 'AKIDNODENODENODENODE';
const SECRET_KEY = 'not-a-secret-but-the-key-of-a-node-test';

/** See the file's header. */
export class ManyOrigin implements AsyncDisposable {
  readonly faults: Faults;
  /** Each request with what became of it, in order. */
  readonly requests: RequestRecord[];
  readonly #store: ObjectStore;
  readonly #endpoint: S3Endpoint;

  private constructor(store: ObjectStore, faults: Faults, requests: RequestRecord[], endpoint: S3Endpoint) {
    this.#store = store;
    this.faults = faults;
    this.requests = requests;
    this.#endpoint = endpoint;
  }

  /**
   * Starts an endpoint.
   * @param files sizes by key: `DATASET/PATH`
   */
  static async start(files: Readonly<Record<string, number>>): Promise<ManyOrigin> {
    const objects = Object.entries(files).map(([key, size]) => objectOf(key, size));
    const store = new ObjectStore(objects);
    const faults = new Faults();
    const requests: RequestRecord[] = [];
    const endpoint = await S3Endpoint.start({
      buckets: { [BUCKET]: { objects: store } },
      credentials: [{ accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY, policy: fullReadPolicy }],
      faults,
      onRequest: (record) => requests.push(record),
    });
    return new ManyOrigin(store, faults, requests, endpoint);
  }

  /** Keys and region, for the daemon's environment. */
  get env(): Record<string, string> {
    return { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY, AWS_REGION: 'us-east-1' };
  }

  get url(): string {
    return this.#endpoint.url;
  }

  /** A manifest of the dataset that lies below a prefix of that name. */
  manifest(name: string, spec: Readonly<Record<string, unknown>> = {}, prefix = name, endpoint = this.url): object {
    const [namespace, own] = name.includes('/') ? (name.split('/') as [string, string]) : [undefined, name];
    return {
      apiVersion: 'dlfs.io/v1alpha1',
      kind: 'Dataset',
      metadata: { name: own, ...(namespace === undefined ? {} : { namespace }) },
      spec: { source: { s3: { endpoint, bucket: BUCKET, prefix, pathStyle: true } }, ...spec },
    };
  }

  /** The bytes of a key, as `start` or `put` made them. */
  contentOf(key: string, size: number): Content {
    return generated(seedOf(key), size);
  }

  /** Puts an object, new or in place of another. */
  put(key: string, size: number): void {
    const object = objectOf(key, size);
    if (this.#store.get(object.key) === null) this.#store.add(object);
    else this.#store.replace(object);
  }

  /** From now on nothing that is asked of a dataset is answered. */
  stall(dataset: string): InjectedFault {
    const prefix = `${dataset}/`;
    return this.faults.inject(
      { when: (request) => request.key.startsWith(prefix) || (request.prefix ?? '').startsWith(prefix) },
      { type: 'stall', after: 'nothing' },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.faults.clear();
    await this.#endpoint[Symbol.asyncDispose]();
  }
}

function objectOf(key: string, size: number): ReturnType<typeof storedObject> {
  const content = generated(seedOf(key), size);
  return storedObject(
    key,
    new VirtualContent(size, (offset, into) => {
      content.read(offset, into.length).copy(into);
    }),
    { lastModified: new Date(Date.UTC(2022, 1, 3)) },
  );
}
