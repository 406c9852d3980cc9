"""A stage in a thread of its own: open it, repeat its step, and on trouble close it, wait, open it again."""

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from agent import promise
from agent.errors import AgentError, NeedsOperator, RetryLater

log = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S, OPERATOR_WAIT_S = 1.0, 30.0, 30.0
LOOK_S = 0.5  # for other settings, while waiting to try again
STEP_S = 30.0  # longer than a slow card takes to write; what may last longer says so (agent.promise)
OPENING_S = 60.0  # more than that: names are looked up, models loaded, and none of it may be promised in parts


class Stage(Protocol):
    """One kind of work, done in steps; `rest_s` is how long to pause when a step found nothing to do."""

    rest_s: float

    def step(self) -> bool:
        """Do one piece of work; False where there was none."""


def pause(trouble: AgentError, failures: int, jitter: float, longest_s: float = LONGEST_WAIT_S) -> float:
    """Seconds to wait after the n-th failure in a row: what the other side asked for, else 1 → `longest_s`; jitter is in 0…1."""
    if isinstance(trouble, NeedsOperator):
        return OPERATOR_WAIT_S
    if isinstance(trouble, RetryLater) and trouble.after is not None:
        return trouble.after
    grown = min(longest_s, FIRST_WAIT_S * 2.0 ** min(failures - 1, 10))
    return grown * (0.75 + jitter / 2)


class Worker:
    """Runs one stage until asked to stop. Anything that is not an `AgentError` ends the thread, and with it the process."""

    def __init__(
        self,
        name: str,
        open_stage: Callable[[], AbstractContextManager[Stage]],
        stop: threading.Event,
        budget_s: float = STEP_S,
        longest_s: float = LONGEST_WAIT_S,
    ) -> None:
        """`budget_s` is how long it may not be heard from, on top of what it has promised."""
        self.name, self.trouble, self.turns = name, "", 0
        self._open_stage, self._stop, self._budget_s, self._longest_s = open_stage, stop, budget_s, longest_s
        self._due = float("inf")
        self._failures = 0
        self._rung = threading.Event()
        self._again = False
        # A daemon: a step that never returns must not keep the process from leaving.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._promise(OPENING_S)
        self._thread.start()

    def ring(self) -> None:
        """There is work: ends a rest early. May be called from any thread, but from no signal handler."""
        self._rung.set()

    def reopen(self) -> None:
        """Have the stage closed when the step it is in is done, and opened anew; also ends the wait after a failure."""
        self._again = True
        self._rung.set()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def overdue(self, now: float) -> bool:
        """True when the worker has not been heard from by the time it promised (monotonic seconds)."""
        return now > self._due

    def join(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        promise.heard_by(self._promise)
        while not self._stop.is_set():
            try:
                self._promise(OPENING_S)
                self._again = False
                with self._open_stage() as stage:
                    self._repeat(stage)
            except AgentError as trouble:
                self._recover(trouble)

    def _repeat(self, stage: Stage) -> None:
        while not self._stop.is_set() and not self._again:
            self._promise(0.0)
            busy = stage.step()
            self.turns += 1
            self._well()
            if not busy:
                self._rung.wait(stage.rest_s)
                # Cleared before the next look, so that what comes after it ends the next rest.
                self._rung.clear()

    def _well(self) -> None:
        if self.trouble:
            log.info("%s: works again after %d failures", self.name, self._failures)
        self.trouble, self._failures = "", 0

    def _recover(self, trouble: AgentError) -> None:
        self._failures += 1
        level = logging.DEBUG if self.trouble == str(trouble) else logging.WARNING
        self.trouble = str(trouble)
        seconds = pause(trouble, self._failures, random.random(), self._longest_s)  # noqa: S311  # spreads reconnects, guards nothing
        log.log(level, "%s: %s; next try in %.0f s", self.name, trouble, seconds)
        self._promise(seconds)
        until = time.monotonic() + seconds
        while not self._again and (left := until - time.monotonic()) > 0 and not self._stop.wait(min(left, LOOK_S)):
            pass

    def _promise(self, seconds: float) -> None:
        self._due = time.monotonic() + seconds + self._budget_s
