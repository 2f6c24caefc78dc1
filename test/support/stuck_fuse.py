#!/usr/bin/env python3
"""A FUSE mount that answers INIT and then nothing: what a hung daemon looks like to everybody else.

Usage: stuck_fuse.py mount SOURCE DIR ..., as bin/dlfs is called. Prints "dlfs: serving DIR" when a call on DIR would hang,
reads what it is sent and names it ("stuck with request OPCODE"), and ends when the connection is aborted. The mount is the
caller's to take away.
"""
import ctypes
import os
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
FUSE_INIT = 26
MS_NOSUID, MS_NODEV = 2, 4


def main():
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % fd
    if LIBC.mount(b"stuck", os.fsencode(sys.argv[3]), b"fuse.stuck", ctypes.c_ulong(MS_NOSUID | MS_NODEV), options.encode()) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    while True:
        try:
            request = os.read(fd, 1 << 20)
        except OSError:  # ENODEV: aborted or unmounted
            return
        _, opcode, unique = struct.unpack_from("=IIQ", request)
        if opcode == FUSE_INIT:
            # fuse_init_out: 7.31, the oldest that this shape of 64 bytes fits; all features off
            body = struct.pack("=IIIIHHIIHHI28x", 7, 31, 65536, 0, 16, 12, 65536, 1, 16, 0, 0)
            os.write(fd, struct.pack("=IiQ", 16 + len(body), 0, unique) + body)
            print("dlfs: serving " + sys.argv[3], flush=True)
        else:
            print("stuck with request %d" % opcode, flush=True)


main()
