/**
 * The local disk as a competitor: the origin's own files, which lie on the file system that the caches lie on.
 */
import type { Competitor } from './competitor.ts';
import { folderOf } from './datasets.ts';

/** See the file's header. */
export const LOCAL_DISK: Competitor = {
  name: 'ext4',
  mount: async ({ dataset }) => ({
    dir: folderOf(dataset),
    pid: null,
    openMode: null,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }),
};
