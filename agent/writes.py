"""What the agent itself writes to the card, from midnight to midnight and since its start: a card lasts so many bytes and no more."""

from dataclasses import dataclass
from pathlib import Path

from agent.power import DAY_MS, ROOT


@dataclass(frozen=True, slots=True)
class Writes:
    """Bytes of this process, None where the kernel keeps no such account: since midnight UTC or its start, and since its start."""

    today_bytes: int | None = None
    bytes: int | None = None


class WriteWatch:
    """Asks the kernel's account of this process, in which a page counts each time it is written anew."""

    def __init__(self, root: Path = ROOT) -> None:
        self._file = root / "proc/self/io"
        self._day: int | None = None
        self._before = self._midnight = 0

    def look(self, utc_ms: int) -> Writes:
        """What was written between the last look of a day and the first of the next counts for the next."""
        written, day = self._written(), utc_ms // DAY_MS
        if written is None:
            return Writes()
        if self._day not in (None, day):
            self._midnight = self._before
        self._day, self._before = day, written
        return Writes(written - self._midnight, written)

    def _written(self) -> int | None:
        try:
            lines = self._file.read_text("ascii").splitlines()
        except OSError:  # a kernel without the account, or a sandbox that hides it
            return None
        figures = dict(line.split(": ", 1) for line in lines if ": " in line)
        return int(figures["write_bytes"]) if figures.get("write_bytes", "").isdigit() else None
