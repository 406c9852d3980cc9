"""Opens the store of an agent that may be running: read-only where somebody only looks, else for short transactions."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from agent import config, damage
from agent.errors import NeedsOperator
from agent.schema import MIGRATIONS
from agent.sqlite import Arguments, Connection
from agent.trouble import is_damage, ours


class Asked(Protocol):
    """What can be asked of a store, whichever way it is open."""

    file: Path

    def select(self, req: str, arg: Arguments = ()) -> Iterator[tuple[Any, ...]]: ...
    def select_one(self, req: str, arg: Arguments = ()) -> tuple[Any, ...] | None: ...
    def number(self, req: str, arg: Arguments = ()) -> int: ...


class Looking:
    """A store opened read-only; every question is a short one, so that no reader keeps the agent's log from being written back.

    SQLite gives the log and index it makes for root to the owner of the store, so a look locks nobody out.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        with self._said():
            self._db = damage.read_only(file)
            self._db.text_factory = lambda raw: raw.decode("utf-8", "replace")

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            if is_damage(exc):
                raise damaged(self.file, str(exc)) from exc
            with ours(self.file):
                raise

    def select(self, req: str, arg: Arguments = ()) -> Iterator[tuple[Any, ...]]:
        """All rows at once: whoever asks limits them."""
        with self._said():
            return iter(self._db.execute(req, arg).fetchall())

    def select_one(self, req: str, arg: Arguments = ()) -> tuple[Any, ...] | None:
        return next(self.select(req, arg), None)

    def number(self, req: str, arg: Arguments = ()) -> int:
        row = self.select_one(req, arg)
        return int(row[0]) if row and row[0] is not None else 0

    def close(self) -> None:
        self._db.close()


def damaged(file: Path, how: str) -> NeedsOperator:
    """The pages themselves are wrong: only the agent's start can help, as nothing may be trusted any more."""
    return NeedsOperator(f"{file} is damaged ({how}); restart the agent, which keeps the file beside a new one and tells the yard")


@contextmanager
def looking(settings: config.Settings) -> Iterator[Looking]:
    """The store, read-only; raises `NeedsOperator` where there is none, or this user or this release may not look."""
    with closing(Looking(_there(settings.agent.state_dir, os.R_OK))) as db:
        _refuse_others(db, db.file)
        yield db


@contextmanager
def changing(settings: config.Settings) -> Iterator[Connection]:
    """The store, to be changed in transactions of a moment; raises as `looking` does."""
    file = _there(settings.agent.state_dir, os.R_OK | os.W_OK)
    with closing(Looking(file)) as seen:
        _refuse_others(seen, file)  # before anything is written
    with closing(Connection(file, settings.store.max_mb)) as db:
        yield db


def _there(state_dir: Path, rights: int) -> Path:
    file = state_dir / damage.FILE
    try:
        there = file.exists() and file.stat().st_size > 0
    except PermissionError as exc:
        raise _refused(file) from exc
    if not there:
        raise NeedsOperator(f"{file}: there is no store here; the agent makes it when it starts")
    if not os.access(file, rights):
        raise _refused(file)
    return file


def _refused(file: Path) -> NeedsOperator:
    return NeedsOperator(f"{file}: this user may not use it; run this as the service's user or as root")


def _refuse_others(db: Asked, file: Path) -> None:
    version = db.number("PRAGMA user_version")
    if version != len(MIGRATIONS):
        whose = "a newer release wrote this store" if version > len(MIGRATIONS) else "this store is of an older release"
        hint = "use that release" if version > len(MIGRATIONS) else "start the agent once, which brings it up to date"
        raise NeedsOperator(f"{file}: {whose} (version {version}, this one knows {len(MIGRATIONS)}); {hint}; the file was left as it is")
