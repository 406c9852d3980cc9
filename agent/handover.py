"""A store that changes hands between releases: a copy before tables are changed, and the way back for the release before."""

import logging
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from agent.damage import FILE, PICTURES, Loss, give_pictures, last_sequence, pictures_of, put_aside, read_only, remove_kept, sync_folder
from agent.schema import MIGRATIONS
from agent.sqlite import MB, Connection
from agent.trouble import is_damage, ours

log = logging.getLogger(__name__)

# An upgrade is kept or taken back within minutes; a copy that is older would send again what was sent long ago.
KEPT_MS = 3_600_000
_SPARE = 16 * MB


def copied(file: Path, place: Path) -> None:
    """A consistent copy of a store that may be in use, on the disk when this returns."""
    with ours(file), closing(read_only(file)) as source, closing(sqlite3.connect(place)) as copy:
        source.backup(copy)
    with place.open("rb") as written:
        os.fsync(written.fileno())


def keep_copy(db: Connection) -> None:
    """Before the first migration: what the release before would need to go on, where the disk has room for it."""
    version, file = db.number("PRAGMA user_version"), db.file
    if not 0 < version < len(MIGRATIONS):
        return
    part = file.with_name(f"{file.name}.part")
    for suffix in ("-journal", ""):  # a copy that a power cut broke off is no database: SQLite would refuse to write over it
        Path(f"{part}{suffix}").unlink(missing_ok=True)
    if shutil.disk_usage(file.parent).free < file.stat().st_size + db.log_bytes() + _SPARE:
        log.warning("%s: the disk has no room for a copy; the release before cannot take this store back", file)
        return
    place = _copy_of(file, version)
    copied(file, part)
    _link_pictures(file.parent / PICTURES, pictures_of(place))  # first: a copy that is there has its pictures
    part.replace(place)
    sync_folder(file.parent)


def _link_pictures(folder: Path, into: Path) -> None:
    """Second names, which take no room, for the pictures that are files: what is deleted since is there for whoever goes back."""
    shutil.rmtree(into, ignore_errors=True)
    if not folder.is_dir():
        return
    into.mkdir()
    try:
        for picture in folder.iterdir():
            os.link(picture, into / picture.name)
        sync_folder(into)
    except OSError as exc:  # a file system that knows no second names: whoever goes back finds those that are left
        shutil.rmtree(into, ignore_errors=True)
        log.warning("%s: the release before would miss pictures that go from now on: %s", into, exc)


def take_back(state_dir: Path, now_ms: int) -> Loss | None:
    """Where a newer release has changed the tables and a copy from before is there: that copy, and the newer store beside it.

    Each step may be the last before a power cut; the next start goes on from there.
    """
    file, copy = state_dir / FILE, _copy_of(state_dir / FILE, len(MIGRATIONS))
    if not copy.exists():
        return None
    kept, sequence = None, 0
    if file.exists():
        version, sequence = _known(file)
        if version <= len(MIGRATIONS):
            return None
        kept = put_aside(file, now_ms)
    _give_back_pictures(state_dir, pictures_of(copy), kept)
    copy.replace(file)
    sync_folder(state_dir)
    detail = "a newer release had changed its tables; what it has seen since is in the file put aside"
    log.error("%s: %s, which is %s; the copy from before is used", file, detail, kept)
    return Loss("newer", detail, kept, now_ms, sequence)


def _give_back_pictures(state_dir: Path, linked: Path, kept: str | None) -> None:
    """Those of the copy take the place of the newer store's, which go with it; without them both have the one folder."""
    if linked.exists():
        give_pictures(state_dir, kept)
        shutil.rmtree(state_dir / PICTURES, ignore_errors=True)  # of no store at all
        linked.rename(state_dir / PICTURES)


def copies(state_dir: Path) -> list[Path]:
    """The copies, without the folders of their pictures."""
    return [copy for copy in state_dir.glob(f"{FILE}.before-*") if copy.suffix.removeprefix(".before-").isdigit()]


def forget_copies(state_dir: Path, now_ms: int | None) -> None:
    """Gives up the copies that nobody will go back to any more; all of them for None, where the agent has run for so long itself."""
    for copy in copies(state_dir):
        if now_ms is None or abs(now_ms - copy.stat().st_mtime * 1000) > KEPT_MS:
            remove_kept(copy)


def unlink_pictures(state_dir: Path) -> None:
    """Where the disk needs room: a picture with a second name gives none back when it is deleted."""
    for folder in state_dir.glob(f"{FILE}.before-*.pictures"):
        log.warning("%s: removed, the disk has less room than store.free_mb", folder)
        shutil.rmtree(folder, ignore_errors=True)


def _copy_of(file: Path, version: int) -> Path:
    return file.with_name(f"{file.name}.before-{version + 1}")


def _known(file: Path) -> tuple[int, int]:
    """The version of its tables and the last number it gave; 0 for a file that cannot tell, which is looked into elsewhere."""
    with ours(file), closing(read_only(file)) as db:
        try:
            return int(db.execute("PRAGMA user_version").fetchone()[0]), last_sequence(db)
        except sqlite3.DatabaseError as exc:
            if not is_damage(exc):
                raise
            return 0, 0
