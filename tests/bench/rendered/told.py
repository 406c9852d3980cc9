"""A planned pass through the agent itself: frames through the watch, pictures through store and read stage, as fast as they come."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from agent import config
from agent.board import Board
from agent.bounds import Bounds
from agent.clock import BUILT_MS, Clock
from agent.domain import Capture, EncodedImage, Frame, Reading, Stamp
from agent.events import Facts
from agent.ocr import Provider
from agent.ocr.budget import Budget
from agent.ocr.chain import Chain
from agent.ocr.memory import Memory
from agent.outgoing import Outgoing
from agent.stages import Read
from agent.store import Store
from agent.watch import Watch
from agent.wire import Captured, FromChild, FromParent, Job
from tests.bench.rendered.frames import Shot

_DAY_MS = 86_400_000
_FACTS = Facts(site="site", agent="bench", version="0", config="0")


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One vehicle the yard heard of: what was captured, what the event says of it, and how often a reader was asked."""

    capture: Capture
    data: dict[str, Any]
    calls: int


class Paid:
    """A reader that is asked, and booked, as one that costs money: never twice about a picture, never more often than is allowed."""

    metered = True

    def __init__(self, reader: Provider) -> None:
        self._reader = reader
        self.name, self.bounds, self.price, self.per_s, self.url = reader.name, reader.bounds, 0.0, 0.0, ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def read(self, image: EncodedImage) -> Reading:
        return self._reader.read(image)

    def check(self, call: bool = False) -> tuple[str, ...]:
        return self._reader.check(call)

    def knows_time(self) -> bool:
        return True


@dataclass(slots=True)
class _Hands(Clock):
    """A clock that stands where the last frame was taken."""

    stamp: Stamp = field(default_factory=lambda: stamp(0.0))

    def now(self) -> Stamp:
        return self.stamp


def stamp(seconds: float) -> Stamp:
    ms = round(seconds * 1000)
    return Stamp(BUILT_MS + _DAY_MS + ms, _DAY_MS + ms, "boot", "synced")


def seconds_of(taken_at: Stamp) -> float:
    """The moment within its pass."""
    return (taken_at.monotonic_ms - _DAY_MS) / 1000


@dataclass(slots=True)
class _Pipe:
    """Keeps the captures of a watch, and has nothing to say to it."""

    captures: list[Capture] = field(default_factory=list)

    def send(self, word: FromChild) -> None:
        if isinstance(word, Captured):
            self.captures.append(word.capture)


def captured(shots: Sequence[Shot] | Iterator[Shot], vision: config.Vision, bounds: Bounds) -> list[Capture]:
    """What the camera's process would hand over of these frames; the clock of the frames is theirs alone."""
    pipe = _Pipe()
    job = Job(config.Camera(driver="opencv", source="0"), vision, bounds, "info")
    watch = Watch(job, Outgoing(cast("Connection[FromChild, FromParent]", pipe)))
    for shot in shots:
        watch.look(Frame(shot.pixels, stamp(shot.seconds)))
    watch.finish()
    return pipe.captures


class Agent:
    """The half of the agent that reads, over a store of its own in `folder`."""

    def __init__(self, folder: Path, reader: Provider, settings: config.Settings) -> None:
        self.settings, self.bounds, self._clock = settings, reader.bounds, _Hands()
        self._store = Store.open(folder, config.Store(free_mb=1), stamp(0.0).utc_ms)
        ledger, reading = self._store.ledger, settings.reading
        self._chain = Chain(
            [Paid(reader)], ledger, Budget(reading, ledger), self._clock.now, facts=self._store, memory=Memory(self._store.seen),
            calls=reading.calls_per_vehicle,
        )  # fmt: skip
        self._stage = Read(self._store, self._chain, reading, _FACTS, self._clock, Board(stamp(0.0), "session", "clean"))

    def close(self) -> None:
        self._store.close()

    def told(self, captures: Sequence[Capture]) -> list[Told]:
        """The final event of every capture."""
        for capture in captures:
            self._store.spool.put(capture, self._clock.now().utc_ms)
        by_id = {capture.read_id: capture for capture in captures}
        until = time.monotonic() + 120
        while len(self._store.spool) and time.monotonic() < until:
            self._stage.step()
        queued = self._store.outbox.next(100)
        self._store.outbox.sent([each.sequence for each in queued], self._clock.now().utc_ms)
        return [Told(by_id[each.event.id], each.event.payload["data"], self._store.ledger.calls(each.event.id)) for each in queued]


@contextmanager
def agent(folder: Path, reader: Provider, settings: config.Settings) -> Iterator[Agent]:
    with ExitStack() as opened:
        opened.enter_context(reader)
        made = Agent(folder, reader, settings)
        opened.callback(made.close)
        yield made
