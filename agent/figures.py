"""The store in figures, for whoever has to find out what went wrong: read beside an agent that may be running, nothing is changed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from agent import damage
from agent.errors import RetryLater
from agent.pictures import jpeg_of
from agent.table import Damaged, from_row

_QUEUES = {"spool": "put_ms", "outbox": "put_ms", "sent": "sent_ms"}
_TABLES = ("pictures", "ledger", "facts", "audits", "damaged", "seen", "arrivals", "standing", "replays", "unsure")
_LEDGER = (
    "SELECT provider, coalesce(outcome, 'no answer'), count(*), total(price), min(booked_ms), max(booked_ms) FROM ledger"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)


def figures(state_dir: Path) -> dict[str, Any]:
    """Lengths, sizes and ages of everything kept; what cannot be had is named under its own key."""
    found: dict[str, Any] = {"files": _files(state_dir), "put_aside": []}
    with suppress(OSError):  # told with the files
        found["put_aside"] = [file.name for file in damage.kept_files(state_dir)]
    file = state_dir / damage.FILE
    if not _is_there(file):
        return {**found, "store": "there is none"}
    try:
        with closing(damage.read_only(file)) as db:
            return {**found, "store": _store(db)}
    except sqlite3.Error as exc:
        return {**found, "store": f"cannot be read: {exc}"}


def _is_there(file: Path) -> bool:
    """True also where this user may not look: SQLite then says so."""
    try:
        return file.exists()
    except OSError:
        return True


def _files(state_dir: Path) -> dict[str, int | str]:
    try:
        return {each.name: each.stat().st_size for each in sorted(state_dir.iterdir()) if each.is_file()}
    except OSError as exc:
        return {"": f"cannot be listed: {exc.strerror}"}


def _store(db: sqlite3.Connection) -> dict[str, Any]:
    def one(question: str) -> Any:
        return db.execute(question).fetchone()[0]

    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    queues = {
        name: dict(zip(("rows", "bytes", "oldest_ms", "newest_ms"), db.execute(_queue(name, at)).fetchone(), strict=True))
        for name, at in _QUEUES.items()
        if name in tables
    }
    return {
        "version": one("PRAGMA user_version"),
        "pages": one("PRAGMA page_count"),
        "free_pages": one("PRAGMA freelist_count"),
        "queues": queues,
        "tables": {name: one(f'SELECT count(*) FROM "{name}"') for name in _TABLES if name in tables},  # noqa: S608  # our own names
        "damaged": dict(db.execute("SELECT source, count(*) FROM damaged GROUP BY 1 ORDER BY 1")),
        "ledger": [list(row) for row in db.execute(_LEDGER)],
        "facts": _facts(db),
    }


def _queue(name: str, at: str) -> str:
    return f"SELECT count(*), coalesce(sum(length(value)), 0), min({at}), max({at}) FROM {name}"  # noqa: S608  # our own names


def _facts(db: sqlite3.Connection) -> dict[str, Any]:
    """How it ended, what was given up, which readers are off; not the last VIN of each gate, which stands there too."""
    known: dict[str, Any] = {}
    for key, raw in db.execute("SELECT key, value FROM facts ORDER BY key"):
        if not key.startswith("last/"):
            try:
                known[key] = from_row(raw)
            except ValueError:
                known[key] = "damaged"
    return known


def vehicles(state_dir: Path, most: int, most_bytes: int) -> tuple[list[Any], dict[str, bytes]]:
    """The newest events, and the newest pictures by their names; of a damaged store, what can be read."""
    events, pictures = list[Any](), dict[str, bytes]()
    file = state_dir / damage.FILE
    if _is_there(file):
        with suppress(sqlite3.Error), closing(damage.read_only(file)) as db:
            with suppress(sqlite3.Error):
                events.extend(_events(db, most))
            with suppress(sqlite3.Error):
                pictures.update(_pictures(db, state_dir, most, most_bytes))
    return events, pictures


def _events(db: sqlite3.Connection, most: int) -> Iterator[Any]:
    for table in ("outbox", "sent"):
        for (raw,) in db.execute(f"SELECT value FROM {table} ORDER BY sequence DESC LIMIT ?", (most,)):  # noqa: S608  # our own names
            with suppress(ValueError):
                yield from_row(raw)


def _pictures(db: sqlite3.Connection, state_dir: Path, most: int, most_bytes: int) -> Iterator[tuple[str, bytes]]:
    for key, raw, size in db.execute("SELECT key, value, bytes FROM pictures ORDER BY rowid DESC LIMIT ?", (most,)):
        most_bytes -= size or len(raw)
        if most_bytes < 0:
            return
        with suppress(Damaged, RetryLater):
            yield f"{key.replace('/', '-')}.jpg", jpeg_of(state_dir, key, raw, size)
