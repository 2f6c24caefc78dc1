/**
 * The messages between an EndpointProcess and its child, in the order in which they occur. Plain values only.
 */

import type { CounterValues } from './counters.ts';

/** An object that the child generates instead of reading it from the folder. */
export interface VirtualObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** The pattern's seed (content.ts). */
  readonly seed: number;
}

/** What the child serves. */
export interface ChildOptions {
  readonly bucket: string;
  /** The folder whose files are the bucket's objects; null: virtual objects only. */
  readonly folder: string | null;
  readonly virtualObjects?: readonly VirtualObject[];
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** The key may list and read below this prefix only. */
  readonly prefix?: string;
  readonly region?: string;
  /** Largest file whose ETag is its MD5, in bytes. */
  readonly md5UpTo?: number;
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** To the child. */
export type ToChild =
  | { readonly type: 'start'; readonly options: ChildOptions }
  | { readonly type: 'counters' }
  | { readonly type: 'reset' }
  | { readonly type: 'stop' };

/** From the child. 'counters' answers both 'counters' and 'reset' (with the values before it). */
export type FromChild =
  | { readonly type: 'progress'; readonly objects: number }
  | { readonly type: 'ready'; readonly url: string; readonly objects: number }
  | { readonly type: 'counters'; readonly values: CounterValues }
  | { readonly type: 'failed'; readonly message: string };
