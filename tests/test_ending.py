"""How the run before this one ended, told from what it left in the store and what systemd left beside it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import config, ending
from agent.errors import RetryLater
from agent.reboot import Reboot
from agent.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, config.Store(free_mb=0, ballast_kb=0), 0) as store:
        yield store


@pytest.fixture(autouse=True)
def invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOCATION_ID", "this")
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


def in_boot(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(ending, "boot_id", lambda: name)


def test_the_first_run_and_one_that_ended_in_order_are_clean(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ending.last_exit(store, tmp_path) == "clean"
    ending.began(store)
    ending.ended(store)
    assert ending.last_exit(store, tmp_path) == "clean"
    in_boot(monkeypatch, "the next one")
    assert ending.last_exit(store, tmp_path) == "clean"


def test_a_run_that_said_nothing_crashed_or_lost_its_power(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_boot(monkeypatch, "this one")
    ending.began(store)
    assert ending.last_exit(store, tmp_path) == "crash"
    in_boot(monkeypatch, "the next one")
    assert ending.last_exit(store, tmp_path) == "power"


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ("watchdog this", "watchdog"),
        ("signal this", "crash"),
        ("oom-kill this", "crash"),
        ("watchdog another", "crash"),
        ("watchdog", "crash"),
        ("", "crash"),
        ("\udcff\x00", "crash"),
    ],
)
def test_systemd_knows_better_about_that_very_run_alone(store: Store, tmp_path: Path, result: str, told: str) -> None:
    ending.began(store)
    (tmp_path / "result").write_text(f"{result}\n", "utf-8", "surrogateescape")
    assert ending.last_exit(store, tmp_path) == told


def test_what_systemd_left_is_looked_for_where_the_unit_could_write(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path / 'unit'}:/var/lib/other")
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit/result").write_text("watchdog this\n")
    ending.began(store)
    assert ending.last_exit(store, tmp_path / "elsewhere") == "watchdog"


def test_a_watchdog_of_a_run_without_systemd_is_not_believed(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INVOCATION_ID")
    (tmp_path / "result").write_text("watchdog\n")
    ending.began(store)
    assert ending.last_exit(store, tmp_path) == "crash"


def test_a_reboot_of_our_own_is_told_with_its_reason_once(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_boot(monkeypatch, "this one")
    ending.began(store)
    ending.rebooting(store, Reboot("camera one was dead", 5, 6, "this one", "synced"))
    ending.ended(store)
    assert ending.last_exit(store, tmp_path) == "clean", "started again before the machine went down"
    in_boot(monkeypatch, "the next one")
    assert ending.last_exit(store, tmp_path) == "reboot"
    assert ending.told("reboot", store) == "reboot, because camera one was dead"
    assert ending.told("clean", store) == "clean"
    ending.began(store)
    ending.ended(store)
    assert ending.last_exit(store, tmp_path) == "clean"
    assert ending.last_reboot(store) == Reboot("camera one was dead", 5, 6, "this one", "synced")


def test_a_power_cut_during_a_reboot_of_our_own_is_a_power_cut(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_boot(monkeypatch, "this one")
    ending.began(store)
    ending.rebooting(store, Reboot("camera one was dead", 5, 6, "this one", "synced"))
    in_boot(monkeypatch, "the next one")
    assert ending.last_exit(store, tmp_path) == "power"


def test_a_second_agent_on_the_same_store_does_not_start_and_one_that_was_killed_is_no_hindrance(store: Store) -> None:
    """Both would have every vehicle read, and paid for."""
    ending.refuse_two(store)
    ending.began(store)
    ending.refuse_two(store)  # that is this process itself
    with subprocess.Popen(["/bin/sleep", "60"]) as other:
        since = ending._alive_since(other.pid)
        assert since
        known = store.get("exit")
        store.put("exit", {**known, "process": [other.pid, since]})
        with pytest.raises(RetryLater, match=f"another agent \\(process {other.pid}\\) works with this agent.state_dir"):
            ending.refuse_two(store)
        store.put("exit", {**known, "process": [other.pid, since], "file": [1, 2]})
        ending.refuse_two(store)  # that one has the file this is a copy of
        store.put("exit", {**known, "process": [other.pid, "1"]})
        ending.refuse_two(store)  # the number was given to somebody else since
        store.put("exit", {**known, "process": [other.pid, since]})
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet taken away
        ending.refuse_two(store)
    ending.refuse_two(store)
    store.put("exit", {key: value for key, value in known.items() if key != "process"})
    ending.refuse_two(store)  # as an older release wrote it
