"""The parent process: opens the store, starts the workers, and from then on only looks after them."""

import contextlib
import errno
import faulthandler
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial

from ulid import ULID

from agent import config, ending, failpoint, logs, reboot, systemd
from agent.board import Board
from agent.bounds import Bounds
from agent.children import Children
from agent.clock import Clock
from agent.control import Control, Main
from agent.errors import AgentError, NeedsOperator, RetryLater
from agent.events import Payload
from agent.health import Reporter
from agent.identity import Identity, identify
from agent.inbox import Inbox
from agent.ocr import common_bounds
from agent.opening import Opening, jobs, stood_before
from agent.orders import Orders
from agent.publish import Tally
from agent.reload import Change, audit, compared
from agent.stopping import Stopping
from agent.store import Store
from agent.switches import Switches
from agent.twins import Twins
from agent.vision import zxing
from agent.worker import STEP_S, Worker

log = logging.getLogger(__name__)

TICK_S, LOOK_S = 0.1, 1.0
LONGEST_OUT_S = (
    6.0  # between two tries of the broker: one that has forgotten everything is told within ten seconds, however long it was away
)
# The sections a worker is opened from: it begins anew when one of them has changed.
OPENED_FROM = {"read": ("reading", "provider", "http"), "send": ("mqtt",), "power": ("power",)}

Load = Callable[[], config.Settings]


def run(settings: config.Settings, load: Load) -> int:
    """Watch the gates until SIGTERM or SIGINT; at a SIGHUP the settings are read anew by `load`.

    0 after a clean stop, 1 when a worker died and the service manager must start anew.
    """
    # The journal then holds the stack of the line that hung when the watchdog ends us.
    faulthandler.enable()
    identity = identify(settings)
    bounds = common_bounds(settings.reading.chain, settings)
    clock = Clock()
    with Store.start(settings.agent.state_dir, settings.store, clock.now().utc_ms) as store:
        ending.refuse_two(store)
        failpoint.passed("start.opened")
        supervisor = Supervisor(settings, identity, bounds, store, clock, load)
        code = supervisor.run()
    supervisor.stopping.forced.cancel()
    if supervisor.stopping.left_behind:
        # A thread that comes back from native code into an interpreter on its way out aborts the process: a clean stop would count as
        # a crash. The store is closed, and there is nothing else to tidy.
        logging.shutdown()
        os._exit(code)
    return code


