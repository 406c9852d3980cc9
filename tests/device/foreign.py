"""Runs programs of another processor where they just run: `python -m tests.device.foreign COMMAND…`.

The kernel asks an interpreter (QEMU) for help with them, by an entry that a user namespace of its own holds: no other process of this
machine sees it, and it is gone with the command. Needs root outside of any chroot, and Linux 6.7.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

NEW_USERS_AND_MOUNTS: Final = 0x1000_0000 | 0x0002_0000  # CLONE_NEWUSER, CLONE_NEWNS
QEMU: Final = "qemu-aarch64-static"
BINFMT: Final = "/proc/sys/fs/binfmt_misc"
# How an ELF program for aarch64 begins: 64 bit, little endian, of type 2 or 3 (so its last bit is not looked at), machine 183.
MAGIC: Final = bytes([0x7F, *b"ELF", 2, 1, 1, *[0] * 9, 2, 0, 183, 0])
MASK: Final = bytes([*[0xFF] * 7, 0, *[0xFF] * 8, 0xFE, *[0xFF] * 3])


def run(command: Sequence[str]) -> int:
    """The exit code of `command`, which may be of either processor, and may start programs of the other."""
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        _enter(ready[1], go[0])
        os.execvp(command[0], list(command))  # noqa: S606  # no shell
    os.close(ready[1])
    if os.read(ready[0], 1):
        # Everybody keeps his number: files made inside belong to the same users outside.
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text("0 0 4294967295", "ascii")
        os.write(go[1], b".")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _enter(ready: int, go: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _must(libc.unshare(NEW_USERS_AND_MOUNTS), "no user namespace of its own")
    os.write(ready, b".")
    os.read(go, 1)
    os.setgid(0)
    os.setuid(0)
    _must(libc.mount(b"none", BINFMT.encode(), b"binfmt_misc", 0, None), f"no {BINFMT} of its own (Linux 6.7 has it)")
    qemu = shutil.which(QEMU)
    if not qemu:
        sys.exit(f"{QEMU} is missing: apt install qemu-user-static")
    # F: opened now, so that it is found inside a chroot too; C: the rights of the program count, not those of QEMU.
    Path(BINFMT, "register").write_bytes(b":aarch64:M::" + _escaped(MAGIC) + b":" + _escaped(MASK) + b":" + qemu.encode() + b":FC")


def _escaped(raw: bytes) -> bytes:
    return "".join(f"\\x{each:02x}" for each in raw).encode()


def _must(answer: int, sentence: str) -> None:
    if answer:
        sys.exit(f"{sentence}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
