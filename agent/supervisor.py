"""The parent process: opens the store, starts the workers, and from then on only looks after them."""

import contextlib
import faulthandler
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator

from ulid import ULID

from agent import config, state, systemd
from agent.children import Children
from agent.clock import Clock, boot_id
from agent.domain import Bounds
from agent.health import Board, Reporter
from agent.identity import Identity, identify
from agent.mqtt import Link
from agent.ocr import common_bounds, open_providers
from agent.ocr.budget import Budget
from agent.ocr.chain import Chain
from agent.ocr.memory import Memory
from agent.publish import Publisher, Tally
from agent.stages import Read, Send, Take
from agent.store import Store
from agent.wire import Job
from agent.worker import Worker

log = logging.getLogger(__name__)

TICK_S = 0.1
# What a stop may take, step by step; together well below the ten seconds a service manager is promised.
CHILDREN_S, READ_S, DRAIN_S, SEND_S = 4.0, 1.5, 1.5, 2.0
_RUNNING = "running"


def run(settings: config.Settings) -> int:
    """Watch the gates until SIGTERM or SIGINT; 0 after a clean stop, 1 when a worker died and the service manager must start anew."""
    # The journal then holds the stack of the line that hung when the watchdog ends us.
    faulthandler.enable()
    identity = identify(settings)
    bounds = common_bounds(settings.reading.chain, settings)
    clock = Clock()
    settings.agent.state_dir.mkdir(parents=True, exist_ok=True)
    with Store.open(settings.agent.state_dir, settings.store, clock.now().utc_ms) as store:
        return Supervisor(settings, identity, bounds, store, clock).run()


class Supervisor:
    """Three workers, the cameras' processes, and the main thread that watches over both."""

    def __init__(self, settings: config.Settings, identity: Identity, bounds: Bounds, store: Store, clock: Clock) -> None:
        self._settings, self._identity, self._store, self._clock = settings, identity, store, clock
        self._asked: list[int] = []
        self._children = Children([Job(each, settings.vision, bounds, settings.agent.log_level) for each in settings.camera])
        self._board = Board(clock.now(), str(ULID()), last_exit(store))
        self._reporter = Reporter(settings, identity, store, self._children, self._board, clock)
        self._tally = Tally(last=self._reporter.known_lasts())
        self._stops = {name: threading.Event() for name in ("take", "read", "send")}
        self._workers = {
            "take": Worker("take", self._open_take, self._stops["take"]),
            "read": Worker("read", self._open_read, self._stops["read"], budget_s=180.0),
            "send": Worker("send", self._open_send, self._stops["send"]),
        }
        self._named_late: set[str] = set()

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # Event.set() in a handler can deadlock with a wait() on the same thread: take a note, act in the loop.
            signal.signal(number, lambda received, _frame: self._asked.append(received))
        self._store.put("exit", {"state": _RUNNING, "boot_id": boot_id()})
        for worker in self._workers.values():
            worker.start()
        systemd.notify("READY=1", "STATUS=watching")
        log.info("watching %d cameras as %s", len(self._children.all), self._identity.topics.root)
        code = self._look_after()
        self._stop()
        if code == 0:
            self._store.put("exit", {"state": "clean", "boot_id": boot_id()})
        log.info("stopped")
        return code

    def _look_after(self) -> int:
        """Until a signal asks to stop (0) or a worker is dead (1): keep cameras running and the watchdog fed."""
        ping_s, pinged_at = systemd.watchdog_s(), 0.0
        while True:
            if self._leave():
                return 0
            if why := self._broken():
                log.critical("%s; leaving, so that the service manager starts afresh", why)
                return 1
            self._children.look_after()
            now = time.monotonic()
            if self._on_time(now) and ping_s is not None and now - pinged_at >= ping_s:
                pinged_at = now
                systemd.notify("WATCHDOG=1")
            time.sleep(TICK_S)

    def _broken(self) -> str:
        """What only a new start mends: it looks the store over and puts a damaged file aside."""
        if self._store.damaged:
            return "the store is damaged"
        dead = [name for name, worker in self._workers.items() if not worker.alive()]
        return f"the {dead[0]} worker has ended, which it never should" if dead else ""

    def _leave(self) -> bool:
        while self._asked:
            number = self._asked.pop(0)
            if number != signal.SIGHUP:
                log.info("%s: stopping", signal.Signals(number).name)
                return True
            log.warning("SIGHUP: settings are read at start; restart the service to change them")
        return False

    def _on_time(self, now: float) -> bool:
        """Whether every worker is heard from; a stuck one is named, once, and costs us the watchdog's ping."""
        late = {name for name, worker in self._workers.items() if worker.overdue(now)}
        for name in late - self._named_late:
            log.error("the %s worker is stuck: the watchdog is no longer fed", name)
        self._named_late = late
        return not late

    def _stop(self) -> None:
        """In the order of the data flow, so that what was seen is written down, and what can be sent is sent."""
        systemd.notify("STOPPING=1", "STATUS=stopping")
        self._board.phase = "stopping"
        self._children.stop()
        if not self._wait(self._children.gone, CHILDREN_S):
            self._children.kill()
            self._wait(self._children.gone, 0.5)
        self._end("take", 0.7)
        self._end("read", READ_S)
        self._wait(lambda: not len(self._store.outbox) or bool(self._workers["send"].trouble), DRAIN_S)
        self._end("send", SEND_S)

    @staticmethod
    def _wait(true: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not true() and time.monotonic() < deadline:
            time.sleep(0.02)
        return true()

    def _end(self, name: str, seconds: float) -> None:
        self._stops[name].set()
        if not self._workers[name].join(seconds):
            log.warning(
                "the %s worker did not end within %.1f s and is left behind; what it has not finished waits on the disk", name, seconds
            )

    @contextlib.contextmanager
    def _open_take(self) -> Iterator[Take]:
        yield Take(self._children, self._store, self._identity.facts, self._clock, self._workers["read"].ring)

    @contextlib.contextmanager
    def _open_read(self) -> Iterator[Read]:
        reading = self._settings.reading
        providers = open_providers(self._settings)
        budget, memory = Budget(reading, self._store.ledger), Memory(self._store.seen)
        stop, calls = self._stops["read"], reading.calls_per_vehicle
        opened = Chain(
            providers, self._store.ledger, budget, self._clock.now, facts=self._store, memory=memory, calls=calls, sleep=stop.wait
        )
        with opened as chain:
            self._board.circuits = chain.circuits
            yield Read(self._store, chain, reading, self._identity.facts, self._clock, self._board)

    @contextlib.contextmanager
    def _open_send(self) -> Iterator[Send]:
        mqtt, now = self._settings.mqtt, self._clock.now
        with Link(mqtt, self._identity.client_id, self._reporter.will()) as link:
            publisher = Publisher(link, self._store.outbox, self._identity.topics, mqtt, self._reporter.everything, now(), self._tally)
            self._board.mqtt, self._board.wake_send = publisher.health, link.wake
            log.info("connected to the broker at %s", link.where)
            yield Send(publisher, self._reporter, self._store, self._clock)
            if self._stops["send"].is_set():
                publisher.publish_state(self._reporter.changes())
                publisher.farewell(self._reporter.status("offline"), now, SEND_S - 0.5)


def last_exit(store: Store) -> state.LastExit:
    """How the run before this one ended: without a clean mark and within the same boot it crashed, else the power was cut."""
    before = store.get("exit")
    if before is None or before["state"] != _RUNNING:
        return "clean"
    return "crash" if before["boot_id"] == boot_id() else "power"
