"""Vendors that fail in every way they document, and in those they do not: who is asked again, how often, and who is left alone."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from agent.ocr import provider_class
from agent.ocr.cloud import Kind
from agent.ocr.faults import Action, Fault, find, until_midnight
from tests.chaos.row import Row
from tests.chaos.station import Station
from tests.vendors import Code, VendorServer, codes
from tests.vendors.faults import Kind as Mood

# A provider, and the name of its vendor.
VENDORS = {"tencent": "tencent", "huawei": "huawei", "tencent-legacy-vin": "tencent-legacy", "baidu": "baidu", "aliyun": "aliyun"}
MOODS: tuple[Mood, ...] = (
    "busy", "down", "silent", "lost", "cut before", "cut after", "cut midway", "garbage", "empty", "html", "portal", "wrong type", "stale",
)  # fmt: skip
NEVER = (Action.REJECT, Action.NOVIN)
DAY_S = 86_400.0
PERSON_S = 600.0  # a vendor that waits for a person is asked every ten minutes
MOST_CALLS = 3


@dataclass(slots=True)
class Sum:
    """What came of many faults; `wrong` names those after which the agent did what it should not."""

    faults: int = 0
    read: int = 0
    unread: int = 0
    lost: int = 0
    again: int = 0
    most_calls: int = 0
    wrong: list[str] = field(default_factory=list)

    def row(self, fault: str, times: str, note: str) -> Row:
        shown = f"; not as it should be: {', '.join(self.wrong[:5])}" if self.wrong else ""
        return Row(fault=fault, times=times, lost=self.lost, ok=not self.wrong and not self.again, note=note + shown)


@contextmanager
def stations(folder: Path, providers: Iterable[str]) -> Iterator[Iterator[tuple[Station, str]]]:
    """One station for each provider, with a vendor of its own; the name of the vendor comes along."""

    def each() -> Iterator[tuple[Station, str]]:
        for name in providers:
            with VendorServer() as server, Station(folder / name, server, name, reading={"calls_per_vehicle": MOST_CALLS}) as station:
                server.limit(VENDORS[name], 0)
                yield station, VENDORS[name]

    yield each()


def _meaning(provider: str, code: Code) -> Fault:
    """The line of the class table this answer belongs to; which line is right for a code is judged elsewhere."""
    made = provider_class(provider)
    assert isinstance(made, Kind)
    return find(made.api.table, code.code, code.status, code.message)


def _after(station: Station, vendor: str, name: str, meaning: Fault | None, sums: Sum) -> None:
    """One vehicle meets a fault that is there once, and then nothing is wrong any more."""
    before, read_id = len(station.asked(vendor)), station.arrive()
    took_s = station.work(1.1 * DAY_S, pace_s=10.0)
    calls, told = len(station.asked(vendor)) - before, station.told().get(read_id)
    read = told is not None and len(told) == 17
    sums.faults += 1
    sums.read += read
    sums.unread += told is not None and not read
    sums.most_calls = max(sums.most_calls, calls)
    expected = read and calls <= MOST_CALLS
    if meaning and meaning.action in NEVER and meaning.tries is None:
        expected = calls == 1 and not read
    if meaning and meaning.action in (Action.AUTH, Action.BILLING):
        expected = expected and took_s >= PERSON_S
    if not expected or told is None:
        sums.wrong.append(f"{vendor} {name}: {told} after {calls} calls and {took_s:.0f} s")


def _settle(station: Station, sums: Sum) -> None:
    bill = station.bill()
    sums.lost += station.lost()
    sums.again += bill.again
    sums.wrong += [f"{bill.unbooked} bills that are not on the books"] if bill.unbooked else []


def answers(folder: Path, full: bool) -> Row:
    """Everything a vendor may answer with, or not answer, once each."""
    sums = Sum()
    with stations(folder, VENDORS if full else ("tencent", "huawei")) as each:
        for station, vendor in each:
            name = next(name for name, known in VENDORS.items() if known == vendor)
            for mood in MOODS:
                station.server.misbehave(vendor, mood)
                _after(station, vendor, mood, None, sums)
                station.server.heal()
            for code in codes(vendor)[:: 1 if full else 9]:
                station.server.fail(vendor, code.name)
                _after(station, vendor, code.name, _meaning(name, code), sums)
                station.server.heal()
            _settle(station, sums)
    return sums.row(
        "a vendor answers 429, 503, with an error of its own, with garbage, in half or not at all",
        f"{sums.faults} faults, a vehicle each",
        f"{sums.read} read, {sums.unread} unread with a reason, {sums.again} paid twice without need, at most {sums.most_calls} calls",
    )


def once_more(folder: Path, full: bool) -> Row:
    """A call fails in a way that calls for another: that one is the last, and its answer is kept."""
    sums = Sum()
    moods: tuple[Mood, ...] = ("down", "cut before", "silent") if full else ("down", "cut before")
    with stations(folder, VENDORS) as each:
        for station, vendor in each:
            name = next(name for name, known in VENDORS.items() if known == vendor)
            again = [code.name for code in codes(vendor) if _meaning(name, code).action is Action.RETRY]
            for what in (*again[: None if full else 3], *moods):
                if what in MOODS:
                    station.server.misbehave(vendor, what)
                else:
                    station.server.fail(vendor, what)
                before = len(station.asked(vendor))
                _after(station, vendor, what, None, sums)
                if (calls := len(station.asked(vendor)) - before) != 2:
                    sums.wrong.append(f"{vendor} {what}: {calls} calls")
            _settle(station, sums)
    return sums.row(
        "a call fails once and then succeeds",
        f"{sums.faults} vehicles at {len(VENDORS)} vendors",
        f"{sums.read} read, with exactly two calls each" if not sums.wrong else f"{sums.read} read",
    )


# Each: what the vendor says, and whether it names the end of its day as the time until which it is of no use to ask.
OFF = (
    ("ResourceUnavailable.InArrears", False),
    ("FailedOperation.UnOpenError", False),
    ("FailedOperation.CountLimitError", True),
)


def off(folder: Path, full: bool) -> Row:
    """The first of a chain has to be paid, activated or is used up for today: the second reads meanwhile, and a person is told once."""
    sums, vehicles = Sum(), 60 if full else 12
    for number, (name, midnight) in enumerate(OFF):
        with VendorServer() as server, Station(folder / f"{number}", server, "tencent", "huawei") as station:
            for vendor in ("tencent", "huawei"):
                server.limit(vendor, 0)
            server.fail("tencent", name, None)
            stated_s = until_midnight(server.world.now()) if midnight else PERSON_S
            for _ in range(vehicles):
                station.arrive()
                station.work()
                station.clock.leap(stated_s / vehicles)
            _judge_off(station, name, stated_s, told=0 if midnight else 1, sums=sums)
            server.heal()
            station.clock.leap(stated_s)
            before = len(station.asked("tencent"))
            station.arrive()
            station.work()
            if len(station.asked("tencent")) == before:
                sums.wrong.append(f"{name}: not asked again when it was over")
            sums.faults += len(station.arrived)
            sums.read += station.right()
            _settle(station, sums)
    if sums.read != sums.faults:
        sums.wrong.append(f"{sums.faults - sums.read} vehicles not read")
    return sums.row(
        "a vendor is in arrears, not subscribed to, or has had its calls of the day",
        f"{len(OFF)} times, {sums.faults} vehicles",
        f"{sums.read} read by the next of the chain; off until the stated time, said once where a person has to act",
    )


def _judge_off(station: Station, name: str, stated_s: float, told: int, sums: Sum) -> None:
    """Nobody asks before the stated time is over, and whoever has to act hears of it once."""
    asked = station.asked("tencent")
    early = [after - before for before, after in pairwise(asked) if after - before < stated_s - 1]
    if not asked or early:
        sums.wrong.append(f"{name}: asked again after {', '.join(f'{each:.0f}' for each in early)} s of {stated_s:.0f} s")
    said = [each for each in station.errors.said if "somebody has to act" in each]
    if len(said) != told:
        sums.wrong.append(f"{name}: told {len(said)} times")
