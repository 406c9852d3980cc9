"""This agent beside what somebody would try first, on the same frames and one core: `make bench PEERS=1 [PHOTOS=DIR]`.

    python -m tests.bench.peers [--vehicles N] [--photos DIR]

Rendered 1080p frames, whose truth is known: a vehicle that stands, the same driving up, the same in a yard full of signs, and that yard
without it. With photographs also a sample of those that are judged. Recall: at least 90 % of the VIN's line, of its middle half because
labels leave air around it, lies in the picture this agent would send, or in all of another's text boxes together. Exact: the VIN is among
those that were read; a false alarm is any 17 characters that could be a VIN where there is none, also one that a gate would only give for
review. Times are of the processor; that of finding alone is taken frame after frame, as in the process of a camera. Prints a table and
writes build/peers.json.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from agent.camera.scene import DIGITS, LETTERS, Scene, View, vin_of
from agent.domain import Pixels
from tests.bench.contenders import Contender, contenders, spent_ms
from tests.bench.cover import Corners
from tests.bench.photos import negatives_in, photos_in, picture
from tests.bench.scores import COVERED

Answered = TypeVar("Answered")

RESULT = Path("build/peers.json")
VEHICLES, PHOTOGRAPHS, NEGATIVES = 8, 20, 10
SEED, LEAST, BOARDS = 11, 14.0, 40  # of the scene; pixels of letter height while a vehicle drives up; signs in a busy yard
ASKED, GOAL = 10, 20  # times the finder has to be cheaper than reading the whole frame


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame: the corners of the VIN's text, None where there is none, and the VIN, empty where nobody knows it."""

    kind: str
    pixels: Pixels
    line: Corners | None
    vin: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a contender made of the frames of one kind; `ms` are medians of processor time, `find_ms` of finding alone where it is apart."""

    contender: str
    kind: str
    frames: int
    ms: float
    find_ms: float | None
    lines: int
    covered: int
    known: int
    exact: int
    empty: int
    false_alarms: int


def rendered(vehicles: int) -> Iterator[Shot]:
    for index in range(vehicles):
        views = list(Scene(SEED, 1, 1920, 1080, fps=4.0, first=index))
        standing = [view for view in views if view.stands and view.plate is not None]
        driving = [view for view in views if view.plate is not None and not view.stands and _letters(view) >= LEAST]
        vin = vin_of(SEED, index)
        yield from (Shot("standing", view.pixels, _corners(view), vin) for view in standing[-1:])
        yield from (Shot("driving", view.pixels, _corners(view), vin) for view in driving[:1])
        yield from (Shot("busy", signs(view, index), _corners(view), vin) for view in standing[-1:])
        yield Shot("empty", signs(views[0], index), None)


def _letters(view: View) -> float:
    """Pixels of letter height."""
    return 0.0 if view.plate is None else float(np.linalg.norm(view.plate[3] - view.plate[0]))


def _corners(view: View) -> Corners | None:
    return None if view.plate is None else tuple((float(x), float(y)) for x, y in view.plate)


def signs(view: View, seed: int) -> Pixels:
    """The frame with boards of words and numbers wherever the VIN is not."""
    dice, pixels = np.random.default_rng((SEED, seed)), view.pixels.copy()
    kept = np.zeros(pixels.shape[:2], np.uint8)
    if view.plate is not None:
        cv2.fillConvexPoly(kept, np.array(view.plate, np.int32), 255)
        kept = np.asarray(cv2.dilate(kept, np.ones((61, 61), np.uint8)), np.uint8)
    for _ in range(BOARDS):
        text = (
            "".join(dice.choice(list(LETTERS + " "), dice.integers(3, 9))) + " " + "".join(dice.choice(list(DIGITS), dice.integers(2, 7)))
        )
        size = float(dice.uniform(0.7, 1.6))
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, size, 2)
        x, y = int(dice.integers(0, max(1, 1900 - width))), int(dice.integers(height + 16, 1060))
        if kept[y - height - 14 : y + 14, x : x + width + 16].any():
            continue
        ink, board = ((20, 20, 20), (225, 230, 235)) if dice.random() < 0.6 else ((235, 235, 235), (110, 50, 30))
        cv2.rectangle(pixels, (x, y - height - 12), (x + width + 16, y + 12), board, -1)
        cv2.putText(pixels, text, (x + 8, y), cv2.FONT_HERSHEY_DUPLEX, size, ink, 2, cv2.LINE_AA)
    return pixels


def photographs(folder: Path, count: int = PHOTOGRAPHS, empty: int = NEGATIVES) -> Iterator[Shot]:
    """Of those that are judged and transcribed some, spread evenly, and pictures without a VIN."""
    judged = [photo for photo in photos_in(folder) if photo.part == "judged" and photo.vin]
    for photo in judged[:: max(1, len(judged) // count)][:count]:
        yield Shot("photograph", photo.pixels(), photo.line.corners(), photo.vin)
    negatives = negatives_in(folder)
    for file in negatives[:: max(1, len(negatives) // empty)][:empty]:
        yield Shot("no VIN", picture(file), None)


def held(line: Corners, places: Sequence[Corners], size: tuple[int, int]) -> float:
    """The share of the line's middle half that lies in all places together; a VIN that was found in pieces was found."""
    wanted, found = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    cv2.fillConvexPoly(wanted, _middle(line).round().astype(np.int32), 255)
    for place in places:
        cv2.fillConvexPoly(found, np.array(place).round().astype(np.int32), 255)
    return cv2.countNonZero(cv2.bitwise_and(wanted, found)) / max(1, cv2.countNonZero(wanted))


