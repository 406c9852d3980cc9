"""Trains what the plate finder weighs its lines with, on labelled photographs and rendered yards, and writes agent/vision/weights.py.

    python -m tests.bench.train.plates PHOTOS [--write]

PHOTOS holds labels.csv and the photographs it names. Of `kt_*`, those with the ending 6, on which the network of the second look was
not taught, teach what its marks are worth: every other one; the rest tell how far that got.
"""

import argparse
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from agent.vision import plate, weights
from agent.vision.judge import Doubles, Judge, expanded
from agent.vision.lines import Line
from tests.bench.train import windows
from tests.bench.train.windows import Example

WEIGHTS = Path(weights.__file__)
Box = tuple[float, float, float, float]
HEAD = '''"""What a line that the plate finder marked is worth; made by tests/bench/train/plates.py, not by hand.

Trained on photographs of the set "vin-detection", version 7, by kirill-sergeev on Roboflow Universe, CC BY 4.0
(https://universe.roboflow.com/kirill-sergeev/vin-detection); only numbers derived from them are kept here.
"""
# ruff: noqa: E501

from agent.vision.judge import Judge

'''


def widened(source: Iterable[Example]) -> Iterator[Example]:
    """The photographs are squeezed to squares, most from landscape: every other one is drawn out again, and laid into a frame."""
    shapes = np.random.default_rng(7)
    for number, example in enumerate(source):
        wide = float(shapes.uniform(0.9, 1.7)) if number % 2 else 1.0
        grey = np.asarray(cv2.resize(example.grey, None, fx=wide, fy=1.0), np.uint8)
        yield Example(grey, tuple((quad * (wide, 1.0)).astype(np.float32) for quad in example.vins), example.upright)


def turned(example: Example, quarters: int) -> Example:
    """The picture turned to the left by so many quarters: plates lie as they lie, but photographers turn their cameras."""
    grey, vins = np.ascontiguousarray(np.rot90(example.grey, quarters)), example.vins
    for side in [example.grey.shape[1], example.grey.shape[0], example.grey.shape[1]][:quarters]:
        vins = tuple(np.stack([quad[:, 1], side - quad[:, 0]], 1).astype(np.float32) for quad in vins)
    return Example(grey, vins, example.upright)


def every_way(examples: Iterable[Example]) -> Iterator[Example]:
    """Each as it is, and turned."""
    for number, example in enumerate(examples):
        yield example
        yield turned(example, 1 + number % 3)


def worth(line: Line, vins: Iterable[npt.NDArray[np.float32]]) -> float:
    """What the models learn of a line, 0…1, from the upright hull of it and that of the VIN.

    Labels are drawn by hand, so an overlap (intersection over union) of 0.75 is as good as any and one below a third worth nothing.
    What is missing of the label counts twice: a lost character is a lost VIN, air around the line is none.
    """
    return max((_worth(line.hull(), (*quad.min(0).tolist(), *quad.max(0).tolist())) for quad in vins), default=0.0)


def _worth(line: Box, label: Box) -> float:
    a, b = np.array(line), np.array(label)
    shared = float(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod())
    own, wanted = float((a[2:] - a[:2]).prod()), float((b[2:] - b[:2]).prod())
    overlap = shared / (own + wanted - shared)
    return float(np.clip((overlap - 0.33) / 0.42, 0, 1)) * min(1.0, 1.1 * shared / wanted) ** 2


def trained(measured: Doubles, wanted: Doubles, calm: float = 3.0) -> Judge:
    """Logistic regression by Newton's method; the weights are held back by `calm`."""
    mean, spread = measured.mean(axis=0), measured.std(axis=0) + 1e-6
    terms = expanded((measured - mean) / spread)
    weight = np.zeros(terms.shape[1])
    hold = np.full(len(weight), calm)
    hold[0] = 0.0
    for _ in range(12):
        chance = 1 / (1 + np.exp(-np.clip(terms @ weight, -30, 30)))
        slope = terms.T @ (chance - wanted) + hold * weight
        curve = (terms * (chance * (1 - chance) + 1e-6)[:, None]).T @ terms + np.diag(hold + 1e-9)
        weight = weight - np.linalg.solve(curve, slope)
    return Judge(mean, spread, weight)


def marks(source: Iterable[Example]) -> tuple[Doubles, Doubles, npt.NDArray[np.int64]]:
    """Traits of every line that the second look marks, what each is worth, and the number of its picture."""
    traits, worths, picture = [], [], []
    for number, example in enumerate(source):
        levels, up = plate.sizes(example.grey)
        for line in plate.marked(levels, 8 * up):
            traits.append(line.traits)
            worths.append(worth(line.scaled(1 / up), example.vins))
            picture.append(number)
    return np.array(traits), np.array(worths), np.array(picture)


def top(judge: Judge, traits: Doubles, worths: Doubles, picture: npt.NDArray[np.int64]) -> float:
    """The share of pictures whose best line is the labelled one, of those that have one."""
    scores = judge(traits)
    best = [worths[picture == number][scores[picture == number].argmax()] for number in np.unique(picture)]
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
    kept = list(widened(windows.photographs(arguments.photos, "6")))
    traits, worths, _ = marks(chain(every_way(kept[::2]), windows.yards(200, 9)))
    weights.VIN = trained(traits, worths)
    right = 100 * top(weights.VIN, *marks(every_way(kept[1::2])))
    print(f"{len(traits)} marks; of the photographs kept, each also turned, {right:.1f} % have the VIN as their best line")
    if arguments.write:
        WEIGHTS.write_text(HEAD + literal("VIN", weights.VIN))


if __name__ == "__main__":
    main()
