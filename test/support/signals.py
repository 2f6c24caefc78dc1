"""One blocking call on a path, made by a process that is there to be killed or to be interrupted.

Usage: signals.py CALL PATH [STORM_MS]
  CALL      lookup, readdir, read, direct, mmap, pipe (a plain read of something that is no file), or crowd (64
            children that read, each for itself)
  STORM_MS  where given, SIGALRM, SIGPROF and SIGURG arrive every so many milliseconds, with handlers that do not restart
            system calls
Prints "ready" on a line of its own right before the call and, when it has returned, one line of JSON:
  {"result": bytes returned or 1, "sha256": of the bytes, "errno": name or null, "signals": how many handlers ran}

The call goes straight to libc: Python's own functions hide EINTR by trying again.
"""
import ctypes
import errno
import hashlib
import json
import mmap
import os
import signal
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.read.restype = LIBC.pread.restype = ctypes.c_ssize_t
LIBC.pread.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64]
LIBC.read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
LIBC.syscall.restype = ctypes.c_long
SYS_GETDENTS64 = 217
LENGTH = 256 * 1024
PR_SET_PDEATHSIG = 1


def prepare(call, path):
    """What may be done before the call that is to block; returns the call and where its bytes will be."""
    area = mmap.mmap(-1, LENGTH)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    if call == "lookup":
        name = os.fsencode(path)
        return (lambda: LIBC.access(name, 0) + 1 or -1), area  # access gives 0 or -1; here 1 or -1
    if call == "readdir":
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        return (lambda: LIBC.syscall(ctypes.c_long(SYS_GETDENTS64), ctypes.c_int(fd), ctypes.c_void_p(address),
                                     ctypes.c_uint(LENGTH))), area
    fd = os.open(path, os.O_RDONLY | (os.O_DIRECT if call == "direct" else 0))
    if call == "crowd":
        def crowd():
            for _ in range(64):
                if os.fork() == 0:
                    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                    LIBC.pread(fd, address, LENGTH, 0)
                    os._exit(0)
            while True:
                try:
                    os.wait()
                except ChildProcessError:
                    return 0

        return crowd, area
    if call == "pipe":
        return (lambda: LIBC.read(fd, address, LENGTH)), area
    if call == "mmap":
        mapped = LIBC.mmap(None, LENGTH, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
        if mapped == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), "mmap")

        def touch():
            # memcpy in libc, not in Python: the fault happens while the interpreter's lock is not needed by anybody.
            ctypes.memmove(address, mapped, LENGTH)
            return LENGTH

        return touch, area
    return (lambda: LIBC.pread(fd, address, LENGTH, 0)), area


def storm(interval_s):
    """A child that sends the three signals for as long as this process lives."""
    parent = os.getpid()
    if os.fork() == 0:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        while os.getppid() == parent:
            for number in (signal.SIGALRM, signal.SIGPROF, signal.SIGURG):
                try:
                    os.kill(parent, number)
                except ProcessLookupError:
                    os._exit(0)
                time.sleep(interval_s)
        os._exit(0)


def main():
    call, path = sys.argv[1], sys.argv[2]
    blocking, area = prepare(call, path)
    seen = [0]

    def handler(_number, _frame):
        seen[0] += 1

    for number in (signal.SIGALRM, signal.SIGPROF, signal.SIGURG):
        signal.signal(number, handler)
        signal.siginterrupt(number, True)
    if len(sys.argv) > 3:
        storm(float(sys.argv[3]) / 1000)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    ctypes.set_errno(0)
    result = blocking()
    number = ctypes.get_errno() if result < 0 else 0
    data = area[:result] if result > 0 else b""
    print(json.dumps({
        "result": result, "sha256": hashlib.sha256(data).hexdigest(),
        "errno": errno.errorcode.get(number) if number else None, "signals": seen[0],
    }), flush=True)
    # The storm must end with this process, whatever its children do.
    os._exit(0)


main()
