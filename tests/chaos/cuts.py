"""Power cuts of the whole agent: its disk as it is at a random moment is copied, and another life of it begins on the copy."""

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.broker import Broker, Subscriber
from tests.chaos.loop_disk import LoopDisk
from tests.chaos.row import Row
from tests.chaos.traffic import Ready, Told, committed, gateway, pictures, standing_still, told, vin_in
from tests.vendors import VendorServer

DISK_MB, STORE_MB = 32, 16
MOST_S, IN_FLIGHT = 5.0, 10  # what a start may take; events on their way without an acknowledgement, as agent.toml has it
CAMERAS = 2


@dataclass(frozen=True, slots=True)
class Known:
    """What the world knows at the moment of a cut: the vehicles the agent called committed, and the events the yard has."""

    committed: set[str]
    events: list[Told]


@dataclass(slots=True)
class Outcome:
    """What all cuts came to; `waiting` is the most vehicles the yard had not heard of at a cut, `most_twice` of one cut.

    `differing` copies say something else than the first; `renumbered` is a number that means two events; `damaged` stores were put
    aside or fail SQLite's check.
    """

    cuts: int = 0
    committed: int = 0
    waiting: int = 0
    lost: int = 0
    twice: int = 0
    most_twice: int = 0
    differing: int = 0
    renumbered: int = 0
    damaged: int = 0
    worst_s: float = 0.0
    losing: Counter[int] = field(default_factory=Counter)  # lost vehicles → cuts that lost so many

    def add(self, known: Known, after: list[Told], ready_s: float, *, sound: bool) -> None:
        """One cut more: what was told before it, and what the life after it told."""
        before = {each.id: each for each in known.events}
        numbers = {each.sequence: each.id for each in known.events}
        again = [each for each in after if each.id in before]
        twice = len(again) + len(after) - len({each.id for each in after})
        missing = known.committed - set(before) - {each.id for each in after}
        self.cuts, self.committed = self.cuts + 1, len(known.committed)
        self.waiting = max(self.waiting, len(known.committed - set(before)))
        self.lost, self.twice, self.most_twice = self.lost + len(missing), self.twice + twice, max(self.most_twice, twice)
        self.losing.update([len(missing)] if missing else [])
        self.differing += sum(each != before[each.id] for each in again)
        self.renumbered += sum(numbers.get(each.sequence, each.id) != each.id for each in after)
        self.damaged += not sound
        self.worst_s = max(self.worst_s, ready_s)

    @property
    def good(self) -> bool:
        return not (self.lost or self.differing or self.renumbered or self.damaged) and self._within()

    def _within(self) -> bool:
        return self.most_twice <= IN_FLIGHT and self.worst_s <= MOST_S


class FirstLife:
    """The agent whose power is cut: two cameras, a vendor, and a broker that goes away and comes back."""

    def __init__(self, folder: Path, vendors: VendorServer, sources: list[Path], dice: random.Random) -> None:
        self._dice, self._image = dice, folder / "first.img"
        self._broker = Broker(folder / "broker-1")
        self._gateway = gateway(folder / "first", self._broker, vendors, sources, max_mb=STORE_MB)
        self._yard = Subscriber(self._broker.port)
        self._cuts, self._away = 0, False
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self._disk = opening.enter_context(LoopDisk(self._image, self._gateway.state, DISK_MB))
            for each in (self._broker, self._yard, self._gateway):
                opening.enter_context(each)
            self._gateway.wait_for(lambda: len(committed(self._gateway)) >= CAMERAS)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def go_on(self) -> None:
        """To the next cut: at any moment, or a few milliseconds after a commit, while the vehicle is read and told."""
        known = len(committed(self._gateway))
        time.sleep(self._dice.uniform(0.1, 2.0))
        if self._dice.random() < 0.5:
            self._gateway.wait_for(lambda: len(committed(self._gateway)) > known)
            time.sleep(self._dice.uniform(0.0, 0.03))

    @contextmanager
    def cut(self, copy: Path) -> Iterator[Known]:
        """Stand still with the disk copied; the broker may be another one when life goes on."""
        with standing_still(self._gateway):
            self._disk.copy(copy)
            if not self._away:
                self._yard.catch_up()
            yield Known(committed(self._gateway), told(self._yard))
            self._change_broker()

    def _change_broker(self) -> None:
        """There for three cuts, away for three, dead and frozen in turn. Nothing is under way in it that the yard does not have."""
        self._cuts += 1
        if self._cuts % 6 == 1:
            self._away = True
            if self._cuts % 12 == 1:
                self._broker.kill()
                self._yard.wait_lost()
            else:
                self._broker.freeze()
        elif self._cuts % 6 == 4:
            self._away = False
            self._broker.thaw() if self._broker.running else self._broker.start()
            self._yard.wait_subscribed()


class SecondLife:
    """The agent after the cut, without cameras: it tells what waits to a broker of its own."""

    def __init__(self, folder: Path, vendors: VendorServer) -> None:
        self._broker = Broker(folder / "broker-2")
        self._gateway = gateway(folder / "second", self._broker, vendors, (), max_mb=STORE_MB)
        self._yard = Subscriber(self._broker.port)
        self._ready = Ready(folder)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.callback(self._ready.close)
            opening.enter_context(self._broker)
            opening.enter_context(self._yard)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def live(self, image: Path) -> tuple[list[Told], float, bool]:
        """All that is told from this disk, the seconds until the agent was ready, and whether the store was and is sound."""
        self._yard.forget()
        agent = self._gateway
        with LoopDisk(image, agent.state):
            try:
                ready_s = self._ready.start(agent)
                agent.wait_for(lambda: not agent.stored("spool") and not agent.stored("outbox"))
                self._yard.catch_up()
            finally:
                agent.kill()
            return told(self._yard), ready_s, _is_sound(agent.state)


def _is_sound(state: Path) -> bool:
    """Nothing was put aside at the start, and nothing is wrong now."""
    with closing(sqlite3.connect(state / "agent.db")) as database:
        answer = database.execute("PRAGMA integrity_check").fetchone()
    return answer == ("ok",) and not list(state.glob("agent.db.damaged-*"))


def run(times: int, folder: Path, seed: int = 1, vehicles: int = 60) -> Outcome:
    """Cut the power `times` times in the life of one agent."""
    dice, outcome, copy = random.Random(seed), Outcome(), folder / "cut.img"
    sources = [pictures(folder / f"pictures-{number}", vehicles // CAMERAS, seed + number) for number in range(CAMERAS)]
    with ExitStack() as stack:
        vendors = stack.enter_context(VendorServer(reader=vin_in))
        second = stack.enter_context(SecondLife(folder, vendors))
        first = stack.enter_context(FirstLife(folder, vendors, sources, dice))
        for _ in range(times):
            first.go_on()
            with first.cut(copy) as known:
                after, ready_s, sound = second.live(copy)
                outcome.add(known, after, ready_s, sound=sound)
                copy.unlink()
    return outcome


def fault(folder: Path, full: bool) -> Row:
    """At random moments of dense traffic, the broker there or not."""
    outcome = run(300 if full else 3, folder, vehicles=200 if full else 24)
    proves = outcome.committed >= outcome.cuts  # a life in which little was committed proves little
    return Row(
        fault="power cut of the whole agent",
        times=f"{outcome.cuts} cuts, {outcome.committed} vehicles",
        lost=outcome.lost,
        twice=outcome.twice,
        worst_s=outcome.worst_s,
        ok=outcome.good and proves,
        note=f"up to {outcome.waiting} vehicles untold at a cut, {outcome.most_twice} told twice by one, {outcome.damaged} stores damaged",
    )
