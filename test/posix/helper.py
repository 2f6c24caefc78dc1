"""Answers system calls on behalf of a test, one JSON line a call.

What it is: Node has no interface to most of what POSIX offers for reading (getdents, mmap, splice, O_DIRECT, xattrs, ...),
and a call on a mount may block for as long as the origin stalls, which must not take a thread of the test's own process:
the origin may live there. So one such process a test file makes the calls.

How it works: each line on stdin is {"id", "call", "args", "fork", "uid", "gid"}; each line on stdout is {"id"} with one of
  "ok"     the result,
  "errno"  the name of the errno that the call failed with,
  "signal" the name of the signal that killed the forked child,
  "fault"  a traceback: a mistake in the test or in this file.
Bytes travel as {"$b": base64}. Descriptors are plain integers and stay open until `close`. With "fork", the call is made in
a child, which takes on uid and gid (and no supplementary groups) first. test/posix/calls.ts declares each call's types.

Invariants:
1. Calls are answered in order. 2. Nothing but answers goes to stdout. 3. End of stdin ends the process.
"""
import array
import base64
import ctypes
import errno
import fcntl
import hashlib
import json
import mmap as mmap_module
import os
import select
import signal
import socket
import sqlite3
import stat as stat_module
import struct
import sys
import threading
import traceback

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
LIBC.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
LIBC.opendir.restype = ctypes.c_void_p
LIBC.opendir.argtypes = [ctypes.c_char_p]
LIBC.readdir.restype = ctypes.c_void_p
LIBC.readdir.argtypes = [ctypes.c_void_p]
LIBC.telldir.restype = ctypes.c_long
LIBC.telldir.argtypes = [ctypes.c_void_p]
LIBC.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
LIBC.seekdir.restype = None
LIBC.rewinddir.argtypes = [ctypes.c_void_p]
LIBC.rewinddir.restype = None
LIBC.closedir.argtypes = [ctypes.c_void_p]
LIBC.readahead.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_size_t]

# System call numbers of Linux on x86-64, the one platform of the project.
SYS_GETDENTS64, SYS_IO_SETUP, SYS_IO_DESTROY, SYS_IO_GETEVENTS, SYS_IO_SUBMIT = 217, 206, 207, 208, 209
SYS_OPENAT2, SYS_FACCESSAT2, SYS_STATX = 437, 439, 332
AT_FDCWD = -100
PAGE = mmap_module.PAGESIZE
MAP_FAILED = ctypes.c_void_p(-1).value
# Python names one of two names for a number; the tests use the one of the manual pages.
ERRNO_NAMES = {**errno.errorcode, errno.EOPNOTSUPP: "EOPNOTSUPP", errno.EAGAIN: "EAGAIN"}
CALLS = {}


def call(function):
    CALLS[function.__name__] = function
    return function


def checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def syscall(number, *args):
    return checked(LIBC.syscall(ctypes.c_long(number), *args))


def encoded(path):
    return os.fsencode(path)


# --- descriptors -----------------------------------------------------------------------------------------------------

@call
def calls():
    return sorted(CALLS)


@call
def open(path, flags, mode=0):
    return os.open(path, flags, mode)


@call
def openat2(dir_fd, path, flags, resolve):
    how = struct.pack("=QQQ", flags, 0, resolve)
    return syscall(SYS_OPENAT2, ctypes.c_int(dir_fd), ctypes.c_char_p(encoded(path)), ctypes.c_char_p(how), ctypes.c_size_t(24))


@call
def close(fd):
    os.close(fd)


@call
def dup(fd):
    return os.dup(fd)


@call
def lseek(fd, offset, whence):
    return os.lseek(fd, offset, whence)


@call
def read(fd, length):
    return os.read(fd, length)


@call
def pread(fd, length, offset):
    return os.pread(fd, length, offset)


@call
def readv(fd, lengths):
    buffers = [bytearray(length) for length in lengths]
    count = os.readv(fd, buffers)
    return b"".join(bytes(buffer) for buffer in buffers)[:count]


