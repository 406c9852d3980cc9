"""The real reading stage on a real store, before vendors of a test: what is waited for costs no time, what is computed does."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from agent import config
from agent.board import Board
from agent.clock import BUILT_MS, Clock, boot_id
from agent.config_http import Http
from agent.domain import Capture, Stamp, Trust
from agent.ocr import open_providers
from agent.ocr.budget import Budget
from agent.ocr.chain import Chain
from agent.ocr.memory import Memory
from agent.stages import Read
from agent.store import Store
from agent.vin import check_digit
from tests import clouds
from tests.samples import CAPTURE, FACTS, IMAGE
from tests.vendors import VendorServer, digest

SIX_MS = BUILT_MS + 30 * 3_600_000  # six in the morning, the day after this release
HASTY = Http(connect_s=1.0, read_s=0.6, write_s=1.0, total_s=1.5)  # a minute of silence is told from an answer in less


class Leaping(Clock):
    """A clock that the waiting leaps ahead on; `trust` is what the test says of it."""

    def __init__(self) -> None:
        super().__init__(lambda: True)
        self.leapt_s = 0.0
        self.trust: Trust = "synced"

    def seconds(self) -> float:
        return time.monotonic() + self.leapt_s

    def leap(self, seconds: float) -> None:
        self.leapt_s += seconds

    def now(self) -> Stamp:
        ms = round(self.seconds() * 1000)
        return Stamp(SIX_MS + ms, ms, boot_id(), self.trust)


class Errors(logging.Handler):
    """What a person was told to do, as long as it is in `with`; nothing of the agent's log is shown meanwhile."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())

    def __enter__(self) -> Self:
        logger = logging.getLogger("agent")
        self._before, logger.propagate = logger.propagate, False
        logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logger = logging.getLogger("agent")
        logger.propagate = self._before
        logger.removeHandler(self)


@dataclass(slots=True)
class Bill:
    """What a station and its vendors have on their books: `again` are bills for a picture that no lost answer excuses."""

    again: int
    unbooked: int
    billed: int


class Station:
    """A gate with this chain, in `with`; vehicles are told apart by number, and each has one picture of its own."""

    def __init__(
        self, folder: Path, server: VendorServer, *chain: str, url: str = "", http: Http = HASTY, reading: Mapping[str, Any] | None = None
    ) -> None:
        self.server, self.clock, self.errors = server, Leaping(), Errors()
        self.settings = replace(
            clouds.settings(url or server.url()), http=http, reading=config.Reading(chain=chain, again_s=0.0, **(reading or {}))
        )
        self._folder = folder
        self.arrived: list[str] = []
        self.calls: list[tuple[float, str]] = []  # when each vendor was asked, by the clock that leaps
        self._asked: Counter[str] = Counter()

    def __enter__(self) -> Self:
        settings, clock = self.settings, self.clock
        self.store = Store.open(self._folder, config.Store(free_mb=1), clock.now().utc_ms)
        ledger, reading = self.store.ledger, settings.reading
        self._chain = Chain(
            open_providers(settings), ledger, Budget(reading, ledger), clock.now, clock.seconds,
            facts=self.store, memory=Memory(self.store.seen), calls=reading.calls_per_vehicle, sleep=clock.leap,
        )  # fmt: skip
        self._chain.__enter__()
        self.errors.__enter__()
        self._stage = Read(self.store, self._chain, reading, FACTS, clock, Board(clock.now(), "station", "clean"))
        self._note()
        self.calls.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self.errors.__exit__()
        self._chain.__exit__(None, None, None)
        self.store.close()

    def arrive(self) -> str:
        """One more vehicle is committed; its read_id."""
        number, at = len(self.arrived), self.clock.now()
        read_id = f"01STATION{number:017d}"
        image = replace(IMAGE, read_id=read_id, taken_at=at, number=0, jpeg=picture(self._folder, number), width=320, height=80)
        self.server.show(image.jpeg, vin(number))
        capture: Capture = replace(CAPTURE, read_id=read_id, taken_at=at, images=(image,))
        assert self.store.spool.put(capture, at.utc_ms)
        self.arrived.append(read_id)
        return read_id

    def work(self, most_s: float = 7200.0, until: Callable[[], bool] = lambda: False, pace_s: float = 1.0) -> float:
        """Until nothing waits any more, or for so long by the clock that leaps; the seconds that took by that clock.

        Where there is nothing to do it leaps by `pace_s`, to which all that is measured is true.
        """
        began = self.clock.seconds()
        while len(self.store.spool) and not until() and self.clock.seconds() - began < most_s:
            busy = self._stage.step()
            self._note()
            if not busy:
                self.clock.leap(pace_s)
        return self.clock.seconds() - began

    def work_until_a_call_fails(self) -> None:
        """Just after that the next one is furthest away."""
        off_s = float("inf")

        def has_failed() -> bool:
            nonlocal off_s
            before, off_s = off_s, self._chain.off_for_s()
            return off_s > before

        self.work(300.0, has_failed)

    def _note(self) -> None:
        """Whom the last step has asked."""
        for vendor, tally in self.server.calls.items():
            self.calls += [(self.clock.seconds(), vendor)] * (tally.requests - self._asked[vendor])
            self._asked[vendor] = tally.requests

    def asked(self, vendor: str) -> list[float]:
        return [at for at, whom in self.calls if whom == vendor]

    def told(self) -> dict[str, str]:
        """Every vehicle that was told: its VIN, or the reason why there is none."""
        events = [queued.event for queued in self.store.outbox.next(100_000)]
        return {event.id: str(event.payload["data"].get("vin") or event.payload["data"]["reason"]) for event in events}

    def right(self) -> int:
        told = self.told()
        return sum(told.get(read_id) == vin(number) for number, read_id in enumerate(self.arrived))

    def lost(self) -> int:
        """Vehicles of which nobody was told, although nothing is broken any more."""
        return len(set(self.arrived) - set(self.told()))

    def bill(self, *vendors: str) -> Bill:
        mine = {digest(picture(self._folder, number)): read_id for number, read_id in enumerate(self.arrived)}
        calls = [call for call in self.server.ledger.log if call.picture in mine and call.billed]
        paid, excused = Counter(call.picture for call in calls), Counter(call.picture for call in calls if not call.delivered)
        again = sum(max(0, times - 1 - excused[shown]) for shown, times in paid.items())
        unbooked = sum(max(0, times - self.store.ledger.calls(mine[shown])) for shown, times in paid.items())
        return Bill(again, unbooked, len(calls))


def vin(number: int) -> str:
    raw = f"LSGPC52H0F1{number:06d}"
    return raw[:8] + check_digit(raw) + raw[9:]


def picture(folder: Path, number: int) -> bytes:
    """A JPEG of its own for every vehicle of every station."""
    return clouds.jpeg(320, 80, number * 1000 + sum(str(folder.name).encode()) % 997)
