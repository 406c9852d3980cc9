"""What SQLite and the disk under it say when they do not do their work, in our words."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.errors import RetryLater

BUSY_S, READ_S = 5.0, 10.0
_PIECE = 1 << 20

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# What the disk itself refuses; a file that is locked, or a store that is at its cap, is none of it.
REFUSED = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
LOCKED = "locked"  # stands as `code` of the errors that another program causes, and no disk
TROUBLE = {
    sqlite3.SQLITE_FULL: "the disk, or the room that store.max_mb leaves, is full; free some space or raise store.max_mb",
    sqlite3.SQLITE_READONLY: "cannot be written; mount the file system for writing and let the service's user own the file",
    sqlite3.SQLITE_PERM: "may not be used; let the service's user own the file",
    sqlite3.SQLITE_IOERR: "could not be read or written; check the card, its power and the file system",
    sqlite3.SQLITE_CANTOPEN: "could not be opened; check that the folder exists, has room and belongs to the service's user",
    sqlite3.SQLITE_BUSY: f"was locked by another program for {BUSY_S:g} s; end that program",
    sqlite3.SQLITE_LOCKED: "is locked by a statement that has not ended; try again",
    sqlite3.SQLITE_PROTOCOL: "could not be locked; end other programs that use it",
    sqlite3.SQLITE_CORRUPT: "is damaged; close the store and open it again, which keeps this file beside a new one",
    sqlite3.SQLITE_NOTADB: "is no longer a database; close the store and open it again, which keeps this file beside a new one",
}


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error came from Python's module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    return code_of(error) in _DAMAGE


def unreadable(file: Path) -> str:
    """What the disk says where it does not give a byte of the file or of its log, in words; else nothing.

    Ends after a while: a card that is that slow keeps the thread from more important things.
    """
    end = time.monotonic() + READ_S
    try:
        for each in (file, Path(f"{file}-wal")):
            if each.exists():
                _read_through(each, end)
    except OSError as exc:
        return str(exc)
    return ""


def _read_through(file: Path, end: float) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        place = 0
        while time.monotonic() < end and (piece := os.pread(handle, _PIECE, place)):
            place += len(piece)
    finally:
        os.close(handle)


@contextmanager
def ours(file: Path) -> Iterator[None]:
    """Turns what SQLite says about the world into `RetryLater`; a mistake in our own SQL stays what it is and ends the process."""
    try:
        yield
    except sqlite3.Error as exc:
        if (sentence := TROUBLE.get(code_of(exc))) is None:
            raise
        raise RetryLater(f"{file} {sentence} (SQLite: {exc})", code=LOCKED if code_of(exc) in _LOCKED else "") from exc
    except (UnicodeDecodeError, MemoryError) as exc:
        # Python cannot say what SQLite says, or a row claims to be larger than the memory: something in the file is not what it was.
        raise RetryLater(f"{file} {TROUBLE[sqlite3.SQLITE_CORRUPT]}") from exc