@call
def preadv2(fd, lengths, offset, flags):
    buffers = [bytearray(length) for length in lengths]
    count = os.preadv(fd, buffers, offset, flags)
    return b"".join(bytes(buffer) for buffer in buffers)[:count]


@call
def pread_direct(fd, length, offset, shift):
    """pread into a buffer that lies `shift` bytes behind a page's start; meant for O_DIRECT."""
    with mmap_module.mmap(-1, length + shift + PAGE) as area:
        view = memoryview(area)
        part = view[shift:shift + length]
        try:
            count = os.preadv(fd, [part], offset)
            return bytes(part[:count])
        finally:
            part.release()
            view.release()


@call
def aio_read(fd, length, offsets):
    """Linux AIO: all reads submitted at once, into page-aligned buffers."""
    context = ctypes.c_ulong(0)
    syscall(SYS_IO_SETUP, ctypes.c_uint(len(offsets)), ctypes.byref(context))
    area = mmap_module.mmap(-1, length * len(offsets))
    try:
        start = ctypes.addressof(ctypes.c_char.from_buffer(area))
        # struct iocb: data, key, rw_flags, opcode (0 = PREAD), reqprio, fildes, buf, nbytes, offset, reserved2, flags, resfd
        blocks = [
            ctypes.create_string_buffer(
                struct.pack("=QIIHhIQQqQII", i, 0, 0, 0, 0, fd, start + i * length, length, offset, 0, 0, 0), 64)
            for i, offset in enumerate(offsets)
        ]
        pointers = (ctypes.c_void_p * len(blocks))(*[ctypes.addressof(block) for block in blocks])
        submitted = syscall(SYS_IO_SUBMIT, context, ctypes.c_long(len(blocks)), pointers)
        events = ctypes.create_string_buffer(32 * submitted)
        done = 0
        while done < submitted:
            done += syscall(SYS_IO_GETEVENTS, context, ctypes.c_long(submitted - done), ctypes.c_long(submitted - done),
                            ctypes.byref(events, 32 * done), None)
        results = [b""] * len(offsets)
        for i in range(done):
            index, _, result, _ = struct.unpack_from("=QQqq", events, 32 * i)
            if result < 0:
                raise OSError(-result, os.strerror(-result))
            results[index] = ctypes.string_at(start + index * length, result)
        return results
    finally:
        LIBC.syscall(ctypes.c_long(SYS_IO_DESTROY), context)


def digest_range(fd, offset, length, step=1 << 20):
    digest = hashlib.sha256()
    count = 0
    while count < length:
        piece = os.pread(fd, min(step, length - count), offset + count)
        if not piece:
            break
        digest.update(piece)
        count += len(piece)
    return [digest.hexdigest(), count]


@call
def digest(path, step=1 << 20, offset=0, length=1 << 62):
    fd = os.open(path, os.O_RDONLY)
    try:
        return digest_range(fd, offset, length, step)
    finally:
        os.close(fd)


@call
def digest_parallel(path, ranges, threads, shared):
    """Digests of ranges, read by several threads at once, over one descriptor or one each."""
    results = [None] * len(ranges)
    failures = []
    common = os.open(path, os.O_RDONLY) if shared else None

    def work(first):
        try:
            fd = common if common is not None else os.open(path, os.O_RDONLY)
            try:
                for i in range(first, len(ranges), threads):
                    results[i] = digest_range(fd, ranges[i][0], ranges[i][1], 128 * 1024)
            finally:
                if common is None:
                    os.close(fd)
        except OSError as failure:
            failures.append(failure)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if common is not None:
        os.close(common)
    if failures:
        raise failures[0]
    return results


# --- moving bytes without read ---------------------------------------------------------------------------------------

