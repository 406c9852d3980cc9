"""Room on the disk that is kept for the moment when there is none: deleting needs some as well."""

import logging
import os
from pathlib import Path

from agent import config

log = logging.getLogger(__name__)

TIGHT = 65_536  # bytes free below which a disk counts as full


def free_bytes(folder: Path) -> int:
    """What a service may still write to the file system of `folder`."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


class Ballast:
    """A file that holds room on the disk, given up when the disk is full: deleting needs room as well."""

    def __init__(self, state_dir: Path, settings: config.Store) -> None:
        self._file, self.bytes = state_dir / "ballast", settings.ballast_kb * 1000

    def release(self) -> None:
        if self._file.exists():
            self._file.unlink()
            log.warning("%s: given up, the disk is full", self._file)

    def restore(self) -> None:
        """The blocks are really taken; a file with a hole would hold nothing."""
        if not self.bytes or (self._file.exists() and self._file.stat().st_size == self.bytes):
            return
        try:
            with self._file.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.bytes)
        except OSError as exc:
            log.warning("%s: no room for it yet: %s", self._file, exc)
            self._file.unlink(missing_ok=True)


def clear_the_way(state_dir: Path, settings: config.Store) -> None:
    """Gives up the ballast where the disk is full at the start: SQLite needs room for its index before it can even look."""
    ballast = Ballast(state_dir, settings)
    if state_dir.exists() and free_bytes(state_dir) < max(ballast.bytes, TIGHT):
        ballast.release()
