"""A wall clock that is wrong at the start and set while vehicles pass: 1970, a week, an hour, five years, there and back."""

import json
import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.shipped import shipped
from tests.broker import Broker, Subscriber
from tests.chaos.row import Row
from tests.chaos.wall import Wall, right_s
from tests.gateway import Gateway
from tests.payloads import valid
from tests.vendors import VendorServer

VIN = "LSVAA4182E2184847"
HOUR_S, DAY_S = 3600, 86_400
NINETEEN_SEVENTY = None
WRONG_S = (NINETEEN_SEVENTY, -7 * DAY_S, -HOUR_S, HOUR_S, 5 * 365 * DAY_S)
STALLED_S = 40.0  # without a vehicle, which come every four seconds: a loaded machine needs some of them
_SEEN = re.compile(r"vehicle seen .*read_id (\w+)")


@dataclass(slots=True)
class Figures:
    """What came of it; `worst_s` is the longest from the synchronisation to a correction, `off_s` the worst time that was called right."""

    stretches: int = 0
    committed: int = 0
    lost: int = 0
    told: int = 0
    twice: int = 0
    flagged: int = 0
    corrected: int = 0
    off_s: float = 0.0
    worst_s: float = 0.0
    refused: int = 0
    busiest: int = 0  # messages of health in three seconds, of which three and one for each change are due
    unlike: list[str] = field(default_factory=list)


class Yard:
    """The broker, the vendor and the gateway whose clock is set; all monotonic times are those of the one machine."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.wall, self.figures = Wall(folder / "wall"), Figures()
        broker = stack.enter_context(Broker(folder / "broker"))
        self.subscriber = stack.enter_context(Subscriber(broker.port))
        self.vendor = stack.enter_context(VendorServer(reader=lambda _: VIN))
        self.vendor.set_clock(right_s())
        self.folder, self.port, self._stack = folder, broker.port, stack
        self.gateway: Gateway

    def begin(self, number: int, wrong_s: float | None) -> None:
        """A gateway that is new, and starts with its clock wrong by so much; None for 1970."""
        accounts = re.sub(r'(?m)^(url|iam_url) = ""$', rf'\1 = "{self.vendor.url()}"', shipped("demo-accounts.toml").read_text("utf-8"))
        self.show(wrong_s)
        self.gateway = Gateway(
            self.folder / f"gateway{number}", self.port, more=accounts, id=f"gateway{number}", vehicles=10_000, chain=["tencent"]
        )
        self._stack.enter_context(_Ending(self.gateway))
        self.gateway.configure(lambda text: text.replace("[reading]", "[reading]\nagain_s = 0"))
        self.gateway.start(self.wall.environ)

    def show(self, wrong_s: float | None) -> None:
        self.wall.put(60 - right_s() if wrong_s is None else wrong_s)

    def adrift(self) -> None:
        """Until a vehicle was told by the wrong clock, and said so."""
        self.figures.stretches += 1
        doubtful = {each["id"] for each in self._finals() if not _is_sure(each)}
        self._until(lambda: any(not _is_sure(each) and each["id"] not in doubtful for each in self._finals()))

    def synchronise(self, *, and_on: bool = True) -> None:
        """Until everything that was told before is corrected, and where it goes on, another vehicle is told by the right clock."""
        self.wall.put(synced=True)
        began, known = time.monotonic(), {each["id"] for each in self._finals()}
        self._until(lambda: self._doubtful() <= self._corrections().keys())
        self.figures.worst_s = max(self.figures.worst_s, time.monotonic() - began)
        if and_on:
            self._until(lambda: any(_is_sure(each) and each["id"] not in known for each in self._finals()))

    def end(self) -> None:
        """Stop, and count what this gateway did."""
        self.gateway.stop()
        finals, corrections, figures = self._finals(), self._corrections(), self.figures
        ids = [each["id"] for each in finals]
        committed = set(_SEEN.findall(self.gateway.log()))
        figures.committed += len(committed)
        figures.lost += len(committed - {*ids, *self.gateway.stored("spool"), *self.gateway.stored("outbox")})
        figures.told += len(set(ids))
        figures.twice += len(ids) - len(set(ids))
        figures.flagged += len(self._doubtful())
        figures.corrected += len(self._doubtful() & corrections.keys())
        for each in (*finals, *corrections.values()):
            if _is_sure(each):
                figures.off_s = max(figures.off_s, _off_s(each))
        codes = self.vendor.calls["tencent"].codes
        figures.refused = codes.total()
        figures.unlike += [code for code in codes if code not in figures.unlike]
        figures.busiest = max(figures.busiest, self._busiest())

    def _busiest(self) -> int:
        """How many messages of health came in any three seconds."""
        times = [each.at for each in self._received("/health")]
        return max((sum(first <= each < first + 3 for each in times) for first in times), default=0)

    def _until(self, true: Any) -> None:
        self.gateway.wait_for(true, STALLED_S)

    def _received(self, topic: str) -> list[Any]:
        return [each for each in self.subscriber.collect(topic) if f"/{self.gateway.folder.name}/" in each.topic]

    def _finals(self) -> list[dict[str, Any]]:
        return [valid(each.topic, each.payload) for topic in ("/vin", "/unread") for each in self._received(topic) if not each.retain]

    def _doubtful(self) -> set[str]:
        return {each["id"] for each in self._finals() if not _is_sure(each)}

    def _corrections(self) -> dict[str, dict[str, Any]]:
        told = [valid(each.topic, each.payload) for each in self._received("/corrected")]
        return {each["data"]["read_id"]: each for each in told}


class _Ending:
    """A gateway that is still there when the test has failed is killed."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        self._gateway.__exit__()


def _is_sure(event: dict[str, Any]) -> bool:
    return bool(event["data"]["clock"]["trust"] == "synced")


def _off_s(event: dict[str, Any]) -> float:
    """How far the time of an event is from the right one, which its monotonic stamp tells."""
    right = right_s() - (time.monotonic() - event["data"]["clock"]["monotonic_ms"] / 1000)
    return abs(datetime.fromisoformat(str(event["time"])).timestamp() - float(right))


def fault(folder: Path, full: bool) -> Row:
    """Wrong at the start, then synchronised; then set wrong by hand and synchronised again."""
    starts, jumps = (WRONG_S, WRONG_S) if full else ((NINETEEN_SEVENTY,), (5 * 365 * DAY_S,))
    with ExitStack() as stack:
        yard = Yard(folder, stack)
        for number, wrong_s in enumerate(starts):
            yard.begin(number, wrong_s)
            yard.adrift()
            yard.synchronise()
            for jump_s in jumps if number == 0 else ():
                yard.show(jump_s)
                yard.adrift()
                yard.synchronise(and_on=full)
            yard.end()
        figures = yard.figures
    well = figures.flagged and figures.corrected == figures.flagged and figures.off_s <= 1 and figures.busiest <= 8
    return Row(
        fault="a wall clock in 1970, a week, an hour or five years off, at the start and set while vehicles pass",
        times=f"{figures.stretches} times wrong, {figures.committed} vehicles",
        lost=figures.lost,
        twice=figures.twice,
        worst_s=figures.worst_s,
        ok=bool(well) and not figures.refused,
        note=f"{figures.corrected} of {figures.flagged} doubtful times corrected, to {figures.off_s:.2f} s; "
        f"{figures.refused} signatures out of their window {json.dumps(figures.unlike) if figures.unlike else ''}".rstrip(),
    )
