"""Numbers that were given to an event and stand nowhere any more, though neither age nor an audit explains that."""

from collections.abc import Iterator
from typing import Any

from agent.clerk.desk import Asked
from agent.table import from_row

Gap = tuple[int, int]
_PAGE_ROWS = 256


def unexplained(db: Asked, since_ms: int) -> list[Gap]:
    """First and last number of each gap above the oldest event that was put after `since_ms` and was sent.

    Below it, whatever was sent may have been forgotten: what was sent goes in the order of its age, or of its number.
    """
    told = sorted(_told(db))
    return [gap for gap in _gaps(db, since_ms) if not _covered(gap, told)]


def _gaps(db: Asked, since_ms: int) -> Iterator[Gap]:
    first = db.select_one("SELECT min(sequence) FROM sent WHERE put_ms >= ?", (since_ms,))
    if not first or first[0] is None:
        return
    both = "(SELECT sequence FROM outbox UNION ALL SELECT sequence FROM sent)"
    page = f"SELECT sequence FROM {both} WHERE sequence > ? ORDER BY sequence LIMIT {_PAGE_ROWS}"  # noqa: S608  # our own words
    last = int(first[0])
    while rows := list(db.select(page, (last,))):
        for (number,) in rows:
            if number > last + 1:
                yield last + 1, number - 1
            last = number
    given = db.number("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
    if given > last:
        yield last + 1, given


def _covered(gap: Gap, told: list[Gap]) -> bool:
    wanted, end = gap
    for first, last in told:
        if first <= wanted <= last:
            wanted = last + 1
    return wanted > end


def _told(db: Asked) -> Iterator[Gap]:
    """What audits speak of: those that wait to be told, those that are events already, and rows that were set aside."""
    for (number,) in db.select("SELECT number FROM damaged WHERE source IN ('outbox', 'sent')"):
        yield number, number
    for _, value in _values(db, "audits"):
        yield from _range(value)
    for table in ("outbox", "sent"):
        for _, value in _values(db, table):
            if value.get("topic") == "audit":
                yield from _range(value["payload"]["data"])


def _range(told: dict[str, Any]) -> Iterator[Gap]:
    """A lost store tells the last number it gave: whatever is missing below went with it."""
    if (sequence := told.get("sequence")) is not None:
        yield (1 if told["what"] == "lost" else sequence), told.get("until") or sequence


def _values(db: Asked, table: str) -> Iterator[tuple[int, dict[str, Any]]]:
    page, last = f"SELECT rowid, value FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {_PAGE_ROWS}", -1  # noqa: S608  # our own names
    while rows := list(db.select(page, (last,))):
        for last, raw in rows:
            try:
                yield last, from_row(raw)
            except ValueError:
                continue  # told as damaged
