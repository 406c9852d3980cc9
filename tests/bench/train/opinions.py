"""How far the two recognisers of the embedded reader are believed beside each other: the first constants of agent/ocr/both.py.

    python -m tests.bench.train.opinions PHOTOS

Nobody has transcribed the photographs for tuning; a check digit tells, where the region has one, ten wrong VINs in eleven. Counted are
lines whose text the agent's own recogniser was never taught: the ending 6, and those `known` was not sure of. What orders equals, the
check digit among it, is left out, or it would judge itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent import config
from agent.ocr import both
from agent.ocr.beam import Floats
from agent.ocr.embedded import Embedded
from agent.ocr.textline import Line
from agent.vin_text import candidates_in
from agent.vision import plate
from tests.bench.photos import photos_in
from tests.bench.train.known import KEPT, SURE, plate_of
from tests.bench.train.windows import line_of

OWN, SUREST = (0.0, 0.25, 0.4, 0.5, 0.65, 0.8, 1.0), (0.9, 0.95, 0.97, 0.99)
LUCKY = 1 / 11


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What both made of one line."""

    general: Line
    views: tuple[Floats, ...]


class Apart(Embedded):
    """The embedded reader, asked for the two opinions and not for what they come to."""

    def heard(self, pixels: plate.Pixels, line: plate.Box) -> Heard:
        general = self.general(pixels, line)
        return Heard(general, tuple(self.views(pixels, line)))


def lines(folder: Path) -> Iterator[Heard]:
    with Apart(config.Settings()) as reader:
        for photo in (each for each in photos_in(folder) if each.part == "tuning"):
            pixels = photo.pixels()
            upright, line = plate.rectify(pixels, plate_of(line_of(plate.grey(pixels), photo.line)), 2.0, 1.0)
            heard = reader.heard(upright, line)
            if photo.file.stem[-1] in KEPT or _least(both.together(heard.general, heard.views)) < SURE:
                yield heard


def _least(line: Line) -> float:
    spelled = candidates_in(line.text, line.confidence)
    return (spelled[0].lowest or 0.0) if spelled else 0.0
