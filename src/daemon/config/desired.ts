/**
 * Which datasets there should be: files and applied manifests put together. Pure.
 *
 * Who wins where two want one name: a file before what was applied (the file is what the administrator keeps); among files the one
 * that had it, then the first by name. Where a dataset without namespace and a namespace have one name, those that are there
 * stay and the newcomer is refused; where both are new, the one without namespace is.
 *
 * Invariants:
 * 1. The result is what follows from its inputs alone; without a state before, from files and applied manifests alone.
 * 2. Whatever is not taken has a problem that names what stands in its way.
 * 3. A newcomer's fault takes nothing away that stood before and is still wanted.
 * 4. The names of the result do not clash (`nameClashes`).
 */
import { isDeepStrictEqual } from 'node:util';
import { diffManifests, type Manifest, type ManifestDiff } from '../../dataset/manifest/index.ts';
import type { ConfigProblem } from './problem.ts';

/** Whose manifest it is. */
export type Owner =
  /** A file of `--config`. */
  | { readonly kind: 'file'; readonly file: string; readonly line: number }
  /** Applied through the API. @property file where it is stored */
  | { readonly kind: 'applied'; readonly file: string };

/** A manifest and whose it is. */
export interface OwnedManifest {
  readonly manifest: Manifest<'node'>;
  readonly owner: Owner;
}

/** What should be, and what could not be taken. */
export interface Desired {
  /** By full name. */
  readonly datasets: ReadonlyMap<string, OwnedManifest>;
  readonly problems: readonly ConfigProblem[];
}

/** One change of what should be. */
export type DesiredChange =
  | { readonly kind: 'removed'; readonly name: string; readonly before: Manifest<'node'>; readonly after: null }
  | {
      readonly kind: 'changed';
      readonly name: string;
      readonly before: Manifest<'node'>;
      readonly after: Manifest<'node'>;
      /** Its effect is null where the same was said in other words. */
      readonly diff: ManifestDiff;
    }
  | { readonly kind: 'added'; readonly name: string; readonly before: null; readonly after: Manifest<'node'> };

/**
 * Puts together what should be.
 * @param before what this function gave last; empty at the start
 * @param files manifests of files, in the order in which they are asked
 * @param applied what was applied, each name once
 */
export function mergeDesired(
  before: ReadonlyMap<string, OwnedManifest>,
  files: readonly OwnedManifest[],
  applied: readonly OwnedManifest[],
): Desired {
  const problems: ConfigProblem[] = [];
  const winners = new Map<string, OwnedManifest>();
  const incumbents = files.filter((owned) => isIncumbent(owned, before));
  for (const candidate of new Set([...incumbents, ...files, ...applied])) {
    const name = candidate.manifest.fullName;
    const winner = winners.get(name);
    if (winner === undefined) winners.set(name, candidate);
    else problems.push(refusal(candidate, `is described by ${ownerText(winner.owner)} already`));
  }
  const datasets = new Map<string, OwnedManifest>();
  /** Each namespace with its first dataset. */
  const namespaces = new Map<string, string>();
  const take = (owned: OwnedManifest): void => {
    const { fullName: name, namespace } = owned.manifest;
    const within = namespace === null ? namespaces.get(name) : undefined;
    if (within !== undefined) {
      const why = `has no namespace, and ${within} is in a namespace of that name: give it one, or another name`;
      problems.push(refusal(owned, why));
    } else if (namespace !== null && datasets.has(namespace)) {
      problems.push(refusal(owned, `is in a namespace that is called like the dataset ${namespace}, which has none`));
    } else {
      datasets.set(name, owned);
      if (namespace !== null && !namespaces.has(namespace)) namespaces.set(namespace, name);
    }
  };
  const rank = ({ manifest }: OwnedManifest): number =>
    before.has(manifest.fullName) ? 0 : manifest.namespace === null ? 2 : 1;
  for (const owned of [...winners.values()].sort((left, right) => rank(left) - rank(right))) take(owned);
  return { datasets, problems };
}

/** What differs; removals first, so that a name is free before it is taken, each kind by name. */
export function changesBetween(
  before: ReadonlyMap<string, OwnedManifest>,
  after: ReadonlyMap<string, OwnedManifest>,
): DesiredChange[] {
  const removed: DesiredChange[] = [];
  const changed: DesiredChange[] = [];
  const added: DesiredChange[] = [];
  for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const [old, now] = [before.get(name)?.manifest, after.get(name)?.manifest];
    if (old !== undefined && now === undefined) removed.push({ kind: 'removed', name, before: old, after: null });
    if (old === undefined && now !== undefined) added.push({ kind: 'added', name, before: null, after: now });
    if (old !== undefined && now !== undefined && !isDeepStrictEqual(old.written, now.written)) {
      changed.push({ kind: 'changed', name, before: old, after: now, diff: diffManifests(old, now) });
    }
  }
  return [...removed, ...changed, ...added];
}

/** An owner for people: `/etc/dlfs/a.yaml:3`, `dlfs apply`. */
export function ownerText(owner: Owner): string {
  return owner.kind === 'file' ? `${owner.file}:${owner.line}` : 'dlfs apply';
}

/** Whether the file that asks for a name has it already. */
function isIncumbent({ manifest, owner }: OwnedManifest, before: ReadonlyMap<string, OwnedManifest>): boolean {
  const holder = before.get(manifest.fullName)?.owner;
  return holder?.kind === 'file' && holder.file === owner.file;
}

function refusal({ manifest, owner }: OwnedManifest, why: string): ConfigProblem {
  const line = owner.kind === 'file' ? owner.line : null;
  const message = `${manifest.fullName} ${why}: it is not taken`;
  return { file: owner.file, path: '', message, line, column: null, dataset: manifest.fullName };
}
