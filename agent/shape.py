"""Whether the tables of a store are still those that were made: the file describes them in itself, and that part can be damaged, too.

SQLite believes whatever stands there: with one byte changed a column has another name, or all migrations are due again, and the agent
would end with an error at every start.
"""

import sqlite3
import zlib
from contextlib import closing, suppress
from typing import Any, cast

from agent.schema import MIGRATIONS
from agent.sqlite import Connection
from agent.table import Table, from_row

_KEY = "tables"


def remember(db: Connection) -> None:
    """Keeps what every table and index was made as, where that is not kept already; in the caller's transaction."""
    made = {name: _sum(sql) for name, sql in db.select("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")}
    said = {"version": db.number("PRAGMA user_version"), "made": made}
    facts = Table(db, "facts")
    if facts.get(_KEY) != said:
        facts[_KEY] = said


def changed(db: sqlite3.Connection, version: int) -> str:
    """What is not as it was made, in words; empty where all is."""
    try:
        row = db.execute("SELECT value FROM facts WHERE key = ?", (_KEY,)).fetchone()
        said: dict[str, Any] = from_row(row[0]) if row else {}
        was, made = int(said["version"]), dict(said["made"])
    except (sqlite3.OperationalError, MemoryError, ValueError, KeyError, TypeError):
        return _unlike(db, version)
    if version != was:
        return f"its version was {was} and is {version}"
    now = {name: _sum(sql) for name, sql in db.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")}
    return next((f"{name} is not described as it was made" for name, sum_ in made.items() if now.get(name) != sum_), "")


def _unlike(db: sqlite3.Connection, version: int) -> str:
    """The same for a store of a release that kept nothing of it, or in which that is damaged too: by the names of columns alone."""
    newest = len(MIGRATIONS)
    if version > newest:
        # Every release after this one keeps it: a greater number alone is damage.
        return f"its version is {version}, and what it was cannot be read"
    there, wanted, later = _columns(db), _made_by(version), _made_by(newest)
    for table, columns in wanted.items():
        if not columns <= there.get(table, set()):
            return f"{table} is not described as it was made"
    early = [table for table in later if table not in wanted and table in there]
    return f"its version is {version}, but it has the table {early[0]}" if early else ""


def _made_by(version: int) -> dict[str, set[str]]:
    """Each table's columns after so many migrations; nothing where one of them asks for more than a statement to be run."""
    with closing(sqlite3.connect(":memory:")) as db, suppress(AttributeError):
        for step in MIGRATIONS[:version]:
            step(cast("Connection", db))
        return _columns(db)
    return {}


def _columns(db: sqlite3.Connection) -> dict[str, set[str]]:
    tables = "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    found: dict[str, set[str]] = {}
    for table, column in db.execute(tables):
        found.setdefault(table, set()).add(column)
    return found


def _sum(sql: str) -> int:
    return zlib.crc32(sql.encode("utf-8", "surrogatepass"))
