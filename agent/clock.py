"""What time it is and how far to believe it; deadlines never ask here, they use monotonic time."""

import ctypes
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from agent.domain import Stamp, Trust
from agent.domain import rfc3339 as rfc3339

# The day this code was released: a clock that shows less was never set. Raised with every release.
BUILT_MS = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000)
_TIMESYNC = Path("/run/systemd/timesync/synchronized")
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


@cache
def boot_id() -> str:
    """The kernel's name for this boot: monotonic times compare only within one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "unknown"


def disciplined() -> bool:
    """True once timesyncd, chrony or ntpd has told the kernel, or systemd, that the clock is right."""
    if _TIMESYNC.exists():
        return True
    # struct timex starts with `modes`; zero only reads. 256 bytes hold it on every architecture Linux has.
    timex = ctypes.create_string_buffer(256)
    state: int = ctypes.CDLL(None).adjtimex(timex)
    return 0 <= state != _TIME_ERROR


def trust_in(utc_ms: int, synced: bool) -> Trust:
    """How far to believe a wall time: `unknown` before the build date, `coarse` until the first synchronisation."""
    if utc_ms < BUILT_MS:
        return "unknown"
    return "synced" if synced else "coarse"


class Clock:
    """Stamps what happens; whether the clock is disciplined is asked at most once a second."""

    def __init__(self, synced: Callable[[], bool] = disciplined, wall: Callable[[], float] = time.time) -> None:
        self._synced, self._wall = synced, wall
        self._asked_at, self._answer = float("-inf"), False

    def now(self) -> Stamp:
        return self.at(time.monotonic())

    def at(self, monotonic: float) -> Stamp:
        """The stamp of a moment given in monotonic seconds, by what the clock shows at present."""
        now, utc_ms = time.monotonic(), round(self._wall() * 1000)
        utc_ms -= round((now - monotonic) * 1000)
        return Stamp(utc_ms, round(monotonic * 1000), boot_id(), trust_in(utc_ms, self._is_synced(now)))

    def _is_synced(self, now: float) -> bool:
        if now - self._asked_at >= 1.0:
            self._asked_at, self._answer = now, self._synced()
        return self._answer