class Supervisor:
    """Six workers, the cameras' processes, and the main thread that watches over both."""

    def __init__(self, settings: config.Settings, identity: Identity, bounds: Bounds, store: Store, clock: Clock, load: Load) -> None:
        self._settings, self._store, self._clock, self._load, self._facts = settings, store, clock, load, identity.facts
        self._asked: list[int] = []
        self._bounds, self._main, self._switches = bounds, Main(), Switches.kept(store)
        self._children = Children(jobs(settings, bounds), partial(stood_before, store), self._switches.off)
        self._board = Board(clock.now(), str(ULID()), ending.last_exit(store, settings.agent.state_dir))
        self._reporter = Reporter(settings, identity, store, self._children, self._board, clock)
        self._stops = {name: threading.Event() for name in ("take", "read", "send", "power", "command", "store")}
        control = Control(
            store, self._children, self._main, self._switches, lambda: self._settings, self._renew, self._reload_asked, clock.now
        )
        inbox, told = Inbox(identity.topics.commands), lambda command: control.tell(command, self._facts, clock.now())
        orders = Orders(inbox, identity.topics.root, control.handlers(), told)
        self._board.commands = orders.health
        self._opening = Opening(
            settings, identity, store, clock, self._children, self._board, self._reporter, orders,
            Tally(), Twins(store, clock), self._stops["read"],
        )  # fmt: skip
        # Nothing may stand still for longer than systemd allows the whole: then it is told at once, and not after another wait.
        still_s = 2 * (systemd.watchdog_s() or STEP_S / 2)
        self._workers = {
            "take": Worker("take", self._opening.take, self._stops["take"], still_s),
            "read": Worker("read", self._opening.read, self._stops["read"], still_s),
            "send": Worker("send", self._opening.send, self._stops["send"], still_s, LONGEST_OUT_S),
            # Never late: a firmware that does not answer is no reason to start everything anew, and again.
            "power": Worker("power", self._opening.power, self._stops["power"], budget_s=float("inf")),
            "command": Worker("command", lambda: contextlib.nullcontext(orders), self._stops["command"], still_s),
            # The same of a disk that takes minutes to say that it has failed; who waits for it is late, and named.
            "store": Worker("store", self._opening.keep, self._stops["store"], budget_s=float("inf")),
        }
        inbox.ring = self._workers["command"].ring
        self._opening.ring_reading = self._workers["read"].ring
        self._ladder = reboot.Ladder(ending.last_reboot(store), partial(ending.rebooting, store))
        self._named_late: set[str] = set()
        self.stopping = Stopping(self._workers, self._stops, self._children, self._board, store, clock)
        self._words = ""

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # Event.set() in a handler can deadlock with a wait() on the same thread: take a note, act in the loop.
            signal.signal(number, lambda received, _frame: self._asked.append(received))
        self._store.insist(partial(ending.began, self._store), self._clock.now())
        for worker in self._workers.values():
            worker.start()
        failpoint.passed("start.ready")
        systemd.notify("READY=1")
        root, how = self._opening.identity.topics.root, ending.told(self._board.last_exit, self._store)
        log.info("watching %d cameras as %s; the end before this start: %s", len(self._children.all), root, how)
        if self._settings.vision.barcodes and (trouble := zxing.trouble()):
            log.warning("%s; vehicles are read without them", trouble)
        code = self._look_after()
        self.stopping.run()
        failpoint.passed("stop.drained")
        if code == 0:
            ending.ended(self._store)
        log.info("stopped")
        return code

    def _look_after(self) -> int:
        """Until a signal asks to stop (0) or a worker is dead (1): keep cameras running and the watchdog fed."""
        ping_s, pinged_at, looked_at = systemd.watchdog_s(), 0.0, 0.0
        while True:
            failpoint.passed("supervisor.loop")
            if self._leave():
                return 0
            if why := self._broken():
                log.critical("%s; leaving, so that the service manager starts afresh", why)
                systemd.failing(why, errno.EIO)
                return 1
            self._main.run()
            self._children.look_after()
            now = time.monotonic()
            if self._on_time(now) and ping_s is not None and now - pinged_at >= ping_s:
                pinged_at = now
                systemd.notify("WATCHDOG=1")
            if now - looked_at >= LOOK_S:
                looked_at = now
                self._look()
            time.sleep(TICK_S)

    def _look(self) -> None:
        """What need not be looked at more than once a second."""
        if self._switches.goes_back(time.monotonic()):
            log.info("the time of the other log level is over")
            self._renew()
        local = [child.view for child in self._children.all if reboot.of_this_machine(child.job.camera)]
        self._ladder.look(local, self._settings.power.reboot_after_min, self._clock.now())
        words = self._status()
        if words != self._words:
            self._words = words
            systemd.notify(f"STATUS={words}")

    def _status(self) -> str:
        """One line for `systemctl status`: what is wrong, and what goes on all the same."""
        views = self._children.views()
        unwritable = f"the store cannot be written ({self._store.unwritable}), vehicles are told from memory and lost with the power"
        wrong = [unwritable] if self._store.unwritable else []
        wrong += [f"the changed configuration is refused: {self._board.refused}"] if self._board.refused else []
        wrong += [f"{view.name} is offline: {view.reason}" for view in views if view.state == "offline"]
        wrong += [f"{name}: {worker.trouble}" for name, worker in self._workers.items() if worker.trouble]
        return "; ".join((*wrong, f"watching {sum(view.state in reboot.WELL for view in views)} of {len(views)} cameras"))

    def _broken(self) -> str:
        """What only a new start mends: it looks the store over and puts a damaged file aside."""
        if self._store.damaged:
            return "the store is damaged"
        dead = [name for name, worker in self._workers.items() if not worker.alive()]
        return f"the {dead[0]} worker has ended, which it never should" if dead else ""

    def _leave(self) -> bool:
        hung_up = False
        while self._asked:
            number = self._asked.pop(0)
            if number != signal.SIGHUP:
                log.info("%s: stopping", signal.Signals(number).name)
                return True
            hung_up = True
        if hung_up:
            self._reload()
        return False

    def _renew(self) -> None:
        """Have log and cameras as settings and switches together want them."""
        settings = self._switches.over(self._settings)
        logs.at(settings.agent.log_level)
        self._children.renew(jobs(settings, self._bounds), self._switches.off)

    def _reload_asked(self) -> Payload:
        change = self._reload()
        if change is None:
            raise NeedsOperator(f"the changed configuration is refused: {self._board.refused}")
        return {"changed": list(change.taken), "waiting": list(change.waiting)}

    def _reload(self) -> Change | None:
        """Take over what a running agent can take over; a configuration that is wrong changes nothing."""
        systemd.reloading("STATUS=reading the configuration anew")
        change: Change | None = None
        try:
            read = compared(self._settings, self._load())
            identity, bounds = identify(read.settings), common_bounds(read.settings.reading.chain, read.settings)
        except AgentError as wrong:
            self._board.refused = str(wrong)
            log.error("the changed configuration is refused, the one before it holds on: %s", wrong)
        else:
            change, self._board.refused = read, ""
            self._take_over(read, identity, bounds)
        self._words = self._status()
        systemd.notify("READY=1", f"STATUS={self._words}")
        return change

    def _take_over(self, change: Change, identity: Identity, bounds: Bounds) -> None:
        if change.waiting:
            log.warning("read at a start alone, and so left as it was: %s; restart the service", ", ".join(change.waiting))
        log.info("the configuration was read anew; changed: %s", ", ".join(change.taken) or "nothing")
        if not change.taken:
            return
        self._settings, self._bounds, self._facts = change.settings, bounds, identity.facts
        self._opening.renew(change.settings, identity)
        self._reporter.renew(change.settings, identity)
        self._renew()
        for name, sections in OPENED_FROM.items():
            if change.touches(*sections):
                self._workers[name].reopen()
        try:
            audit(change, identity.facts, self._store, self._clock.now())
        except RetryLater as trouble:
            log.warning("the yard is not told that the configuration has changed: %s", trouble)

    def _on_time(self, now: float) -> bool:
        """Whether every worker is heard from; a stuck one is named, once, and costs us the watchdog's ping."""
        late = {name for name, worker in self._workers.items() if worker.overdue(now)}
        for name in late - self._named_late:
            log.error("the %s worker is stuck: the watchdog is no longer fed", name)
            if systemd.watchdog_s() is not None:
                systemd.stuck(f"the {name} worker is stuck")
        self._named_late = late
        return not late
