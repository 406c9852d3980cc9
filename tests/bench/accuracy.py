"""How well the agent finds and reads VINs in photographs: `python -m tests.bench.accuracy PHOTOS`; also writes build/accuracy.json."""

import argparse
import json
import multiprocessing
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from agent import config
from agent.clock import Clock
from agent.domain import Box, Decision, Pixels, Plate
from agent.ocr.embedded import Embedded
from agent.still import Sight, look
from agent.vin_text import LENGTH, folded
from tests.bench.photos import Photo, edits, negatives_in, photos_in, picture

RESULT = Path("build/accuracy.json")
COVERED = 0.9  # share of the labelled box that has to lie in the picture
EVERY = 10  # frames of a clip: neighbours show the same
PROCESSES = 2
SETTINGS = config.Settings()
_readers: list[Embedded] = []  # one in each worker process


@dataclass(frozen=True, slots=True)
class Score:
    """What became of one photograph."""

    kind: str
    found: bool
    transcribed: bool
    exact: bool
    wrong_characters: int
    wrong_accepted: bool
    needs_review: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts over photographs; `char_accuracy` is the share of right characters of the transcribed ones."""

    n: int
    found: int
    transcribed: int
    exact: int
    char_accuracy: float
    wrong_accepted: int
    needs_review: int


@dataclass(frozen=True, slots=True)
class Clip:
    """One frame of a video."""

    file: Path
    number: int


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.accuracy", description=__doc__)
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="a folder with labels.csv, the pictures it names, negative/ and video/")
    parser.add_argument("--limit", type=int, metavar="N", help="only about N photographs of each kind, spread evenly")
    options = parser.parse_args(arguments)
    photos = spread(photos_in(options.photos), options.limit)
    negatives, frames = negatives_in(options.photos), list(frames_in(options.photos))
    with multiprocessing.get_context("spawn").Pool(PROCESSES, _open_reader) as pool:
        scores = list(_progress(pool.imap_unordered(scored, photos, 4), len(photos), "photographs"))
        outcomes = list(_progress(pool.imap_unordered(outcome, negatives), len(negatives), "pictures without a VIN"))
        seen = list(_progress(pool.imap_unordered(outcome, frames), len(frames), "frames without a VIN"))
    report(scores, outcomes, seen)


def spread(photos: list[Photo], limit: int | None) -> list[Photo]:
    if not limit:
        return photos
    kinds: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        kinds[photo.kind].append(photo)
    return [photo for kind in kinds.values() for photo in kind[:: max(1, len(kind) // limit)]]


def frames_in(folder: Path) -> Iterator[Clip]:
    for file in sorted((folder / "video").glob("*.mp4")):
        count = int(cv2.VideoCapture(str(file)).get(cv2.CAP_PROP_FRAME_COUNT))
        yield from (Clip(file, number) for number in range(0, count, EVERY))


def _open_reader() -> None:
    cv2.setNumThreads(1)
    _readers.append(Embedded(SETTINGS).__enter__())


def seen_in(pixels: Pixels, name: str) -> Sight:
    reader = _readers[0]
    return look(pixels, name, Clock().now(), reader, SETTINGS, reader.locate)


def scored(photo: Photo) -> Score:
    sight = seen_in(photo.pixels(), photo.file.stem)
    vin = sight.decision.vin.value if sight.decision.vin else None
    return Score(
        kind=photo.kind,
        found=sight.chosen is not None and covered(photo.line, sight.plates[sight.chosen]) >= COVERED,
        transcribed=bool(photo.vin),
        exact=bool(photo.vin) and vin == photo.vin,
        wrong_characters=min(LENGTH, edits(vin or _raw(sight.decision), photo.vin)) if photo.vin else 0,
        wrong_accepted=bool(photo.vin) and sight.decision.outcome == "accepted" and vin != photo.vin,
        needs_review=sight.decision.outcome == "needs_review",
    )


def _raw(decision: Decision) -> str:
    """What was read where no VIN came of it: the first line, which the reader held for likeliest."""
    return folded("".join(decision.raw.split("\n")[0].split()))


def covered(line: Box, plate: Plate) -> float:
    """The share of the labelled box that lies in the picture that is made of a plate."""
    vision = SETTINGS.vision
    sent = plate.box.grown(vision.margin_x * plate.box.height, vision.margin_y * plate.box.height)
    common, _ = cv2.intersectConvexConvex(np.array(line.corners(), np.float32), np.array(sent.corners(plate.angle), np.float32))
    return float(common) / (line.width * line.height)


def outcome(source: Path | Clip) -> str:
    if isinstance(source, Path):
        return seen_in(picture(source), source.stem).decision.outcome
    clip = cv2.VideoCapture(str(source.file))
    clip.set(cv2.CAP_PROP_POS_FRAMES, source.number)
    there, pixels = clip.read()
    return seen_in(np.asarray(pixels, np.uint8), source.file.stem).decision.outcome if there else "unread"


def figures(scores: Sequence[Score]) -> Figures:
    transcribed = [score for score in scores if score.transcribed]
    wrong = sum(score.wrong_characters for score in transcribed)
    return Figures(
        n=len(scores),
        found=sum(score.found for score in scores),
        transcribed=len(transcribed),
        exact=sum(score.exact for score in scores),
        char_accuracy=round(1 - wrong / LENGTH / len(transcribed), 4) if transcribed else 0.0,
        wrong_accepted=sum(score.wrong_accepted for score in scores),
        needs_review=sum(score.needs_review for score in scores),
    )


def report(scores: Sequence[Score], outcomes: Sequence[str], seen: Sequence[str]) -> None:
    kinds = {kind: figures([score for score in scores if score.kind == kind]) for kind in sorted({score.kind for score in scores})}
    everything = figures(scores)
    print(f"{'':14}{'photos':>8}{'found':>8}{'transcr.':>10}{'exact':>8}{'chars':>9}{'wrong acc.':>12}{'review':>8}")
    for name, row in {"all": everything, **kinds}.items():
        chars = f"{row.char_accuracy:.4f}" if row.transcribed else "-"
        print(f"{name:14}{row.n:8}{row.found:8}{row.transcribed:10}{row.exact:8}{chars:>9}{row.wrong_accepted:12}{row.needs_review:8}")
    for name, list_ in (("pictures", outcomes), ("frames of clips", seen)):
        print(f"{len(list_)} {name} without a VIN: {list_.count('accepted')} accepted, {list_.count('needs_review')} for review")
    negatives = {"n": len(outcomes), "accepted": outcomes.count("accepted"), "needs_review": outcomes.count("needs_review")}
    by_kind = {kind: asdict(row) for kind, row in kinds.items()}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({"photos": asdict(everything), "by_kind": by_kind, "negatives": negatives}, indent=2) + "\n")


Item = TypeVar("Item")


def _progress(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    for count, item in enumerate(items, 1):
        if count % 25 == 0 or count == total:
            print(f"\r{count} of {total} {what}", end="\n" if count == total else "", file=sys.stderr, flush=True)
        yield item


if __name__ == "__main__":
    main()
