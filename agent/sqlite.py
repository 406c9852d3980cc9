"""SQLite as a gate needs it: one connection under all tables of sqlitedict, in the caller's thread, durable when a call returns."""

import errno
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from agent.errors import NeedsOperator, RetryLater
from agent.trouble import BUSY_S, REFUSED, TROUBLE, code_of, is_damage, ours, unreadable

# A vehicle changes a few bytes in some twenty pages, each of which is written to the log whole: 4 KB pages cost the card three times as
# much for a vehicle, 512 bytes a fifth less again, but counted a backlog half as fast. A file that exists keeps the pages it has.
PAGE = 1024
MB = 1_000_000
_FETCH = 64
# The log beside the file stays near 256 KB, so that the ballast has room to write it back on a full disk. SQLite's own 4 MB
# commit twice as fast and left a log with which a 2 MB disk could neither delete nor check-point.
_CHECKPOINT_BYTES = 64 * 4096

Arguments = tuple[Any, ...] | Mapping[str, Any]


class Connection:
    """The connection all tables share, used in the caller's thread, with the few methods `SqliteDict` calls.

    A statement outside `transaction()` is durable when its call returns. Several threads take turns.
    """

    autocommit = True

    def __init__(self, file: Path, max_mb: int, *, volatile: bool = False) -> None:
        """Opens or creates `file`, at most `max_mb` MB of pages. Raises `RetryLater`, or `NeedsOperator` where WAL cannot work.

        With `volatile` the rows are in memory alone, and `file` is where they belong.
        """
        self.file, self.volatile = file, volatile
        self.damaged = False  # SQLite found damage: only closing and opening again helps
        self.full = False  # SQLite ran out of room since this was last cleared
        self.commits = 0  # that changed something: each of them is flushed to the disk
        self._changes = 0
        self.refused = ""  # what the disk refused since this was last cleared
        self._turn = threading.RLock()
        self._depth = 0
        self._afterwards: list[Callable[[], object]] = []
        with ours(file):
            # isolation_level=None: the module must not begin transactions of its own that nobody ends.
            self._db = sqlite3.connect(":memory:" if volatile else file, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        # A flipped bit in a key must not stop every query that meets it.
        self._db.text_factory = lambda raw: raw.decode("utf-8", "replace")
        self._closed = False
        self._prepare(max_mb)

    def _prepare(self, max_mb: int) -> None:
        self.execute(f"PRAGMA page_size = {PAGE}")
        self.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table, or it has no effect
        self.page = self._prepare_file() if not self.volatile else self.number("PRAGMA page_size")
        self.limit(max_mb)

    def _prepare_file(self) -> int:
        """The size of its pages: a file that exists keeps those it has."""
        if (mode := self.select_one("PRAGMA journal_mode = WAL")) != ("wal",):
            self.close()
            raise NeedsOperator(
                f"{self.file}: the file system offers {mode} instead of a write-ahead log; put agent.state_dir on a local one"
            )
        self.execute("PRAGMA synchronous = FULL")  # with NORMAL a power cut took up to 320 acknowledged rows
        self.execute("PRAGMA cell_size_check = ON")
        page = self.number("PRAGMA page_size")
        self.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_BYTES // page}")
        # Twice that: the log is always longer than it was asked to be, and cutting it back took longer than the commit.
        self.execute(f"PRAGMA journal_size_limit = {2 * _CHECKPOINT_BYTES}")
        return page

    def limit(self, max_mb: int) -> None:
        """Lets the file have `max_mb` MB; SQLite takes no limit below what the file has at present."""
        self.select_one(f"PRAGMA max_page_count = {max_mb * MB // self.page}")

    @contextmanager
    def _ready(self) -> Iterator[sqlite3.Connection]:
        with self._turn:
            if self._closed:
                raise RetryLater(f"{self.file} is closed; open the store again")
            # SQLite ends a transaction by itself on some errors; what follows must not commit alone.
            if self._depth and not self._db.in_transaction:
                raise RetryLater(f"{self.file}: the transaction was taken back after an error; begin it again")
            with ours(self.file), self._noting():
                yield self._db

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            if is_damage(exc):
                self._look_twice(exc)
            self.full = self.full or code_of(exc) == sqlite3.SQLITE_FULL
            self.refused = str(exc) if code_of(exc) in REFUSED else self.refused
            raise
        except (UnicodeDecodeError, MemoryError):
            self.damaged = True
            raise

    def _look_twice(self, error: sqlite3.Error) -> None:
        """A page that the disk does not give is called damage too; but a file that cannot be read must not be put aside for that."""
        if not self.volatile and (words := unreadable(self.file)):
            self.refused = words
            raise RetryLater(f"{self.file} {TROUBLE[sqlite3.SQLITE_IOERR]} ({words})") from error
        self.damaged = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """No other thread has its turn meanwhile: for several looks that must be at one and the same database."""
        with self._turn:
            yield

    def exchange(self, other: "Connection") -> None:
        """Trades databases with another connection: every table over either of them goes on with the rows of the other."""
        with self._turn, other.held():
            if self.in_transaction or other.in_transaction:
                raise RuntimeError("a transaction would begin in one database and end in another")
            for name in ("_db", "page", "volatile", "damaged", "full", "refused", "_changes"):
                ours_, theirs = getattr(self, name), getattr(other, name)
                setattr(self, name, theirs)
                setattr(other, name, ours_)

    def execute(self, req: str, arg: Arguments = ()) -> int:
        """Runs one statement and returns the number of rows it changed."""
        with self._ready() as db, closing(db.execute(req, arg)) as cursor:
            self._count_commit(db)
            return cursor.rowcount

    def _count_commit(self, db: sqlite3.Connection) -> None:
        if not self.volatile and not db.in_transaction and db.total_changes != self._changes:
            self._changes = db.total_changes
            self.commits += 1

    def executemany(self, req: str, items: Iterable[Arguments]) -> None:
        with self.transaction(), self._ready() as db:
            db.executemany(req, items).close()

    def select(self, req: str, arg: Arguments = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, a few at a time; errors of the query itself are raised here, not at the first row."""
        with self._ready() as db:
            cursor = db.execute(req, arg)
        return self._rows(cursor)

    def _rows(self, cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
        try:
            while rows := self._fetch(cursor):
                yield from rows
        finally:
            with suppress(sqlite3.ProgrammingError):  # of a database that was given up meanwhile
                cursor.close()

    def _fetch(self, cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
        with self._ready() as db:
            if cursor.connection is not db:
                raise RetryLater(f"{self.file}: the rows changed places meanwhile; ask again")
            return cursor.fetchmany(_FETCH)

    def select_one(self, req: str, arg: Arguments = ()) -> tuple[Any, ...] | None:
        with self._ready() as db, closing(db.execute(req, arg)) as cursor:
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row

    def number(self, req: str, arg: Arguments = ()) -> int:
        """The one number a query answers with; 0 where it answers nothing, or where damage has put something else in its place."""
        row = self.select_one(req, arg)
        return int(row[0]) if row and isinstance(row[0], int | float) else 0

    @property
    def in_transaction(self) -> bool:
        """True inside a `transaction()` of the calling thread."""
        with self._turn:
            return self._depth > 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: committed at the end, taken back on any exception; inside another one it joins that."""
        with self._turn:
            names = (f"SAVEPOINT s{self._depth}", f"RELEASE s{self._depth}", f"ROLLBACK TO s{self._depth}")
            begin, end, undo = names if self._depth else ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
            known = len(self._afterwards)
            self.execute(begin)
            self._depth += 1
            done = False
            try:
                yield
                self.execute(end)
                done = True
            finally:
                self._depth -= 1
                if not done:
                    del self._afterwards[known:]
                if not done and self._db.in_transaction:
                    self.execute(undo)
            if not self._depth:
                due, self._afterwards = self._afterwards, []
                for act in due:
                    act()

    def afterwards(self, act: Callable[[], object]) -> None:
        """Has it done once the transaction of the calling thread is committed, and never where it is taken back."""
        with self._turn:
            self._afterwards.append(act)

    def met(self, error: OSError) -> RetryLater:
        """Notes what the disk has said to somebody who wrote beside the file, as if SQLite itself had met it."""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        with self._turn:
            self.full, self.refused = self.full or full, self.refused if full else str(error)
        return RetryLater(f"{self.file.parent} {TROUBLE[sqlite3.SQLITE_FULL if full else sqlite3.SQLITE_IOERR]} ({error})")

    def log_bytes(self) -> int:
        """What the log beside the file holds; as much may have to be written to the file yet."""
        if self.volatile:
            return 0
        try:
            return Path(f"{self.file}-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def write_back(self) -> bool:
        """Moves the log into the file and empties it; False where the disk has no room even for that, or a reader is in the way."""
        try:
            return self.select_one("PRAGMA wal_checkpoint(TRUNCATE)") == (0, 0, 0)
        except RetryLater:
            return False

    def shrink(self, pages: int) -> None:
        """Takes that many empty pages off the file; `execute` would stop after the first, as the statement yields no rows."""
        with self._ready() as db:
            db.executescript(f"PRAGMA incremental_vacuum({pages})").close()
        self.write_back()

    def commit(self, blocking: bool = True) -> None:
        """Nothing is left to do: a statement alone has committed itself, and a `transaction()` commits at its own end."""

    def close(self, force: bool = False) -> None:
        with self._turn, ours(self.file):
            self._closed = True
            self._db.close()
