/**
 * From pages of a listing to the steps of a walk through directories.
 *
 * A flat listing (whole subtree, no delimiter) in key order visits each directory once, as a depth-first walk: its keys are
 * one range. So the walk needs a stack of the open directories and nothing else, however large the listing. A delimited
 * listing (one directory) is a walk without steps down.
 *
 * Names of directories carry their slash: then the order of a directory's entries is the order of the keys behind them.
 *
 * Invariants:
 * 1. Steps come in key order; `enter` and `leave` pair up; a directory is entered at most once.
 * 2. Names in steps are nameable (path-rules.ts); everything else is a `skip`, and each key makes at most one of them.
 * 3. A listing that is out of order or leaves its prefix is refused with `protocol`: a merge by ranges would take its gaps
 *    for deletions. The same key twice in a row is taken once.
 */
import { DlfsError } from '../../base/errors.ts';
import { compareKeys, type ListedObject, type ListPage } from '../listing.ts';
import { splitKey } from './key-path.ts';
import { faultOfName, isPathTooLong, type SkipReason } from './path-rules.ts';

/** One step. */
export type WalkStep =
  /** Into a directory of the current one; `name` ends with a slash. */
  | { readonly kind: 'enter'; readonly name: string }
  /** Back to the directory above. */
  | { readonly kind: 'leave' }
  /** A directory of the current one whose content this walk does not visit; `name` ends with a slash. */
  | { readonly kind: 'directory'; readonly name: string }
  /** A file of the current directory. */
  | { readonly kind: 'file'; readonly name: string; readonly object: ListedObject }
  /** A key that has no path; it counts to the current directory. */
  | { readonly kind: 'skip'; readonly reason: SkipReason; readonly key: string };

/** A walk that takes pages. */
export interface TreeWalk {
  /**
   * The steps of one page.
   * @throws DlfsError `protocol` where the page breaks invariant 3
   */
  steps(page: ListPage): Generator<WalkStep, void, undefined>;
  /** The steps after the last page. */
  end(): Generator<WalkStep, void, undefined>;
}

/** The walk of a flat listing. */
export class SubtreeWalk implements TreeWalk {
  readonly #prefix: string;
  readonly #baseBytes: number;
  /** Open directories below the base, outermost first, with slashes. */
  readonly #open: string[] = [];
  /** The key prefix of the innermost open directory. */
  #current: string;
  #last: string | null = null;

  /**
   * @param prefix the key prefix of the base directory: empty, or ending with a slash
   * @param baseBytes bytes of the base's path below the mount, its slash included
   */
  constructor(prefix: string, baseBytes: number) {
    this.#prefix = prefix;
    this.#baseBytes = baseBytes;
    this.#current = prefix;
  }

