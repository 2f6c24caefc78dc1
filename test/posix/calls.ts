/**
 * The calls of `helper.py` with their types: the whole surface between the two, in the order of the Python file.
 *
 * Invariants:
 * 1. Each name here is a function there and the other way round (`helper.test.ts` compares them).
 * 2. Bytes come as Buffer. Numbers beyond 2^53 (nanoseconds, directory positions) come as decimal strings.
 */

/** What stat(2) tells. */
export interface Stat {
  readonly type: 'file' | 'dir' | 'other';
  /** The twelve permission bits. */
  readonly mode: number;
  readonly ino: number;
  readonly dev: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Of 512 bytes. */
  readonly blocks: number;
  readonly blksize: number;
  readonly atimeNs: string;
  readonly mtimeNs: string;
  readonly ctimeNs: string;
}

/** What statvfs(3) tells. */
export interface StatVfs {
  readonly bsize: number;
  readonly frsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly favail: number;
  readonly flag: number;
  readonly namemax: number;
}

/** [offset, length] of a range of bytes. */
export type Range = readonly [offset: number, length: number];

/** [name, inode number, d_type, position behind the entry] of getdents64(2). */
export type Dirent = readonly [name: string, ino: number, type: number, next: string];

/** [relative path, kind, size, SHA-256 in hex] of one entry below a directory; 0 and '' for directories. */
export type ManifestLine = readonly [path: string, kind: 'file' | 'dir', size: number, sha256: string];

/** Name → function; see the file's header. The results are those of the awaited call. */
export interface Calls {
  calls(): string[];
  open(path: string, flags: number, mode?: number): number;
  openat2(dirFd: number, path: string, flags: number, resolve: number): number;
  close(fd: number): null;
  dup(fd: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  read(fd: number, length: number): Buffer;
  pread(fd: number, length: number, offset: number): Buffer;
  readv(fd: number, lengths: readonly number[]): Buffer;
  preadv2(fd: number, lengths: readonly number[], offset: number, flags: number): Buffer;
  pread_direct(fd: number, length: number, offset: number, shift: number): Buffer;
  aio_read(fd: number, length: number, offsets: readonly number[]): Buffer[];
  digest(path: string, step?: number, offset?: number, length?: number): [sha256: string, count: number];
  digest_parallel(path: string, ranges: readonly Range[], threads: number, shared: boolean): [string, number][];

  sendfile(fd: number, offset: number, length: number, to: 'memory' | 'socket'): Buffer;
  splice(fd: number, offset: number, length: number): Buffer;
  copy_file_range(fd: number, offset: number, length: number, target: string): number;

  mmap_read(
    fd: number,
    length: number,
    flags: number,
    prot: number,
    ranges: readonly Range[],
    closeFirst?: boolean,
  ): Buffer[];
  mmap_private_write(fd: number, length: number, offset: number, text: string): [mapping: Buffer, file: Buffer];
  mmap_module_read(path: string, ranges: readonly Range[]): [size: number, pieces: Buffer[], found: number];
  madvise_read(fd: number, length: number, advices: readonly number[], ranges: readonly Range[]): Buffer[];

  stat(path: string): Stat;
  lstat(path: string): Stat;
  fstat(fd: number): Stat;
  stat_at(dirFd: number, name: string): Stat;
  stats(paths: readonly string[]): Stat[];
  statx(path: string, mask: number): { mask: number; mode: number; ino: number; size: number };
  access(path: string, mode: number): null;
  faccessat2(path: string, mode: number, flags: number): null;
  statvfs(path: string): StatVfs;
  statfs_type(path: string): number;
  getxattr(path: string, name: string): Buffer;
  getxattr_sized(path: string, name: string, size: number): number;
  listxattr(path: string): string[];
  fgetxattr(fd: number, name: string): Buffer;

  getdents(path: string, size: number, start?: string, limit?: number): Dirent[];
  getdents_fd(fd: number, size: number): Dirent[];
  seekdir(path: string, picks: readonly number[]): [names: string[], found: (string | null)[], again: string[]];
  manifest(path: string): ManifestLine[];
  listdir(path: string): string[];

  fadvise(fd: number, offset: number, length: number, advice: number): null;
  readahead(fd: number, offset: number, length: number): number;
  flock(fd: number, operation: number): null;
  record_lock(fd: number, kind: number, wait: boolean): null;
  poll_in(fd: number): boolean;
  ioctl(fd: number, request: number): number;
  fsync(fd: number): null;
  fdatasync(fd: number): null;
  inotify(watched: string, mask: number, readPath: string): [mask: number, name: string][];

  mkdir(path: string): null;
  rmdir(path: string): null;
  unlink(path: string): null;
  rename(path: string, to: string): null;
  link(path: string, to: string): null;
  symlink(target: string, path: string): null;
  readlink(path: string): string;
  mknod(path: string, mode: number): null;
  bind_socket(path: string): null;
  chmod(path: string, mode: number): null;
  fchmod(fd: number, mode: number): null;
  chown(path: string, uid: number, gid: number): null;
  fchown(fd: number, uid: number, gid: number): null;
  utime(path: string): null;
  futime(fd: number): null;
  truncate(path: string, length: number): null;
  ftruncate(fd: number, length: number): null;
  fallocate(fd: number, length: number): null;
  write(fd: number, text: string): number;
  setxattr(path: string, name: string, text: string): null;
  fsetxattr(fd: number, name: string, text: string): null;
  removexattr(path: string, name: string): null;

  mount(source: string, target: string, kind: string | null, flags: number, data: string | null): null;
  umount2(target: string, flags: number): null;

  sqlite_create(path: string, rows: number): null;
  sqlite_query(uri: string, statement: string, parameters: readonly (string | number)[]): (string | number | null)[][];
}

/** The name of a call. */
export type CallName = keyof Calls;
