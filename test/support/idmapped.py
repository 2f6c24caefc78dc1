#!/usr/bin/env python3
"""What a process in a user namespace sees of a directory through an id-mapped mount of it, as a pod with users of its own does.

Usage: idmapped.py DIR FILE. Makes a detached clone of the mount at DIR, maps its ids by a user namespace in which 0 is BASE
outside, and prints one line of JSON: who owns DIR and FILE within that namespace and outside of it, what the namespace's root
reads from FILE, and what a stranger to both is told; or {"refused": ERRNO} where the kernel or the file system knows no id-mapped
mounts. The clone goes with this process.
"""
import ctypes
import errno
import json
import os
import struct
import sys

BASE = 100000
COUNT = 65536
STRANGER = 65534

LIBC = ctypes.CDLL(None, use_errno=True)
SYS_OPEN_TREE, SYS_MOUNT_SETATTR = 428, 442
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
OPEN_TREE_CLONE, MOUNT_ATTR_IDMAP = 1, 0x100000
CLONE_NEWUSER = 0x10000000


def check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), what)
    return result


def owners(tree, name):
    root, file = os.stat(".", dir_fd=tree), os.stat(name, dir_fd=tree)
    return [[root.st_uid, root.st_gid], [file.st_uid, file.st_gid]]


def read(tree, name):
    try:
        with open(os.open(name, os.O_RDONLY, dir_fd=tree), "rb") as file:
            return file.read().decode()
    except OSError as error:
        return errno.errorcode[error.errno]


def in_child(action):
    """Runs the action in a process of its own; its result, by JSON."""
    back, to = os.pipe()
    if os.fork() == 0:
        os.write(to, json.dumps(action()).encode())
        os._exit(0)
    os.close(to)
    with open(back, "rb") as answer:
        text = answer.read()
    os.wait()
    return json.loads(text)


def map_ids(tree):
    """Maps the clone by a namespace that a child of ours holds; gives a descriptor of the namespace."""
    (ready, is_ready), (go_on, may_end) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(may_end)
        check(LIBC.unshare(CLONE_NEWUSER), "unshare")
        os.write(is_ready, b"x")
        os.read(go_on, 1)
        os._exit(0)
    os.close(is_ready)
    os.read(ready, 1)
    for name in ("uid_map", "gid_map"):
        with open("/proc/%d/%s" % (child, name), "w") as file:
            file.write("0 %d %d\n" % (BASE, COUNT))
    namespace = os.open("/proc/%d/ns/user" % child, os.O_RDONLY | os.O_CLOEXEC)
    os.close(may_end)
    os.waitpid(child, 0)
    # struct mount_attr: attr_set, attr_clr, propagation, userns_fd
    attr = struct.pack("=QQQQ", MOUNT_ATTR_IDMAP, 0, 0, namespace)
    check(LIBC.syscall(SYS_MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, attr, len(attr)), "mount_setattr")
    return namespace


def main():
    directory, name = sys.argv[1:]
    tree = check(LIBC.syscall(SYS_OPEN_TREE, AT_FDCWD, os.fsencode(directory), OPEN_TREE_CLONE), "open_tree")
    try:
        namespace = map_ids(tree)
    except OSError as error:
        print(json.dumps({"refused": errno.errorcode[error.errno]}))
        return

    def as_root_within():
        check(LIBC.setns(namespace, CLONE_NEWUSER), "setns")
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        return [owners(tree, name), read(tree, name)]

    def as_stranger():
        os.setgroups([])
        os.setresgid(STRANGER, STRANGER, STRANGER)
        os.setresuid(STRANGER, STRANGER, STRANGER)
        return read(tree, name)

    within, text = in_child(as_root_within)
    outside = in_child(lambda: owners(tree, name))
    print(json.dumps({"within": within, "text": text, "outside": outside, "stranger": in_child(as_stranger)}))


main()
