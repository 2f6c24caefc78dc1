/**
 * How a dataset is addressed: by namespace and name.
 *
 * In a path the namespace of a dataset that has none is `-`, which is no namespace's name. The two are one string, `NAMESPACE/NAME` or
 * `NAME`, wherever people and logs read them.
 */
import { z } from 'zod';

/** A DNS label (RFC 1123): what a name and a namespace are made of. */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** A DNS subdomain (RFC 1123), as Kubernetes names objects. */
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
/** Stands for no namespace in a path. */
const NONE = '-';

/** A dataset's address. */
export interface DatasetRef {
  /** Null: none. */
  readonly namespace: string | null;
  readonly name: string;
}

/** Path parameters of everything that concerns one dataset. */
export const DATASET_PARAMS = z.strictObject({
  namespace: z.string().refine((text) => text === NONE || LABEL.test(text), 'not a namespace'),
  name: z.string().regex(SUBDOMAIN, 'not a name of a dataset'),
});

/** The address that path parameters hold. */
export function refOf({ namespace, name }: z.infer<typeof DATASET_PARAMS>): DatasetRef {
  return { namespace: namespace === NONE ? null : namespace, name };
}

/** Path parameters for an address. */
export function paramsOf({ namespace, name }: DatasetRef): z.infer<typeof DATASET_PARAMS> {
  return { namespace: namespace ?? NONE, name };
}

/** For people and logs: `NAMESPACE/NAME`, or `NAME`. */
export function fullName({ namespace, name }: DatasetRef): string {
  return namespace === null ? name : `${namespace}/${name}`;
}
