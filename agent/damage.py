"""A store that is damaged, emptied or gone: noticed at the start, kept beside, replaced by a new one, and said so."""

import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.errors import NeedsOperator, RetryLater
from agent.schema import refuse_newer
from agent.shape import changed
from agent.trouble import BUSY_S, code_of, is_damage, ours, unreadable

log = logging.getLogger(__name__)

FILE = "agent.db"
PICTURES = "pictures"  # the folder beside it
_MARKER = "installed"  # stands beside a store that was complete once: without it an absent file is a first start
_SUSPECT = "suspect"  # stands beside a store in which a running agent met damage

Reason = Literal["missing", "emptied", "damaged", "newer"]


@dataclass(frozen=True, slots=True)
class Loss:
    """A store found damaged, gone or of a newer release at the start; `kept` names the file put aside.

    `last_sequence` is 0 where it could not be read.
    """

    reason: Reason
    detail: str
    kept: str | None
    at_ms: int
    last_sequence: int


@dataclass(frozen=True, slots=True)
class _Found:
    problem: str | None
    last_sequence: int = 0
    is_empty: bool = False


@contextmanager
def usable(state_dir: Path) -> Iterator[None]:
    """What the file system says becomes ours: rights need a person, all else may pass."""
    try:
        yield
    except PermissionError as exc:
        raise NeedsOperator(f"{state_dir} cannot be used: {exc}; let the service's user own it or name another agent.state_dir") from exc
    except OSError as exc:
        raise RetryLater(f"{state_dir} cannot be used: {exc}; check the card, its room and its file system") from exc


def make_sure(state_dir: Path, now_ms: int) -> Loss | None:
    """After this the store in `state_dir` can be opened; what stood in the way was put aside and is told.

    Raises `BadConfig` for a file of a newer release, which is left untouched, `NeedsOperator` where rights are missing.
    """
    with usable(state_dir):
        state_dir.mkdir(parents=True, exist_ok=True)
        return _make_sure(state_dir, now_ms)


def _make_sure(state_dir: Path, now_ms: int) -> Loss | None:
    file, known = state_dir / FILE, (state_dir / _MARKER).exists()
    if not file.exists() or not file.stat().st_size:
        reason: Reason = "emptied" if file.exists() else "missing"
        return _lose(file, reason, "the file held nothing" if file.exists() else "the file was gone", now_ms) if known else None
    if not os.access(file, os.R_OK | os.W_OK):
        raise PermissionError(f"{file.name} may not be read and written")
    thorough = (state_dir / _SUSPECT).exists()
    found = _look(file, thorough=thorough)
    if found.problem:
        # What the disk did not give looks like damage: put aside is only what can be read, and is wrong a second time.
        if words := unreadable(file):
            raise RetryLater(f"{file} cannot be read: {words}; check the card, its power and the file system")
        found = _look(file, thorough=thorough)
    if found.problem:
        return _lose(file, "damaged", found.problem, now_ms, found.last_sequence)
    if found.is_empty and known:
        return _lose(file, "emptied", "the file had no tables", now_ms)
    (state_dir / _SUSPECT).unlink(missing_ok=True)
    return None


def _look(file: Path, *, thorough: bool) -> _Found:
    """Asks SQLite, read-only; `quick_check` does not compare the indexes with their tables, the thorough check does."""
    check = "PRAGMA integrity_check(1)" if thorough else "PRAGMA quick_check(1)"
    sequence = version = 0
    with ours(file), closing(read_only(file)) as db:
        try:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            sequence = last_sequence(db)
            answer = _read_only_for_ever(file) or changed(db, version)
            if not answer:
                refuse_newer(file, version)
                answer = str(db.execute(check).fetchone()[0])
        except (sqlite3.DatabaseError, UnicodeDecodeError, MemoryError) as exc:
            # Of questions that are always right, SQLITE_ERROR says that the file's own description of itself cannot be understood.
            if isinstance(exc, sqlite3.Error) and not is_damage(exc) and code_of(exc) != sqlite3.SQLITE_ERROR:
                raise
            answer = str(exc) or "something in it claims to be larger than the memory"
    return _Found(None if answer == "ok" else answer, sequence, is_empty=version == 0)


