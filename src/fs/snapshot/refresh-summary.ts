/**
 * What a listing of the whole changed, or would change: counts, and some of the names.
 *
 * Invariants:
 * 1. Memory is bounded: at most `MAX_NAMES` names a kind.
 */
import type { CacheIndex, ListingOutcome, NameChange } from '../../cache/index/index.ts';

/** Names of a kind at most. */
const MAX_NAMES = 100;

/** See the file's header. */
export interface RefreshSummary {
  /** False: the listing grew longer than its limit, and nothing is known. */
  readonly complete: boolean;
  /** Files. */
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  /** Paths; a directory's ends with a slash and stands for what is below it. */
  readonly sample: {
    readonly added: readonly string[];
    readonly changed: readonly string[];
    readonly removed: readonly string[];
  };
}

/** Of a dataset that is too large to be listed as a whole. */
export const NOTHING_KNOWN: RefreshSummary = {
  complete: false,
  added: 0,
  changed: 0,
  removed: 0,
  sample: { added: [], changed: [], removed: [] },
};

/** Gathers some of the names that change. */
export class ChangeSample {
  readonly #index: Pick<CacheIndex, 'keyOf'>;
  readonly #names = { added: [] as string[], changed: [] as string[], removed: [] as string[] };

  constructor(index: Pick<CacheIndex, 'keyOf'>) {
    this.#index = index;
  }

  /** Takes what there is room for. */
  note(changes: readonly NameChange[]): void {
    for (const change of changes) {
      const { oldIno, newIno } = change;
      if (oldIno === null && newIno === null) continue;
      const names = this.#names[oldIno === null ? 'added' : newIno === null ? 'removed' : 'changed'];
      if (names.length < MAX_NAMES) names.push(this.#pathOf(change));
    }
  }

  /** With the counts of a listing. */
  summary({ stopped, added, changed, removed }: Omit<ListingOutcome, 'changes'>): RefreshSummary {
    return { complete: stopped === null, added, changed, removed, sample: this.#names };
  }

  #pathOf({ parent, name, dir }: NameChange): string {
    const own = dir ? `${name}/` : name;
    try {
      return this.#index.keyOf(parent) + own;
    } catch {
      return own; // its directory is gone already
    }
  }
}
