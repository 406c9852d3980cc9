"""What the agent writes itself: counted for the day and for each vehicle, and told when it is more than a card should bear."""

import os
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.board import Board
from agent.children import Children
from agent.clock import Clock
from agent.health import Reporter
from agent.identity import identify
from agent.power import DAY_MS
from agent.sqlite import Connection
from agent.store import Store
from agent.writes import Writes, WriteWatch
from tests.payloads import valid
from tests.samples import UNREAD


def account(root: Path, written: int) -> None:
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/io").write_text(f"rchar: 5\nwchar: 7\nread_bytes: 0\nwrite_bytes: {written}\ncancelled_write_bytes: 9\n", "ascii")


def test_what_the_agent_writes_is_counted_from_midnight_to_midnight(tmp_path: Path) -> None:
    watch, noon = WriteWatch(tmp_path), DAY_MS // 2

    account(tmp_path, 4096)
    assert watch.look(noon) == Writes(4096, 4096), "all since the start"
    account(tmp_path, 10_000)
    assert watch.look(noon + 1) == Writes(10_000, 10_000)
    account(tmp_path, 10_500)
    assert watch.look(noon + DAY_MS) == Writes(500, 10_500)
    account(tmp_path, 10_600)
    assert watch.look(noon + DAY_MS + 1) == Writes(600, 10_600)


@pytest.mark.parametrize("text", ["", "write_bytes: many\n", "read_bytes: 5\n"])
def test_a_kernel_without_that_account_tells_nothing(tmp_path: Path, text: str) -> None:
    assert WriteWatch(tmp_path).look(0) == Writes()
    account(tmp_path, 0)
    (tmp_path / "proc/self/io").write_text(text, "ascii")
    assert WriteWatch(tmp_path).look(0) == Writes()


def test_this_kernel_counts_what_this_process_writes(tmp_path: Path) -> None:
    before = WriteWatch().look(0).bytes
    with (tmp_path / "file").open("wb") as file:
        file.write(os.urandom(1_000_000))
        file.flush()
        os.fsync(file.fileno())
    after = WriteWatch().look(0).bytes
    assert before is not None
    assert after is not None
    assert after - before >= 1_000_000


def test_each_commit_that_changes_something_is_a_flush_and_no_other_is(tmp_path: Path) -> None:
    db = Connection(tmp_path / "agent.db", max_mb=2)
    db.execute("CREATE TABLE kept (value)")
    before = db.commits

    db.execute("INSERT INTO kept VALUES (1)")
    with db.transaction():
        db.execute("INSERT INTO kept VALUES (2)")
        with db.transaction():
            db.executemany("INSERT INTO kept VALUES (?)", [(3,), (4,)])
    with db.transaction():
        db.execute("DELETE FROM kept WHERE value = 9")
    db.select_one("SELECT count(*) FROM kept")

    assert db.commits - before == 2
    db.close()


def health(folder: Path, written: Writes, vehicles: int = 0, **limits: int) -> dict[str, Any]:
    """What the yard is told of an agent that has written so much."""
    settings = config.Settings(agent=config.Agent(id="gate-3-pi", state_dir=folder), store=config.Store(free_mb=1, **limits))
    now = Clock().now()
    board = Board(now, "session", "clean", writes=written)
    with Store.open(folder, settings.store, now.utc_ms) as store:
        for number in range(vehicles):
            board.read(UNREAD)
            store.put("vehicle", number)
        reporter = Reporter(settings, identify(settings), store, Children([]), board, Clock())
        told = next(each for each in reporter.everything() if each.topic.endswith("/health"))
    return valid(told.topic, told.payload)


def test_a_day_that_wears_the_card_too_much_is_told(tmp_path: Path) -> None:
    much = Writes(2_000_001, 9_000_000)

    assert "writes_high" in health(tmp_path / "a", much, max_write_mb_per_day=2)["reasons"]
    assert "writes_high" not in health(tmp_path / "b", much, max_write_mb_per_day=3)["reasons"]
    assert "writes_high" not in health(tmp_path / "c", much, max_write_mb_per_day=0)["reasons"], "no limit"
    assert "writes_high" not in health(tmp_path / "d", Writes(), max_write_mb_per_day=2)["reasons"]


def test_health_says_what_a_vehicle_costs_the_card(tmp_path: Path) -> None:
    disk = health(tmp_path / "a", Writes(500_000, 1_000_000), vehicles=20)["disk"]

    assert (disk["agent_written_today_bytes"], disk["bytes_per_event"]) == (500_000, 50_000)
    assert disk["flushes_per_event"] == pytest.approx(1.0, abs=0.1), "and a commit or so of the agent's own"
    assert "bytes_per_event" not in health(tmp_path / "b", Writes(500_000, 1_000_000))["disk"], "no vehicle, nothing to divide by"
