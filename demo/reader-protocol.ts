/**
 * Messages between the demo and its readers, in the order in which they occur.
 */
import type { Part } from './dataset.ts';

/** To a reader: what to read; then, when all are ready, to begin. */
export type ToReader =
  | {
      readonly type: 'parts';
      readonly root: string;
      readonly parts: readonly Part[];
      /** A folder to write what is read to; null: nowhere. */
      readonly copyTo: string | null;
    }
  | { readonly type: 'go' };

/** From a reader. */
export type FromReader =
  | { readonly type: 'ready' }
  /** So much since the last message. */
  | { readonly type: 'progress'; readonly files: number; readonly bytes: number }
  /** CRC-32 of each part, in the order given. */
  | { readonly type: 'done'; readonly sums: readonly number[] }
  | { readonly type: 'failed'; readonly message: string };
