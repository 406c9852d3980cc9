"""Whether the tables of a store are still those that were made: the file describes them in itself, and that part can be damaged, too.

SQLite believes whatever stands there: with one byte changed a column has another name, or all migrations are due again, and the agent
would end with an error at every start.
"""

import sqlite3
import zlib
from typing import Any

from agent.sqlite import Connection
from agent.table import Table, from_row

_KEY = "tables"
_FACTS_SINCE = 3  # the migration that made the table of facts


def remember(db: Connection) -> None:
    """Keeps what every table and index was made as, where that is not kept already; in the caller's transaction."""
    made = {name: _sum(sql) for name, sql in db.select("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")}
    said = {"version": db.number("PRAGMA user_version"), "made": made}
    facts = Table(db, "facts")
    if facts.get(_KEY) != said:
        facts[_KEY] = said


def changed(db: sqlite3.Connection, version: int) -> str:
    """What is not as it was made, in words; empty where all is, and for a store of a release that did not keep it."""
    try:
        row = db.execute("SELECT value FROM facts WHERE key = ?", (_KEY,)).fetchone()
    except sqlite3.OperationalError:
        return "the table of facts cannot be asked" if version >= _FACTS_SINCE else ""
    try:
        said: dict[str, Any] = from_row(row[0]) if row else {}
        was, made = int(said["version"]), dict(said["made"])
    except (ValueError, KeyError, TypeError):
        return ""
    if version != was:
        return f"its version was {was} and is {version}"
    now = {name: _sum(sql) for name, sql in db.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")}
    return next((f"{name} is not described as it was made" for name, sum_ in made.items() if now.get(name) != sum_), "")


def _sum(sql: str) -> int:
    return zlib.crc32(sql.encode("utf-8", "surrogatepass"))
