/**
 * How a dataset is addressed: by namespace and name.
 *
 * In a path the namespace of a dataset that has none is `-`, which is no namespace's name. The two are one string, `NAMESPACE/NAME` or
 * `NAME`, wherever people and logs read them.
 */
import { z } from 'zod';
import {
  fullName,
  SUBDOMAIN,
  wrongWithName,
  wrongWithNamespace,
  type DatasetName,
} from '../../../dataset/manifest/names.ts';

/** Stands for no namespace in a path. */
const NONE = '-';

/** A dataset's address. */
export type DatasetRef = DatasetName;

/** Path parameters of everything that concerns one dataset. */
export const DATASET_PARAMS = z.strictObject({
  namespace: z.string().refine((text) => text === NONE || wrongWithNamespace(text) === null, 'not a namespace'),
  name: z
    .string()
    .regex(SUBDOMAIN, 'not a name of a dataset')
    .refine((text) => wrongWithName(text) === null, 'not a name of a dataset'),
});

/** The address that path parameters hold. */
export function refOf({ namespace, name }: z.infer<typeof DATASET_PARAMS>): DatasetRef {
  return { namespace: namespace === NONE ? null : namespace, name };
}

/** Path parameters for an address. */
export function paramsOf({ namespace, name }: DatasetRef): z.infer<typeof DATASET_PARAMS> {
  return { namespace: namespace ?? NONE, name };
}

export { fullName };
