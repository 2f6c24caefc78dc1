/**
 * Globs over a dataset's paths: which files they mean, and where a walk need not look.
 *
 * A glob is what `minimatch` understands (`*`, `?`, `[…]`, `**`, `{a,b}`, `{000..127}`, `@(a|b)`), relative to the dataset's root. All
 * globs of a set become one trie over path components, in the manner of an NFA: a walk carries its place in it from directory
 * to directory, and each name is held against the few patterns of that place. No pattern ever sees a whole path.
 *
 * What is not as in a shell: names that begin with a dot are no exception (a bucket knows no hidden files); a directory that
 * matches is taken with everything below it; and a name that exists exactly as written is meant even where it reads as a
 * pattern (`file[1].txt`).
 *
 * Invariants:
 * 1. Matching a name costs time linear in its length, whatever the pattern: minimatch's matchers do not backtrack.
 * 2. A set is bounded: `MAX_GLOBS` globs, `MAX_GLOB_CHARS` characters each, `MAX_ALTERNATIVES` alternatives by braces.
 * 3. A place that is null leads nowhere: nothing below it can match.
 */
import { GLOBSTAR, Minimatch, type ParseReturnFiltered } from 'minimatch';
import { DlfsError } from '../../base/errors.ts';

/** Globs of one set: a shell's argument list of some screens; more are better written as a pattern. */
export const MAX_GLOBS = 1000;
/** A path has at most PATH_MAX (4096) bytes. */
export const MAX_GLOB_CHARS = 4096;
/** Alternatives that braces of one glob may make; numeric ranges count once. */
export const MAX_ALTERNATIVES = 1024;

/** A matcher of one path component, as minimatch makes it. */
type Matcher = Exclude<ParseReturnFiltered, string | typeof GLOBSTAR>;

/** A state of the automaton. */
class State {
  readonly literals = new Map<string, State>();
  readonly patterns: { readonly matcher: Matcher; readonly next: State }[] = [];
  /** Entered without a step: it stays for any directory (`**`). */
  deep: State | null = null;
  readonly isDeep: boolean;
  /** Globs that end here. */
  readonly ends = new Set<number>();
  /** Globs that end here and mean directories alone. */
  readonly directoryEnds = new Set<number>();

  constructor(isDeep: boolean) {
    this.isDeep = isDeep;
  }

  /** The state behind one more component. */
  step(component: string | Matcher): State {
    if (typeof component !== 'string') {
      const next = new State(false);
      this.patterns.push({ matcher: component, next });
      return next;
    }
    const known = this.literals.get(component) ?? new State(false);
    this.literals.set(component, known);
    return known;
  }
}

/** Where a walk stands in a set: a directory, seen by all globs. */
export interface GlobPlace {
  readonly states: readonly State[];
  /** Globs that mean everything below. */
  readonly taken: ReadonlySet<number>;
}

const NONE: ReadonlySet<number> = new Set();

/** A compiled set of globs; immutable. See the file's header. */
export class GlobSet {
  /** As they were given. */
  readonly globs: readonly string[];
  /** The dataset's root. */
  readonly root: GlobPlace;

  private constructor(globs: readonly string[], start: State) {
    this.globs = globs;
    this.root = placeOf([start], NONE);
  }

  /**
   * Compiles globs; none at all mean everything.
   * @throws DlfsError `invalid-argument` naming the glob and what is wrong with it
   */
  static compile(globs: readonly string[]): GlobSet {
    if (globs.length > MAX_GLOBS)
      throw new DlfsError('invalid-argument', `${globs.length} globs are too many: at most ${MAX_GLOBS} at a time`);
    const given = globs.length === 0 ? ['**'] : globs;
    const start = new State(false);
    for (const [id, glob] of given.entries()) addGlob(start, id, glob);
    return new GlobSet(given, start);
  }

  /**
   * The place of a subdirectory.
   * @returns null where nothing below it can match
   */
  below(place: GlobPlace, name: string): GlobPlace | null {
    const next: State[] = [];
    const taken = new Set(place.taken);
    for (const state of place.states) {
      if (state.isDeep) next.push(state);
      for (const reached of reachedBy(state, name)) {
        next.push(reached);
        for (const id of reached.ends) taken.add(id);
        for (const id of reached.directoryEnds) taken.add(id);
      }
    }
    const found = placeOf(next, taken);
    return found.states.length === 0 && found.taken.size === 0 ? null : found;
  }

  /** Which globs mean the file of that name in the place's directory, by their position in `globs`. */
  claims(place: GlobPlace, name: string): ReadonlySet<number> {
    let ids = place.taken;
    for (const state of place.states) {
      for (const reached of reachedBy(state, name)) {
        if (reached.ends.size > 0) ids = ids.size === 0 ? reached.ends : ids.union(reached.ends);
      }
    }
    return ids;
  }

