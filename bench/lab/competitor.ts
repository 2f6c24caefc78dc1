/**
 * What is measured: a program that mounts a bucket, or the local disk with the same files.
 */
import type { Dataset } from './datasets.ts';

/** A server and its keys; path style. */
export interface Endpoint {
  readonly url: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** How dlfs opens files. */
export type OpenMode = 'auto' | 'stateless' | 'passthrough';

/** How a bucket is to be mounted. */
export interface MountRequest {
  readonly endpoint: Endpoint;
  readonly dataset: Dataset;
  /** A folder for its disk cache; kept between two mounts of the same folder. */
  readonly cache: string;
  /** Only dlfs has a choice; by libfuse it has none. */
  readonly open?: OpenMode;
}

/** A bucket as a directory. Disposing it unmounts; the cache stays. */
export interface Mounted extends AsyncDisposable {
  readonly dir: string;
  /** The daemon; null for the local disk. */
  readonly pid: number | null;
  /** How files are opened; null where there is no such choice. */
  readonly openMode: string | null;
}

/** A program that mounts buckets. */
export interface Competitor {
  readonly name: 'dlfs' | 'fuse-native' | 'rclone' | 's3fs' | 'ext4';
  /** Settles when the mount answers. */
  mount(request: MountRequest): Promise<Mounted>;
}
