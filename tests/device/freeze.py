"""Stops every thread of a process but its first, as a driver does that never returns: python freeze.py PID. Needs root."""

import ctypes
import os
import sys
from pathlib import Path

SEIZE, INTERRUPT = 0x4206, 0x4207  # ptrace(2)
EVERY_THREAD = 0x4000_0000  # __WALL of waitpid(2)


def main() -> None:
    libc, pid = ctypes.CDLL(None, use_errno=True), int(sys.argv[1])
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for thread in sorted(int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()):
        if thread != pid:
            for request in (SEIZE, INTERRUPT):
                assert libc.ptrace(request, thread, None, None) == 0, os.strerror(ctypes.get_errno())
    print("frozen", flush=True)
    while True:
        try:
            # A traced thread that has died stays until its tracer has looked: the process would never end.
            os.waitpid(-1, EVERY_THREAD)
        except ChildProcessError:
            return


if __name__ == "__main__":
    main()
