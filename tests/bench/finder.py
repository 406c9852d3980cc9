"""How often the finder's best plate holds the labelled VIN line, by kind of photograph, and its processor time per frame.

    python -m tests.bench.finder PHOTOS [--part tuning|kept|all] [--limit N]

PHOTOS holds labels.csv, positive/ and negative/. `tuning` is `kt_*` with endings 5 and 6, on which the weights were chosen;
`kept` is what they have never seen, `ks_*` and the endings 7 to 9. Found: at least 90 % of the labelled box lies inside the best plate
grown by two text heights at its ends and one above and below; `crop` counts the upright hull of that, `strict` the tilted rectangle.
"""

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from agent.domain import Box, Pixels, Plate
from agent.vision import plate

Corners = tuple[tuple[float, float], ...]


def labelled(folder: Path, part: str) -> Iterator[tuple[str, Path, Box]]:
    with (folder / "labels.csv").open() as file:
        for row in csv.DictReader(file):
            name = Path(row["file"]).stem
            if not row["w"]:
                continue
            kept = name.startswith("ks_") or name[-1] in "789"
            if part == "all" or (part == "kept" and kept) or (part == "tuning" and not kept and name[-1] in "56"):
                yield row["kind"], folder / row["file"], Box(*(float(row[key]) for key in ("x", "y", "w", "h")))


def read(file: Path) -> Pixels:
    pixels = cv2.imread(str(file))
    if pixels is None:
        raise SystemExit(f"{file}: cannot be read as a picture; give the folder of labels.csv")
    return np.asarray(pixels, np.uint8)


def covered(label: Box, corners: Corners) -> float:
    """The share of the label inside four corners."""
    around = np.array(label.corners(), np.float32)
    area, _ = cv2.intersectConvexConvex(around, np.array(corners, np.float32))
    return float(area) / (label.width * label.height)


def grown(found: Plate) -> Corners:
    text_px = found.box.height
    return found.box.grown(2 * text_px, text_px).corners(found.angle)


def hull(corners: Corners) -> Corners:
    xs, ys = zip(*corners, strict=True)
    return Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)).corners()


def overlap(label: Box, found: Plate) -> float:
    """Intersection over union of the label and the upright hull of the line itself."""
    corners = hull(found.corners())
    shared = covered(label, corners) * label.width * label.height
    (left, top), _, (right, bottom), _ = corners
    return shared / (label.width * label.height + (right - left) * (bottom - top) - shared)


def measure(label: Box, plates: list[Plate]) -> dict[str, bool]:
    if not plates:
        return dict.fromkeys(("crop", "strict", "any crop", "overlap 0.5"), False)
    crops = [covered(label, hull(grown(each))) >= 0.9 for each in plates]
    strict = covered(label, grown(plates[0])) >= 0.9
    return {"crop": crops[0], "strict": strict, "any crop": any(crops), "overlap 0.5": overlap(label, plates[0]) >= 0.5}


def recall(folder: Path, part: str, limit: int) -> None:
    results: dict[str, list[dict[str, bool]]] = defaultdict(list)
    spent, scores = [], []
    for kind, file, label in list(labelled(folder, part))[: limit or None]:
        pixels = read(file)
        began = time.process_time()
        plates = plate.find(pixels)
        spent.append(time.process_time() - began)
        scores.append(plates[0].score if plates else 0.0)
        for group in (kind, "all"):
            results[group].append(measure(label, plates))
    for group, each in results.items():
        shares = "  ".join(f"{key} {100 * np.mean([one[key] for one in each]):5.1f} %" for key in each[0])
        print(f"{group:12} {len(each):5}  {shares}")
    sure = "  ".join(f">= {least} {100 * np.mean(np.array(scores) >= least):.0f} %" for least in (0.1, 0.3, 0.6, 0.85))
    print(f"best score {sure}")
    print(f"{1000 * np.median(spent):.0f} ms per photograph (median), {1000 * np.percentile(spent, 95):.0f} (95th percentile)")


def negatives(folder: Path) -> None:
    for file in sorted((folder / "negative").iterdir()):
        pixels = read(file)
        plates = plate.find(pixels)
        print(f"{file.name:28} {pixels.shape[1]:5} × {pixels.shape[0]:<5} best score {plates[0].score if plates else 0:.2f}")


def frames(folder: Path) -> None:
    """Every 20th frame of the clips, as it is for the score and at 1080p for the time."""
    for file in sorted((folder / "video").iterdir()):
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
    parser.add_argument("--part", choices=("tuning", "kept", "all"), default="tuning")
    parser.add_argument("--limit", type=int, default=0, help="photographs; 0 for all")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    recall(arguments.photos, arguments.part, arguments.limit)
    if not arguments.limit:
        return
    negatives(arguments.photos)
    frames(arguments.photos)


if __name__ == "__main__":
    main()
