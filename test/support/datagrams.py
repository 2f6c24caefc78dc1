"""Binds a Unix datagram socket at the path given and prints each message as one line of JSON, until its input ends."""
import json
import os
import select
import socket
import sys

receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print(json.dumps("bound"), flush=True)
while True:
    ready, _, _ = select.select([receiver, sys.stdin], [], [])
    if receiver in ready:
        print(json.dumps(receiver.recv(65536).decode()), flush=True)
    elif not os.read(sys.stdin.fileno(), 1):
        break
