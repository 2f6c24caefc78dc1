/**
 * A folder's regular files as objects.
 *
 * Walks once, at the start, with synchronous calls: a file costs microseconds where promises would cost tens of them,
 * and nothing is served yet. Between folders the event loop gets its turn, so that progress shows and Ctrl-C works.
 *
 * Invariants:
 * 1. Keys are the paths' bytes, whatever their encoding.
 * 2. Symbolic links, devices, sockets and empty folders are not objects.
 * 3. ETags are fixed here: the MD5 of the content up to a size, derived from key, size and time above it.
 */

import { createHash } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { byteStringOf } from './byte-string.ts';
import { FileContent, contentHead } from './content.ts';
import type { StoredObject } from './object-store.ts';
import { derivedEtag } from './object-store.ts';

/** How a folder is read. */
export interface FolderOptions {
  /** Largest file whose ETag is its MD5; 0 reads no content at all. */
  readonly md5UpTo?: number;
  /** Called after each folder with the number of objects found so far. */
  readonly onProgress?: (objects: number) => void;
}

/** 256 KiB: covers small files, whose MD5 clients check, without reading the large ones at the start. */
const MD5_UP_TO = 256 * 1024;

/**
 * The objects below `root`, in no particular order.
 * @throws the file system's error where a folder cannot be read
 */
export async function folderObjects(root: string, options: FolderOptions = {}): Promise<StoredObject[]> {
  const md5UpTo = options.md5UpTo ?? MD5_UP_TO;
  const base = root.replace(/\/+$/, '');
  const prefix = Buffer.from(base + '/', 'utf8');
  const objects: StoredObject[] = [];
  // Paths below root with a slash at their end; the root itself is empty.
  const folders: Buffer[] = [Buffer.alloc(0)];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of readdirSync(Buffer.concat([prefix, folder]), { encoding: 'buffer', withFileTypes: true })) {
      const path = Buffer.concat([folder, entry.name]);
      if (entry.isDirectory()) folders.push(Buffer.concat([path, Buffer.from('/')]));
      else if (entry.isFile()) objects.push(fileObject(base, prefix, path, md5UpTo));
    }
    options.onProgress?.(objects.length);
    await setImmediate();
  }
  return objects;
}

function fileObject(base: string, prefix: Buffer, path: Buffer, md5UpTo: number): StoredObject {
  const stat = lstatSync(Buffer.concat([prefix, path]));
  const key = byteStringOf(path);
  const content = new FileContent(base, key, stat.size);
  const lastModified = Math.floor(stat.mtimeMs / 1000) * 1000;
  return {
    key,
    content,
    etag:
      stat.size <= md5UpTo
        ? `"${createHash('md5').update(contentHead(content, stat.size)).digest('hex')}"`
        : derivedEtag(key, stat.size, lastModified),
    lastModified,
    storageClass: 'STANDARD',
    contentType: 'binary/octet-stream',
    listed: null,
  };
}