def _middle(line: Corners) -> npt.NDArray[np.float64]:
    """The line at half its height."""
    top_left, top_right, bottom_right, bottom_left = np.array(line, np.float64)
    down_left, down_right = (bottom_left - top_left) / 4, (bottom_right - top_right) / 4
    return np.array([top_left + down_left, top_right + down_right, bottom_right - down_right, bottom_left - down_left])


def measured(contender: Contender, kind: str, shots: Sequence[Shot]) -> Result:
    answers, ms = _timed(contender.look, shots)
    find_ms = _timed(contender.find, shots)[1] if contender.find else None
    pairs = list(zip(shots, answers, strict=True))
    with_line = [held(shot.line, answer.places, shot.pixels.shape[:2]) for shot, answer in pairs if shot.line]
    return Result(
        contender=contender.name,
        kind=kind,
        frames=len(shots),
        ms=ms,
        find_ms=find_ms,
        lines=len(with_line),
        covered=sum(share >= COVERED for share in with_line),
        known=sum(bool(shot.vin) for shot in shots),
        exact=sum(bool(shot.vin) and shot.vin in answer.vins for shot, answer in pairs),
        empty=sum(shot.line is None for shot in shots),
        false_alarms=sum(shot.line is None and bool(answer.vins) for shot, answer in pairs),
    )


def _timed(work: Callable[[Pixels], Answered], shots: Sequence[Shot]) -> tuple[list[Answered], float]:
    """What becomes of each frame, and the median of the time that takes, one after the other."""
    work(shots[0].pixels)  # the first call makes what later ones use again
    answers: list[Answered] = []
    spent: list[float] = []
    for shot in shots:
        began = spent_ms()
        answers.append(work(shot.pixels))
        spent.append(spent_ms() - began)
    return answers, round(float(np.median(spent)), 1)


def ratio(results: Sequence[Result]) -> float:
    """How many times cheaper our finder is on a busy frame than the first other contender, which reads all of it."""
    busy = [result for result in results if result.kind == "busy"]
    return busy[1].ms / busy[0].find_ms if len(busy) > 1 and busy[0].find_ms else 0.0


def report(results: Sequence[Result]) -> None:
    print(f"{'':34} {'frames':>12} {'ms':>8} {'find alone':>11} {'recall':>9} {'exact':>9} {'false alarms':>13}")
    for each in results:
        find = "-" if each.find_ms is None else f"{each.find_ms:.0f}"
        counts = [f"{count}/{of}" if of else "-" for count, of in ((each.covered, each.lines), (each.exact, each.known))]
        alarms = f"{each.false_alarms}/{each.empty}" if each.empty else "-"
        frames = f"{each.frames} {each.kind}"
        print(f"{each.contender:32} {frames:>14} {each.ms:8.0f} {find:>11} {counts[0]:>9} {counts[1]:>9} {alarms:>13}")
    times = ratio(results)
    print(f"finder on a busy 1080p frame: 1/{times:.1f} of RapidOCR on the whole of it (asked: 1/{ASKED} or less, goal: 1/{GOAL})")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vehicles", type=int, default=VEHICLES, metavar="N", help="rendered vehicles, four frames of each")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="photographs with labels.csv: some of them too")
    options = parser.parse_args(arguments)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    shots = [*rendered(options.vehicles), *(photographs(options.photos) if options.photos else ())]
    results = list(_results(contenders(), shots))
    report(results)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "results": [asdict(result) for result in results],
        "finder_times_cheaper": round(ratio(results), 1),
        "asked": ASKED,
        "goal": GOAL,
    }
    RESULT.write_text(json.dumps(told, indent=2) + "\n", "utf-8")


def _results(looking: Sequence[Contender], shots: Sequence[Shot]) -> Iterator[Result]:
    """Kind after kind, each contender on the same frames."""
    kinds = list(dict.fromkeys(shot.kind for shot in shots))
    for kind in kinds:
        for contender in looking:
            print(f"{contender.name}: {kind}", file=sys.stderr, flush=True)
            yield measured(contender, kind, [shot for shot in shots if shot.kind == kind])


if __name__ == "__main__":
    main()
