"""A day at the gate against the vendor servers, with faults of every kind and a reading process that is killed: `make day`."""

import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent.table import from_row
from tests.chaos.shift import CHAIN, PICTURES, Plan, picture, read_id, vin
from tests.vendors import VendorServer, digest

DAY_MS, MINUTE_MS = 86_400_000, 60_000
SLOW_S = 1.6
FULL = Plan(vehicles=500, hours=12.0, speed=480.0, per_day=520, per_minute=20)
SHORT = Plan(vehicles=60, hours=1.0, speed=480.0, per_day=200, per_minute=5)


@dataclass(frozen=True, slots=True)
class Booked:
    """One row of the agent's ledger; no outcome is a call whose answer never came to the disk."""

    provider: str
    read_id: str
    booked_ms: int
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a day. `again` counts pictures billed again, `beyond` those where no answer was lost that would excuse it."""

    plan: Plan
    kills: int
    events: int
    right: int
    unread: int
    faults: int
    booked: int
    busiest_day: int
    busiest_minute: int
    most_calls: int
    billed: int
    unbooked: int
    again: int
    beyond: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"day: {self.plan.vehicles} vehicles, {self.kills} kills, {self.faults} faults; {self.events} final events "
            f"({self.right} right, {self.unread} unread); paid twice beyond the documented window {self.beyond} ({self.again} within it); "
            f"{self.booked} calls, within budget to the unit: at most {self.busiest_day} of {self.plan.per_day} a day, "
            f"{self.busiest_minute} of {self.plan.per_minute} a minute, {self.most_calls} of 3 that may cost for one vehicle; "
            f"{self.billed} billed, {self.unbooked} of them not on the books; {self.seconds:.0f} s"
        )

    def good(self) -> bool:
        within = self.busiest_day <= self.plan.per_day and self.busiest_minute <= self.plan.per_minute and self.most_calls <= 3
        told = self.events == self.plan.vehicles == self.right + self.unread
        return told and within and self.unbooked == self.beyond == 0


class Day:
    """The vendors, the reading process, and the hand that kills it."""

    def __init__(self, folder: Path, plan: Plan, *, kills: int, seed: int, faults: float) -> None:
        """`faults` is the share of calls that meet one."""
        self._folder, self._kills, self._faults, self._dice = folder, kills, faults, random.Random(seed)
        shown = {picture(number, place): vin(number) for number in range(plan.vehicles) for place in range(PICTURES)}
        self._whose = {digest(picture(number, place)): read_id(number) for number in range(plan.vehicles) for place in range(PICTURES)}
        self._server = VendorServer(shown)
        self._plan, self._seed = plan, seed

    def run(self) -> Outcome:
        began = time.monotonic()
        with self._server as server:
            server.at_random(self._faults, self._seed, vendors=CHAIN, seconds=SLOW_S)
            for vendor in CHAIN:
                server.limit(vendor, 0)  # eight a second are thousands, at this pace
            self._plan = replace(self._plan, url=server.url(), began=time.monotonic())
            self._plan.save(self._folder)
            self._work()
            return self._outcome(time.monotonic() - began)

    def _work(self) -> None:
        """Kill the process right after a vendor has answered: some answers then never reach the disk."""
        for kill in range(self._kills):
            process = self._start()
            wanted = self._plan.vehicles * (kill + self._dice.uniform(0.3, 0.9)) / (self._kills + 0.5)
            while process.poll() is None and sum(self._server.calls[vendor].billed for vendor in CHAIN) < wanted:
                time.sleep(0.0005)
            process.kill()
            process.wait()
        last = self._start()
        if last.wait(1200):
            raise AssertionError((self._folder / "shift.log").read_text("utf-8"))

    def _start(self) -> "subprocess.Popen[bytes]":
        with (self._folder / "shift.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "tests.chaos.shift", str(self._folder)], stderr=log)

    def _outcome(self, seconds: float) -> Outcome:
        with _opened(self._folder / "state" / "agent.db") as db:
            books = [Booked(*row) for row in db.execute("SELECT provider, read_id, booked_ms, outcome FROM ledger ORDER BY booked_ms")]
            events = [from_row(raw) for (raw,) in db.execute("SELECT value FROM outbox")]
        told = {event["id"]: event["payload"]["data"].get("vin") for event in events}
        right = sum(told.get(read_id(number)) == vin(number) for number in range(self._plan.vehicles))
        cost = Counter(each.read_id for each in books if each.outcome != "free")
        calls = self._server.calls
        return Outcome(
            plan=self._plan,
            kills=self._kills,
            events=len(events),
            right=right,
            unread=sum(found is None for found in told.values()),
            faults=sum(calls[vendor].moods.total() for vendor in CHAIN),
            booked=len(books),
            busiest_day=max(Counter(each.booked_ms // DAY_MS for each in books).values()),
            busiest_minute=_busiest(sorted(each.booked_ms for each in books)),
            most_calls=max(cost.values()),
            billed=sum(calls[vendor].billed for vendor in CHAIN),
            unbooked=self._unbooked(books),
            again=sum(times - 1 for vendor in CHAIN for times in calls[vendor].paid_twice.values()),
            beyond=self._beyond(books),
            seconds=seconds,
        )

    def _unbooked(self, books: list[Booked]) -> int:
        """Bills for which the ledger has no call that may cost."""
        entries = Counter((each.provider, each.read_id) for each in books if each.outcome != "free")
        bills = Counter((call.vendor, self._whose[call.picture]) for call in self._server.ledger.log if call.billed and call.picture)
        return (bills - entries).total()

    def _beyond(self, books: list[Booked]) -> int:
        """Bills for a picture after the first, less the answers that were lost: on the way, or with the process before the commit."""
        bills, lost = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for call in self._server.ledger.log:
            bills[call.vendor, call.picture] += call.billed
            lost[call.vendor, call.picture] += call.billed and not call.delivered
        cut = Counter((each.provider, each.read_id) for each in books if each.outcome is None)
        return sum(
            max(0, times - 1 - lost[vendor, shown] - cut[vendor, self._whose[shown]])
            for (vendor, shown), times in bills.items()
            if shown in self._whose
        )


def _busiest(times_ms: list[int]) -> int:
    """The most calls in any minute, both ends counted."""
    return max(sum(first <= each <= first + MINUTE_MS for each in times_ms[at : at + 100]) for at, first in enumerate(times_ms))


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        yield db


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        outcome = Day(Path(folder), FULL, kills=3, seed=1, faults=0.05).run()
    print(outcome)
    return 0 if outcome.good() else 1


if __name__ == "__main__":
    sys.exit(main())
