"""Gives a command a terminal and plays a script on it: terminal.py SCRIPT COMMAND...

SCRIPT is JSON: a list of steps, each one of {"size": [rows, columns]}, {"send": "text"} and {"until": "text that the
terminal shows"}. The first step should set a size: it is set before the command starts. Prints what the terminal
showed; ends with the command's exit code, or 124 when a step took longer than 30 seconds.
"""

import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios
import time

STEP_SECONDS = 30


def set_size(terminal, rows, columns):
    # The kernel sends SIGWINCH to the terminal's foreground process group, as a terminal emulator's resize does.
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read_some(terminal, seconds):
    """What the terminal shows next; None when the command has closed it."""
    ready, _, _ = select.select([terminal], [], [], seconds)
    if not ready:
        return b""
    try:
        return os.read(terminal, 65536) or None
    except OSError:
        return None


def main():
    steps = json.loads(sys.argv[1])
    first = steps.pop(0)["size"] if steps and "size" in steps[0] else None
    child, terminal = pty.fork()
    if child == 0:
        if first is not None:
            set_size(0, *first)
        os.execvp(sys.argv[2], sys.argv[2:])
    shown, searched, is_open = b"", 0, True
    for step in steps:
        if "size" in step:
            set_size(terminal, *step["size"])
        if "send" in step:
            os.write(terminal, step["send"].encode())
        if "until" in step:
            wanted, deadline = step["until"].encode(), time.monotonic() + STEP_SECONDS
            while is_open and wanted not in shown[searched:]:
                if time.monotonic() > deadline:
                    sys.stdout.buffer.write(shown)
                    print(f"\nterminal.py: {step['until']!r} was not shown in {STEP_SECONDS} s", file=sys.stderr)
                    os.kill(child, 9)
                    sys.exit(124)
                more = read_some(terminal, 0.1)
                is_open, shown = more is not None, shown + (more or b"")
            searched = max(searched, shown.find(wanted, searched) + len(wanted))
    deadline = time.monotonic() + STEP_SECONDS
    while is_open and time.monotonic() < deadline:
        more = read_some(terminal, 0.1)
        is_open, shown = more is not None, shown + (more or b"")
    sys.stdout.buffer.write(shown)
    sys.stdout.flush()
    if is_open:
        os.kill(child, 9)
        sys.exit(124)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


main()
