"""Photographs with labels, and which of them may be learnt from, as the benches and the training read them.

A folder holds `labels.csv` (file, kind, vin, x, y, w, h), the pictures it names, `negative/` and `video/`.
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

import cv2
import numpy as np

from agent.domain import Box, Pixels

Part = Literal["judged", "tuning"]
PARTS: tuple[Part, ...] = ("judged", "tuning")
SPLIT = "judged, on which nothing is ever trained or tuned: all but tuning, which is the kt_* whose number ends in 0 to 6"


def part_of(file: Path) -> Part:
    """The one place that says which photographs a program may learn from; what nobody has named for it is judged."""
    return "tuning" if file.stem.startswith("kt_") and file.stem[-1] in "0123456" else "judged"


@dataclass(frozen=True, slots=True)
class Photo:
    """One labelled photograph; `vin` is empty where it was not transcribed, `line` is the axis-aligned box of the text line."""

    file: Path
    kind: str
    vin: str
    line: Box

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def part(self) -> Part:
        return part_of(self.file)

    def pixels(self) -> Pixels:
        return picture(self.file)


def picture(file: Path) -> Pixels:
    """(height, width, 3) BGR; a picture that the labels name and that cannot be read ends the program."""
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if pixels is None:
        stop(f"{file}: this picture cannot be read; the labels name it, so it has to be there")
    return pixels.astype(np.uint8, copy=False)


def photos_in(folder: Path) -> list[Photo]:
    """Every labelled photograph of a VIN in a folder; ends the program with one sentence where the labels are missing or wrong."""
    labels = folder / "labels.csv"
    if not labels.is_file():
        stop(f"{labels}: there is no such file; give the folder that holds the photographs and their labels.csv")
    with labels.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    try:
        return [_photo(folder, row) for row in rows if row["kind"] != "negative"]
    except (KeyError, TypeError, ValueError) as exc:
        stop(f"{labels}: expected the columns file, kind, vin, x, y, w and h with numbers in the last four: {exc!r}")


def _photo(folder: Path, row: dict[str, str]) -> Photo:
    x, y, width, height = (float(row[key]) for key in "xywh")
    return Photo(folder / row["file"], row["kind"], row["vin"].strip().upper(), Box(x, y, width, height))


def negatives_in(folder: Path) -> list[Path]:
    """The pictures without a VIN."""
    return sorted(file for file in (folder / "negative").glob("*") if file.suffix.lower() in {".jpg", ".jpeg", ".png"})


def clips_in(folder: Path) -> list[Path]:
    """The videos of passing vehicles without a VIN."""
    return sorted((folder / "video").glob("*.mp4"))


def edits(read: str, meant: str) -> int:
    """The fewest insertions, deletions and replacements that turn one text into the other (Levenshtein)."""
    row = list(range(len(meant) + 1))
    for count, char in enumerate(read, 1):
        before, row[0] = row[0], count
        for at, other in enumerate(meant, 1):
            before, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, before + (char != other))
    return row[-1]


def stop(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    raise SystemExit(2)