  *steps(page: ListPage): Generator<WalkStep, void, undefined> {
    if (page.prefixes.length > 0)
      throw broken('common prefixes in a listing without delimiter', page.prefixes[0] ?? '');
    for (const object of page.objects) {
      const key = object.key;
      if (!key.startsWith(this.#prefix)) throw broken('a key outside the prefix that was asked for', key);
      const order = this.#last === null ? 1 : compareKeys(key, this.#last);
      if (order < 0) throw broken('keys out of order', key);
      if (order === 0) continue;
      this.#last = key;
      yield* this.#object(object);
    }
  }

  *end(): Generator<WalkStep, void, undefined> {
    while (this.#open.length > 0) {
      this.#open.pop();
      yield { kind: 'leave' };
    }
    this.#current = this.#prefix;
  }

  *#object(object: ListedObject): Generator<WalkStep, void, undefined> {
    const key = object.key;
    // Most keys are in the directory of the key before them.
    if (key.startsWith(this.#current)) {
      const name = key.slice(this.#current.length);
      if (name !== '' && !name.includes('/')) {
        const tooLong = isPathTooLong(this.#baseBytes, key.slice(this.#prefix.length));
        const fault = faultOfName(name) ?? (tooLong ? 'path-too-long' : null);
        yield fault === null ? { kind: 'file', name, object } : { kind: 'skip', reason: fault, key };
        return;
      }
    }
    const path = splitKey(key.slice(this.#prefix.length), this.#baseBytes);
    yield* this.#moveTo(path.directories);
    if (path.fault !== null) yield { kind: 'skip', reason: path.fault, key };
    else if (path.name !== null) yield { kind: 'file', name: path.name, object };
    else if (object.size > 0) yield { kind: 'skip', reason: 'directory-marker-with-data', key };
  }

  *#moveTo(directories: readonly string[]): Generator<WalkStep, void, undefined> {
    let common = 0;
    while (common < directories.length && this.#open[common] === `${directories[common] ?? ''}/`) common += 1;
    while (this.#open.length > common) {
      const left = this.#open.pop() ?? '';
      this.#current = this.#current.slice(0, -left.length);
      yield { kind: 'leave' };
    }
    for (const directory of directories.slice(common)) {
      const name = `${directory}/`;
      this.#open.push(name);
      this.#current += name;
      yield { kind: 'enter', name };
    }
  }
}

/** The walk of a delimited listing: one directory. */
export class LevelWalk implements TreeWalk {
  readonly #prefix: string;
  readonly #baseBytes: number;
  #last: string | null = null;

  /**
   * @param prefix the key prefix of the directory: empty, or ending with a slash
   * @param baseBytes bytes of its path below the mount, its slash included
   */
  constructor(prefix: string, baseBytes: number) {
    this.#prefix = prefix;
    this.#baseBytes = baseBytes;
  }

  *steps(page: ListPage): Generator<WalkStep, void, undefined> {
    const { objects, prefixes } = page;
    let nextObject = 0;
    let nextPrefix = 0;
    for (;;) {
      const object = objects[nextObject];
      const prefix = prefixes[nextPrefix];
      if (prefix !== undefined && (object === undefined || compareKeys(prefix, object.key) < 0)) {
        nextPrefix += 1;
        if (this.#isNext(prefix)) yield this.#directory(prefix);
      } else if (object !== undefined) {
        nextObject += 1;
        if (this.#isNext(object.key)) yield* this.#object(object);
      } else {
        return;
      }
    }
  }

  // eslint-disable-next-line require-yield -- one directory: there is nothing to leave
  *end(): Generator<WalkStep, void, undefined> {
    return;
  }

  /** Checks prefix and order; false for a name that was just given. */
  #isNext(key: string): boolean {
    if (!key.startsWith(this.#prefix)) throw broken('a key outside the prefix that was asked for', key);
    const order = this.#last === null ? 1 : compareKeys(key, this.#last);
    if (order < 0) throw broken('keys out of order', key);
    this.#last = key;
    return order > 0;
  }

  #directory(prefix: string): WalkStep {
    const relative = prefix.slice(this.#prefix.length);
    const name = relative.slice(0, -1);
    if (!relative.endsWith('/') || name.includes('/'))
      throw broken('a common prefix that is no directory of the one listed', prefix);
    const fault = faultOfName(name) ?? (isPathTooLong(this.#baseBytes, name) ? 'path-too-long' : null);
    return fault === null ? { kind: 'directory', name: relative } : { kind: 'skip', reason: fault, key: prefix };
  }

  *#object(object: ListedObject): Generator<WalkStep, void, undefined> {
    const name = object.key.slice(this.#prefix.length);
    if (name === '') {
      if (object.size > 0) yield { kind: 'skip', reason: 'directory-marker-with-data', key: object.key };
      return;
    }
    if (name.includes('/'))
      throw broken('a key below a directory that the delimiter should have rolled up', object.key);
    const fault = faultOfName(name) ?? (isPathTooLong(this.#baseBytes, name) ? 'path-too-long' : null);
    yield fault === null ? { kind: 'file', name, object } : { kind: 'skip', reason: fault, key: object.key };
  }
}

function broken(what: string, key: string): DlfsError {
  return new DlfsError('protocol', `the listing is not that of an S3 endpoint: ${what}`, { key });
}
