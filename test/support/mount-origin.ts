/**
 * A tree as a bucket: the embedded endpoint over objects made of the tree's contents, with faults and changes.
 *
 * It runs in the test's own process. That is why nothing in a test may touch a mount by Node's own calls: a mount that
 * waits for this process would wait for ever.
 *
 * Invariants:
 * 1. The key may list and read below the prefix, nothing else.
 * 2. `tree` tells the ETags that the endpoint gives.
 */
import {
  Faults,
  ObjectStore,
  readPolicy,
  S3Endpoint,
  storedObject,
  textOf,
  VirtualContent,
  type CounterValues,
  type ObjectAttributes,
  type RequestRecord,
  type StoredObject,
} from '../../demo/endpoint/index.ts';
import type { Content } from '../posix/content.ts';
import { Tree, type TreeFile } from '../posix/tree.ts';

const BUCKET = 'bucket';
const ACCESS_KEY = 'AKIDTESTTESTTESTTEST';
const SECRET_KEY = 'not-a-secret-but-the-key-of-a-test';

/** How an origin differs from the plain one. */
export interface OriginOptions {
  /** Below which the tree lies; empty for the bucket's root. Ends with a slash otherwise. */
  readonly prefix?: string;
  /** Attributes of single objects, such as a storage class; by path. */
  readonly attributes?: (path: string) => ObjectAttributes;
  /** Objects beside the tree, under their full keys: what POSIX cannot name, what lies outside of the prefix. */
  readonly others?: readonly StoredObject[];
}

/** See the file's header. */
export class TreeOrigin implements AsyncDisposable {
  /** What to mount. */
  readonly source: string;
  readonly prefix: string;
  /** Faults to inject; keys in them are full keys (see `key`). */
  readonly faults: Faults;
  /** Each request with what became of it, in order. */
  readonly requests: RequestRecord[];
  readonly #store: ObjectStore;
  readonly #endpoint: S3Endpoint;
  readonly #first: Tree;

  private constructor(
    endpoint: S3Endpoint,
    store: ObjectStore,
    faults: Faults,
    requests: RequestRecord[],
    tree: Tree,
    prefix: string,
  ) {
    this.#endpoint = endpoint;
    this.#store = store;
    this.faults = faults;
    this.requests = requests;
    this.#first = tree;
    this.prefix = prefix;
    this.source = `s3://${BUCKET}${prefix === '' ? '' : `/${prefix}`}`;
  }

  /** Starts an endpoint that serves the tree. */
  static async start(tree: Tree, options: OriginOptions = {}): Promise<TreeOrigin> {
    const { prefix = 'data/', attributes = () => ({}), others = [] } = options;
    const objects = [...tree.files.values()].map((file) => objectOf(prefix, file, attributes(file.path)));
    for (const { path, marker } of tree.dirs.values()) {
      if (marker) objects.push(storedObject(`${prefix}${path}/`, new VirtualContent(0, () => undefined)));
    }
    const store = new ObjectStore([...objects, ...others]);
    const faults = new Faults();
    const requests: RequestRecord[] = [];
    const endpoint = await S3Endpoint.start({
      buckets: { [BUCKET]: { objects: store } },
      credentials: [{ accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY, policy: readPolicy(prefix) }],
      faults,
      onRequest: (record) => requests.push(record),
    });
    const etags = new Map(objects.map(({ key, etag }) => [textOf(key), etag]));
    const files = [...tree.files.values()].map((file): TreeFile => {
      const etag = etags.get(prefix + file.path);
      return etag === undefined ? file : { ...file, etag };
    });
    const markers = [...tree.dirs.values()].filter(({ marker }) => marker).map(({ path }) => path);
    return new TreeOrigin(endpoint, store, faults, requests, new Tree(files, markers), prefix);
  }

  /** What it served at the start, with ETags. */
  get tree(): Tree {
    return this.#first;
  }

  /** Options of `dlfs mount` that lead here. */
  get args(): string[] {
    return ['--endpoint', this.#endpoint.url, '--region', this.#endpoint.region, '--path-style'];
  }

  /** The keys, for the environment. */
  get env(): Record<string, string> {
    return { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY };
  }

  /** The full key of a path. */
  key(path: string): string {
    return this.prefix + path;
  }

  /** Requests and bytes since the start or the last reset. */
  counters(): CounterValues {
    return this.#endpoint.counters();
  }

  /** Starts counting anew, and forgets the requests so far. */
  reset(): void {
    this.#endpoint.resetCounters();
    this.requests.length = 0;
  }

  /** Puts a file, new or in place of another. */
  put(file: TreeFile, attributes: ObjectAttributes = {}): void {
    const object = objectOf(this.prefix, file, attributes);
    if (this.#store.get(object.key) === null) this.#store.add(object);
    else this.#store.replace(object);
  }

  /** Removes the object of a path. */
  remove(path: string): void {
    this.#store.remove(this.key(path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.faults.clear();
    await this.#endpoint[Symbol.asyncDispose]();
  }
}

function objectOf(prefix: string, { path, content, mtimeMs }: TreeFile, attributes: ObjectAttributes): StoredObject {
  return storedObject(prefix + path, servable(content), { lastModified: new Date(mtimeMs), ...attributes });
}

function servable(content: Content): VirtualContent {
  return new VirtualContent(content.size, (offset, into) => {
    content.read(offset, into.length).copy(into);
  });
}
