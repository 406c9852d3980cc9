"""How well the embedded reader reads lines that are pointed out to it: `python -m tests.bench.reader PHOTOS`."""

import sys
import time
from pathlib import Path

import cv2
import numpy as np

from agent import config
from agent.ocr.embedded import Embedded
from agent.vin_text import LENGTH, candidates_in
from tests.bench.photos import Photo, edits, photos_in


def main(folder: Path) -> None:
    """Prints exact VINs, characters and time for the labelled boxes of the transcribed photographs."""
    cv2.setNumThreads(1)
    photos = [photo for photo in photos_in(folder) if photo.vin]
    found: list[str] = []
    spent: list[float] = []
    with Embedded(config.Settings()) as reader:
        for photo in photos:
            pixels = photo.pixels()
            started = time.perf_counter()
            line = reader.read_line(pixels, photo.line)
            spent.append((time.perf_counter() - started) * 1000)
            spellings = candidates_in(line.text, line.confidence)
            found.append(spellings[0].value if spellings else line.text.replace(" ", "")[: 2 * LENGTH])
    report(photos, found, spent)


def report(photos: list[Photo], found: list[str], spent: list[float]) -> None:
    exact = sum(text == photo.vin for photo, text in zip(photos, found, strict=True))
    wrong = sum(min(LENGTH, edits(text, photo.vin)) for photo, text in zip(photos, found, strict=True))
    for photo, text in zip(photos, found, strict=True):
        if text != photo.vin:
            print(f"{photo.name:24} {photo.part:8} {photo.kind:12} {photo.vin} read as {text}")
    print(f"{exact} of {len(photos)} VINs exact, {1 - wrong / LENGTH / len(photos):.4f} of the characters")
    print(f"{np.median(spent):.0f} ms per call (median), {np.percentile(spent, 95):.0f} ms at the 95th percentile, one thread")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