  /**
   * The only names that can lead on from a place, so that a walk looks them up instead of reading the directory.
   * @returns null where any name may
   */
  names(place: GlobPlace): string[] | null {
    if (place.taken.size > 0) return null;
    const names = new Set<string>();
    for (const state of place.states) {
      if (state.isDeep || state.patterns.length > 0) return null;
      for (const name of state.literals.keys()) names.add(name);
    }
    return [...names];
  }

  /**
   * Whether a file is meant.
   * @param path relative to the dataset's root
   */
  covers(path: string): boolean {
    const components = path.split('/');
    const name = components.pop() ?? '';
    const place = this.placeAt(components);
    return place !== null && this.claims(place, name).size > 0;
  }

  /**
   * The place of a directory.
   * @param components its path's, from the root on
   */
  placeAt(components: readonly string[]): GlobPlace | null {
    let place: GlobPlace | null = this.root;
    for (const component of components) {
      if (place === null) return null;
      place = this.below(place, component);
    }
    return place;
  }
}

/** Whether everything below a place is meant. */
export function takesAll(place: GlobPlace): boolean {
  return place.taken.size > 0;
}

function* reachedBy(state: State, name: string): Generator<State> {
  const literal = state.literals.get(name);
  if (literal !== undefined) yield literal;
  for (const { matcher, next } of state.patterns) if (matcher.testUnchecked(name)) yield next;
}

/** Adds what is entered without a step, once each. */
function placeOf(states: readonly State[], taken: ReadonlySet<number>): GlobPlace {
  const closed = new Set<State>();
  const all = new Set(taken);
  for (const first of states) {
    for (let state: State | null = first; state !== null && !closed.has(state); state = state.deep) {
      closed.add(state);
      if (state.isDeep) for (const id of state.ends) all.add(id);
    }
  }
  // What has nothing behind it leads nowhere.
  const live = [...closed].filter((state) => state.isDeep || state.literals.size > 0 || state.patterns.length > 0);
  return { states: live, taken: all };
}

function addGlob(start: State, id: number, glob: string): void {
  const refuse = (why: string): never => {
    throw new DlfsError('invalid-argument', `not a path or glob of a dataset: ${why}`, { key: glob.slice(0, 200) });
  };
  if (glob.length > MAX_GLOB_CHARS) refuse(`it has more than ${MAX_GLOB_CHARS} characters`);
  if (glob.includes('\0')) refuse('it holds a NUL');
  const directoryOnly = glob.endsWith('/');
  const relative = glob.replace(/^(?:\.?\/+)+/, '').replace(/\/+$/, '');
  if (relative === '' || relative === '.') {
    if (glob === '') refuse('it is empty; "**" means everything');
    addRow(start, id, [GLOBSTAR], false);
    return;
  }
  const outside = '".." leads out of it; paths are relative to the root of the dataset';
  // Here too: minimatch resolves it away where something stands before it.
  if (relative.split('/').includes('..')) refuse(outside);
  const parsed = parse(relative);
  // One more would have been made: minimatch cuts off without a word.
  if (parsed.globSet.length > MAX_ALTERNATIVES) refuse(`its braces make more than ${MAX_ALTERNATIVES} alternatives`);
  for (const row of parsed.set) {
    const components = row.filter((component) => component !== '' && component !== '.');
    if (components.includes('..')) refuse(outside);
    addRow(start, id, components, directoryOnly);
  }
  const literal = relative.split('/').filter((component) => component !== '' && component !== '.');
  if (parsed.set.length !== 1 || parsed.set[0]?.some((component, at) => component !== literal[at]) !== false) {
    addRow(start, id, literal, directoryOnly);
  }
}

function parse(glob: string): Minimatch {
  try {
    return new Minimatch(glob, {
      platform: 'linux',
      dot: true,
      nonegate: true,
      nocomment: true,
      braceExpandMax: MAX_ALTERNATIVES + 1,
    });
  } catch (error) {
    throw new DlfsError('invalid-argument', 'not a path or glob of a dataset', {
      key: glob.slice(0, 200),
      cause: error,
    });
  }
}

function addRow(start: State, id: number, row: readonly ParseReturnFiltered[], directoryOnly: boolean): void {
  let state = start;
  for (const component of row) {
    if (component === GLOBSTAR) {
      state.deep ??= new State(true);
      state = state.deep;
    } else state = state.step(component);
  }
  if (directoryOnly && !state.isDeep) state.directoryEnds.add(id);
  else state.ends.add(id);
}
