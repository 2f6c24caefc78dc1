/**
 * What the options of a source are called where they were written: a message that asks for a change names the place to make it.
 */

/** Where a source was written: as options of a command, or in a manifest. */
export type WrittenAs = 'options' | 'manifest';

/** Names as they stand there; flags as they are switched on. */
export interface SourceWords {
  readonly endpoint: string;
  readonly region: string;
  /** Other keys than those that are found without it. */
  readonly keys: string;
  readonly anonymous: string;
  readonly pathStyle: string;
  /** A file of certificate authorities, and the same as text. */
  readonly caFile: string;
  readonly caPem: string;
  readonly blockSize: string;
  readonly cacheSize: string;
  /** Between a name and its value. */
  readonly is: string;
}

/** See the file's header. */
export const SOURCE_WORDS: Readonly<Record<WrittenAs, SourceWords>> = {
  options: {
    endpoint: '--endpoint',
    region: '--region',
    keys: '--profile',
    anonymous: '--anonymous',
    pathStyle: '--path-style',
    caFile: '--ca-file',
    caPem: '--ca-file',
    blockSize: '--block-size',
    cacheSize: '--cache-size',
    is: ' ',
  },
  manifest: {
    endpoint: 'spec.source.s3.endpoint',
    region: 'spec.source.s3.region',
    keys: 'spec.source.s3.credentials',
    anonymous: 'spec.source.s3.anonymous: true',
    pathStyle: 'spec.source.s3.pathStyle: true',
    caFile: 'spec.source.s3.caFile',
    caPem: 'spec.source.s3.ca.pem',
    blockSize: 'spec.cache.blockSize',
    cacheSize: 'spec.cache.quota.bytes',
    is: ': ',
  },
};