@call
def sendfile(fd, offset, length, to):
    """sendfile into a memory file or a socket; returns the bytes that arrived."""
    if to == "memory":
        out = os.memfd_create("sendfile")
        try:
            sent = 0
            while sent < length:
                count = os.sendfile(out, fd, offset + sent, length - sent)
                if count == 0:
                    break
                sent += count
            return os.pread(out, length + 1, 0)
        finally:
            os.close(out)
    left, right = socket.socketpair()
    received = bytearray()

    def drain():
        while piece := right.recv(1 << 16):
            received.extend(piece)

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        sent = 0
        while sent < length:
            count = os.sendfile(left.fileno(), fd, offset + sent, length - sent)
            if count == 0:
                break
            sent += count
    finally:
        left.close()
        reader.join()
        right.close()
    return bytes(received)


@call
def splice(fd, offset, length):
    """splice into a pipe, piece by piece; returns the bytes that came out of it."""
    out, into = os.pipe()
    received = bytearray()
    try:
        while len(received) < length:
            count = os.splice(fd, into, length - len(received), offset_src=offset + len(received))
            if count == 0:
                break
            while count > 0:
                piece = os.read(out, count)
                received.extend(piece)
                count -= len(piece)
    finally:
        os.close(out)
        os.close(into)
    return bytes(received)


@call
def copy_file_range(fd, offset, length, target):
    """copy_file_range into a new file; returns how much was copied. The caller reads the file."""
    out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        copied = 0
        while copied < length:
            count = os.copy_file_range(fd, out, length - copied, offset + copied, copied)
            if count == 0:
                break
            copied += count
        return copied
    finally:
        os.close(out)


# --- mappings --------------------------------------------------------------------------------------------------------

@call
def mmap_read(fd, length, flags, prot, ranges, close_first=False):
    """Maps [0, length) and returns the bytes of the ranges, in the order given."""
    if close_first:
        fd = os.dup(fd)
    address = LIBC.mmap(None, length, prot, flags, fd, 0)
    if address == MAP_FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if close_first:
        os.close(fd)
    try:
        return [ctypes.string_at(address + offset, count) for offset, count in ranges]
    finally:
        LIBC.munmap(address, length)


@call
def mmap_private_write(fd, length, offset, text):
    """Writes into a private mapping; returns what the mapping and then the file hold there."""
    address = LIBC.mmap(None, length, mmap_module.PROT_READ | mmap_module.PROT_WRITE, mmap_module.MAP_PRIVATE, fd, 0)
    if address == MAP_FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    try:
        data = text.encode()
        ctypes.memmove(address + offset, data, len(data))
        return [ctypes.string_at(address + offset, len(data)), os.pread(fd, len(data), offset)]
    finally:
        LIBC.munmap(address, length)


@call
def mmap_module_read(path, ranges):
    """What a Python program does: the mmap module over a whole file, sliced and searched."""
    with io_open(path) as file, mmap_module.mmap(file.fileno(), 0, access=mmap_module.ACCESS_READ) as area:
        pieces = [area[offset:offset + count] for offset, count in ranges]
        return [len(area), pieces, area.find(pieces[-1])]


def io_open(path):
    return os.fdopen(os.open(path, os.O_RDONLY), "rb", buffering=0)


@call
def madvise_read(fd, length, advices, ranges):
    address = LIBC.mmap(None, length, mmap_module.PROT_READ, mmap_module.MAP_SHARED, fd, 0)
    if address == MAP_FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    try:
        for advice in advices:
            checked(LIBC.madvise(address, length, advice))
        return [ctypes.string_at(address + offset, count) for offset, count in ranges]
    finally:
        LIBC.munmap(address, length)


# --- attributes and names --------------------------------------------------------------------------------------------

