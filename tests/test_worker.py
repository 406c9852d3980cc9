"""How a stage is kept going: opened, repeated, closed on trouble, opened again."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import promise
from agent.errors import AgentError, NeedsOperator, RetryLater
from agent.worker import OPENING_S, STEP_S, Worker, pause


class Counting:
    """A stage that does what it is told at each step."""

    rest_s = 0.001

    def __init__(self, act: Callable[[int], bool]) -> None:
        self.act, self.opened, self.closed, self.steps = act, 0, 0, 0

    @contextlib.contextmanager
    def open(self) -> Iterator["Counting"]:
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1

    def step(self) -> bool:
        self.steps += 1
        return self.act(self.steps)


def until(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    return true()


def test_a_stage_is_opened_once_and_repeated_until_asked_to_stop() -> None:
    stop, stage = threading.Event(), Counting(lambda _: True)
    worker = Worker("read", stage.open, stop)
    worker.start()
    assert until(lambda: worker.turns > 100)
    stop.set()
    assert worker.join(2)
    assert (stage.opened, stage.closed) == (1, 1)


def test_after_trouble_a_stage_is_closed_and_opened_again(caplog: pytest.LogCaptureFixture) -> None:
    def act(step: int) -> bool:
        if step in (3, 4):
            raise RetryLater("the broker has gone", after=0.01)
        return True

    stop, stage = threading.Event(), Counting(act)
    worker = Worker("send", stage.open, stop)
    with caplog.at_level(logging.INFO):
        worker.start()
        assert until(lambda: worker.turns > 10)
        stop.set()
        assert worker.join(2)
    assert (stage.opened, stage.closed) == (3, 3)
    assert worker.trouble == ""
    # Once when it starts, once when it ends: not once for every try.
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_trouble_stays_readable_while_it_lasts() -> None:
    def act(_: int) -> bool:
        raise NeedsOperator("the broker refuses the login of user gate")

    stop, stage = threading.Event(), Counting(act)
    worker = Worker("send", stage.open, stop)
    worker.start()
    assert until(lambda: worker.trouble == "the broker refuses the login of user gate")
    stop.set()
    assert worker.join(2), "a stop must be felt while waiting for the next try"


def test_a_stage_that_hangs_is_overdue_and_named() -> None:
    stop, release = threading.Event(), threading.Event()
    stage = Counting(lambda _: release.wait(10))
    worker = Worker("read", stage.open, stop, budget_s=0.05)
    worker.start()
    assert until(lambda: worker.overdue(time.monotonic()))
    assert worker.name == "read"
    release.set()
    stop.set()
    assert worker.join(2)


def test_a_step_that_has_said_it_may_last_is_late_only_after_that() -> None:
    stop, release = threading.Event(), threading.Event()

    def act(step: int) -> bool:
        if step == 1:
            with promise.taking(60.0):
                release.wait(10)
            promise.on_time()
        return not stop.wait(10)  # the next step has said nothing

    worker = Worker("read", Counting(act).open, stop, budget_s=0.1)
    worker.start()
    time.sleep(0.3)
    assert not worker.overdue(time.monotonic())
    assert worker.overdue(time.monotonic() + 60.2)
    release.set()
    assert until(lambda: worker.overdue(time.monotonic()))
    stop.set()
    assert worker.join(2)


def test_opening_may_take_longer_than_a_step() -> None:
    stop, release = threading.Event(), threading.Event()

    @contextlib.contextmanager
    def opening() -> Iterator[Counting]:
        release.wait(10)
        yield Counting(lambda _: not stop.wait(10))

    worker = Worker("send", opening, stop, budget_s=0.1)
    worker.start()
    time.sleep(0.3)
    assert not worker.overdue(time.monotonic())
    assert worker.overdue(time.monotonic() + OPENING_S + 0.2)
    release.set()
    assert until(lambda: worker.overdue(time.monotonic()))
    stop.set()
    assert worker.join(2)


def test_what_a_worker_promises_is_heard_by_no_other() -> None:
    stop = threading.Event()
    other = Worker("send", Counting(lambda _: not stop.wait(10)).open, stop, budget_s=0.1)

    def act(_: int) -> bool:
        with promise.taking(60.0):
            return not stop.wait(10)

    patient = Worker("read", Counting(act).open, stop, budget_s=0.1)
    for worker in (patient, other):
        worker.start()
    assert until(lambda: other.overdue(time.monotonic()))
    assert not patient.overdue(time.monotonic())
    stop.set()
    assert patient.join(2)
    assert other.join(2)


def test_a_step_may_last_as_long_as_the_unit_lets_the_whole_stand_still() -> None:
    unit = Path(__file__).parent.parent / "systemd/vin-agent.service"
    assert f"\nWatchdogSec={STEP_S:g}\n" in unit.read_text("utf-8")


def test_a_stage_that_finds_nothing_to_do_is_on_time() -> None:
    stop, stage = threading.Event(), Counting(lambda _: False)
    worker = Worker("read", stage.open, stop, budget_s=1.0)
    worker.start()
    assert until(lambda: worker.turns > 5)
    assert not worker.overdue(time.monotonic())
    stop.set()
    assert worker.join(2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_nobody_expected_ends_the_worker() -> None:
    def act(_: int) -> bool:
        raise ZeroDivisionError

    worker = Worker("read", Counting(act).open, threading.Event())
    worker.start()
    assert until(lambda: not worker.alive())


@pytest.mark.parametrize(
    ("trouble", "failures", "jitter", "seconds"),
    [
        (RetryLater("x"), 1, 0.5, 1.0),
        (RetryLater("x"), 3, 0.5, 4.0),
        (RetryLater("x"), 6, 0.5, 30.0),
        (RetryLater("x"), 5000, 1.0, 37.5),
        (RetryLater("x"), 1, 0.0, 0.75),
        (RetryLater("x", after=7.0), 9, 0.5, 7.0),
        (NeedsOperator("x"), 1, 0.5, 30.0),
        (AgentError("x"), 2, 0.5, 2.0),
    ],
)
def test_waits_grow_to_half_a_minute_and_honour_what_was_asked(trouble: AgentError, failures: int, jitter: float, seconds: float) -> None:
    assert pause(trouble, failures, jitter) == seconds


def test_a_stage_that_must_be_back_soon_waits_no_longer_than_it_may() -> None:
    assert pause(RetryLater("x"), 5000, 1.0, longest_s=6.0) == 7.5
    assert pause(NeedsOperator("x"), 5000, 1.0, longest_s=6.0) == 30.0
