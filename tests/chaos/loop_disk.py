"""A small ext4 disk in a file: what is written to it is counted, and it can be copied as it is at one moment."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SECTOR = 512  # the kernel counts in these whatever the disk has
# Nothing may be written later on that has to do with the making: an idle disk has to be idle. The journal is as small as ext4 takes it.
_MKFS = ("mkfs.ext4", "-q", "-F", "-J", "size=4", "-E")
_LAZY = "lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner={}:{}"


def as_root(*command: str | Path) -> str:
    """What an administrator's command prints; where this is no administrator, by way of a sudo that asks for no password."""
    words = [*(() if os.geteuid() == 0 else ("sudo", "--non-interactive")), *map(str, command)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert not done.returncode, f"`{' '.join(words)}` failed, which needs root and loop devices: {done.stderr.strip()}"
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class Written:
    """What a disk has taken since it was attached, or between two looks."""

    bytes: int
    operations: int
    flushes: int

    def __sub__(self, before: "Written") -> "Written":
        return Written(self.bytes - before.bytes, self.operations - before.operations, self.flushes - before.flushes)


class LoopDisk:
    """In `with` it is mounted on `folder`; of an image that is there already, the journal is played back as after a power cut."""

    def __init__(self, image: Path, folder: Path, mb: int = 32, block: int | None = None) -> None:
        """`block` is the size of ext4's blocks in bytes; left to itself it takes 1,024 on a disk as small as this, and 4,096 on a card."""
        self.image, self.folder, self._mb = image, folder, mb
        self._block = () if block is None else ("-b", str(block))

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        new = not self.image.exists()
        if new:
            self.image.touch()
            os.truncate(self.image, self._mb << 20)
        # A device of its own each time, its buffers thrown away: a stale one shows damage that is not there.
        self.device = as_root("losetup", "--find", "--show", self.image)
        try:
            as_root("blockdev", "--flushbufs", self.device)
            if new:
                as_root(*_MKFS, _LAZY.format(os.geteuid(), os.getegid()), *self._block, self.device)
            as_root("mount", "-o", "noatime", self.device, self.folder)
        finally:
            as_root("losetup", "--detach", self.device)  # once nothing is mounted from it
        return self

    def __exit__(self, *_: object) -> None:
        as_root("umount", self.folder)

    def written(self) -> Written:
        """By the kernel's statistics of the device (kernel documentation, block/stat)."""
        figures = self._statistics()
        return Written(figures[6] * SECTOR, figures[4], figures[15])

    def settle(self) -> None:
        """Everything that was handed to the file system is on the disk when this returns."""
        as_root("sync", "--file-system", self.folder)

    def copy(self, place: Path, seconds: float = 5.0) -> None:
        """The disk as it is at one moment, which is one in which nothing was on its way to it: the copying takes a while."""
        deadline = time.monotonic() + seconds
        while True:
            before = self._statistics()
            subprocess.run(["cp", "--sparse=always", str(self.image), str(place)], check=True)
            after = self._statistics()
            if (before[4], before[6], before[15]) == (after[4], after[6], after[15]) and before[8] == after[8] == 0:
                return
            assert time.monotonic() < deadline, f"{self.device} was written to for {seconds} s without a pause"

    def _statistics(self) -> list[int]:
        return [int(figure) for figure in Path(f"/sys/block/{Path(self.device).name}/stat").read_text("ascii").split()]
