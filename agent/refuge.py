"""Where a store goes while its disk cannot be written: into memory within a second, and back to the file once that takes it."""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent import along, config, damage
from agent.ballast import TIGHT, free_bytes
from agent.domain import Stamp
from agent.errors import AgentError, RetryLater
from agent.sqlite import Connection

log = logging.getLogger(__name__)

PROBE_S, LONGEST_PROBE_S = 5.0, 60.0  # how often the disk is tried; less often where opening the file is what fails
ROOM_S = 60.0  # a disk that is full again so soon after room was made has none to make
_TRIAL = "trial"

Reopen = Callable[[int], Connection]


@dataclass(frozen=True, slots=True)
class Behind:
    """Events and vehicles that wait on a disk that cannot be written, and are not in memory as well."""

    events: int = 0
    vehicles: int = 0


class Refuge:
    """Moves the rows under a shared connection to memory and back. All methods may be called from any thread, outside transactions."""

    def __init__(self, db: Connection, settings: config.Store, reopen: Reopen, make_room: Callable[[int], object]) -> None:
        """`reopen(now_ms)` gives a connection to the file, checked and migrated; `make_room(now_ms)` evicts what has to go."""
        self._db, self._settings, self._reopen, self._make_room = db, settings, reopen, make_room
        self._dir = db.file.parent
        self.why = ""  # what is wrong with the disk, in words; empty while it is written to
        self._moving = threading.RLock()
        self._known = damage.is_installed(self._dir)
        self._waiting, self._evicted, self._numbered = Behind(), 0, 0
        self._next_s, self._wait_s, self._room_s = 0.0, PROBE_S, float("-inf")

    def behind(self) -> Behind:
        with self._db.held():
            if not self._db.volatile:
                return Behind()
            events, vehicles = (self._db.number("SELECT count(*) FROM copied WHERE source = ?", (name,)) for name in ("outbox", "spool"))
        return Behind(self._waiting.events - events, self._waiting.vehicles - vehicles)

    def alone(self) -> int:
        with self._db.held():
            if not self._db.volatile:
                return 0
            both = "SELECT key FROM outbox UNION ALL SELECT key FROM spool"
            return self._db.number(f"SELECT count(*) FROM ({both}) WHERE key NOT IN (SELECT key FROM copied)")  # noqa: S608  # our own words

    def begin(self, why: str) -> None:
        """The start on a disk that cannot be used: the shared connection is in memory from the first moment on."""
        with along.looked_into(self._db.file) as select:
            if select:
                self._copy(select, self._db)
        self._say(read_only(self._dir) or why)

    def rescued(self, now: Stamp) -> bool:
        """After an error: whether the same is worth trying again at once, because room was made or the store is in memory now."""
        if self._db.volatile:
            return True
        if self._db.damaged or self._db.in_transaction:
            return False
        with self._moving:
            if self._db.refused:
                self._leave(self._db.refused, now)
            elif self._db.full:
                self._find_room(now)
            else:
                return self._db.volatile
        return True

    def look_after(self, now: Stamp) -> bool:
        """To be called every second: leaves a disk that fails, also where nobody writes, and goes back when it can; True at a change."""
        if self._db.volatile:
            return now.seconds >= self._next_s and self.come_back(now)
        if self._db.refused or self._db.full:
            return self.rescued(now)
        if trouble := read_only(self._dir):
            with self._moving:
                self._leave(trouble, now)
            return True
        return False

    def _find_room(self, now: Stamp) -> None:
        again, self._room_s = now.seconds - self._room_s < ROOM_S, now.seconds
        if not again or self._at_cap():
            with suppress(RetryLater):
                self._make_room(now.utc_ms)
                return
        self._leave("the disk is full, and nothing is left that could make room", now)

    def _at_cap(self) -> bool:
        """Whether it is store.max_mb that leaves no room, not the disk: then eviction always finds some."""
        pages, spare, most = (self._db.number(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "max_page_count"))
        return pages - spare > 0.9 * most

    def _leave(self, why: str, now: Stamp) -> None:
        if self._db.volatile:
            return
        other = along.memory(self._db.file, self._settings.memory_mb)
        with self._db.held():
            self._known = damage.is_installed(self._dir) or self._known
            self._copy(self._db.select, other)
            self._db.exchange(other)
        if other.damaged:
            damage.mark_suspect(self._dir)
        with suppress(RetryLater):
            other.close()  # an operator may have to unmount it
        self._next_s, self._wait_s = now.seconds + PROBE_S, PROBE_S
        self._say(why)

    def _copy(self, select: along.Select, into: Connection) -> None:
        counts = []
        for table in ("outbox", "spool"):
            counts.append(0)
            with suppress(RetryLater):
                counts[-1] = next(iter(select(f"SELECT count(*) FROM {table}", ())))[0]  # noqa: S608  # one of our two tables
        along.take_along(select, into, self._settings.memory_mb)
        self._waiting = Behind(*counts)
        self._evicted = along.evicted(into)
        self._numbered = max(self._numbered, along.numbered(select))

    def _say(self, why: str) -> None:
        self.why = why
        log.error(
            "%s: cannot be written (%s): from now on vehicles are in memory alone, are told as not durable, and no paid call is made",
            self._db.file,
            why,
        )

    def come_back(self, now: Stamp) -> bool:
        """Tries the disk; where it can be written, everything in memory is, and the file is used again."""
        with self._moving:
            if not self._db.volatile:
                return False
            self._next_s = now.seconds + PROBE_S
            if trouble := self._still():
                log.debug("%s: %s", self._db.file, trouble)
                return False
            try:
                self._return(self._reopen(now.utc_ms), now)
            except AgentError as trouble:
                self._wait_s = min(LONGEST_PROBE_S, 2 * self._wait_s)
                self._next_s = now.seconds + self._wait_s
                log.debug("%s: cannot be used again yet: %s", self._db.file, trouble)
                return False
        return True

    def _return(self, disk: Connection, now: Stamp) -> None:
        """`disk` has the other database when this ends, whichever that is, and is closed."""
        try:
            with self._db.held():
                events, vehicles = along.new(self._db)
                along.bring_back(self._db, disk, now.utc_ms, self._evicted, self._numbered)
                self._db.exchange(disk)
        finally:
            if not disk.volatile and disk.damaged:
                damage.mark_suspect(self._dir)
            with suppress(RetryLater):
                disk.close()
        self.why = ""
        self._db.refused = ""
        log.warning("%s: can be written again; from memory came %d events and %d vehicles to be read", self._db.file, events, vehicles)

    def _still(self) -> str:
        """What is wrong with the disk as far as a small file can tell."""
        if self._known and not damage.is_installed(self._dir):
            return "the folder is not the one that was there: its file system may not be mounted"
        if trouble := read_only(self._dir):
            return trouble
        trial = self._dir / _TRIAL
        try:
            if not self._known:
                self._dir.mkdir(parents=True, exist_ok=True)
            if free_bytes(self._dir) < self._db.number("PRAGMA page_count") * self._db.page + self._settings.ballast_kb * 1000 + 4 * TIGHT:
                return "the disk is full"
            with trial.open("wb") as file:
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())
            trial.unlink()
        except OSError as exc:
            return str(exc)
        return ""


def unwritable(folder: Path) -> str:
    """What keeps everybody from writing in this folder at present, in words, as far as that shows without writing; else nothing."""
    return read_only(folder) or ("the disk is full" if folder.exists() and free_bytes(folder) < TIGHT else "")


def read_only(folder: Path) -> str:
    """In words, where the kernel writes nothing in this folder at present: mounted so, or after an error of the disk; else nothing."""
    try:
        flags, device = os.statvfs(folder).f_flag, folder.stat().st_dev
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ""
    except OSError as exc:
        return str(exc)
    if flags & os.ST_RDONLY:
        return "the file system is mounted read-only"
    # Newer kernels keep the flags of the mount as they were when an error made them stop.
    number = f"{os.major(device)}:{os.minor(device)}"
    states = {word for line in mounts if (fields := line.split())[2] == number for word in fields[-1].split(",")}
    return "the file system met an error and takes no more writes" if states & {"emergency_ro", "shutdown"} else ""
