"""Looks a store over without changing it: its pages, every row's checksum, and whether its tables agree with each other."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

from agent import config
from agent.clerk.desk import Asked, looking
from agent.clerk.gaps import unexplained
from agent.clock import Clock
from agent.doctor import Finding
from agent.pictures import jpeg_of
from agent.schema import migrate
from agent.sqlite import Connection
from agent.table import Damaged

RESTART = "restart the agent, which keeps the file beside a new one and tells the yard"
REPAIR = "`vin-agent queue repair` mends that"
_PAGE_ROWS = 64
_QUEUES = "SELECT key FROM spool UNION ALL SELECT key FROM outbox UNION ALL SELECT key FROM sent"
# A vehicle whose row was damaged has nothing left but its pictures: they are no orphans.
_OWN = "substr(pictures.key, 1, instr(pictures.key, '/') - 1)"
UNQUEUED, _NOT_DAMAGED = (
    " AND ".join(f"NOT EXISTS (SELECT 1 FROM {table} AS its WHERE its.key = {_OWN})" for table in tables)  # noqa: S608  # our own names
    for tables in (("spool", "outbox", "sent"), ("damaged",))
)
ORPHANS = f"FROM pictures WHERE {UNQUEUED} AND {_NOT_DAMAGED}"


def verify(settings: config.Settings) -> Iterator[Finding]:
    """Finding after finding; where the pages themselves are wrong the rest cannot be believed and is left out."""
    with looking(settings) as db:
        pages = [row[0] for row in db.select("PRAGMA quick_check(5)")]
        if pages != ["ok"]:
            yield Finding(False, f"pages: {'; '.join(pages)}; {RESTART}")
            return
        yield Finding(True, "pages: every page can be read and is where it belongs")
        keep_ms = round(settings.store.keep_days * 86_400_000)
        looks: tuple[Callable[[], Finding], ...] = (
            lambda: _indexes(db),
            lambda: _rows(db),
            lambda: _pictures(db),
            lambda: _queues(db),
            lambda: _numbers(db, Clock().now().utc_ms - keep_ms),
        )
        for look in looks:
            yield look()


def _indexes(db: Asked) -> Finding:
    """`quick_check` does not compare the indexes with their tables."""
    wrong = [row[0] for row in db.select("PRAGMA integrity_check(5)")]
    wrong = [] if wrong == ["ok"] else wrong
    if gone := missing_indexes(db):
        wrong.append(f"missing: {', '.join(gone)}")
    if wrong:
        return Finding(False, f"indexes: {'; '.join(wrong)}; {REPAIR}")
    return Finding(True, "indexes: all are there and agree with their tables")


def missing_indexes(db: Asked) -> dict[str, str]:
    """Name → statement of each index this release makes and the store lacks."""
    named = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    known = dict(db.select(named))
    with closing(Connection(db.file, 1, volatile=True)) as new:
        migrate(new)
        return {name: sql for name, sql in new.select(named) if name not in known}


def checked_tables(db: Asked) -> list[str]:
    """Those whose rows have a checksum; `damaged` keeps what had none that was right."""
    tables = [row[0] for row in db.select("SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'damaged' ORDER BY name")]
    return [table for table in tables if {"key", "value"} <= {row[1] for row in db.select(f"PRAGMA table_info({table})")}]


def damaged_rows(db: Asked, table: str) -> Iterator[tuple[int, str]]:
    """Number and key of each row whose checksum does not agree."""
    page, last = f"SELECT rowid, {_checked(table)} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {_PAGE_ROWS}", -1  # noqa: S608  # our own names
    while rows := list(db.select(page, (last,))):
        for last, *row in rows:
            # Asked again: the agent may have taken it away meanwhile, with the file of a picture.
            if not _is_sound(db, row) and is_damaged(db, table, last):
                yield last, row[0]


def is_damaged(db: Asked, table: str, number: int) -> bool:
    """Whether the row is there at this moment, and its checksum does not agree."""
    row = db.select_one(f"SELECT {_checked(table)} FROM {table} WHERE rowid = ?", (number,))  # noqa: S608  # our own names
    return row is not None and not _is_sound(db, row)


def _checked(table: str) -> str:
    return f"key, value, {'bytes' if table == 'pictures' else 'NULL'}"


def _is_sound(db: Asked, row: Sequence[Any]) -> bool:
    key, raw, size = row
    try:
        jpeg_of(db.file.parent, key, raw, size)
    except Damaged:
        return False
    return True


def _rows(db: Asked) -> Finding:
    counts = {table: sum(1 for _ in damaged_rows(db, table)) for table in checked_tables(db)}
    wrong = ", ".join(f"{count} in {table}" for table, count in counts.items() if count)
    aside = db.number("SELECT count(*) FROM damaged")
    known = f"; {aside} were set aside before" if aside else ""
    if wrong:
        return Finding(False, f"rows: the checksum of some does not agree ({wrong}){known}; {REPAIR}, which sets them aside")
    return Finding(True, f"rows: every checksum agrees{known}")


def _pictures(db: Asked) -> Finding:
    if count := db.number(f"SELECT count(*) {ORPHANS}"):
        return Finding(False, f"pictures: {count} belong to no vehicle; {REPAIR}")
    return Finding(True, "pictures: each belongs to a vehicle")


def _queues(db: Asked) -> Finding:
    twice = [row[0] for row in db.select(f"SELECT key FROM ({_QUEUES}) GROUP BY key HAVING count(*) > 1 LIMIT 5")]  # noqa: S608  # our own words
    if twice:
        return Finding(False, f"queues: {', '.join(twice)} stand in more than one; that is a fault of the agent: please report it")
    return Finding(True, "queues: every vehicle stands in one of them")


def _numbers(db: Asked, since_ms: int) -> Finding:
    gaps = [f"{first}" if first == last else f"{first} to {last}" for first, last in unexplained(db, since_ms)]
    if gaps:
        more = f" and {len(gaps) - 5} gaps more" if len(gaps) > 5 else ""
        return Finding(False, f"numbers: {', '.join(gaps[:5])}{more} are missing and no audit says why; ask the yard whether it has them")
    return Finding(True, "numbers: no event is missing but those that were sent or told of")
