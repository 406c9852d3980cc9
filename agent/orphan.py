"""Has the kernel end a camera's process with its parent, wherever it is."""

import ctypes
import multiprocessing
import os
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """To be called first: who hangs in native code, or was stopped, never looks whether the pipe is at its end.

    It would hold the camera, which the next agent then could not open. The signal comes with the end of the thread that has started us:
    the parent's main thread, which is its last.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent and parent.pid != os.getppid():
        raise SystemExit("the parent of this camera's process has ended before it began")
