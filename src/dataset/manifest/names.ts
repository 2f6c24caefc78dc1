/**
 * Names of datasets and namespaces, by the rules of Kubernetes, so that a dataset keeps its name when it moves there.
 *
 * A dataset's full name is `<namespace>/<name>`, or `<name>` where there are no namespaces. It is also its path below the root:
 * `/datasets/<namespace>/<name>`, `/datasets/<name>`.
 *
 * Invariants:
 * 1. A checked name is one path component that is neither hidden nor `.` nor `..`; a full name has at most one slash.
 * 2. In a set without clashes no dataset's directory lies within another's.
 */
import { closest, distance } from 'fastest-levenshtein';
import { DlfsError } from '../../base/errors.ts';
import { printable } from '../../base/printable.ts';

/** DNS-1123 label (RFC 1123 section 2.1): names of namespaces. */
const LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const MAX_LABEL = 63;

/** DNS-1123 subdomain: labels with dots between; names of objects in Kubernetes. */
export const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const MAX_SUBDOMAIN = 253;

/** Keys of labels: an optional DNS prefix and a name; values: the same letters, or nothing (Kubernetes, "Labels and Selectors"). */
const LABEL_NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/** A name and the namespace it lies in. */
export interface DatasetName {
  /** Null: there are no namespaces. */
  readonly namespace: string | null;
  readonly name: string;
}

/**
 * What is wrong with a dataset's name.
 * @returns null where nothing is, else what to write, to stand behind the field's name
 */
export function wrongWithName(name: string): string | null {
  if (name.includes('/')) return 'has no slash: the namespace is a field of its own (-n on the command line)';
  if (name.length > MAX_SUBDOMAIN) return `is longer than ${MAX_SUBDOMAIN} characters`;
  return SUBDOMAIN.test(name)
    ? null
    : 'write small letters, digits, "-" and "." only, beginning and ending with a letter or digit';
}

/** The same for a namespace. */
export function wrongWithNamespace(namespace: string): string | null {
  if (namespace.length > MAX_LABEL) return `is longer than ${MAX_LABEL} characters`;
  return LABEL.test(namespace)
    ? null
    : 'write small letters, digits and "-" only, beginning and ending with a letter or digit';
}

/** The same for the key of a label. */
export function wrongWithLabelKey(key: string): string | null {
  const slash = key.indexOf('/');
  const [prefix, name] = slash < 0 ? [null, key] : [key.slice(0, slash), key.slice(slash + 1)];
  const rightPrefix = prefix === null || (prefix.length <= MAX_SUBDOMAIN && SUBDOMAIN.test(prefix));
  return rightPrefix && name.length <= MAX_LABEL && LABEL_NAME.test(name)
    ? null
    : 'is no key of a label: write [PREFIX/]NAME of letters, digits, "-", "_" and ".", at most 63';
}

/** The same for the value of a label. */
export function wrongWithLabelValue(value: string): string | null {
  if (value === '' || (value.length <= MAX_LABEL && LABEL_NAME.test(value))) return null;
  return 'write at most 63 letters, digits, "-", "_" and "."';
}

/** The full name: `<namespace>/<name>` or `<name>`. */
export function fullName({ namespace, name }: DatasetName): string {
  return namespace === null ? name : `${namespace}/${name}`;
}

/**
 * Reads a name from the command line or an address.
 * @param name as given; no slash
 * @param namespace as given by `-n`; null where it was not
 * @throws DlfsError `invalid-argument`
 */
export function parseName(name: string, namespace: string | null): DatasetName {
  if (namespace !== null) {
    const wrong = wrongWithNamespace(namespace);
    if (wrong !== null)
      throw new DlfsError('invalid-argument', `"${shown(namespace)}" cannot be a namespace: ${wrong}`);
  }
  const wrong = wrongWithName(name);
  if (wrong !== null)
    throw new DlfsError('invalid-argument', `"${shown(name)}" cannot be the name of a dataset: ${wrong}`);
  return { namespace, name };
}

/** A dataset without namespace that is named like a namespace of others. */
export interface NameClash {
  readonly name: string;
  /** Full name of the first that lies in that namespace. */
  readonly within: string;
}

/**
 * Finds the datasets without namespace whose directory would hold those of a namespace.
 * @param names full names; those without namespace are at fault
 * @returns in the order of `names`
 */
export function nameClashes(names: Iterable<string>): NameClash[] {
  const all = [...names];
  const firstWithin = new Map<string, string>();
  for (const name of all) {
    const slash = name.indexOf('/');
    if (slash >= 0 && !firstWithin.has(name.slice(0, slash))) firstWithin.set(name.slice(0, slash), name);
  }
  return all.flatMap((name) => {
    const within = firstWithin.get(name);
    return within === undefined ? [] : [{ name, within }];
  });
}

/**
 * The known word that was probably meant.
 * @param known in order of preference
 * @returns null where none is near
 */
export function nearest(word: string, known: readonly string[]): string | null {
  if (known.length === 0) return null;
  const lower = new Map(known.toReversed().map((name) => [name.toLowerCase(), name]));
  const found = closest(word.toLowerCase(), [...lower.keys()].toReversed());
  // Two letters that changed places are a distance of 2; in longer words a third of the letters is as far as typing errors go.
  const most = word.length <= 3 ? 1 : Math.max(2, Math.floor(word.length / 3));
  return distance(word.toLowerCase(), found) <= most ? (lower.get(found) ?? null) : null;
}

/** Text from outside for a message: short, without control characters. */
export function shown(text: string): string {
  return printable(text.slice(0, 100));
}
