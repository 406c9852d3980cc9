"""The two queues of the store: the spool of vehicles to be read and the outbox of events to be sent, first in, first out."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from agent import promise
from agent.domain import Capture, Event, Reading
from agent.pictures import OF, Pictures
from agent.records import capture_from_json, capture_to_json, event_from_json, event_to_json, reading_from_json, reading_to_json
from agent.sqlite import Connection
from agent.table import Table, from_row

_PAGE_ROWS = 64
_SET_BACK_MS = 60_000  # a clock that goes back further was set, not disciplined
_READ_MS = 1  # `next_ms` of a vehicle that came with a reading: earlier than any wait, and over for a release that knows nothing of it
_LISTED = "next_ms > 0"  # the words of the index `spool_waits`, without which SQLite does not see that it would do
_ACKNOWLEDGED = "sequence IN (SELECT value FROM json_each(:numbers))"
# Each for all rows of a commit: row by row they took a third longer.
_KEEP = f"""
    INSERT INTO sent (sequence, key, value, put_ms, sent_ms)
    SELECT sequence, key, value, put_ms, :now_ms FROM outbox WHERE {_ACKNOWLEDGED}
"""  # noqa: S608  # our own words
_FORGET, _NOT_AGAIN = (f"DELETE FROM {table} WHERE {_ACKNOWLEDGED}" for table in ("outbox", "replays"))  # noqa: S608


@dataclass(frozen=True, slots=True)
class Spooled:
    """A vehicle that waits to be read, with what was read so far; `calls` counts its bookings in the ledger."""

    capture: Capture
    readings: tuple[Reading, ...]
    attempts: int
    put_ms: int
    calls: int


@dataclass(frozen=True, slots=True)
class Queued:
    """An event with its number; `attempts` counts since this start of the agent."""

    sequence: int
    event: Event
    put_ms: int
    attempts: int


# Of numbers beside a row, which no checksum covers, the integer is asked for: damage may have put a text there.


class Spool:
    """Vehicles committed but not yet read."""

    def __init__(self, db: Connection, make_room: Callable[[int, int], object]) -> None:
        """`make_room(bytes, now_ms)` is called before anything is put."""
        self._db, self._make_room = db, make_room
        self._rows, self._pictures = Table(db, "spool", ("put_ms",)), Pictures(db)
        self._now_ms = db.number("SELECT put_ms FROM spool ORDER BY rowid DESC LIMIT 1")

    def put(self, capture: Capture, now_ms: int, readings: Sequence[Reading] = ()) -> bool:
        """True once the capture and its pictures are on the disk, with what was read of it already; False, and nothing changes, if its
        id is known.

        Raises `RetryLater` where nothing could be written, `Rejected` where the pictures are more than the store may hold.
        """
        jpegs = {f"{capture.read_id}/{place:02d}": image.jpeg for place, image in enumerate(capture.images)}
        self._make_room(sum(map(len, jpegs.values())), now_ms)
        if self._knows(capture.read_id):
            return False
        self._pictures.write(jpegs)
        with self._db.transaction():
            if self._knows(capture.read_id):
                return False
            read = [reading_to_json(each) for each in readings]
            self._rows[capture.read_id] = {"capture": capture_to_json(capture), "readings": read, "put_ms": now_ms}
            if read:
                self._db.execute("UPDATE spool SET next_ms = ? WHERE key = ?", (_READ_MS, capture.read_id))
            self._pictures.put(jpegs)
        return True

    def _knows(self, read_id: str) -> bool:
        tables = ("spool", "outbox", "sent")
        question = " UNION ALL ".join(f"SELECT 1 FROM {table} WHERE key = :id" for table in tables)  # noqa: S608  # our own names
        return self._db.select_one(question, {"id": read_id}) is not None

    def head(self, now_ms: int, *, only_read: bool = False) -> Spooled | None:
        """The oldest vehicle whose wait is over, those first that came with a reading, which may need nobody: or none but them.

        A row that is damaged is put aside and told as an audit, not returned.
        """
        with self._db.held():  # a vehicle without the pictures that stayed in the other database would be told as unread
            return self._head(now_ms, only_read=only_read)

    def _head(self, now_ms: int, *, only_read: bool) -> Spooled | None:
        self._wake(now_ms)
        first = "SELECT rowid, key, value, CAST(attempts AS INTEGER) FROM spool WHERE {} ORDER BY rowid LIMIT 1"
        # The second walks past those that wait; 10,000 of them took it 2.5 ms.
        read, due = first.format(f"{_LISTED} AND next_ms = {_READ_MS}"), first.format("next_ms = 0")
        while row := self._db.select_one(read) or (not only_read and self._db.select_one(due)):
            number, read_id, raw, attempts = row
            try:
                return self._spooled(read_id, from_row(raw), attempts)
            except ValueError:
                self._rows.set_aside(number)
        return None

    def _spooled(self, read_id: str, data: dict[str, Any], attempts: int) -> Spooled:
        """Raises `ValueError` where the row says something else than a vehicle, whoever wrote it: it would be met for ever."""
        calls = self._db.number("SELECT count(*) FROM ledger WHERE read_id = ?", (read_id,))
        try:
            capture = capture_from_json(data["capture"], self._pictures.of(read_id))
            readings, put_ms = tuple(reading_from_json(each) for each in data["readings"]), int(data["put_ms"])
        except (KeyError, TypeError) as exc:
            raise ValueError(f"the row of {read_id} is no vehicle: {exc!r}") from exc
        if capture.read_id != read_id:
            raise ValueError(f"the row of {read_id} speaks of {capture.read_id}")
        return Spooled(capture, readings, attempts, put_ms, calls)

    def _wake(self, now_ms: int) -> None:
        """Marks the rows whose wait is over, so that finding the first never passes the waiting ones.

        Waits end on a wall clock: when it was set back, all end at once rather than last for years.
        """
        until = now_ms if now_ms >= self._now_ms - _SET_BACK_MS else 2**62
        self._now_ms = now_ms
        over = f"{_LISTED} AND next_ms > {_READ_MS} AND next_ms <= ?"
        if self._db.select_one(f"SELECT 1 FROM spool WHERE {over} LIMIT 1", (until,)):  # noqa: S608  # our own words
            self._db.execute(f"UPDATE spool SET next_ms = 0 WHERE {over}", (until,))  # noqa: S608

    def note(self, read_id: str, reading: Reading) -> bool:
        """Keeps a reading with its vehicle; durable on return, or with the caller's transaction.

        False where the vehicle was taken out meanwhile; in memory it may wait on the disk alone.
        """
        with self._db.transaction():
            if row := self._rows.get(read_id):
                self._rows[read_id] = {**row, "readings": [*row["readings"], reading_to_json(reading)]}
            return row is not None or self._db.volatile

    def line_up(self, read_id: str) -> bool:
        """What it came with is not enough: it waits for its turn with the others; False where it does so already."""
        return self._db.execute("UPDATE spool SET next_ms = 0 WHERE key = ? AND next_ms = ?", (read_id, _READ_MS)) > 0

    def postpone(self, read_id: str, until_ms: int) -> None:
        """One attempt more; the vehicle keeps its place, but is not the head before `until_ms`."""
        self._db.execute("UPDATE spool SET attempts = attempts + 1, next_ms = max(1, ?) WHERE key = ?", (until_ms, read_id))

    def done(self, read_id: str) -> bool:
        """The vehicle has its event; its pictures stay until retention takes them. False where it waits here no more."""
        return self._db.execute("DELETE FROM spool WHERE key = ?", (read_id,)) > 0

    def forget(self, read_id: str) -> None:
        """The vehicle gets no event of its own, so nobody will ask for its pictures."""
        with self._db.transaction():
            self._db.execute("DELETE FROM spool WHERE key = ?", (read_id,))
            self._pictures.forget(OF, {"id": read_id})

    def pictures(self, read_id: str) -> list[bytes]:
        """The JPEG files of a vehicle, best first, as long as they are kept, also after it was read and sent."""
        return list(self._pictures.of(read_id).values())

    def __len__(self) -> int:
        return len(self._rows)

    def oldest_ms(self) -> int | None:
        """When the first of the queue was put."""
        row = self._db.select_one("SELECT CAST(put_ms AS INTEGER) FROM spool ORDER BY rowid LIMIT 1")
        return row[0] if row else None


class Outbox:
    """Events the broker has not acknowledged, and for some days those it has."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._rows, self._sent = Table(db, "outbox", ("put_ms",)), Table(db, "sent", ("put_ms",))
        # In memory: a flush to the disk for each sending would cost more than the figure is worth.
        self._tries: dict[int, int] = {}

    def put(self, event: Event, now_ms: int) -> int:
        """The number of the event: counted per agent without gaps. An id that is known keeps its first event and number."""
        known = "SELECT sequence FROM outbox WHERE key = :id UNION ALL SELECT sequence FROM sent WHERE key = :id"
        with self._db.transaction():
            if sequence := self._db.number(known, {"id": event.id}):
                return sequence
            self._rows[event.id] = {**event_to_json(event), "put_ms": now_ms}
            return self._db.number(known, {"id": event.id})

    def next(self, limit: int, after: int = 0, exclude: Collection[int] = ()) -> list[Queued]:
        """At most `limit` events not yet sent, with numbers above `after` and not in `exclude`, in order."""
        page = "SELECT sequence, key, value, CAST(put_ms AS INTEGER) FROM outbox WHERE sequence > ? ORDER BY sequence LIMIT ?"
        rows = self._paged(lambda last: self._db.select(page, (last[0] if last else after, limit + len(exclude))))
        wanted = (row for row in rows if row[0] not in exclude)
        return list(islice(self._sound(wanted, self._rows), limit))

    def history(self, since_ms: int, until_ms: int) -> Iterator[Queued]:
        """Events that were sent and are still kept, put from `since_ms` until before `until_ms`, in the order of their numbers.

        Looks at every row: an index for that would cost the card two pages an event, and this is asked for once in a while.
        """
        page = "SELECT sequence, key, value, CAST(put_ms AS INTEGER) FROM sent WHERE sequence > ? ORDER BY sequence LIMIT ?"

        def select(last: tuple[Any, ...] | None) -> Iterator[tuple[Any, ...]]:
            promise.on_time()  # a hundred thousand rows on a slow card take longer than a step may
            return self._db.select(page, (last[0] if last else -1, _PAGE_ROWS))

        rows = self._paged(select)
        return self._sound((row for row in rows if since_ms <= row[3] < until_ms), self._sent)

    @staticmethod
    def _paged(select: Callable[[tuple[Any, ...] | None], Iterable[tuple[Any, ...]]]) -> Iterator[tuple[Any, ...]]:
        last = None
        while rows := list(select(last)):
            yield from rows
            last = rows[-1]

    def _sound(self, rows: Iterable[tuple[Any, ...]], table: Table) -> Iterator[Queued]:
        """The rows as events; one that is damaged is put aside and told as an audit."""
        for sequence, key, raw, put_ms in rows:
            try:
                event = event_from_json(from_row(raw))
                if event.id != key:
                    raise ValueError(f"the row of {key} speaks of {event.id}")
            except ValueError:
                table.set_aside(sequence)
                continue
            yield Queued(sequence, event, put_ms, self._tries.get(sequence, 0))

    def tried(self, sequences: Sequence[int]) -> None:
        """Counts a sending; in memory only, so after a restart the count begins anew."""
        for sequence in sequences:
            self._tries[sequence] = self._tries.get(sequence, 0) + 1

    def replay(self, since_ms: int, until_ms: int, now_ms: int, *, gate: str = "", vin: str = "") -> int:
        """Has events that were sent, and put from `since_ms` until before `until_ms`, sent once more; how many were not asked for yet.

        `gate` and `vin`, where given, leave out the others; of a VIN the beginning will do. What is asked for again before it was
        acknowledged is sent once.
        """
        rows = (row for row in self.history(since_ms, until_ms) if _is_about(row.event, gate, vin))
        asked, note = 0, "INSERT OR IGNORE INTO replays (sequence, asked_ms) VALUES (?, ?)"
        # Page by page: a hundred thousand in one transaction would keep the agent's own commits waiting.
        while page := [row.sequence for row in islice(rows, _PAGE_ROWS)]:
            with self._db.transaction():
                asked += sum(self._db.execute(note, (sequence, now_ms)) for sequence in page)
        return asked

    def replays(self, limit: int, after: int = 0, exclude: Collection[int] = ()) -> list[Queued]:
        """At most `limit` of the events that are to be sent once more, by the rules of `next`."""
        page = (
            "SELECT sequence, key, value, CAST(put_ms AS INTEGER) FROM replays JOIN sent USING (sequence)"
            " WHERE sequence > ? ORDER BY sequence LIMIT ?"
        )
        rows = self._paged(lambda last: self._db.select(page, (last[0] if last else after, limit + len(exclude))))
        return list(islice(self._sound((row for row in rows if row[0] not in exclude), self._sent), limit))

    def sent(self, sequences: Sequence[int], now_ms: int) -> None:
        """The broker has them: one commit moves them to what is kept. Numbers no longer here are passed over.

        What was sent once more leaves `replays`, and stays as long as it would have stayed without that.
        """
        acknowledged = {"numbers": json.dumps(list(sequences)), "now_ms": now_ms}
        with self._db.transaction():
            for statement in (_KEEP, _FORGET, _NOT_AGAIN):
                self._db.execute(statement, acknowledged)
        for sequence in sequences:
            self._tries.pop(sequence, None)

    def redate(self, event_id: str, by_ms: int) -> None:
        """An event that was sent: the clock was off by so much when it was put, and it cannot have been sent before that."""
        moved = "UPDATE sent SET put_ms = put_ms + :by, sent_ms = max(sent_ms, put_ms + :by) WHERE key = :id"
        self._db.execute(moved, {"by": by_ms, "id": event_id})

    def last_sequence(self) -> int:
        """The number given last; 0 before the first."""
        return self._db.number("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")

    def __len__(self) -> int:
        return len(self._rows)

    def oldest_ms(self) -> int | None:
        """When the first of the queue was put."""
        row = self._db.select_one("SELECT CAST(put_ms AS INTEGER) FROM outbox ORDER BY sequence LIMIT 1")
        return row[0] if row else None


def _is_about(event: Event, gate: str, vin: str) -> bool:
    told = event.payload.get("data", {})
    return (not gate or told.get("gate") == gate) and str(told.get("vin", "")).startswith(vin)
