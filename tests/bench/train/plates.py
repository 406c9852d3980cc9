"""Trains the two models of the plate finder on labelled photographs and writes agent/vision/weights.py.

    python -m tests.bench.train.plates PHOTOS [--write]

PHOTOS holds labels.csv and the photographs it names. Of those that tests/bench/photos.py gives for tuning, the numbers ending in 0 to 3
train, in 5 and 6 choose; nothing else is touched.
Rendered yards are mixed in: photographs of labels alone teach nothing about licence plates, stripes and empty walls.
"""

import argparse
import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from agent.vision import plate, weights
from agent.vision.judge import Doubles, Judge, expanded
from agent.vision.lines import Line
from tests.bench.photos import part_of
from tests.bench.train import rendered

DRAWN = 0.3  # how much a rendered line counts beside a photographed one: at 1, two photographs in a hundred are lost
WEIGHTS = Path(weights.__file__)
Label = tuple[float, float, float, float]
Example = tuple[cv2.typing.MatLike, Label | None]
Lines = tuple[Doubles, Doubles, npt.NDArray[np.int64]]
HEAD = '''"""The numbers of the two models of the plate finder; made by tests/bench/train/plates.py, not by hand.

Trained on photographs of the set "vin-detection", version 7, by kirill-sergeev on Roboflow Universe, CC BY 4.0
(https://universe.roboflow.com/kirill-sergeev/vin-detection); only numbers derived from them are kept here.
"""
# ruff: noqa: E501

from agent.vision.judge import Judge

'''


def photographs(folder: Path, endings: str) -> Iterator[tuple[cv2.typing.MatLike, Label]]:
    """Grey photographs with the box of their VIN line: left, top, right, bottom; every other one wider.

    The photographs are squeezed to squares, most from landscape: a plate in a frame has a longer line.
    """
    shapes = np.random.default_rng(7)
    with (folder / "labels.csv").open() as file:
        files = [(row, Path(row["file"])) for row in csv.DictReader(file)]
    rows = [row for row, name in files if part_of(name) == "tuning" and name.stem[-1] in endings]
    for number, row in enumerate(rows):
        grey = cv2.imread(str(folder / row["file"]), cv2.IMREAD_GRAYSCALE)
        assert grey is not None, row["file"]
        x, y, width, height = (float(row[key]) for key in ("x", "y", "w", "h"))
        wider = float(shapes.uniform(0.9, 1.7)) if number % 2 else 1.0
        # The labels leave some two pixels of air above and below the line; a model that learns them draws its boxes as loosely.
        air = min(2.0, 0.12 * height)
        yield cv2.resize(grey, None, fx=wider, fy=1.0), (x * wider, y + air, (x + width) * wider, y + height - air)


def worth(line: Line, label: Label) -> float:
    """What the models learn of a line, 0…1, from the upright hull of it and the labelled box.

    Labels are drawn by hand, so an overlap (intersection over union) of 0.75 is as good as any and one below a third worth nothing.
    What is missing of the label counts twice: a lost character is a lost VIN, air around the line is none.
    """
    a, b = np.array(line.hull()), np.array(label)
    shared = float(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod())
    own, wanted = float((a[2:] - a[:2]).prod()), float((b[2:] - b[:2]).prod())
    overlap = shared / (own + wanted - shared)
    return float(np.clip((overlap - 0.33) / 0.42, 0, 1)) * min(1.0, 1.1 * shared / wanted) ** 2


def trained(measured: Doubles, wanted: Doubles, counts: Doubles | float = 1.0, calm: float = 3.0) -> Judge:
    """Logistic regression by Newton's method: each row counts so much, and the weights are held back by `calm`."""
    mean, spread = measured.mean(axis=0), measured.std(axis=0) + 1e-6
    terms = expanded((measured - mean) / spread)
    weight = np.zeros(terms.shape[1])
    hold = np.full(len(weight), calm)
    hold[0] = 0.0
    for _ in range(12):
        chance = 1 / (1 + np.exp(-np.clip(terms @ weight, -30, 30)))
        slope = terms.T @ (counts * (chance - wanted)) + hold * weight
        curve = (terms * (counts * (chance * (1 - chance) + 1e-6))[:, None]).T @ terms + np.diag(hold + 1e-9)
        weight = weight - np.linalg.solve(curve, slope)
    return Judge(mean, spread, weight)


def yards(count: int, seed: int) -> Iterator[tuple[npt.NDArray[np.uint8], Label | None]]:
    """Rendered pictures with the box of the VIN line, where there is one."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        grey, labels = rendered.scene(rng)
        yield grey, labels[0] if labels else None


def worths(found: list[Line], up: float, label: Label | None) -> list[float]:
    return [worth(line.scaled(1 / up), label) if label else 0.0 for line in found]


def proposals(source: Iterable[Example]) -> tuple[Doubles, Doubles]:
    """Traits of every rough proposal, and what each is worth."""
    traits, covered = [], []
    for grey, label in source:
        _, up, found = plate.proposed(np.asarray(grey, np.uint8), 8)
        traits += [line.traits for line in found]
        covered += worths(found, up, label)
    return np.array(traits), np.array(covered)


def lines(source: Iterable[Example]) -> Lines:
    """Measurements of the tight lines, what each is worth, and the number of its picture."""
    measured, covered, picture = [], [], []
    for number, (grey, label) in enumerate(source):
        levels, up, found = plate.candidates(np.asarray(grey, np.uint8), 8)
        measured += [plate.measured(levels, line) for line in found]
        covered += worths(found, up, label)
        picture += [number] * len(found)
    return np.array(measured), np.array(covered), np.array(picture)


def top(judge: Judge, measured: Doubles, covered: Doubles, picture: npt.NDArray[np.int64]) -> float:
    """The share of pictures whose best line is the labelled one."""
    scores = judge(measured)
    best = [covered[picture == number][scores[picture == number].argmax()] for number in np.unique(picture)]
    return float(np.mean(np.array(best) > 0.5))


def literal(name: str, judge: Judge) -> str:
    rows = "\n".join(" ".join(f"{value:.4g}" for value in row) for row in (judge.mean, judge.spread, judge.weights))
    return f'{name} = Judge.parse("""\n{rows}\n""")\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    traits, covered = proposals(chain(photographs(arguments.photos, "01"), yards(80, 1)))
    weights.TEXT = trained(traits, covered)
    print(f"{len(traits)} proposals")
    real, drawn = lines(photographs(arguments.photos, "0123")), lines(yards(280, 9))
    measured, covered = np.vstack([real[0], drawn[0]]), np.concatenate([real[1], drawn[1]])
    weights.VIN = trained(measured, covered, np.repeat([1.0, DRAWN], [len(real[0]), len(drawn[0])]))
    rate = top(weights.VIN, *lines(photographs(arguments.photos, "56")))
    print(f"{len(measured)} lines; the best line is the labelled one on {100 * rate:.1f} % of the photographs kept for choosing")
    if arguments.write:
        WEIGHTS.write_text(HEAD + literal("TEXT", weights.TEXT) + literal("VIN", weights.VIN))


if __name__ == "__main__":
    main()
