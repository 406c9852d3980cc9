"""Tables as mappings: sqlitedict's, over our connection, with values in JSON, a checksum in every row and updates in place."""

import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from sqlitedict import SqliteDict

from agent.errors import NeedsOperator, Rejected
from agent.packed import packed, unpacked
from agent.sqlite import Connection

_DIGITS = 8
_PAGE_ROWS = 64


class Damaged(ValueError):
    """The bytes of a row are not those that were written."""


def pack(content: bytes) -> bytes:
    """A row's bytes: the CRC-32 of the content in eight hexadecimal digits, then the content."""
    return b"%08x" % zlib.crc32(content) + content


def unpack(raw: object) -> bytes:
    """The content of a row's bytes; raises `Damaged` where the checksum does not agree."""
    if not isinstance(raw, bytes) or raw[:_DIGITS] != b"%08x" % zlib.crc32(raw[_DIGITS:]):
        raise Damaged("the checksum of the row does not agree with its content")
    return raw[_DIGITS:]


def to_row(value: Any) -> bytes:
    """A value as JSON, small, with its checksum; raises `Rejected` where JSON cannot say it."""
    try:
        return pack(packed(json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")))
    except (TypeError, ValueError) as exc:
        raise Rejected(f"the record cannot be kept as JSON: {exc}; expected texts, finite numbers, lists and objects") from exc


def from_row(raw: object) -> Any:
    """The value of a row; raises `Damaged` where the checksum does not agree, `ValueError` where it is not JSON."""
    return json.loads(unpacked(unpack(raw)))


class Table(SqliteDict):  # type: ignore[misc]  # sqlitedict carries no types
    """A mapping from text to JSON values, kept in one table of the shared connection, first in first out.

    `columns` are keys of the values that the table also has as columns, for its indexes. A row whose checksum does not agree
    is moved to the table `damaged` when it is met.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        columns: tuple[str, ...] = (),
        encode: Callable[[Any], bytes] = to_row,
        decode: Callable[[object], Any] = from_row,
    ) -> None:
        self._shared, self._columns = connection, columns
        super().__init__(str(connection.file), name, encode=encode, decode=decode)

    def _new_conn(self) -> Connection:
        return self._shared

    def _sql(self, text: str) -> str:
        return text.replace(":table", f'"{self.tablename}"')

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def update(self, items: Any = (), **kwds: Any) -> None:
        """Rows that exist keep their place: REPLACE, which the base class uses, would move them to the end."""
        names = ("key", "value", *self._columns)
        marks, kept = ", ".join("?" * len(names)), ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        upsert = f"INSERT INTO :table ({', '.join(names)}) VALUES ({marks}) ON CONFLICT (key) DO UPDATE SET {kept}"  # noqa: S608  # our own names
        rows = [(key, self.encode(value), *(value[name] for name in self._columns)) for key, value in dict(items, **kwds).items()]
        self._shared.executemany(self._sql(upsert), rows)

    def __getitem__(self, key: str) -> Any:
        row = self._shared.select_one(self._sql("SELECT rowid, value FROM :table WHERE key = ?"), (key,))
        if row is None:
            raise KeyError(key)
        return self._sound(key, *row)

    def _sound(self, key: str, rowid: int, raw: object) -> Any:
        try:
            return self.decode(raw)
        except ValueError:
            self.set_aside(rowid)
            raise KeyError(key) from None

    def get(self, key: str, default: Any = None) -> Any:
        """Asked once, not `in` and then again: a damaged row is there for the first question only."""
        try:
            return self[key]
        except KeyError:
            return default

    def iteritems(self) -> Iterator[tuple[str, Any]]:
        """Page by page: neither the table in memory nor a snapshot held open between two rows."""
        page = self._sql("SELECT rowid, key, value FROM :table WHERE rowid > ? ORDER BY rowid LIMIT ?")
        last = 0
        while rows := list(self._shared.select(page, (last, _PAGE_ROWS))):
            for last, key, raw in rows:
                try:
                    value = self.decode(raw)
                except ValueError:
                    self.set_aside(last)
                    continue
                yield key, value

    def iterkeys(self) -> Iterator[str]:
        return (key for key, _ in self.iteritems())

    def itervalues(self) -> Iterator[Any]:
        return (value for _, value in self.iteritems())

    def set_aside(self, rowid: int) -> None:
        """Moves a row to the table `damaged` as it is, so that it is kept, counted and no longer in the way."""
        keep = "INSERT INTO damaged (source, number, key, value) SELECT ?, rowid, key, value FROM :table WHERE rowid = ?"
        with self._shared.transaction():
            self._shared.execute(self._sql(keep), (self.tablename, rowid))
            self._shared.execute(self._sql("DELETE FROM :table WHERE rowid = ?"), (rowid,))

    def clear(self) -> None:
        """In one statement: the base class commits first, which would end somebody's transaction."""
        self._shared.execute(self._sql("DELETE FROM :table"))

    def close(self, do_log: bool = True, force: bool = False) -> None:
        """Lets go of the connection; the base class, even when collected as garbage, would close it under every other table."""
        self.conn = None

    def terminate(self) -> None:
        raise NeedsOperator(f"{self.filename} holds every table; close the store and move the file away by hand")
