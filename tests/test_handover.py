"""A release that changed the tables may be taken back: the one before it finds its own store again, and nothing is counted twice."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from agent import config, damage, handover, schema
from agent.errors import BadConfig, RetryLater
from agent.handover import KEPT_MS
from agent.sqlite import Connection
from agent.store import Store
from tests.samples import CAPTURE, IMAGE, capture, event

LARGE = bytes(range(256)) * 256
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


def test_a_copy_that_was_broken_off_is_no_obstacle_to_the_next_and_stays_nowhere(state_dir: Path) -> None:
    for name in ("agent.db.part", "agent.db.part-journal"):
        (state_dir / name).write_bytes(b"half of a copy" * 1000)
    with newer_release(), opened(state_dir) as store:
        assert len(copies(state_dir)) == 1
        assert len(store.outbox) == 5
    assert list(state_dir.glob("*.part*")) == []


def test_a_disk_that_fails_under_the_copy_is_a_disk_that_fails(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with newer_release(), pytest.raises(RetryLater, match="check the card"):
        opened(state_dir)


def seen(store: Store, read_id: str) -> None:
    store.spool.put(replace(CAPTURE, read_id=read_id, images=(replace(IMAGE, read_id=read_id, jpeg=LARGE),)), NOW)


def test_going_back_finds_the_pictures_of_that_time_and_keeps_those_of_the_newer_release(state_dir: Path) -> None:
    with opened(state_dir) as store:
        seen(store, "BEFORE")
    with newer_release(), opened(state_dir) as store:
        store.spool.forget("BEFORE")
        seen(store, "SINCE")
    with opened(state_dir) as store:
        assert store.spool.pictures("BEFORE") == [LARGE]
        assert [audit.what for audit in store.take_audits()] == ["lost"], "and nothing is damaged"
    (kept,) = damage.kept_files(state_dir)
    assert (Path(f"{kept}.pictures") / "SINCE-00.jpg").read_bytes() == LARGE
    assert copies(state_dir) == []


@pytest.mark.parametrize("step", range(1, 7))
def test_going_back_survives_a_power_cut_after_each_step(state_dir: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    with opened(state_dir) as store:
        seen(store, "BEFORE")
    with newer_release(), opened(state_dir) as store:
        store.spool.forget("BEFORE")
        seen(store, "SINCE")
    left = step

    def cut(done: Callable[..., object]) -> Callable[..., object]:
        def until(*arguments: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return done(*arguments)

        return until

    with monkeypatch.context() as power, suppress(KeyboardInterrupt):
        power.setattr(Path, "rename", cut(Path.rename))
        power.setattr(Path, "replace", cut(Path.replace))
        opened(state_dir).close()
    with opened(state_dir) as store:
        assert store.spool.pictures("BEFORE") == [LARGE]
        assert len(store.outbox) == 5
        assert {audit.what for audit in store.take_audits()} <= {"lost"}
    (kept,) = damage.kept_files(state_dir)
    assert (Path(f"{kept}.pictures") / "SINCE-00.jpg").read_bytes() == LARGE


def test_pictures_with_a_second_name_go_where_the_disk_needs_room(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(state_dir) as store:
        seen(store, "BEFORE")
    with newer_release(), opened(state_dir) as store:
        second = state_dir / f"{copies(state_dir)[0]}.pictures"
        store.trim(NOW)
        assert second.exists()
        monkeypatch.setattr(store._retention, "_free", lambda _folder: 500_000)
        store.trim(NOW)
        assert not second.exists()
        assert [copy.name for copy in handover.copies(state_dir)] == copies(state_dir)


def test_without_hard_links_going_back_finds_the_pictures_that_are_left(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_names: object, **_how: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with opened(state_dir) as store:
        seen(store, "BEFORE")
    monkeypatch.setattr(os, "link", refused)
    with newer_release(), opened(state_dir):
        assert copies(state_dir) == [f"agent.db.before-{len(schema.MIGRATIONS)}"]
    with opened(state_dir) as store:
        assert store.spool.pictures("BEFORE") == [LARGE]


def test_a_site_without_a_time_server_gives_up_the_copy_too(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with newer_release(), opened(state_dir) as store:
        store.trim(NOW + 5 * KEPT_MS, sure=False)
        assert copies(state_dir), "a clock that nobody vouches for says nothing about its age"
        later = time.monotonic() + KEPT_MS / 1000
        monkeypatch.setattr(time, "monotonic", lambda: later + 1)
        store.trim(NOW, sure=False)
        assert copies(state_dir) == [], "the agent has run for so long itself"
