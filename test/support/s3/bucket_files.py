"""Writes objects straight into a versitygw bucket folder, or makes objects of the files that are there.

usage: bucket_files.py write FOLDER < lines     one JSON object a line: key, size or body (base64), mtime, etag
       bucket_files.py stamp FOLDER

A file in the folder is an object at once, but lists no ETag and an empty checksum algorithm unless it has the extended
attributes user.etag (with quotes) and user.checksums. Node cannot set extended attributes, so this program does, all in
one process: a million objects are a minute or two of work. Prints the number of objects.
"""

import base64
import hashlib
import json
import os
import sys
import zlib

# Zeros up to this size get a real checksum; beyond, the algorithm is named without a value.
CHECKSUM_LIMIT = 1 << 20
CHUNK = 1 << 20


def set_attributes(target, etag, crc):
    checksums = {"Algorithm": "CRC32", "Type": "FULL_OBJECT"}
    if crc is not None:
        checksums["CRC32"] = base64.b64encode(crc.to_bytes(4, "big")).decode()
    os.setxattr(target, "user.etag", f'"{etag}"'.encode())
    os.setxattr(target, "user.checksums", json.dumps(checksums).encode())


def write(folder):
    made = set()
    count = 0
    for line in sys.stdin:
        entry = json.loads(line)
        key = entry["key"]
        path = os.path.join(folder, key)
        parent = os.path.dirname(path)
        if parent not in made:
            os.makedirs(parent, exist_ok=True)
            made.add(parent)
        if key.endswith("/"):
            # A directory marker is a folder with an ETag.
            set_attributes(parent, entry.get("etag", hashlib.md5(b"").hexdigest()), None)
            os.utime(parent, (entry["mtime"], entry["mtime"]))
            count += 1
            continue
        # A new inode for a changed object: readers of the old one keep it.
        if os.path.lexists(path):
            os.unlink(path)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            if "body" in entry:
                body = base64.b64decode(entry["body"])
                os.write(fd, body)
                etag, crc = hashlib.md5(body).hexdigest(), zlib.crc32(body)
            else:
                size = entry["size"]
                os.ftruncate(fd, size)
                etag = hashlib.md5(f"{key} {size} {entry['mtime']}".encode()).hexdigest() + "-1"
                crc = zlib.crc32(bytes(size)) if size <= CHECKSUM_LIMIT else None
            set_attributes(fd, entry.get("etag", etag), crc)
            os.utime(fd, (entry["mtime"], entry["mtime"]))
        finally:
            os.close(fd)
        count += 1
    return count


def stamp(folder):
    count = 0
    for parent, _, names in os.walk(os.fsencode(folder)):
        for name in names:
            path = os.path.join(parent, name)
            if os.path.islink(path):
                continue
            md5, crc = hashlib.md5(), 0
            with open(path, "rb") as file:
                while chunk := file.read(CHUNK):
                    md5.update(chunk)
                    crc = zlib.crc32(chunk, crc)
                set_attributes(file.fileno(), md5.hexdigest(), crc)
            count += 1
    return count


print({"write": write, "stamp": stamp}[sys.argv[1]](sys.argv[2]))
