/**
 * An origin for the index's models: a map of keys that can be listed in pages as S3 lists, each page from the map as it is
 * when it is asked for. And what a directory tree of that map looks like, by rules written down a second time.
 */
import { compareKeys, type ListedObject, type ListPage } from '../../src/dataset/listing.ts';

/** One object of the map. */
export interface OriginObject {
  readonly version: number;
  readonly size: number;
}

/** A file of the expected tree. */
export interface ExpectedFile {
  readonly etag: string;
  readonly size: number;
}

/** The expected tree: directories (keys with a slash, the root as '') and files by key. */
export interface ExpectedTree {
  readonly directories: ReadonlySet<string>;
  readonly files: ReadonlyMap<string, ExpectedFile>;
}

/** The etag of a version. */
export function etagOf(version: number): string {
  return `"v${version}"`;
}

/** See the file's header. */
export class ModelOrigin {
  readonly objects = new Map<string, OriginObject>();
  /** Counts changes: whoever compares two readings knows whether there was one. */
  changes = 0;

  put(key: string, object: OriginObject): void {
    this.objects.set(key, object);
    this.changes += 1;
  }

  delete(key: string): void {
    if (this.objects.delete(key)) this.changes += 1;
  }

  /**
   * One page.
   * @param after names greater than this
   * @param size the most names
   */
  page(prefix: string, delimiter: '/' | null, after: string, size: number): ListPage {
    const names = new Map<string, ListedObject | null>();
    for (const [key, { version, size: bytes }] of this.objects) {
      if (!key.startsWith(prefix)) continue;
      const slash = delimiter === null ? -1 : key.indexOf('/', prefix.length);
      const name = slash < 0 ? key : key.slice(0, slash + 1);
      if (compareKeys(name, after) <= 0) continue;
      names.set(
        name,
        slash < 0 ? { key, size: bytes, mtimeMs: 1000 + version, etag: etagOf(version), archived: false } : null,
      );
    }
    const sorted = [...names].sort(([left], [right]) => compareKeys(left, right));
    const taken = sorted.slice(0, size);
    return {
      objects: taken.flatMap(([, object]) => (object === null ? [] : [object])),
      prefixes: taken.flatMap(([name, object]) => (object === null ? [name] : [])),
      undecodable: 0,
      last: taken.length === sorted.length,
    };
  }

  /** The tree that a file system should show of it. */
  tree(): ExpectedTree {
    const directories = new Set(['']);
    const candidates = new Map<string, ExpectedFile>();
    for (const [key, { version, size }] of this.objects) {
      const parts = key.split('/');
      const last = parts.pop() ?? '';
      let path = '';
      let nameable = true;
      for (const part of parts) {
        nameable = isNameable(part);
        if (!nameable) break;
        path += `${part}/`;
        directories.add(path);
      }
      if (nameable && last !== '' && isNameable(last)) candidates.set(key, { etag: etagOf(version), size });
    }
    const files = new Map([...candidates].filter(([key]) => !directories.has(`${key}/`)));
    return { directories, files };
  }
}

function isNameable(name: string): boolean {
  return (
    name !== '' &&
    name !== '.' &&
    name !== '..' &&
    !name.includes('\0') &&
    name.isWellFormed() &&
    Buffer.byteLength(name) <= 255
  );
}
