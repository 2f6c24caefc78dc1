/**
 * A mount as the manifest that would make the same of a daemon.
 */
import type { ServeOptions } from '../serve-options.ts';

/** The manifest, as it would be written: what is not known of a mount is left to its default. */
export function mountManifest(name: string, options: ServeOptions): Record<string, unknown> {
  const { source } = options;
  const { bucket, prefix } = source.reference;
  return {
    apiVersion: 'dlfs.io/v1alpha1',
    kind: 'Dataset',
    metadata: { name },
    spec: {
      source: {
        s3: {
          bucket,
          ...(prefix === '' ? {} : { prefix }),
          ...(source.endpoint === null ? {} : { endpoint: source.endpoint }),
          ...(source.region === null ? {} : { region: source.region }),
          ...(source.pathStyle ? { pathStyle: true } : {}),
          ...(source.requesterPays ? { requesterPays: true } : {}),
          ...(source.anonymous ? { anonymous: true } : {}),
          ...(source.profile === null ? {} : { credentials: { profile: source.profile } }),
          ...(source.caFile === null ? {} : { caFile: source.caFile }),
        },
      },
      cache: { quota: { bytes: `${options.cacheBytes}` } },
    },
  };
}
