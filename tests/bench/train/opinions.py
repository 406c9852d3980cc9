"""How far the two recognisers of the embedded reader are believed beside each other: the first constants of agent/ocr/both.py.

    python -m tests.bench.train.opinions PHOTOS [--every N]

Nobody has transcribed the photographs for tuning; where a check digit is binding, it tells ten wrong VINs in eleven. What orders equals,
the check digit among it, is left out here, or it would judge itself. For each pair of weights: the VINs whose check digit is binding,
those of them expected to be right, and how many are wrong from each confidence on; wanted are many right ones and no wrong ones above.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2

from agent import config
from agent.ocr import both
from agent.ocr.beam import Floats
from agent.ocr.embedded import Embedded
from agent.ocr.textline import Line, Look
from agent.vin import CHECKED, verdict
from agent.vin_text import Spelling, candidates_in
from agent.vision import plate
from tests.bench.photos import Photo, photos_in
from tests.bench.train.known import plate_of
from tests.bench.train.windows import line_of

WEIGHTS = (0.35, 0.5, 0.65, 0.8)
MARKS = (0.8, 0.9, 0.95, 0.98)
Heard = tuple[Line, list[Look], list[Floats]]


def heard(reader: Embedded, photo: Photo) -> Heard:
    pixels = photo.pixels()
    line, looks, views = reader.heard(*plate.rectify(pixels, plate_of(line_of(plate.grey(pixels), photo.line)), 2.0, 1.0))
    return line, looks, list(views)


def spelled(lines: Sequence[Heard]) -> Iterator[Spelling]:
    """What is made of them where a check digit is binding."""
    for line, looks, views in lines:
        read = both.together(line, looks, views)
        found = candidates_in(read.text, read.confidence)
        if found and found[0].value[0] in CHECKED:
            yield found[0]


def row(found: Sequence[Spelling]) -> str:
    wrong = [each.lowest or 0.0 for each in found if verdict(each.value) == "fail"]
    above = ", ".join(f"{sum(low >= mark for low in wrong)} of {sum((each.lowest or 0) >= mark for each in found)}" for mark in MARKS)
    return f"{len(found)} VINs, {len(found) - 1.1 * len(wrong):.0f} right; wrong from {MARKS} on: {above}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th photograph for tuning")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with Embedded(config.Settings()) as reader:
        photos = [photo for photo in photos_in(options.photos) if photo.part == "tuning"]
        lines = [heard(reader, photo) for photo in photos[:: options.every]]
    both.KNOWN_MAKER = both.RIGHT_DIGIT = 0.0
    for both.GENERAL, both.OWN in itertools.product(WEIGHTS, WEIGHTS):
        print(f"general {both.GENERAL}, own {both.OWN}: {row(list(spelled(lines)))}", flush=True)


if __name__ == "__main__":
    main()
