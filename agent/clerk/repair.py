"""Mends what can be mended in a store beside the agent that uses it; no row that is sound is ever taken away."""

from collections.abc import Callable, Iterator

from agent import config
from agent.clerk.check import ORPHANS, checked_tables, damaged_rows, is_damaged, missing_indexes
from agent.clerk.desk import changing, damaged, looking
from agent.doctor import Finding
from agent.pictures import Pictures
from agent.sqlite import PAGE, Connection
from agent.table import Table, pack, unpack

_BATCH = 32
_SHRINK_PAGES = 256  # 1 MB in a step: the log of a step must find room beside the file, and the agent a moment between two


def repair(settings: config.Settings) -> Iterator[Finding]:
    """Says what was done, step by step; raises `NeedsOperator` where the pages themselves are wrong, which a start of the agent sees to."""
    with looking(settings) as seen:  # opening it to change it would write to it
        found = [row[0] for row in seen.select("PRAGMA quick_check(1)")]
        if found != ["ok"]:
            raise damaged(seen.file, found[0])
    with changing(settings) as db:
        steps: tuple[tuple[str, Callable[[Connection], int], str], ...] = (
            ("indexes", _indexes, "{} made anew"),
            ("rows", _set_aside, "{} damaged set aside; the agent tells the yard of them"),
            ("pictures", _orphans, "{} that belong to no vehicle removed"),
            ("replays", _replays, "{} of events that are kept no longer removed"),
            ("empty pages", _vacuum, "{} given back to the disk"),
        )
        for what, step, words in steps:
            count = step(db)
            yield Finding(True, f"{what}: {words.format(count) if count else 'nothing to do'}")


def _indexes(db: Connection) -> int:
    """Those that are missing, and all of a table whose index does not agree: before rows are moved, as a wrong one would mislead that."""
    missing = missing_indexes(db)
    for statement in missing.values():
        db.execute(statement)
    if [row[0] for row in db.select("PRAGMA integrity_check(1)")] == ["ok"]:
        return len(missing)
    names = [row[0] for row in db.select("SELECT name FROM sqlite_master WHERE type = 'index'")]
    for name in names:
        db.execute(f'REINDEX "{name}"')
    return len(names)


def _set_aside(db: Connection) -> int:
    """As the running agent does when it meets one: kept in the table `damaged`, counted, told, and no longer in the way.

    Each is looked at once more in its transaction: where the agent has taken it away, a sound row may have its number by now.
    """
    count = 0
    for name in checked_tables(db):
        table = Pictures(db) if name == "pictures" else Table(db, name, encode=pack, decode=unpack)
        for number, _ in list(damaged_rows(db, name)):
            with db.transaction():
                if is_damaged(db, name, number):
                    table.set_aside(number)
                    count += 1
    return count


def _orphans(db: Connection) -> int:
    count = 0
    while gone := Pictures(db).forget(f"rowid IN (SELECT rowid {ORPHANS} LIMIT {_BATCH})"):  # our own words
        count += gone
    return count


def _replays(db: Connection) -> int:
    return db.execute("DELETE FROM replays WHERE sequence NOT IN (SELECT sequence FROM sent)")


def _vacuum(db: Connection) -> int:
    before = left = db.number("PRAGMA freelist_count")
    while left:
        db.shrink(_SHRINK_PAGES)
        now = db.number("PRAGMA freelist_count")
        if now >= left:  # a file that was made without incremental vacuum, or an agent that frees pages faster than they go
            break
        left = now
    return max(0, before - left) * PAGE
