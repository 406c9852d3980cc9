"""What time it is and how far to believe it; deadlines never ask here, they use monotonic time."""

import ctypes
import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from agent.domain import Stamp, Trust
from agent.domain import rfc3339 as rfc3339

log = logging.getLogger(__name__)

# The day this code was released: a clock that shows less was never set. Raised with every release.
BUILT_MS = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000)
_TIMESYNC = Path("/run/systemd/timesync/synchronized")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
JUMP_MS = 1000  # a clock that moves so far against monotonic time was set
_TORN_MS = 100  # two clocks read further apart than this were not read at one moment: the thread had to wait between them


@cache
def boot_id() -> str:
    """The kernel's name for this boot: monotonic times compare only within one."""
    try:
        said = _BOOT_ID.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return "unknown"
    return said if re.fullmatch(r"[0-9A-Za-z-]{1,64}", said) else "unknown"


def in_step() -> bool:
    """Whether the kernel holds its clock for right: whoever sets it by hand takes that back, until the next answer of a time server."""
    # struct timex starts with `modes`; zero only reads. 256 bytes hold it on every architecture Linux has.
    timex = ctypes.create_string_buffer(256)
    state: int = ctypes.CDLL(None).adjtimex(timex)
    return 0 <= state != _TIME_ERROR


def disciplined() -> bool:
    """True once timesyncd, chrony or ntpd has told the kernel, or systemd, that the clock is right."""
    return _TIMESYNC.exists() or in_step()


def trust_in(utc_ms: int, synced: bool) -> Trust:
    """How far to believe a wall time: `unknown` before the build date, `coarse` until the first synchronisation."""
    if utc_ms < BUILT_MS:
        return "unknown"
    return "synced" if synced else "coarse"


@dataclass(frozen=True, slots=True)
class Jump:
    """The clock was set on by `by_ms`; what it showed from `since_ms` until `until_ms`, the moment before, was off by as much."""

    by_ms: int
    since_ms: int
    until_ms: int


class Clock:
    """Stamps what happens and notices when the clock is set; whether it is disciplined is asked at most once a second.

    After a jump the word of `confirmed` counts: that the clock was right once in this boot, as `synced` may say, is worth nothing then.
    """

    def __init__(
        self,
        synced: Callable[[], bool] = disciplined,
        wall: Callable[[], float] = time.time,
        confirmed: Callable[[], bool] | None = None,
    ) -> None:
        self._synced, self._wall = synced, wall
        self._confirmed = confirmed or (in_step if synced is disciplined else synced)
        self._asked_at, self._answer = float("-inf"), False
        self._looking = threading.Lock()  # two threads that see one jump must not note it twice
        self._ahead_ms: int | None = None  # of monotonic time
        self._since_ms = 0  # what the clock showed, as it shows now, when it was first looked at
        self._doubted_from: int | None = None  # monotonic milliseconds of a jump after which nobody has confirmed the clock yet
        self._jumps: list[Jump] = []
        self.offset_ms: int | None = None  # how far it was off before it was set last, where that was seen

    def now(self) -> Stamp:
        utc_ms, monotonic_ms = self._both()
        return self._stamp(utc_ms, monotonic_ms, self._is_synced(monotonic_ms, utc_ms - monotonic_ms))

    def at(self, monotonic: float) -> Stamp:
        """The stamp of a moment given in monotonic seconds, by what the clock shows at present."""
        now, then_ms = self.now(), round(monotonic * 1000)
        utc_ms = now.utc_ms - (now.monotonic_ms - then_ms)
        return replace(now, utc_ms=utc_ms, monotonic_ms=then_ms, trust=trust_in(utc_ms, now.trust == "synced"))

    def settled(self, stamp: Stamp) -> Stamp:
        """The stamp as it is known by now: one of this boot gets the time of a clock that has been synchronised since.

        One that a process made which had not seen the clock jump is not believed before somebody has confirmed the clock.
        """
        now = self.now()
        if stamp.boot_id != now.boot_id:
            return stamp
        utc_ms = now.utc_ms - (now.monotonic_ms - stamp.monotonic_ms)
        if now.trust == "synced":
            known = stamp.trust == "synced" and abs(utc_ms - stamp.utc_ms) <= JUMP_MS
            return stamp if known else replace(stamp, utc_ms=utc_ms, trust="synced")
        doubtful = self._doubted_from is not None and stamp.monotonic_ms > self._doubted_from
        return replace(stamp, trust=trust_in(stamp.utc_ms, False)) if doubtful else stamp

    def take_jumps(self) -> list[Jump]:
        """What happened to the clock since this was asked last, oldest first."""
        with self._looking:
            taken, self._jumps = self._jumps, []
        return taken

    def give_back(self, jumps: list[Jump]) -> None:
        """Those that nothing could be made of yet, to be taken once more."""
        with self._looking:
            self._jumps[:0] = jumps

    def _both(self) -> tuple[int, int]:
        """What both clocks show at one moment, in milliseconds."""
        while True:
            before, utc_ms, after = time.monotonic(), round(self._wall() * 1000), time.monotonic()
            if (after - before) * 1000 < _TORN_MS:
                return utc_ms, round(after * 1000)

    @staticmethod
    def _stamp(utc_ms: int, monotonic_ms: int, synced: bool) -> Stamp:
        return Stamp(utc_ms, monotonic_ms, boot_id(), trust_in(utc_ms, synced))

    def _is_synced(self, monotonic_ms: int, ahead_ms: int) -> bool:
        with self._looking:
            self._look(monotonic_ms, ahead_ms)
            if monotonic_ms - self._asked_at >= 1000:
                self._asked_at = monotonic_ms
                self._answer = self._synced() if self._doubted_from is None else self._confirmed()
                self._doubted_from = None if self._answer else self._doubted_from
            return self._answer

    def _look(self, monotonic_ms: int, ahead_ms: int) -> None:
        """Notes a jump, after which it has to be asked anew whether the clock is right."""
        if self._ahead_ms is None:
            self._since_ms = monotonic_ms + ahead_ms
        elif abs(by_ms := ahead_ms - self._ahead_ms) > JUMP_MS:
            way, shows = "on" if by_ms > 0 else "back", rfc3339(monotonic_ms + ahead_ms)
            log.warning("the clock was set %s by %.1f s and shows %s now", way, abs(by_ms) / 1000, shows)
            self._jumps.append(Jump(by_ms, self._since_ms, monotonic_ms + self._ahead_ms))
            self._since_ms += by_ms
            self.offset_ms, self._asked_at = by_ms, float("-inf")
            if self._answer:
                self._doubted_from = monotonic_ms
        self._ahead_ms = ahead_ms
