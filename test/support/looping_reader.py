"""Loops over a directory until its input ends: lists it and reads one file of it, and counts what it sees.

usage: looping_reader.py DIRECTORY FILE
prints one line of JSON at its end: how often each content was seen (by its first bytes), each error, and an empty directory
"""
import json
import os
import select
import sys

directory, name = sys.argv[1:3]
seen = {"rounds": 0, "empty": 0, "errors": {}, "contents": {}}
print("looping", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    seen["rounds"] += 1
    try:
        if not os.listdir(directory):
            seen["empty"] += 1
        with open(os.path.join(directory, name), "rb") as file:
            content = file.read(16).hex()
        seen["contents"][content] = seen["contents"].get(content, 0) + 1
    except OSError as error:
        seen["errors"][os.strerror(error.errno)] = seen["errors"].get(os.strerror(error.errno), 0) + 1
print(json.dumps(seen), flush=True)
