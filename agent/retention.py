"""Keeps the store within its bytes and days and the disk above its floor, and decides what goes first."""

import json
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent import config, handover
from agent.ballast import TIGHT, Ballast, free_bytes
from agent.forget import BATCH, SENT, SPOOLED, UNSENT, Forget
from agent.pictures import Pictures
from agent.sqlite import MB, Connection

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_LEDGER_DAYS = 62  # a month is budgeted; a second one is for whoever compares the bill
_HIGH, _LOW = 0.9, 0.8  # of store.max_mb: in WAL mode a full disk refuses even DELETE, so act before it is full
_MOST_BATCHES = 64  # of one kind in one call: a caller with deadlines comes back for the rest
_LOOKED = 1000  # rows in one call, of tables in which nothing but looking tells what is old
_SHRINK_BYTES = 32 * 4096  # moved in one step, so that the log of a step fits into the room the ballast leaves


@dataclass(frozen=True, slots=True)
class Trimmed:
    """How many of each went; `unsent_events` are vehicles the yard will not hear of, each with an audit."""

    sent_pictures: int = 0
    sent_events: int = 0
    unsent_pictures: int = 0
    unsent_events: int = 0
    kept_files: int = 0

    def __bool__(self) -> bool:
        return self != Trimmed()


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes on the disk (with the log), the cap in bytes, bytes within the cap in use, and bytes free on the file system.

    While the disk cannot be written, bytes and cap are those of the memory that stands in for it.
    """

    bytes: int
    cap_bytes: int
    used_bytes: int
    free_bytes: int


class Retention:
    """What must go, in this order: sent pictures, sent events, unsent pictures, the oldest unsent event.

    In memory the same order holds within a cap of its own, and no floor; what the disk has as well goes before anything unsent.
    """

    def __init__(self, db: Connection, state_dir: Path, settings: config.Store, free: Callable[[Path], int] = free_bytes) -> None:
        self._db, self._dir, self._settings, self._free = db, state_dir, settings, free
        self._floor = settings.free_mb * MB
        self.ballast = Ballast(state_dir, settings)
        self._pictures, self._forget = Pictures(db), Forget(db, state_dir)
        self._last_ms: int | None = None
        self._steady_ms = 0
        self._looked: dict[str, int] = {}  # table → the row that was looked at last

    @property
    def _cap_mb(self) -> int:
        return self._settings.memory_mb if self._db.volatile else self._settings.max_mb

    @property
    def _cap(self) -> int:
        return self._cap_mb * MB

    def size(self) -> Size:
        if self._db.volatile:
            return Size(self.used(), self._cap, self.used(), self._free_at_all())
        files = (Path(f"{self._db.file}{suffix}") for suffix in ("", "-wal", "-shm"))
        on_disk = sum(file.stat().st_size for file in files if file.exists()) + self._pictures.bytes()
        return Size(on_disk, self._cap, self.used(), self._free(self._dir))

    def _free_at_all(self) -> int:
        try:
            return self._free(self._dir)
        except OSError:  # a disk that fails may not answer this either
            return 0

    def used(self) -> int:
        """Bytes of pages that hold something, and of pictures beside them."""
        return self._pages("page_count") * self._db.page - self._spare() + self._pictures.bytes()

    def _spare(self) -> int:
        """Bytes of pages in the file that hold nothing."""
        return self._pages("freelist_count") * self._db.page

    def _pages(self, what: str) -> int:
        return self._db.number(f"PRAGMA {what}")

    def most(self) -> int:
        """The most bytes one record may have: more could not be kept with everything else gone."""
        return round(self._cap * _LOW)

    def pressed(self, need: int = 0) -> bool:
        """True where `need` more bytes would not leave the room that must stay; asked before every capture, so it costs little."""
        return self._db.full or self.used() + need > self._cap * _HIGH or self._lacking(need) > 0

    def trim(self, now_ms: int, need: int = 0, *, sure: bool = True) -> Trimmed:
        """Applies the limits in days, then makes room for `need` bytes more; inside a transaction it leaves all as it is.

        `sure` is whether anybody vouches for `now_ms`.
        """
        if self._db.in_transaction:
            return Trimmed()
        went: Counter[str] = Counter()
        self._unload(need)
        self._by_days(now_ms, sure, went)
        self._by_room(need, went)
        self._shrink(need)
        if not self._db.volatile and self._free(self._dir) > self._floor + 2 * self.ballast.bytes:
            self.ballast.restore()
        self._db.full = False
        return Trimmed(**went)

    def _lacking(self, need: int) -> int:
        """Bytes the file system should have more: nothing above the floor, below it enough to stay above for a while."""
        if self._db.volatile:
            return 0
        free, least = self._free(self._dir) - need - self._db.log_bytes(), max(self._floor, self.ballast.bytes, TIGHT)
        return self._floor + max(3 * self.ballast.bytes, 2 * TIGHT) - free if free < least else 0

    def _unload(self, need: int) -> None:
        """Gets room to delete in: the log of what is already in the file, and the ballast where the disk is really full."""
        if self._lacking(need) <= 0:
            return
        handover.unlink_pictures(self._dir)
        self._db.write_back()
        if self._free(self._dir) < max(self.ballast.bytes, TIGHT):
            self.ballast.release()
            self._db.write_back()

    def _by_days(self, now_ms: int, sure: bool, went: Counter[str]) -> None:
        if not self._clock_is_steady(now_ms, _HOUR_MS if sure else DAY_MS):
            return
        before = round(now_ms - self._settings.keep_days * DAY_MS)
        first = f"SELECT sequence FROM sent ORDER BY sequence LIMIT {BATCH}"  # noqa: S608  # our own constant
        self._repeat(lambda: self._forget.sent(f"WHERE sent_ms < ? AND sequence IN ({first})", (before,), went))
        old = self._old("sent", "sent_ms", before)
        self._repeat(lambda: self._forget.sent("WHERE sequence IN (SELECT value FROM json_each(?))", (old,), went))
        self._db.execute("DELETE FROM ledger WHERE booked_ms < ?", (now_ms - _LEDGER_DAYS * DAY_MS,))
        # An answer is of use as long as its vehicle waits; after that it is a VIN like those of the events that were sent.
        self._db.execute("DELETE FROM seen WHERE put_ms < ? AND read_id NOT IN (SELECT key FROM spool)", (before,))
        old = self._old("arrivals", "put_ms", before)
        self._db.execute("DELETE FROM arrivals WHERE rowid IN (SELECT value FROM json_each(?))", (old,))
        # What the yard was told of since the last look stands there with 1, and from now on with a time.
        self._db.execute("UPDATE damaged SET told = ? WHERE told = 1", (now_ms,))
        self._repeat(lambda: self._forget.told(before, went))
        long_ago = round(now_ms - self._settings.unsent_days * DAY_MS)
        self._db.execute("DELETE FROM standing WHERE put_ms < ?", (long_ago,))
        if sure:  # what a wrong clock takes here never reaches the yard; without a time server the cap in bytes has to do
            self._repeat(lambda: self._forget.unsent("outbox", "age", went, older_than_ms=long_ago))
            self._repeat(lambda: self._forget.unsent("spool", "age", went, older_than_ms=long_ago))

    def _old(self, table: str, column: str, before_ms: int) -> str:
        """Which of the next rows are older, as a list in JSON; call by call this comes past all of them, and begins anew.

        Those that were sent first are first in the table, but under a clock that was set to and fro some are not.
        """
        page = f"SELECT rowid, {column} < ? FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608  # our own names
        rows = list(self._db.select(page, (before_ms, self._looked.get(table, -1), _LOOKED)))
        self._looked[table] = rows[-1][0] if len(rows) == _LOOKED else -1
        return json.dumps([number for number, is_old in rows if is_old])

    def _clock_is_steady(self, now_ms: int, for_ms: int) -> bool:
        """Rows written under a clock that was months behind look months old when it is set, and all of them when somebody sets it
        wrong: nothing goes before the clock has run on for a while, in which events can be sent and mistakes be seen.
        """
        if self._last_ms is None or abs(now_ms - self._last_ms) > _HOUR_MS:
            self._steady_ms = now_ms
        self._last_ms = now_ms
        return now_ms - self._steady_ms >= for_ms

    def _by_room(self, need: int, went: Counter[str]) -> None:
        cap = self._room_for(need)

        def within_cap() -> bool:
            return self.used() <= cap

        def within_both() -> bool:
            return within_cap() and self._lacking(need) <= self._spare()

        steps: tuple[tuple[Callable[[], bool], Callable[[], int]], ...] = (
            (within_both, self._forget.damaged),
            (within_both, lambda: self._forget.pictures(SENT, "sent_pictures", went)),
            (within_both, lambda: self._forget.sent("ORDER BY sequence", (), went)),
            # They count for the disk, not for the cap: one goes only where the floor is what asks.
            (within_both, lambda: self._forget.kept(went) if self._lacking(need) > self._spare() else 0),
            (within_both, self._forget.copies),
            (within_both, lambda: self._forget.pictures(UNSENT, "unsent_pictures", went)),
            (within_both, lambda: self._forget.pictures(SPOOLED, "unsent_pictures", went)),
            # Never an event for the floor: what fills the disk may be somebody else's, and an event gives back next to nothing.
            (within_cap, lambda: self._forget.unsent("outbox", "room", went)),
            (within_cap, lambda: self._forget.unsent("spool", "room", went)),
        )
        for enough, step in steps:
            if not self._repeat(step, enough):
                # Nothing is touched while something of less worth is left, nor for what another thread has put since it was enough.
                return

    def _room_for(self, need: int) -> int:
        """The bytes that may stay in use; once it is too much, down to the lower mark, or every capture would evict again."""
        high = self._cap * _HIGH - need
        return round(high if self.used() <= high and not self._db.full else min(self._cap * _LOW, high))

    def _repeat(self, step: Callable[[], int], enough: Callable[[], bool] = lambda: False) -> bool:
        """A batch at a time, each in a transaction of its own; True where nothing is left, False where it is enough or took too long."""
        for _ in range(_MOST_BATCHES):
            if enough():
                return False
            with self._db.transaction():
                if not step():
                    return True
        return False

    def _shrink(self, need: int) -> None:
        """Gives empty pages back to the disk, little by little: the step that moves them writes them to the log first."""
        for _ in range(_MOST_BATCHES):
            if not self._spare() or (self._lacking(need) <= 0 and self._pages("page_count") * self._db.page <= self._cap):
                break
            self._db.shrink(_SHRINK_BYTES // self._db.page)
        self._db.limit(self._cap_mb)