def described(found):
    return {
        "type": {stat_module.S_IFREG: "file", stat_module.S_IFDIR: "dir"}.get(stat_module.S_IFMT(found.st_mode), "other"),
        "mode": stat_module.S_IMODE(found.st_mode), "ino": found.st_ino, "dev": found.st_dev, "nlink": found.st_nlink,
        "uid": found.st_uid, "gid": found.st_gid, "size": found.st_size, "blocks": found.st_blocks, "blksize": found.st_blksize,
        "atimeNs": str(found.st_atime_ns), "mtimeNs": str(found.st_mtime_ns), "ctimeNs": str(found.st_ctime_ns),
    }


@call
def stat(path):
    return described(os.stat(path))


@call
def lstat(path):
    return described(os.lstat(path))


@call
def fstat(fd):
    return described(os.fstat(fd))


@call
def stat_at(dir_fd, name):
    return described(os.stat(name, dir_fd=dir_fd))


@call
def stats(paths):
    return [described(os.stat(path)) for path in paths]


@call
def statx(path, mask):
    """size, mode, mtime seconds and nanoseconds from statx(2)."""
    buffer = ctypes.create_string_buffer(256)
    syscall(SYS_STATX, ctypes.c_int(AT_FDCWD), ctypes.c_char_p(encoded(path)), ctypes.c_int(0), ctypes.c_uint(mask), buffer)
    (got,) = struct.unpack_from("=I", buffer, 0)
    (mode,) = struct.unpack_from("=H", buffer, 28)
    ino, size = struct.unpack_from("=QQ", buffer, 32)
    return {"mask": got, "mode": mode & 0o7777, "ino": ino, "size": size}


@call
def access(path, mode):
    if not os.access(path, mode):
        # os.access swallows the errno: ask again for it.
        checked(LIBC.access(encoded(path), mode))


@call
def faccessat2(path, mode, flags):
    syscall(SYS_FACCESSAT2, ctypes.c_int(AT_FDCWD), ctypes.c_char_p(encoded(path)), ctypes.c_int(mode), ctypes.c_int(flags))


@call
def statvfs(path):
    found = os.statvfs(path)
    return {name: getattr(found, "f_" + name) for name in
            ("bsize", "frsize", "blocks", "bfree", "bavail", "files", "ffree", "favail", "flag", "namemax")}


@call
def statfs_type(path):
    buffer = ctypes.create_string_buffer(256)
    checked(LIBC.statfs(encoded(path), buffer))
    return struct.unpack_from("=q", buffer, 0)[0]


@call
def getxattr(path, name):
    return os.getxattr(path, name)


@call
def getxattr_sized(path, name, size):
    """getxattr with a buffer of that size; returns what the call returns."""
    buffer = ctypes.create_string_buffer(max(size, 1))
    return checked(LIBC.getxattr(encoded(path), encoded(name), buffer, ctypes.c_size_t(size)))


@call
def listxattr(path):
    return os.listxattr(path)


@call
def fgetxattr(fd, name):
    return os.getxattr(fd, name)


# --- directories -----------------------------------------------------------------------------------------------------

def parse_entries(data):
    entries = []
    at = 0
    while at < len(data):
        ino, offset, length, kind = struct.unpack_from("=QqHB", data, at)
        name = data[at + 19:at + length].split(b"\0", 1)[0]
        entries.append([os.fsdecode(name), ino, kind, str(offset)])
        at += length
    return entries


def getdents_once(fd, size):
    buffer = ctypes.create_string_buffer(size)
    count = syscall(SYS_GETDENTS64, ctypes.c_int(fd), buffer, ctypes.c_uint(size))
    return buffer.raw[:count]


