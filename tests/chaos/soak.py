"""Days at a gate where everything goes wrong by turns: nothing may be lost, and nothing may grow. `make soak HOURS=n`."""

import argparse
import itertools
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.broker import Broker, Subscriber
from tests.chaos.growth import Books, Look, Outcome
from tests.chaos.row import Row
from tests.chaos.traffic import CAMERA, FPS, SEEN, Told, gateway, is_final, pictures, standing_still, tell, vin_in
from tests.vendors import VendorServer
from tests.vendors.faults import KINDS, Kind

MB = 1_000_000
LEAST = 3  # vehicles: a run in which fewer were committed proves little
# A code of the vendor's table may mean that a person has to act, for which the agent waits ten minutes.
UNWELL: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind != "code")


@dataclass(frozen=True, slots=True)
class Pace:
    """A fault every `pause_s` on average, what is taken away away for `away_s` at most, a life of the agent over so many rounds.

    After `warm_s` of a life it has read and sent, and holds what it will hold.
    """

    pause_s: float
    away_s: float
    rounds_of_life: int
    warm_s: float
    dense: bool = False  # a few pictures shown over and over, where a run of seconds needs vehicles; else new ones without end


SECONDS, MINUTES, HOURS = Pace(0.4, 0.8, 2, 60.0, dense=True), Pace(4.0, 8.0, 4, 60.0), Pace(225.0, 120.0, 24, 900.0)


class Soak:
    """The agent, everything around it, and the hand that breaks one thing after the other."""

    def __init__(self, folder: Path, seed: int, pace: Pace) -> None:
        self._dice, self._pace = random.Random(seed), pace
        self._broker, self._vendors = Broker(folder / "broker"), VendorServer(reader=vin_in)
        self._yard = Subscriber(self._broker.port, session=True)  # a broker frozen for minutes loses its clients
        self._folder, self._books, self._looks = folder, Books(), list[Look]()
        self._lives, self._born_at, self._read_to = 0, 0.0, 0
        self._open = ExitStack()
        self._faults = [self._misread, self._stop_broker, self._freeze_broker, self._kill_camera, self._freeze_camera, self._reload]

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            for each in (self._vendors, self._broker, self._yard):
                opening.enter_context(each)
            dense = self._pace.dense
            sources = [pictures(self._folder / f"pictures-{number}", 12, number) if dense else "scene" for number in range(2)]
            self._agent = gateway(self._folder / "agent", self._broker, self._vendors, sources, fps=FPS if dense else 8.0)
            opening.push(self._agent)
            self._begin()
            self._agent.wait_for(lambda: bool(SEEN.search(self._agent.log())))
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(self, seconds: float) -> Outcome:
        """Every kind of fault once and then again in another order, until the time is over; then all that waits is told."""
        began, done = time.monotonic(), 0
        for turn in self._turns():
            if time.monotonic() - began >= seconds:
                break
            done += 1
            self._look_on(self._dice.uniform(0.5, 1.5) * self._pace.pause_s)
            turn()
        self._drain()
        return Outcome(time.monotonic() - began, done, self._books, self._looks)

    def _turns(self) -> Iterator[Callable[[], None]]:
        """Round by round; a life ends in some rounds only, as what grows shows in long lives."""
        for number in itertools.count(1):
            ends = [self._restart, self._kill] if number % self._pace.rounds_of_life == 0 else []
            yield from self._dice.sample(self._faults + ends, len(self._faults + ends))

    def _begin(self) -> None:
        self._lives, self._born_at = self._lives + 1, time.monotonic()
        self._agent.start()
        self._agent.wait_for(lambda: self._agent.log_from(self._read_to).count("watching") > 0)

    def _look_on(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(max(1.0, self._pace.pause_s / 20), left))
            self._note()

    def _note(self) -> None:
        """Take in what was said and told since the last look, and how large the process is once it is warm."""
        lines = self._agent.log_from(self._read_to).rpartition("\n")[0]
        self._read_to += len(lines.encode())
        self._books.committed.update(SEEN.findall(lines))
        self._books.add(Told.of(each) for each in self._yard.take() if is_final(each))
        at_s = time.monotonic() - self._born_at
        if at_s >= self._pace.warm_s and self._agent.process.poll() is None:
            proc = Path(f"/proc/{self._agent.process.pid}")
            pages = int((proc / "statm").read_text("ascii").split()[1])
            rss_mb = pages * os.sysconf("SC_PAGE_SIZE") / MB
            self._looks.append(Look(self._lives, at_s, rss_mb, len(list((proc / "fd").iterdir()))))

    def _drain(self) -> None:
        """A last life without cameras and without faults: what waits on the disk is told."""
        self._vendors.heal()
        self._end(self._agent.stop)
        self._agent.configure(lambda text: CAMERA.sub("", text))
        self._begin()
        self._agent.wait_for(lambda: not self._agent.stored("spool") and not self._agent.stored("outbox"), 120)
        self._yard.catch_up()
        self._note()
        self._agent.stop()

    # What goes wrong. Nothing is on its way in the broker when that is taken away: what it loses is not the agent's to keep.

    def _misread(self) -> None:
        self._vendors.misbehave("tencent", self._dice.choice(UNWELL), seconds=self._away())

    def _away(self) -> float:
        return self._dice.uniform(0.2, 1.0) * self._pace.away_s

    def _stop_broker(self) -> None:
        with standing_still(self._agent):
            self._yard.catch_up()
            self._dice.choice((self._broker.stop, self._broker.kill))()
            self._yard.wait_lost()
        self._look_on(self._away())
        with standing_still(self._agent):  # or it would tell a broker that nobody listens to yet
            self._broker.start()
            self._yard.wait_subscribed()

    def _freeze_broker(self) -> None:
        self._broker.freeze()
        self._look_on(self._away())
        self._broker.thaw()

    def _kill_camera(self) -> None:
        for pid in self._agent.children()[:1]:
            tell(pid, signal.SIGKILL)

    def _freeze_camera(self) -> None:
        for pid in self._agent.children()[-1:]:
            tell(pid, signal.SIGSTOP)

    def _reload(self) -> None:
        every_s = self._dice.randint(2, 9)
        self._agent.configure(lambda text: re.sub(r"(?m)^every_s = .*$", f"every_s = {every_s}.0", text))
        self._agent.process.send_signal(signal.SIGHUP)

    def _restart(self) -> None:
        self._end(self._agent.stop)
        self._begin()

    def _kill(self) -> None:
        self._end(self._agent.kill)
        self._begin()

    def _end(self, how: Callable[[], object]) -> None:
        how()
        self._note()


def fault(folder: Path, full: bool) -> Row:
    """Ten minutes of it; the longer ones are `make soak`."""
    with Soak(folder, 2, MINUTES if full else SECONDS) as soak:
        outcome = soak.run(600.0 if full else 7.0)
    return Row(
        fault="broker, reader, cameras and agent broken in turn for a while",
        times=f"{outcome.faults} faults in {outcome.seconds / 60:.1f} min, {len(outcome.books.committed)} vehicles",
        lost=outcome.lost,
        twice=outcome.books.copies,
        ok=outcome.good() and len(outcome.books.committed) >= LEAST,
        note=outcome.slopes(),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("hours", type=float, help="how long; 168 is the week that is asked of a release")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (1)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vin-agent-") as folder, Soak(Path(folder), asked.seed, HOURS) as soak:
        outcome = soak.run(asked.hours * 3600)
    print(outcome)
    return 0 if outcome.good() and len(outcome.books.committed) >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
