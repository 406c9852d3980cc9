"""The end of a run, in the order of the data flow: what was seen is written down, what can be sent is sent, and nobody waits for ever."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping

from agent import ending, failpoint, systemd
from agent.board import Board
from agent.children import Children
from agent.clock import Clock
from agent.errors import RetryLater
from agent.opening import FAREWELL_S
from agent.store import Store
from agent.worker import Worker

log = logging.getLogger(__name__)

# What a stop may take, step by step; together well below the ten seconds a service manager is promised.
CHILDREN_S, READ_S, DRAIN_S, SEND_S = 4.0, 1.5, 1.5, FAREWELL_S + 0.5
DRAINED_BY_S = 6.8  # after its beginning; where everything hangs nobody waits for the outbox as well
FORCED_S = 9.6  # who hangs in the middle of a commit has the store: whatever asks it then would wait for ever


class Stopping:
    """One stop of the workers and of the cameras' processes; `left_behind` says that a worker did not come along."""

    def __init__(
        self,
        workers: Mapping[str, Worker],
        stops: Mapping[str, threading.Event],
        children: Children,
        board: Board,
        store: Store,
        clock: Clock,
    ) -> None:
        """`stops` are the words that end the workers, by the same names."""
        self._workers, self._stops, self._children = workers, stops, children
        self._board, self._store, self._clock = board, store, clock
        self.forced = ending.forced(FORCED_S)
        self.left_behind = False

    def run(self) -> None:
        """Returns within ten seconds, or the process is gone."""
        self.forced.start()
        drained_by = time.monotonic() + DRAINED_BY_S
        systemd.notify("STOPPING=1", "STATUS=stopping")
        failpoint.passed("stop.begun")
        self._board.phase = "stopping"
        for name in ("power", "command", "store"):
            self._ask(name)
        self._children.stop()
        if not _wait(self._children.gone, CHILDREN_S):
            self._children.kill()
            _wait(self._children.gone, 0.5)
        self._end("take", 0.7)
        self._end("read", READ_S)
        _wait(self.all_sent, min(DRAIN_S, drained_by - time.monotonic()))
        self._end("command", 0.1)
        self._end("send", SEND_S)
        self._end("store", 0.5)
        if not self._workers["store"].alive():
            ending.brought_back(self._store, self._clock.now())

    def all_sent(self) -> bool:
        """As far as it can be: no more than that is worth waiting for."""
        with contextlib.suppress(RetryLater):  # a disk that fails at this moment must not keep the broker from hearing the goodbye
            return not len(self._store.outbox) or bool(self._workers["send"].trouble)
        return False

    def _ask(self, name: str) -> None:
        self._stops[name].set()
        self._workers[name].ring()  # a rest would last to its end

    def _end(self, name: str, seconds: float) -> None:
        self._ask(name)
        if not self._workers[name].join(seconds):
            self.left_behind = True
            log.warning(
                "the %s worker did not end within %.1f s and is left behind; what it has not finished waits on the disk", name, seconds
            )


def _wait(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()
