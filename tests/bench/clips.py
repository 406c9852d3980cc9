"""Videos without a VIN played to the whole gate: the watch of a camera's process, and the read stage that would pay for what it saw."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path

import cv2
import numpy as np

from agent import config
from agent.board import Board
from agent.clock import BUILT_MS, Clock
from agent.domain import Capture, EncodedImage, Frame, Pixels, Reading, Stamp
from agent.ocr import common_bounds
from agent.ocr.budget import Budget
from agent.ocr.chain import Chain
from agent.ocr.embedded import Embedded
from agent.ocr.memory import Memory
from agent.outgoing import Outgoing
from agent.stages import Read
from agent.store import Store
from agent.watch import Watch
from agent.wire import FromChild, Job
from tests.bench import looking
from tests.bench.variations import Variation
from tests.samples import FACTS

BEGAN_MS = BUILT_MS + 86_400_000


@dataclass(frozen=True, slots=True)
class Showing:
    """One playing of a clip; `most` ends it after so many frames, 0 plays it whole."""

    file: Path
    variation: Variation
    most: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What one pass came to: the decision or, where nothing was read, the reason; what was read, and its best picture."""

    outcome: str
    text: str
    crop: bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """What became of one playing: the passes that were finished, and the calls a paid reader had for them."""

    file: Path
    seed: int
    frames: int
    passes: tuple[Told, ...]
    paid_calls: int


class Spooling(Outgoing):
    """The child's end of the pipe; what it puts there stays in `waiting`."""

    def say(self, word: FromChild) -> None:
        """Nobody listens."""


class Paid:
    """The embedded reader as if every call cost money: it sees what it can, and says so of pictures without a VIN, as a vendor does."""

    name = "paid"
    bounds = Embedded.bounds
    price = 1.0
    metered = True
    per_s = 0.0
    url = ""

    def __init__(self, reader: Embedded) -> None:
        self._reader, self.calls = reader, 0

    def __enter__(self) -> "Paid":
        return self

    def __exit__(self, *_: object) -> None:
        """The reader stays open: it is another's."""

    def read(self, image: EncodedImage) -> Reading:
        self.calls += 1
        reading = self._reader.read(image)
        return Reading(reading.text, reading.confidence, self.name, reading.image, None, reading.latency_ms)

    def check(self, call: bool = False) -> tuple[str, ...]:
        return ("it is here",)

    def knows_time(self) -> bool:
        return True


class _Then(Clock):
    """The clock of a gate that has seen the clip: every vehicle has just come in."""

    def now(self) -> Stamp:
        return _stamp(0.0)


def _stamp(seconds: float) -> Stamp:
    ms = round(1000 * seconds)
    return Stamp(BEGAN_MS + ms, BEGAN_MS + ms, "clip", "synced")


def frames(showing: Showing) -> Iterator[Frame]:
    """The clip's frames with the times it gives them, as far apart as they were when it was made."""
    clip = cv2.VideoCapture(str(showing.file), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        number = 0
        while (answer := clip.read())[0] and (not showing.most or number < showing.most):
            pixels: Pixels = np.asarray(answer[1], np.uint8)
            yield Frame(showing.variation.seen(pixels, number), _stamp(clip.get(cv2.CAP_PROP_POS_MSEC) / 1000))
            number += 1
    finally:
        clip.release()


def watched(source: Iterator[Frame], fps: float) -> tuple[int, list[Capture]]:
    """How many frames there were, and the vehicles that a camera's process would hand over for them."""
    here, there = Pipe()
    with here, there:
        outgoing = Spooling(here)
        camera = config.Camera(driver="replay", fps=fps)
        watch = Watch(Job(camera, looking.SETTINGS.vision, common_bounds(("embedded",)), "warning"), outgoing)
        count = 0
        for frame in source:
            watch.look(frame)
            count += 1
        watch.finish()
        return count, [word.capture for word, _ in outgoing.waiting.values()]


def read(captures: list[Capture], paid: Paid) -> list[Told]:
    """One event for each vehicle, by the read stage over a store of its own and a chain of one paid reader."""
    clock, settings = _Then(), looking.SETTINGS.reading
    best = {capture.read_id: capture.images[0].jpeg for capture in captures}
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder), config.Store(free_mb=1), BEGAN_MS) as store:
        ledger = store.ledger
        memory = Memory(store.seen)
        chain = Chain([paid], ledger, Budget(settings, ledger), clock.now, memory=memory, calls=settings.calls_per_vehicle)
        for capture in captures:
            store.spool.put(capture, BEGAN_MS)
        with chain:
            stage = Read(store, chain, settings, FACTS, clock, Board(clock.now(), "clips", "clean"))
            while stage.step():
                pass
        if len(store.spool):
            raise SystemExit(f"{len(store.spool)} vehicles of a clip were not told: this would count something else")
        return [_told(queued.event.payload["data"], best[queued.event.id]) for queued in store.outbox.next(10_000)]


def _told(data: dict[str, object], crop: bytes) -> Told:
    decision, reason = str(data["decision"]), data.get("reason")
    return Told(f"{decision}: {reason}" if reason else decision, str(data.get("vin") or data.get("raw") or ""), crop)


def played(showing: Showing) -> Shown:
    fps = cv2.VideoCapture(str(showing.file)).get(cv2.CAP_PROP_FPS) or 8.0
    count, captures = watched(frames(showing), fps)
    paid = Paid(looking.reader())
    passes = read(captures, paid)
    return Shown(showing.file, showing.variation.seed, count, tuple(passes), paid.calls)
