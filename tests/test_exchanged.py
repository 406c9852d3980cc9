"""Cameras that a reload exchanges while the yard is told how they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.board import Board
from agent.child import View
from agent.children import Children
from agent.clock import Clock
from agent.errors import RetryLater
from agent.health import Reporter
from agent.identity import identify
from agent.store import Store

SETTINGS = config.Settings(agent=config.Agent(site="hamburg", id="gate-3-pi"))
CAMERA, GONE = [View("cam1", "north", "online")], list[View]()


@pytest.fixture
def reporter(tmp_path: Path) -> Any:
    with Store.open(tmp_path, config.Store(free_mb=1), 0) as store:
        clock = Clock(synced=lambda: True)
        yield Reporter(SETTINGS, identify(SETTINGS), store, Children([]), Board(clock.now(), "s", "clean"), clock)


def seeing(*views: list[View]) -> Callable[[], list[View]]:
    """The cameras there are at each look, the last of them from then on."""
    left = list(views)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize("looks", range(1, 6))
def test_a_camera_taken_out_at_any_moment_ends_no_sender(reporter: Reporter, monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    """Taken out between the look at its state and that at its alarms, it ended the thread, and with it the agent."""
    monkeypatch.setattr(reporter._children, "views", seeing(*[CAMERA] * looks, GONE))

    told = [each for _ in range(6) for each in reporter.changes() if "/camera/cam1/" in each.topic]

    assert [each.payload for each in told[-2:]] == [b"", b""], "nothing of it is left on the broker"


def test_a_camera_whose_alarms_could_not_be_told_may_be_taken_out(reporter: Reporter, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RetryLater("agent.db could not be read")

    monkeypatch.setattr(reporter._children, "views", seeing(CAMERA, GONE))
    with monkeypatch.context() as moment:
        moment.setattr(reporter, "_health", fails)
        with pytest.raises(RetryLater):
            reporter.changes()

    assert [each.payload for each in reporter.changes() if "/camera/cam1/" in each.topic] == [b"", b""]
