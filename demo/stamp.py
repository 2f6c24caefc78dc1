"""Makes objects of the files in a versitygw bucket folder: sets the extended attributes that a PUT would have set.

usage: stamp.py FOLDER
"""

import hashlib
import os
import sys

for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            etag = hashlib.file_digest(file, "md5").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.md5(file.read()).hexdigest()
        os.setxattr(path, "user.etag", f'"{etag}"'.encode())
        os.setxattr(path, "user.checksums", b'{"Algorithm":"CRC32","Type":"FULL_OBJECT"}')
