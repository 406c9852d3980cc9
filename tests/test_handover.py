"""A release that changed the tables may be taken back: the one before it finds its own store again, and nothing is counted twice."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import config, schema
from agent.errors import BadConfig
from agent.handover import KEPT_MS
from agent.sqlite import Connection
from agent.store import Store
from tests.samples import capture, event

NOW = int(time.time() * 1000)  # the age of a copy is that of its file


def opened(state_dir: Path, now_ms: int = NOW) -> Store:
    return Store.open(state_dir, config.Store(free_mb=1), now_ms)


@contextmanager
def newer_release() -> Iterator[None]:
    """The agent as it will be: with tables this release does not know."""

    def step(db: Connection) -> None:
        db.execute("CREATE TABLE tomorrow (key TEXT PRIMARY KEY)")

    schema.MIGRATIONS.append(step)
    try:
        yield
    finally:
        schema.MIGRATIONS.remove(step)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A store in which vehicle A waits to be read and events were numbered up to 5."""
    with opened(tmp_path) as store, store.transaction():
        store.spool.put(capture("A"), NOW)
        for number in range(5):
            store.outbox.put(event(number), NOW)
    return tmp_path


def copies(state_dir: Path) -> list[str]:
    return sorted(file.name for file in state_dir.glob("agent.db.before-*"))


def test_a_release_that_knows_the_tables_makes_no_copy(state_dir: Path) -> None:
    with opened(state_dir):
        assert copies(state_dir) == []


def test_a_first_start_makes_no_copy(tmp_path: Path) -> None:
    with newer_release(), opened(tmp_path):
        assert copies(tmp_path) == []


def test_the_release_before_goes_on_where_it_was(state_dir: Path) -> None:
    with newer_release(), opened(state_dir) as store:
        assert len(store.outbox) == 5, "the newer release has everything too"
        assert len(copies(state_dir)) == 1
    with opened(state_dir) as store:
        head = store.spool.head(NOW)
        assert head is not None
        assert head.capture.read_id == "A"
        assert len(store.outbox) == 5
        assert copies(state_dir) == []


def test_a_number_the_newer_release_gave_is_not_given_again_and_the_yard_is_told(state_dir: Path) -> None:
    with newer_release(), opened(state_dir) as store:
        for number in range(5, 8):
            store.outbox.put(event(number), NOW)
    with opened(state_dir) as store:
        assert store.outbox.put(event(9), NOW) == 9
        (audit,) = store.take_audits()
    assert audit.what == "lost"
    assert "a newer release had changed its tables" in audit.why
    assert (state_dir / audit.id).exists(), "what the newer release has seen is kept"


def test_a_power_cut_in_the_middle_of_going_back_costs_nothing(state_dir: Path) -> None:
    with newer_release(), opened(state_dir):
        pass
    (state_dir / "agent.db").rename(state_dir / f"agent.db.damaged-{NOW}")
    with opened(state_dir) as store:
        assert len(store.outbox) == 5


def test_without_a_copy_a_newer_store_is_refused_and_left_alone(state_dir: Path) -> None:
    with newer_release(), opened(state_dir):
        pass
    for name in copies(state_dir):
        (state_dir / name).unlink()
    before = (state_dir / "agent.db").read_bytes()
    with pytest.raises(BadConfig, match="a newer release wrote this store"):
        opened(state_dir)
    assert (state_dir / "agent.db").read_bytes() == before


def test_a_copy_nobody_went_back_to_is_given_up_after_an_hour(state_dir: Path) -> None:
    with newer_release(), opened(state_dir) as store:
        (copy,) = copies(state_dir)
        os.utime(state_dir / copy, (NOW / 1000, NOW / 1000))
        store.trim(NOW + KEPT_MS - 1)
        assert copies(state_dir) == [copy]
        store.trim(NOW + KEPT_MS + 1)
        assert copies(state_dir) == []
