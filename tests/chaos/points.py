"""kill -9 at every fail point of the code, each followed by a start, until all is told; what was paid twice is held against the books."""

import random
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from agent import config
from agent.clock import Clock
from agent.failpoint import IN_SERVICE, POINTS, VARIABLE
from agent.store import Store
from tests.chaos import kills
from tests.chaos.busy import Busy, Told
from tests.chaos.row import Row
from tests.vendors import digest

ONCE = ("power.step", "command.step", "start.opened", "start.ready", "stop.begun", "stop.drained")
FROM_CAMERA = ("take.heard", "take.committed", "take.acknowledged")
IN_CAMERA = tuple(name for name in POINTS if name.startswith("camera."))
IN_PARENT = tuple(name for name in POINTS if name not in (*FROM_CAMERA, *IN_CAMERA))
MOST_PASSINGS = 4
STOCK = 12  # vehicles that wait at each start, so that every point is passed
IN_FLIGHT = 1  # events on their way at once: a kill may then send one of them again, and no more
RANDOM = 50


@dataclass(slots=True)
class Kills:
    """Runs the agent into a point again and again; `done` counts the kills by point."""

    busy: Busy
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def parent(self, name: str) -> None:
        """With vehicles that wait on the disk, and no camera."""
        if self.busy.waiting() < STOCK:
            self.busy.preload(10 * STOCK)
        self._run(name, 1 if name in ONCE else self.dice.randint(1, MOST_PASSINGS))

    def with_camera(self, name: str) -> None:
        self._run(name, self.dice.randint(1, 2))

    def camera(self, name: str, times: int) -> None:
        """Each process of the camera meets its end there, and the parent starts the next."""
        before = self._said(name)
        self.busy.start({VARIABLE: f"{name}=kill@{self.dice.randint(2, 20) if name == 'camera.frame' else 1}"})
        self.busy.gateway.wait_for(lambda: self._said(name) >= before + times, 30 + 5 * times)
        self.done[name] += times
        assert self.busy.gateway.stop()[0] == 0, self.busy.gateway.log()[-3000:]

    def _run(self, name: str, passing: int) -> None:
        gateway, before = self.busy.gateway, self._said(name)
        environ = {VARIABLE: f"{name}=kill@{passing}", IN_SERVICE: "yes"}
        if name.startswith("stop."):
            self.busy.start(environ)
            gateway.process.send_signal(signal.SIGTERM)
        else:
            gateway.start(environ)
        assert gateway.process.wait(30) == -signal.SIGKILL, f"{name}: not killed there:\n{gateway.log()[-3000:]}"
        assert self._said(name) == before + 1
        self.done[name] += 1

    def _said(self, name: str) -> int:
        return self.busy.said(f"fail point {name}: kill")


@dataclass(frozen=True, slots=True)
class Paid:
    """`again` are bills for a picture after its first, `beyond` those that no call with a lost answer explains, `unbooked` those
    that the books do not have.
    """

    billed: int
    again: int
    beyond: int
    unbooked: int


def paid(busy: Busy) -> Paid:
    """What the vendor put on the bill, held against the ledger, picture by picture."""
    whose, calls = _pictures(busy), busy.vendors.calls["tencent"]
    may_cost, lost = _booked(busy)
    found = Counter[str]()
    for picture, bills in calls.paid.items():
        vehicles = whose.get(picture, set())
        found["beyond"] += max(0, bills - 1 - sum(lost[each] for each in vehicles))
        found["unbooked"] += max(0, bills - sum(may_cost[each] for each in vehicles))
    again = sum(bills - 1 for bills in calls.paid.values())
    return Paid(calls.billed, again, found["beyond"], found["unbooked"])


def _pictures(busy: Busy) -> dict[str, set[str]]:
    """Picture → vehicles that have it: a camera that shows the same again takes the same picture."""
    whose: dict[str, set[str]] = {}
    with Store.open(busy.gateway.state, config.Store(free_mb=1), Clock().now().utc_ms) as store:
        for read_id in busy.committed():
            for jpeg in store.spool.pictures(read_id):
                whose.setdefault(digest(jpeg), set()).add(read_id)
    return whose


def _booked(busy: Busy) -> tuple[Counter[str], Counter[str]]:
    """By vehicle: calls that may cost, and those among them whose answer never came to the disk."""
    with closing(sqlite3.connect(busy.gateway.state / "agent.db")) as db:
        rows = list(db.execute("SELECT read_id, outcome FROM ledger"))
    may_cost = Counter(read_id for read_id, outcome in rows if outcome != "free")
    return may_cost, Counter(read_id for read_id, outcome in rows if outcome is None)


def fault(folder: Path, full: bool) -> Row:
    """Full: every point of the parent 45 times, of a vehicle's way from its camera 30 times; short: one by one, two of the latter."""
    in_parent, from_camera, in_camera = (45, 30, 30) if full else (1, 1, 1)
    dice = random.Random(3)
    mqtt = f"inflight = {IN_FLIGHT}"
    with Busy(folder) as busy:
        kill = Kills(busy, dice)
        busy.write(mqtt=mqtt)
        for name in dice.sample(IN_PARENT * in_parent, k=len(IN_PARENT) * in_parent):
            kill.parent(name)
        busy.write("cam1", mqtt=mqtt)
        for name in FROM_CAMERA * from_camera if full else ("take.committed",):
            kill.with_camera(name)
        for name in IN_CAMERA if full else ("camera.sent",):
            kill.camera(name, in_camera)
        busy.drain()
        told, bills = busy.told(), paid(busy)
    at_random = kills.run(RANDOM, folder / "random") if full else kills.Outcome(0, 0, 0, 0, 0)
    return _row(kill, told, bills, at_random)


def _row(kill: Kills, told: Told, bills: Paid, at_random: kills.Outcome) -> Row:
    in_order = kill.done.total() - sum(kill.done[name] for name in IN_CAMERA)
    ok = told.twice <= in_order * IN_FLIGHT and not (told.differing or at_random.differing or bills.beyond or bills.unbooked)
    # A run in which nothing was bought, or little was committed, proves nothing.
    ok = ok and bills.again > 0 and told.committed > kill.done.total() // 4 and at_random.committed >= at_random.kills // 4
    more = f", {at_random.kills} at random moments" if at_random.kills else ""
    return Row(
        fault="`kill -9` at every fail point of the way of a vehicle, of start and stop",
        times=f"{kill.done.total()} kills at {len(kill.done)} points{more}, {told.committed + at_random.committed} vehicles",
        lost=told.lost + at_random.lost,
        twice=told.twice + at_random.duplicates,
        ok=ok,
        note=f"{bills.billed} calls paid, {bills.again} of them again after an answer that was lost, beyond that {bills.beyond}",
    )
