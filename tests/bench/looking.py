"""One picture looked at as `vin-agent read` does it, on one thread, with what that cost: the work of the accuracy program's processes."""

import time
from dataclasses import dataclass
from pathlib import Path

import cv2

from agent import config
from agent.clock import Clock
from agent.domain import Decision, EncodedImage, Pixels, Plate, Reading
from agent.ocr.embedded import Embedded
from agent.still import Sight, look
from agent.vision import plate
from tests.bench.photos import Photo, picture
from tests.bench.scores import OFFERED, Score
from tests.bench.variations import Variation

SETTINGS = config.Settings()
_readers: list["Timed"] = []  # one in each process


class Timed(Embedded):
    """The embedded reader with a watch on it: `spent_ms` is the processor time of all that it was asked."""

    spent_ms = 0.0

    def read(self, image: EncodedImage) -> Reading:
        began = time.process_time()
        try:
            return super().read(image)
        finally:
            self.spent_ms += 1000 * (time.process_time() - began)

    def locate(self, pixels: Pixels) -> list[Plate]:
        began = time.process_time()
        try:
            return super().locate(pixels)
        finally:
            self.spent_ms += 1000 * (time.process_time() - began)


@dataclass(frozen=True, slots=True)
class Nothing:
    """A picture without a VIN, as it is or as a variation of it."""

    file: Path
    variation: Variation | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """What became of a picture without a VIN: the candidates a gate would take for a plate, and what was decided."""

    file: Path
    seed: int | None
    size: tuple[int, int]
    plates: tuple[Plate, ...]
    decision: Decision
    find_ms: float
    crop: bytes = b""

    @property
    def offered(self) -> int:
        return sum(plate.score >= OFFERED for plate in self.plates)


def open_reader() -> None:
    cv2.setNumThreads(1)
    _readers.append(Timed(SETTINGS).__enter__())


def reader() -> Timed:
    if not _readers:
        open_reader()
    return _readers[0]


def seen(pixels: Pixels, name: str) -> tuple[Sight, float]:
    """What a picture came to, and the milliseconds its reading took."""
    timed = reader()
    before = timed.spent_ms
    sight = look(pixels, name, Clock().now(), timed, SETTINGS, timed.locate)
    return sight, timed.spent_ms - before


def found(pixels: Pixels) -> tuple[tuple[Plate, ...], float]:
    """The finder's candidates, and the milliseconds it took."""
    began = time.process_time()
    plates = plate.find(pixels, SETTINGS.vision.min_text_px)
    return tuple(plates), 1000 * (time.process_time() - began)


def scored(photo: Photo) -> Score:
    pixels = photo.pixels()
    plates, find_ms = found(pixels)
    sight, read_ms = seen(pixels, photo.file.stem)
    chosen = None if sight.chosen is None else sight.plates[sight.chosen]
    score = Score(photo, plates, chosen, sight.decision, find_ms, read_ms)
    # The picture that was read is only wanted where something went wrong.
    return score if not score.failure else Score(photo, plates, chosen, sight.decision, find_ms, read_ms, _crop(sight))


def alarmed(nothing: Nothing) -> Alarm:
    pixels = picture(nothing.file)
    if nothing.variation:
        pixels = nothing.variation.seen(pixels)
    plates, find_ms = found(pixels)
    sight, _ = seen(pixels, nothing.file.stem)
    seed = nothing.variation.seed if nothing.variation else None
    crop = b"" if sight.decision.outcome == "unread" else _crop(sight)
    return Alarm(nothing.file, seed, (pixels.shape[1], pixels.shape[0]), plates, sight.decision, find_ms, crop)


def _crop(sight: Sight) -> bytes:
    return b"" if sight.chosen is None else sight.images[sight.chosen].jpeg
