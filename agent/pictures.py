"""The pictures of vehicles: large ones as files beside the store, which writes what it is given twice, the others in their rows."""

import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from agent.damage import PICTURES, sync_folder
from agent.errors import RetryLater
from agent.sqlite import Connection
from agent.table import Damaged, Table, pack, unpack

OF = "key >= :id || '/' AND key < :id || '0'"  # '0' follows '/': the pictures <read_id>/00, /01, …
BYTES = "coalesce(bytes, length(value) - 8)"  # of one picture, wherever it is
LEAST = 16_384  # a file costs the card a journal of its own, as much as a picture of this size in the log
_BLOCK = 4096
_PLAIN = re.compile(r"[0-9A-Za-z]{1,64}/[0-9]{2,4}")


def file_of(state_dir: Path, key: str) -> Path:
    """Where the picture is, if it is a file; a key that is no usual one, or was damaged, names no other place."""
    plain = key.replace("/", "-") if _PLAIN.fullmatch(key) else hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
    return state_dir / PICTURES / f"{plain}.jpg"


def jpeg_of(state_dir: Path, key: str, raw: object, size: int | None) -> bytes:
    """The picture of a row: its value, or where it has a `size` the file whose checksum is its value.

    Raises `Damaged` where either is not what was written, `RetryLater` where the disk does not give the file.
    """
    content = unpack(raw)
    if size is None:
        return content
    file = file_of(state_dir, key)
    try:
        about = file.stat()
        # Looked at before it is read: a pipe would be waited for, and what another has put there may not fit into memory.
        jpeg = file.read_bytes() if stat.S_ISREG(about.st_mode) and about.st_size == size else b""
    except FileNotFoundError:
        raise Damaged("the file of the picture is gone") from None
    except OSError as exc:
        raise RetryLater(f"a picture cannot be read: {exc}; check the card and its file system") from exc
    if len(jpeg) != size or _sum(jpeg) != content:
        raise Damaged("the checksum of the picture does not agree with its file")
    return jpeg


def _sum(jpeg: bytes) -> bytes:
    return b"%08x" % zlib.crc32(jpeg)


class Pictures:
    """By `<read_id>/<place>`; in memory they are always in their rows, and what a row has is read wherever it came from."""

    def __init__(self, db: Connection) -> None:
        self._db, self._dir, self._rows = db, db.file.parent, Table(db, "pictures", encode=pack, decode=unpack)

    def write(self, jpegs: Mapping[str, bytes]) -> None:
        """The large ones as files that outlive a power cut: to be called before the transaction that puts them.

        Raises `RetryLater` where the disk takes nothing; the connection then knows why. What no row names is swept at the next start.
        """
        large = {file_of(self._dir, key): jpeg for key, jpeg in jpegs.items() if len(jpeg) >= LEAST}
        if self._db.volatile or not large:
            return
        try:
            _make_folder(self._dir / PICTURES)
            for file, jpeg in large.items():
                _write(file, jpeg)
            sync_folder(self._dir / PICTURES)
        except OSError as exc:
            _remove(large)
            raise self._db.met(exc) from exc

    def put(self, jpegs: Mapping[str, bytes]) -> None:
        """Durable with the caller's transaction; one that was not written before, or not here, goes into its row."""
        put = (
            "INSERT INTO pictures (key, bytes, value) VALUES (?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET bytes = excluded.bytes, value = excluded.value"
        )
        self._db.executemany(put, [self._row(key, jpeg) for key, jpeg in jpegs.items()])

    def _row(self, key: str, jpeg: bytes) -> tuple[str, int | None, bytes]:
        is_file = not self._db.volatile and len(jpeg) >= LEAST and _size(file_of(self._dir, key)) == len(jpeg)
        return (key, len(jpeg), pack(_sum(jpeg))) if is_file else (key, None, pack(jpeg))

    def of(self, read_id: str) -> dict[int, bytes]:
        """By their place in the capture; one that is damaged is put aside and missing here."""
        rows = list(self._db.select(f"SELECT rowid, key FROM pictures WHERE {OF} ORDER BY key", {"id": read_id}))  # noqa: S608  # our own words
        found = ((key, self._sound(number, key)) for number, key in rows)
        return {int(place): jpeg for key, jpeg in found if jpeg is not None and (place := key.rpartition("/")[2]).isdecimal()}

    def _sound(self, number: int, key: str) -> bytes | None:
        row = self._row_of(number)
        try:
            return jpeg_of(self._dir, *row) if row and row[0] == key else None
        except Damaged:
            self.set_aside(number)
            return None

    def _row_of(self, number: int) -> tuple[str, object, int | None] | None:
        row = self._db.select_one("SELECT key, value, bytes FROM pictures WHERE rowid = ?", (number,))
        return (row[0], row[1], row[2]) if row else None

    def set_aside(self, number: int) -> bool:
        """Moves a damaged one to the table `damaged`, and removes its file, which no row names any more; False where none is damaged.

        Looks again while nobody else writes: a row that went while it was read took its file along, and another may have its number.
        """
        with self._db.transaction():
            if (row := self._row_of(number)) is None:
                return False
            try:
                jpeg_of(self._dir, *row)
            except Damaged:
                self._rows.set_aside(number)
                if row[2] is not None:
                    self._db.afterwards(partial(_remove, [file_of(self._dir, row[0])]))
                return True
        return False

    def forget(self, which: str, arguments: tuple[Any, ...] | Mapping[str, Any] = (), *, shred: bool = False) -> int:
        """Those that fit the condition; their files go once that is committed. How many there were.

        `shred` overwrites the files first: what SQLite does to its own pages where it is asked to.
        """
        with self._db.transaction():
            files = list(self._db.select(f"SELECT key FROM pictures WHERE bytes IS NOT NULL AND {which}", arguments))  # noqa: S608  # our own words
            count = self._db.execute(f"DELETE FROM pictures WHERE {which}", arguments)  # noqa: S608
            self._db.afterwards(partial(_remove, [file_of(self._dir, key) for (key,) in files], shred=shred))
        return count

    def bytes(self) -> int:
        """What the files take on the disk."""
        return self._db.number(f"SELECT total((bytes + {_BLOCK - 1}) / {_BLOCK} * {_BLOCK}) FROM pictures")  # noqa: S608  # our own numbers

    def sweep(self) -> None:
        """Removes files that no row names, which a power cut left between the file and its row, or a row and its file.

        In a transaction, so that whoever is about to put a row looks for its file before this, and finds it, or after it, and does not.
        """
        with self._db.transaction(), suppress(FileNotFoundError):
            known = {file_of(self._dir, key) for (key,) in self._db.select("SELECT key FROM pictures WHERE bytes IS NOT NULL")}
            _remove(file for file in (self._dir / PICTURES).iterdir() if file not in known)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir()
        sync_folder(folder.parent)


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as out:
        out.write(content)
        out.flush()
        os.fdatasync(out.fileno())


def _remove(files: Iterable[Path], *, shred: bool = False) -> None:
    for file in files:
        if shred:
            with suppress(OSError):  # a card that does not take that may still let go of the name
                _write_over(file)
        with suppress(OSError):  # the next start sweeps it
            file.unlink(missing_ok=True)


def _write_over(file: Path) -> None:
    with file.open("r+b") as out:
        out.write(bytes(file.stat().st_size))
        out.flush()
        os.fdatasync(out.fileno())


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1