@call
def getdents(path, size, start="0", limit=1 << 30):
    """All entries from a position, read with a buffer of `size` bytes: [name, ino, d_type, d_off]."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if start != "0":
            os.lseek(fd, int(start), os.SEEK_SET)
        entries = []
        while len(entries) < limit and (data := getdents_once(fd, size)):
            entries.extend(parse_entries(data))
        return entries
    finally:
        os.close(fd)


@call
def getdents_fd(fd, size):
    return parse_entries(getdents_once(fd, size))


def next_name(stream):
    ctypes.set_errno(0)
    entry = LIBC.readdir(stream)
    if not entry:
        number = ctypes.get_errno()
        if number:
            raise OSError(number, os.strerror(number))
        return None
    # struct dirent of glibc on x86-64: ino 8, off 8, reclen 2, type 1, name from byte 19
    return os.fsdecode(ctypes.string_at(entry + 19))


@call
def seekdir(path, picks):
    """Reads a directory with telldir before each entry, then seeks back to the picked positions, then rewinds.

    Returns [names in order, names found at the picks, names after rewinddir]."""
    stream = LIBC.opendir(encoded(path))
    if not stream:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    try:
        names, positions = [], []
        while True:
            position = LIBC.telldir(stream)
            name = next_name(stream)
            if name is None:
                break
            names.append(name)
            positions.append(position)
        found = []
        for pick in picks:
            LIBC.seekdir(stream, positions[pick])
            found.append(next_name(stream))
        LIBC.rewinddir(stream)
        again = []
        while (name := next_name(stream)) is not None:
            again.append(name)
        return [names, found, again]
    finally:
        LIBC.closedir(stream)


@call
def manifest(path):
    """Everything below a directory: [relative path, "dir", 0, ""] or [relative path, "file", size, sha256]."""
    found = []

    def walk(dir_path, prefix):
        with os.scandir(dir_path) as entries:
            for entry in sorted(entries, key=lambda entry: os.fsencode(entry.name)):
                relative = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    found.append([relative, "dir", 0, ""])
                    walk(entry.path, relative + "/")
                else:
                    fd = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW)
                    try:
                        hexdigest, count = digest_range(fd, 0, 1 << 62)
                    finally:
                        os.close(fd)
                    found.append([relative, "file", count, hexdigest])

    walk(path, "")
    return found


@call
def listdir(path):
    return os.listdir(path)


# --- advice, locks, waiting ------------------------------------------------------------------------------------------

@call
def fadvise(fd, offset, length, advice):
    os.posix_fadvise(fd, offset, length, advice)


@call
def readahead(fd, offset, length):
    return checked(LIBC.readahead(fd, offset, length))


@call
def flock(fd, operation):
    fcntl.flock(fd, operation)


@call
def record_lock(fd, kind, wait):
    """fcntl F_SETLK or F_SETLKW of the whole file with kind F_RDLCK, F_WRLCK or F_UNLCK."""
    data = struct.pack("=hhiqqi4x", kind, 0, 0, 0, 0, 0)
    fcntl.fcntl(fd, fcntl.F_SETLKW if wait else fcntl.F_SETLK, data)


@call
def poll_in(fd):
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return poller.poll(0)[0][1] & select.POLLIN != 0


@call
def ioctl(fd, request):
    data = array.array("q", [0] * 8)
    return fcntl.ioctl(fd, request, data)


@call
def fsync(fd):
    os.fsync(fd)


@call
def fdatasync(fd):
    os.fdatasync(fd)


@call
def inotify(watched, mask, read_path):
    """Watches a path while a file is opened, read and closed; returns the events as [mask, name]."""
    fd = checked(LIBC.inotify_init1(0o4000))  # IN_NONBLOCK
    try:
        checked(LIBC.inotify_add_watch(fd, encoded(watched), ctypes.c_uint32(mask)))
        other = os.open(read_path, os.O_RDONLY)
        os.read(other, 1)
        os.close(other)
        events = []
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            data = b""
        at = 0
        while at < len(data):
            _, what, _, length = struct.unpack_from("=iIII", data, at)
            events.append([what, os.fsdecode(data[at + 16:at + 16 + length].split(b"\0", 1)[0])])
            at += 16 + length
        return events
    finally:
        os.close(fd)


# --- what must be refused --------------------------------------------------------------------------------------------

@call
def mkdir(path):
    os.mkdir(path)


@call
def rmdir(path):
    os.rmdir(path)


@call
def unlink(path):
    os.unlink(path)


@call
def rename(path, to):
    os.rename(path, to)


@call
def link(path, to):
    os.link(path, to)


@call
def symlink(target, path):
    os.symlink(target, path)


@call
def readlink(path):
    return os.readlink(path)


@call
def mknod(path, mode):
    os.mknod(path, mode)


@call
def bind_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)


@call
def chmod(path, mode):
    os.chmod(path, mode)


@call
def fchmod(fd, mode):
    os.fchmod(fd, mode)


@call
def chown(path, uid, gid):
    os.chown(path, uid, gid)


@call
def fchown(fd, uid, gid):
    os.fchown(fd, uid, gid)


@call
def utime(path):
    os.utime(path, (0, 0))


@call
def futime(fd):
    os.utime(fd, (0, 0))


@call
def truncate(path, length):
    os.truncate(path, length)


@call
def ftruncate(fd, length):
    os.ftruncate(fd, length)


@call
def fallocate(fd, length):
    os.posix_fallocate(fd, 0, length)


@call
def write(fd, text):
    return os.write(fd, text.encode())


@call
def setxattr(path, name, text):
    os.setxattr(path, name, text.encode())


@call
def fsetxattr(fd, name, text):
    os.setxattr(fd, name, text.encode())


@call
def removexattr(path, name):
    os.removexattr(path, name)


# --- mounts ----------------------------------------------------------------------------------------------------------

@call
def mount(source, target, kind, flags, data):
    checked(LIBC.mount(encoded(source), encoded(target), encoded(kind) if kind else None, ctypes.c_ulong(flags),
                       encoded(data) if data else None))


@call
def umount2(target, flags):
    checked(LIBC.umount2(encoded(target), flags))


# --- programs' own libraries -----------------------------------------------------------------------------------------

@call
def sqlite_create(path, rows):
    """A database in rollback-journal mode with a table t(k INTEGER PRIMARY KEY, v TEXT), an index, and two text values a row."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA page_size = 4096")
        database.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT, w TEXT)")
        database.executemany("INSERT INTO t VALUES (?, ?, ?)",
                             ((k, "value %d" % (k * 7919 % rows), "%040d" % k) for k in range(rows)))
        database.execute("CREATE INDEX t_v ON t (v)")
    database.close()


