"""Runs a command on a terminal of its own and types a key once its output has shown something so many times.

usage: terminal.py COLUMNS ROWS PATTERN TIMES KEY COMMAND...
prints all that the terminal got; ends as the command does, or with 99 where the pattern did not come in a minute
"""
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

LIMIT = 60
columns, rows, pattern, times, key, *command = sys.argv[1:]
wanted = re.compile(pattern.encode())
pid, terminal = pty.fork()
if pid == 0:
    # The size is set before the command looks: a pipe would be one more way to wait.
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))
    os.environ["TERM"] = "xterm-256color"
    os.execvp(command[0], command)
output = b""
typed = False
end = time.monotonic() + LIMIT
while time.monotonic() < end:
    if not select.select([terminal], [], [], 0.1)[0]:
        continue
    try:
        piece = os.read(terminal, 65536)
    except OSError:  # EIO: the command has ended
        break
    if not piece:
        break
    output += piece
    if not typed and len(wanted.findall(output)) >= int(times):
        os.write(terminal, key.encode())
        typed = True
else:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    sys.stdout.buffer.write(output)
    sys.exit(99)
sys.stdout.buffer.write(output)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
