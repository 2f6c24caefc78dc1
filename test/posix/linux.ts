/**
 * Constants of Linux on x86-64 that Node does not name. Source: the uapi headers and fcntl.h of glibc.
 */
import { constants } from 'node:fs';

/** Flags of open(2). */
export const O = {
  ...constants,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
  O_TMPFILE: 0o20200000,
} as const;

/** whence of lseek(2). */
export const SEEK = { SET: 0, CUR: 1, END: 2, DATA: 3, HOLE: 4 } as const;

/** mmap(2). */
export const PROT = { READ: 1, WRITE: 2, EXEC: 4 } as const;
/** mmap(2). */
export const MAP = { SHARED: 1, PRIVATE: 2, POPULATE: 0x8000 } as const;
/** madvise(2). */
export const MADV = { NORMAL: 0, RANDOM: 1, SEQUENTIAL: 2, WILLNEED: 3, DONTNEED: 4 } as const;
/** posix_fadvise(2). */
export const FADV = { NORMAL: 0, RANDOM: 1, SEQUENTIAL: 2, WILLNEED: 3, DONTNEED: 4, NOREUSE: 5 } as const;
/** statvfs(3) f_flag. */
export const ST = { RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8 } as const;
/** d_type of getdents64(2). */
export const DT = { UNKNOWN: 0, DIR: 4, REG: 8 } as const;
/** flock(2). */
export const LOCK = { SH: 1, EX: 2, NB: 4, UN: 8 } as const;
/** l_type of fcntl(2) F_SETLK. */
export const F = { RDLCK: 0, WRLCK: 1, UNLCK: 2 } as const;
/** openat2(2) resolve. */
export const RESOLVE = { NO_XDEV: 1, NO_MAGICLINKS: 2, NO_SYMLINKS: 4, BENEATH: 8, IN_ROOT: 16 } as const;
/** inotify(7). */
export const IN = { ACCESS: 1, CLOSE_NOWRITE: 0x10, OPEN: 0x20 } as const;
/** preadv2(2). */
export const RWF = { HIPRI: 1, NOWAIT: 8 } as const;
/** faccessat2(2). */
export const AT = { FDCWD: -100, EACCESS: 0x200 } as const;
/** statx(2): type, mode, ino and size. */
export const STATX_BASIC = 0x1 | 0x2 | 0x100 | 0x200;
/** st_mode of a FIFO and of a character device. */
export const S = { IFIFO: 0o010000, IFCHR: 0o020000 } as const;
/** mount(2). */
export const MS = { RDONLY: 1, NOSUID: 2, NODEV: 4, REMOUNT: 32, BIND: 4096 } as const;
/** umount2(2). */
export const MNT = { FORCE: 1, DETACH: 2 } as const;
/** ioctl(2): a terminal's attributes, what isatty(3) asks. */
export const TCGETS = 0x5401;
/** statfs(2) f_type of FUSE. */
export const FUSE_SUPER_MAGIC = 0x65735546;
/** Bytes of a page. */
export const PAGE = 4096;
