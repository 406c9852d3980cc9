"""The reading process of a simulated day, and its only job: vehicles arrive, are read and told. `python -m tests.chaos.shift FOLDER`."""

import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from agent import config
from agent.board import Board
from agent.clock import BUILT_MS, Clock, boot_id
from agent.config_http import Http
from agent.domain import Capture, Stamp
from agent.ocr import open_providers
from agent.ocr.budget import Budget
from agent.ocr.chain import Chain
from agent.ocr.memory import Memory
from agent.stages import Read
from agent.store import Store
from agent.vin import check_digit
from tests import clouds
from tests.samples import CAPTURE, FACTS, IMAGE

SIX_MS = BUILT_MS + 30 * 3_600_000  # six in the morning, the day after this release
CHAIN = ("tencent", "huawei")
PICTURES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A day: so many vehicles in so many hours, at `speed` times the pace of the world; `began` is monotonic seconds of the world."""

    vehicles: int
    hours: float
    speed: float
    per_day: int
    per_minute: int
    url: str = ""
    began: float = 0.0

    def save(self, folder: Path) -> None:
        (folder / "plan.json").write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Plan":
        return cls(**json.loads((folder / "plan.json").read_text("utf-8")))

    @property
    def settings(self) -> config.Settings:
        """Two providers; no patience for a silent vendor, as half a second is minutes here."""
        reading = config.Reading(chain=CHAIN, calls_per_day=self.per_day, calls_per_minute=self.per_minute)
        return replace(clouds.settings(self.url), reading=reading, http=Http(connect_s=1.2, read_s=1.2, write_s=1.2, total_s=1.5))


class Hurried(Clock):
    """A clock whose day passes in minutes, the same one for every process of the day."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(lambda: True)
        self._plan = plan

    def seconds(self) -> float:
        return (time.monotonic() - self._plan.began) * self._plan.speed

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self._plan.speed)

    def now(self) -> Stamp:
        ms = round(self.seconds() * 1000)
        return Stamp(SIX_MS + ms, ms, boot_id(), "synced")


def read_id(number: int) -> str:
    return f"01DAY{number:021d}"


def vin(number: int) -> str:
    raw = f"LSGPC52H0F1{number:06d}"
    return raw[:8] + check_digit(raw) + raw[9:]


def picture(number: int, place: int) -> bytes:
    """A JPEG of its own for every picture of every vehicle."""
    return clouds.jpeg(320, 80, number * PICTURES + place)


def vehicle(number: int, at: Stamp) -> Capture:
    image = replace(IMAGE, read_id=read_id(number), taken_at=at, width=320, height=80)
    images = tuple(replace(image, number=place, jpeg=picture(number, place)) for place in range(PICTURES))
    return replace(CAPTURE, read_id=read_id(number), taken_at=at, images=images)


def run(folder: Path) -> None:
    """Until every vehicle of the plan has its final event; goes on where a process before it was killed."""
    plan = Plan.load(folder)
    clock = Hurried(plan)
    with Store.open(folder / "state", config.Store(free_mb=1), clock.now().utc_ms) as store:
        ledger, reading = store.ledger, plan.settings.reading
        chain = Chain(
            open_providers(plan.settings), ledger, Budget(reading, ledger), clock.now, clock.seconds,
            facts=store, memory=Memory(store.seen), calls=reading.calls_per_vehicle, sleep=clock.sleep,
        )  # fmt: skip
        with chain:
            stage = Read(store, chain, reading, FACTS, clock, Board(clock.now(), "day", "clean"))
            while len(store.outbox) < plan.vehicles:
                _arrive(store, plan, clock)
                if not stage.step():
                    time.sleep(0.002)


def _arrive(store: Store, plan: Plan, clock: Hurried) -> None:
    """Into the spool with every vehicle whose moment has come; those there are tell how many came already."""
    known = len(store.spool) + len(store.outbox)
    if known < plan.vehicles and clock.seconds() >= known * plan.hours * 3600 / plan.vehicles:
        now = clock.now()
        store.spool.put(vehicle(known, now), now.utc_ms)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
