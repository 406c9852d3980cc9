"""How often the finder's best plate holds the labelled VIN line, by kind of photograph, and its processor time per frame.

    python -m tests.bench.finder PHOTOS [--part tuning|judged|all] [--endings 56] [--limit N]

PHOTOS holds labels.csv, positive/ and negative/; which photographs are for tuning says tests/bench/photos.py. `--endings` keeps those
whose number ends in one of these digits. Found: at least 90 % of the labelled text, tilted as the best plate is, lies inside that plate
grown by two text heights at its ends and one above and below; `label` asks for the upright label, with its corners that hold no text.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from agent.domain import Box, Plate
from agent.vision import plate
from tests.bench import cover
from tests.bench.cover import Corners
from tests.bench.photos import PARTS, Photo, clips_in, negatives_in, photos_in, picture


def labelled(folder: Path, part: str, endings: str) -> list[Photo]:
    return [photo for photo in photos_in(folder) if part in ("all", photo.part) and photo.file.stem[-1] in endings]


def grown(found: Plate) -> Corners:
    text_px = found.box.height
    return found.box.grown(2 * text_px, text_px).corners(found.angle)


def measure(label: Box, plates: list[Plate]) -> dict[str, bool]:
    if not plates:
        return dict.fromkeys(("text", "label", "any text", "overlap 0.5"), False)
    held = [cover.share(cover.text(label, each.angle).corners(each.angle), grown(each)) >= 0.9 for each in plates]
    whole = cover.share(label.corners(), grown(plates[0])) >= 0.9
    return {"text": held[0], "label": whole, "any text": any(held), "overlap 0.5": cover.overlap(label, plates[0]) >= 0.5}


def recall(photos: list[Photo]) -> None:
    results: dict[str, list[dict[str, bool]]] = defaultdict(list)
    spent, scores = [], []
    for photo in photos:
        pixels = photo.pixels()
        began = time.process_time()
        plates = plate.find(pixels)
        spent.append(time.process_time() - began)
        scores.append(plates[0].score if plates else 0.0)
        for group in (photo.kind, "all"):
            results[group].append(measure(photo.line, plates))
    for group, each in results.items():
        shares = "  ".join(f"{key} {100 * np.mean([one[key] for one in each]):5.1f} %" for key in each[0])
        print(f"{group:12} {len(each):5}  {shares}")
    sure = "  ".join(f">= {least} {100 * np.mean(np.array(scores) >= least):.0f} %" for least in (0.1, 0.3, 0.6, 0.85))
    print(f"best score {sure}")
    print(f"{1000 * np.median(spent):.0f} ms per photograph (median), {1000 * np.percentile(spent, 95):.0f} (95th percentile)")


def negatives(folder: Path) -> None:
    for file in negatives_in(folder):
        pixels = picture(file)
        plates = plate.find(pixels)
        print(f"{file.name:28} {pixels.shape[1]:5} × {pixels.shape[0]:<5} best score {plates[0].score if plates else 0:.2f}")


def frames(folder: Path) -> None:
    """Every 20th frame of the clips, as it is for the score and at 1080p for the time."""
    for file in clips_in(folder):
        scores, spent = [], []
        clip, number = cv2.VideoCapture(str(file)), 0
        while clip.grab():
            number += 1
            if number % 20 == 0:
                pixels = np.asarray(clip.retrieve()[1], np.uint8)
                scores.append(max((each.score for each in plate.find(pixels)), default=0.0))
                large = np.asarray(cv2.resize(pixels, (1920, 1080)), np.uint8)
                began = time.process_time()
                plate.find(large)
                spent.append(time.process_time() - began)
        marks = np.percentile(scores, (50, 90, 100))
        print(f"{file.name}: best score median {marks[0]:.2f}, 90th percentile {marks[1]:.2f}, most {marks[2]:.2f}; ", end="")
        print(f"1080p {1000 * np.median(spent):.0f} ms (median), {1000 * np.percentile(spent, 95):.0f} (95th percentile)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--part", choices=(*PARTS, "all"), default="tuning")
    parser.add_argument("--endings", default="0123456789", metavar="DIGITS")
    parser.add_argument("--limit", type=int, default=0, help="photographs; 0 for all")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    recall(labelled(arguments.photos, arguments.part, arguments.endings)[: arguments.limit or None])
    negatives(arguments.photos)
    frames(arguments.photos)


if __name__ == "__main__":
    main()
