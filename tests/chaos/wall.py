"""The wall clock of one process, set by the test while it runs: a small library is built and preloaded, see wall.c."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from agent.clock import BUILT_MS

SOURCE = Path(__file__).with_name("wall.c")
# What the test calls the right time: later than this release, whatever the machine that tests it believes.
AHEAD_S = max(0, round(BUILT_MS / 1000 + 30 * 86_400 - time.time()))


def right_s() -> float:
    """The right time, in Unix seconds."""
    return time.time() + AHEAD_S


class Wall:
    """Starts in the first minute of 1970, and nobody vouches for it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file, self._library = folder / "clock", folder / "wall.so"
        command = ["cc", "-std=gnu11", "-O2", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
        self.put(60 - right_s())

    @property
    def environ(self) -> Mapping[str, str]:
        """What a process needs to live by this clock."""
        return {"LD_PRELOAD": str(self._library), "WALL_CLOCK": str(self._file)}

    def put(self, wrong_s: float = 0.0, *, synced: bool = False) -> None:
        """So many seconds ahead of the right time from now on; replaced in one go, as it is read at any moment."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{round(AHEAD_S + wrong_s)} {'synced' if synced else 'adrift'}\n", "ascii")
        new.replace(self._file)