@call
def sqlite_query(uri, statement, parameters):
    database = sqlite3.connect(uri, uri=True)
    try:
        return [list(row) for row in database.execute(statement, parameters).fetchall()]
    except sqlite3.OperationalError as failure:
        return [["error", failure.sqlite_errorname]]
    finally:
        database.close()


# --- the loop --------------------------------------------------------------------------------------------------------

def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$b": base64.b64encode(value).decode()}
    raise TypeError(type(value).__name__)


def answer(request):
    try:
        return {"ok": CALLS[request["call"]](*request["args"])}
    except OSError as failure:
        if failure.errno is None:
            return {"fault": traceback.format_exc()}
        return {"errno": ERRNO_NAMES.get(failure.errno, str(failure.errno))}
    except Exception:
        return {"fault": traceback.format_exc()}


def answer_in_child(request):
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(out)
            if "uid" in request:
                os.setgroups([])
                os.setresgid(request["gid"], request["gid"], request["gid"])
                os.setresuid(request["uid"], request["uid"], request["uid"])
            data = json.dumps(answer(request), default=plain).encode()
            while data:
                data = data[os.write(into, data):]
        finally:
            os._exit(0)
    os.close(into)
    data = bytearray()
    while piece := os.read(out, 1 << 16):
        data.extend(piece)
    os.close(out)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return {"signal": signal.Signals(os.WTERMSIG(status)).name}
    return json.loads(data)


def main():
    for line in sys.stdin.buffer:
        request = json.loads(line)
        result = answer_in_child(request) if request.get("fork") else answer(request)
        result["id"] = request["id"]
        sys.stdout.buffer.write(json.dumps(result, default=plain).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