def _read_only_for_ever(file: Path) -> str:
    """Byte 18 of SQLite's file format says how it may be written: more than 2 makes a sound file look like a disk without rights."""
    with file.open("rb") as raw:
        raw.seek(18)
        return "" if raw.read(1) in (b"\1", b"\2") else "it says that it may not be written"


def read_only(file: Path, how: str = "mode=ro") -> sqlite3.Connection:
    db = sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True, timeout=BUSY_S, isolation_level=None)
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")  # a damaged name must not stop the question what is damaged
    return db


def last_sequence(db: sqlite3.Connection) -> int:
    """The new store counts on from here, so that no number means two events; 0 where there is nothing to read."""
    with suppress(sqlite3.OperationalError, MemoryError):  # the latter of a row that claims to be larger than the memory
        row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        return row[0] if row and isinstance(row[0], int) else 0
    return 0


def _lose(file: Path, reason: Reason, detail: str, now_ms: int, last_sequence: int = 0) -> Loss:
    kept = put_aside(file, now_ms)
    give_pictures(file.parent, kept)
    (file.parent / _SUSPECT).unlink(missing_ok=True)
    log.error(
        "%s: %s (%s); a new store is begun, %s",
        file,
        reason,
        detail,
        f"the old one is kept as {kept}" if kept else "nothing was left to keep",
    )
    return Loss(reason, detail, kept, now_ms, last_sequence)


def put_aside(file: Path, now_ms: int) -> str | None:
    """Renames the file with its log and index; the file last, so that a new one never meets the log of the old."""
    while (kept := file.with_name(f"{file.name}.damaged-{now_ms}")).exists():
        now_ms += 1
    for suffix in ("-shm", "-wal", ""):
        with suppress(FileNotFoundError):
            Path(f"{file}{suffix}").rename(f"{kept}{suffix}")
    sync_folder(file.parent)
    return kept.name if kept.exists() else None


def give_pictures(state_dir: Path, kept: str | None) -> None:
    """The pictures go with the store put aside; where none was, with the newest without any: a power cut came between the two."""
    alone = [file for file in kept_files(state_dir) if not pictures_of(file).exists()]
    if kept or alone:
        with suppress(FileNotFoundError):
            (state_dir / PICTURES).rename(pictures_of(state_dir / kept if kept else alone[-1]))
            sync_folder(state_dir)


def kept_files(state_dir: Path) -> list[Path]:
    """The stores put aside, oldest first, without their logs."""
    files = [file for file in state_dir.glob(f"{FILE}.damaged-*") if file.suffix.removeprefix(".damaged-").isdigit()]
    return sorted(files, key=lambda file: int(file.suffix.removeprefix(".damaged-")))


def remove_kept(kept: Path) -> None:
    for suffix in ("-shm", "-wal", ""):
        Path(f"{kept}{suffix}").unlink(missing_ok=True)
    shutil.rmtree(pictures_of(kept), ignore_errors=True)


def pictures_of(kept: Path) -> Path:
    """Where the pictures of a store lie that is not the one in use."""
    return Path(f"{kept}.pictures")


def is_installed(state_dir: Path) -> bool:
    """Whether a store was complete here once; no where that cannot be told."""
    try:
        return (state_dir / _MARKER).exists()
    except OSError:
        return False


def mark_installed(state_dir: Path) -> None:
    """From now on a store that is missing or empty is a loss."""
    marker = state_dir / _MARKER
    if marker.exists():
        return
    with marker.open("w", encoding="ascii") as file:
        file.write("The store of the agent was complete beside this file; without it, its absence is taken for a first start.\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(state_dir)


def mark_suspect(state_dir: Path) -> None:
    """The next start looks thoroughly: what a running agent met may lie where the quick check does not look."""
    with suppress(OSError):  # a full or broken card: the quick check has to do
        (state_dir / _SUSPECT).touch()


def sync_folder(folder: Path) -> None:
    """Makes names durable: a rename is on the disk only once its folder is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
