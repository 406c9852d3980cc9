"""What a store takes along into memory when its disk fails, and how that comes back to the file: losing nothing, telling nothing anew."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from agent.damage import read_only
from agent.errors import RetryLater
from agent.events import UNNUMBERED
from agent.pictures import OF, Pictures, jpeg_of
from agent.schema import MIGRATIONS, migrate
from agent.sqlite import MB, Arguments, Connection
from agent.table import Damaged, Table, pack, unpack
from agent.trouble import ours

Select = Callable[[str, Arguments], Iterator[tuple[Any, ...]]]

# Table → share of the memory that its rows may take, the newest first. Of the others nothing goes along: `sent`, `replays`, `seen`
# and `audits` can wait for the disk, pictures go with their vehicle.
_ALONG = {"outbox": 1 / 8, "spool": 1 / 4, "facts": 1 / 16, "standing": 1 / 16, "arrivals": 1 / 16, "ledger": 1 / 8, "unsure": 1 / 16}
# Rows that memory may do away with; then the disk has to as well. Or somebody does so on the disk, and memory must not undo it.
_MARKED = ("outbox", "spool", "standing", "arrivals", "ledger", "unsure")
_BOOKED = "key, value, provider, read_id, price, booked_ms, outcome"  # the columns of `ledger`
_ROW = 200  # bytes, roughly, beside the value
_NEW_PICTURE = "substr(key, 1, instr(key, '/') - 1) NOT IN (SELECT key FROM copied)"
_NEW_EVENT = "key NOT IN (SELECT key FROM copied WHERE source = 'outbox')"
_READ = "substr(key, 1, instr(key, '/') - 1) NOT IN (SELECT key FROM spool)"


def memory(file: Path, memory_mb: int) -> Connection:
    """An empty store in memory, in the place of `file`."""
    db = Connection(file, memory_mb, volatile=True)
    migrate(db)
    db.execute("CREATE TABLE copied (source TEXT, key TEXT, PRIMARY KEY (source, key))")
    db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?)", (UNNUMBERED,))
    return db


@contextmanager
def looked_into(file: Path) -> Iterator[Select | None]:
    """The rows of a file that may not be written; None where it cannot be read either, or is of another release."""
    db = _opened(file)
    if db is None:
        yield None
        return

    def select(question: str, arguments: Arguments) -> Iterator[tuple[Any, ...]]:
        try:
            with ours(file):
                yield from db.execute(question, arguments)
        except sqlite3.Error as exc:  # nobody has looked the file over: it may describe other tables than ours
            raise RetryLater(f"{file} cannot be understood (SQLite: {exc})") from exc

    with closing(db):
        yield select


def _opened(file: Path) -> sqlite3.Connection | None:
    # Without a log beside it, and without the right to make one, SQLite has to be told that nobody will change the file.
    for way in ("mode=ro",) if _has_log(file) else ("mode=ro", "mode=ro&immutable=1"):
        with suppress(sqlite3.Error), ExitStack() as undo:
            db = undo.enter_context(closing(read_only(file, way)))
            if db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS):
                undo.pop_all()
                return db
    return None


def _has_log(file: Path) -> bool:
    try:
        return Path(f"{file}-wal").stat().st_size > 0
    except OSError:
        return False


def take_along(select: Select, into: Connection, memory_mb: int) -> None:
    """Copies what the work needs to go on, as far as it can be read and fits; a row that is damaged stays where it is."""
    for table, share in _ALONG.items():
        with suppress(RetryLater):  # what a dying disk does not give is missing; it is not asked again and again
            _take(table, select, into, round(memory_mb * MB * share))


def _take(table: str, select: Select, into: Connection, room: int) -> None:
    names = [name for (name,) in into.select("SELECT name FROM pragma_table_info(?)", (table,)) if name != "sequence"]
    put = f"INSERT INTO {table} (rowid, {', '.join(names)}) VALUES ({', '.join('?' * (len(names) + 1))})"  # noqa: S608  # our own names
    for row in select(f"SELECT rowid, {', '.join(names)} FROM {table} ORDER BY rowid DESC", ()):  # noqa: S608
        key, value = row[1 + names.index("key")], row[1 + names.index("value")]
        pictures = _pictures_of(key, select, into) if table == "spool" else []
        room -= sum(_ROW + len(each) for each in (value, *(jpeg for _, jpeg in pictures or ())) if isinstance(each, bytes))
        if room < 0:
            return
        if pictures is None or not _is_sound(value) or (table == "unsure" and _stays(key, select, into)):
            continue
        with into.transaction():
            into.execute(put, row)
            into.executemany("INSERT INTO pictures (key, value) VALUES (?, ?)", pictures)
            if table in _MARKED:
                into.execute("INSERT INTO copied VALUES (?, ?)", (table, key))


def _pictures_of(read_id: str, select: Select, into: Connection) -> list[tuple[str, bytes]] | None:
    """As rows, wherever they are now; None where one of them cannot be had."""
    rows = select(f"SELECT key, value, bytes FROM pictures WHERE {OF}", {"id": read_id})  # noqa: S608  # our own words
    try:
        return [(key, pack(jpeg_of(into.file.parent, key, value, size))) for key, value, size in rows]
    except (Damaged, RetryLater):
        return None


def _stays(key: str, select: Select, into: Connection) -> bool:
    """Whether the event of this name waits on the disk alone: its correction waits there too, it must not come first."""
    return any(select("SELECT 1 FROM outbox WHERE key = ?", (key,))) and not _knows(into, key, "outbox")


def _is_sound(raw: object) -> bool:
    try:
        unpack(raw)
    except Damaged:
        return False
    return True


def outlive(db: Connection) -> None:
    """The file that the rows were copied from is lost: memory has the only ones, and the new file gets them all."""
    db.execute("DELETE FROM copied")


def bring_back(db: Connection, disk: Connection, now_ms: int, evicted_before: int, numbered: int) -> None:
    """Everything that happened in memory, written to the file in one transaction.

    `evicted_before` is that fact when it was copied; up to `numbered` numbers were given, also where the file was lost since.
    """
    with disk.transaction():
        disk.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'outbox'", (numbered,))
        _events(db, disk, now_ms)
        _vehicles(db, disk)
        _forget(db, disk)
        _facts(db, disk, evicted_before)
        for table in ("audits", "arrivals", "standing", "seen", "unsure"):
            _upsert(db, disk, table)
        for row in db.select("SELECT source, key, value, told FROM damaged"):
            disk.execute("INSERT INTO damaged (source, key, value, told) VALUES (?, ?, ?, ?)", row)
        _books(db, disk)


def _books(db: Connection, disk: Connection) -> None:
    """What became of calls that were on their way, and the days they belong to once the clock was set; all of a book that was lost."""
    lost = f"SELECT rowid, {_BOOKED} FROM ledger WHERE key NOT IN (SELECT key FROM copied WHERE source = 'ledger')"  # noqa: S608  # our own names
    for row in db.select(lost):
        disk.execute(f"INSERT OR IGNORE INTO ledger (rowid, {_BOOKED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608  # our own names
    differs = "key = :key AND (outcome IS NOT :outcome OR booked_ms <> :booked_ms)"
    names = ("key", "value", "price", "outcome", "booked_ms")
    for row in db.select(f"SELECT {', '.join(names)} FROM ledger"):  # noqa: S608  # our own names
        to = "UPDATE ledger SET value = :value, price = :price, outcome = :outcome, booked_ms = :booked_ms"
        disk.execute(f"{to} WHERE {differs}", dict(zip(names, row, strict=True)))


def _events(db: Connection, disk: Connection, now_ms: int) -> None:
    """In their order: those the disk has already as it says, the others numbered, to be sent under their number."""
    queues = "SELECT sequence, key, value, put_ms, 0 AS was_sent FROM outbox UNION ALL SELECT sequence, key, value, put_ms, 1 FROM sent"
    question = f"SELECT sequence, key, value, put_ms, was_sent, {_NEW_EVENT} FROM ({queues}) ORDER BY sequence"  # noqa: S608  # our own words
    for sequence, key, value, put_ms, was_sent, is_new in db.select(question):
        if sequence >= UNNUMBERED or is_new:
            _put(db, disk, (None if sequence >= UNNUMBERED else sequence, key, value, put_ms))
        if was_sent and sequence < UNNUMBERED:
            _sent(disk, sequence, key, now_ms)


def _put(db: Connection, disk: Connection, row: tuple[int | None, str, bytes, int]) -> None:
    key = row[1]
    if not _knows(disk, key, "outbox", "sent"):
        disk.execute("INSERT INTO outbox (sequence, key, value, put_ms) VALUES (?, ?, ?, ?)", row)
        _pictures(db, disk, key)
    disk.execute("DELETE FROM spool WHERE key = ?", (key,))


def _sent(disk: Connection, sequence: int, key: str, now_ms: int) -> None:
    which = "FROM outbox WHERE sequence = ? AND key = ?"
    disk.execute(f"INSERT INTO sent SELECT sequence, key, value, put_ms, ? {which}", (now_ms, sequence, key))
    disk.execute(f"DELETE {which}", (sequence, key))


def _knows(disk: Connection, key: str, *tables: str) -> bool:
    question = " UNION ALL ".join(f"SELECT 1 FROM {table} WHERE key = :key" for table in tables)  # noqa: S608  # our own names
    return disk.select_one(question, {"key": key}) is not None


def _vehicles(db: Connection, disk: Connection) -> None:
    """Those not yet read, with what was read of them; one that got its event on the disk after all is done with.

    What the file had and has no more was taken out meanwhile: by hand, or for room when it was opened again.
    """
    put = (
        "INSERT INTO spool (key, value, put_ms, next_ms, attempts) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
        " value = excluded.value, next_ms = excluded.next_ms, attempts = excluded.attempts"
    )
    was_there = "key IN (SELECT key FROM copied WHERE source = 'spool')"
    for *row, was in db.select(f"SELECT key, value, put_ms, next_ms, attempts, {was_there} FROM spool ORDER BY rowid"):  # noqa: S608  # our own words
        if not _knows(disk, row[0], "outbox", "sent") and (not was or _knows(disk, row[0], "spool")):
            disk.execute(put, tuple(row))
            _pictures(db, disk, row[0])


def _pictures(db: Connection, disk: Connection, read_id: str) -> None:
    for row in db.select(f"SELECT key, value FROM pictures WHERE {OF}", {"id": read_id}):  # noqa: S608  # our own words
        disk.execute("INSERT INTO pictures (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", row)


def _forget(db: Connection, disk: Connection) -> None:
    """What was taken along and is gone from memory without an event: no vehicle of its own, evicted, put aside, or driven away."""
    for table in ("spool", "standing", "ledger", "unsure"):
        gone = f"SELECT key FROM copied WHERE source = ? AND key NOT IN (SELECT key FROM {table})"  # noqa: S608  # one of our tables
        for (key,) in db.select(gone, (table,)):
            if disk.execute(f"DELETE FROM {table} WHERE key = ?", (key,)) and table == "spool":  # noqa: S608
                Pictures(disk).forget(OF, {"id": key})
    evicted = "SELECT key FROM copied WHERE source = 'outbox' AND key NOT IN (SELECT key FROM outbox UNION ALL SELECT key FROM sent)"
    for (key,) in db.select(evicted):
        disk.execute("DELETE FROM outbox WHERE key = ?", (key,))
        Pictures(disk).forget(OF, {"id": key})


def new(db: Connection) -> tuple[int, int]:
    """How many events and vehicles to be read there are that the disk has never seen."""
    events = f"SELECT count(*) FROM (SELECT key FROM outbox UNION ALL SELECT key FROM sent) WHERE {_NEW_EVENT}"  # noqa: S608  # our own words
    return db.number(events), db.number("SELECT count(*) FROM spool WHERE key NOT IN (SELECT key FROM copied)")


def new_bytes(db: Connection) -> int:
    """Roughly what the disk needs for all that it has never seen."""
    events = f"SELECT value FROM (SELECT key, value FROM outbox UNION ALL SELECT key, value FROM sent) WHERE {_NEW_EVENT}"  # noqa: S608
    vehicles = "SELECT value FROM spool WHERE key NOT IN (SELECT key FROM copied)"
    every = " UNION ALL ".join((events, vehicles, f"SELECT value FROM pictures WHERE {_NEW_PICTURE}"))  # noqa: S608  # our own words
    return round(1.1 * db.number(f"SELECT total(length(value) + {_ROW}) FROM ({every})"))  # noqa: S608


def lighten(db: Connection, most: int) -> None:
    """Gives up pictures of vehicles that were read, until the disk needs no more than that: before them no event may have to go there."""
    oldest = f"SELECT key FROM pictures WHERE {_READ} AND {_NEW_PICTURE} ORDER BY rowid LIMIT 8"  # noqa: S608  # our own words
    while new_bytes(db) > most and db.execute(f"DELETE FROM pictures WHERE key IN ({oldest})"):  # noqa: S608
        pass


def evicted(db: Connection) -> int:
    """How many vehicles were evicted until now, as the facts say."""
    return int(Table(db, "facts").get("evicted", 0))


def numbered(select: Select) -> int:
    """The last number the disk gave; 0 where it cannot say."""
    with suppress(RetryLater):
        return next((int(last) for (last,) in select("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'", ())), 0)
    return 0


def _facts(db: Connection, disk: Connection, evicted_before: int) -> None:
    ours_, theirs = Table(db, "facts"), Table(disk, "facts")
    for name, value in ours_.items():
        if name == "evicted":
            theirs[name] = theirs.get(name, 0) + value - evicted_before
        elif name.startswith("last/") and value["sequence"] >= UNNUMBERED:
            theirs[name] = {**value, "sequence": _number(disk, value["payload"]["id"])}
        elif not name.startswith("last/") or name not in theirs:  # as it was: a purge of the file may have taken the VIN out since
            theirs[name] = value


def _number(disk: Connection, key: str) -> int:
    known = "SELECT sequence FROM outbox WHERE key = :key UNION ALL SELECT sequence FROM sent WHERE key = :key"
    return disk.number(known, {"key": key}) or disk.number("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")


def _upsert(db: Connection, disk: Connection, table: str) -> None:
    """But not what the file had and has no more: that was taken out meanwhile."""
    names: Sequence[str] = [name for (name,) in db.select("SELECT name FROM pragma_table_info(?)", (table,))]
    kept = ", ".join(f"{name} = excluded.{name}" for name in names if name != "key")
    put = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) ON CONFLICT (key) DO UPDATE SET {kept}"  # noqa: S608  # our own names
    was_there = f"key IN (SELECT key FROM copied WHERE source = '{table}')"  # noqa: S608  # our own names
    rows = db.select(f"SELECT {was_there}, key, {', '.join(names)} FROM {table} ORDER BY rowid")  # noqa: S608
    disk.executemany(put, [tuple(row) for was, key, *row in rows if not was or _knows(disk, key, table)])
