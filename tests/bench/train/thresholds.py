"""How sure the agent has to be of a VIN to accept it, or to show it at all, from what it read wrong: three keys of `[reading]`.

    python -m tests.bench.train.thresholds PHOTOS [--passes FILE] [--write]

Nobody has transcribed the photographs for tuning, but VINs of some regions carry a check digit (ISO 3779, 49 CFR 565): of those read
wrong, ten in eleven show it. Most of them were taught to the recogniser, those that `known` keeps were not: they are shown by themselves
too. FILE is what `tests.bench.passes` has written, of a seed that is not judged; the truth is known there.
A threshold is the lowest from which on no more than one in `RARE` is expected to be wrong, and no more than two in as many of those
between any confidence above it and `BAND` more: of single close-ups, which are harder than what a gate sees; half a case is added for what
was not seen. `review_from` is the confidence below which as many VINs are wrong as right. `--write`
changes the defaults in agent/config.py and config/agent.toml.
"""

import argparse
import multiprocessing
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from agent import config
from agent.domain import Vin
from agent.ocr.both import together
from agent.vin import CHECKED, describe
from agent.vin_text import Spelling, candidates_in
from agent.vision import plate
from tests.bench.calibration import passes_in
from tests.bench.looking import SETTINGS, open_reader, reader
from tests.bench.photos import Photo, photos_in
from tests.bench.train.known import KEPT

RARE = 100
BAND = 0.1
LUCKY = 1 / 11  # wrong VINs whose check digit is right: there are eleven
EDGES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.01)  # of the table
GUESSES = np.round(np.arange(0.01, 0.5, 0.01), 2)
GRID = np.round(np.arange(0.5, 0.991, 0.01), 2)
FILES = {Path(config.__file__): r"({name}: float = number\()[0-9.]+", Path("config/agent.toml"): r"({name} = )[0-9.]+"}


@dataclass(frozen=True, slots=True)
class Claim:
    """A VIN with its least sure character, and how much of it is wrong: 0 or 1 where the truth is known, expected elsewhere."""

    confidence: float
    wrong: float


def alone(vins: Iterable[tuple[float, Vin, str]]) -> Iterator[Claim]:
    """What a VIN is worth without its check digit: those that have one tell it, right or wrong."""
    for confidence, vin, truth in vins:
        if truth or vin.value[0] in CHECKED:
            yield Claim(confidence, float(vin.value != truth) if truth else (vin.check_digit == "fail") / (1 - LUCKY))


def checked(vins: Iterable[tuple[float, Vin, str]]) -> Iterator[Claim]:
    """What one with the right check digit is worth: each with a wrong one stands for a tenth that was lucky."""
    for confidence, vin, truth in vins:
        if vin.check_digit == "pass":
            yield Claim(confidence, float(bool(truth) and vin.value != truth))
        elif vin.check_digit == "fail" and not truth:  # only where it is binding
            yield Claim(confidence, LUCKY / (1 - LUCKY))


def lowest(claims: Sequence[Claim], odd: float) -> float:
    """The lowest threshold that fits; `odd` is what a wrong one counts that was not seen."""
    sure, wrong = np.array([claim.confidence for claim in claims]), np.array([claim.wrong for claim in claims])

    def share(low: float, high: float, unseen: float) -> float:
        inside = (sure >= low) & (sure < high)
        return float((wrong[inside].sum() + unseen) / max(1, inside.sum()))

    least = 1.0
    for low in map(float, GRID[::-1]):
        if share(low, low + BAND, 0.0) > 2 / RARE:
            break
        if share(low, 2.0, odd / 2) <= 1 / RARE and share(low, low + BAND, odd / 2) <= 2 / RARE:
            least = low
    return least


def guesses(claims: Sequence[Claim]) -> float:
    """The confidence below which a VIN is wrong as often as right."""
    return max((float(low) for low in GUESSES if _wrong_below(claims, low) >= 0.5), default=0.0)


def _wrong_below(claims: Sequence[Claim], confidence: float) -> float:
    wrong = [claim.wrong for claim in claims if claim.confidence < confidence]
    return sum(wrong) / max(1, len(wrong))


def table(name: str, claims: Sequence[Claim]) -> str:
    rows = [f"{name}: least sure character, VINs, wrong of them"]
    for low, high in pairwise(EDGES):
        inside = [claim for claim in claims if low <= claim.confidence < high]
        rows.append(f"  {low:.2f}…{min(high, 1.0):.2f} {len(inside):6} {sum(claim.wrong for claim in inside):6.1f}")
    return "\n".join(rows)


def written(values: dict[str, float]) -> None:
    for file, shape in FILES.items():
        text = file.read_text("utf-8")
        for name, value in values.items():
            text, count = re.subn(shape.format(name=name), rf"\g<1>{value:g}", text)
            if count != 1:
                raise SystemExit(f"{file}: expected {name} once, found it {count} times; nothing was written there")
        file.write_text(text, "utf-8")


def seen(photo: Photo) -> tuple[Spelling | None, bool]:
    """The VIN in the line that the finder holds for likeliest, and whether the photograph was never taught."""
    pixels, vision = photo.pixels(), SETTINGS.vision
    plates = plate.find(pixels, vision.min_text_px)
    kept = photo.file.stem[-1] in KEPT
    if not plates:
        return None, kept
    line = together(*reader().heard(*plate.rectify(pixels, plates[0], vision.margin_x, vision.margin_y)))
    found = candidates_in(line.text, line.confidence)
    return (found[0] if found else None), kept


def read(folder: Path, processes: int) -> Iterator[tuple[tuple[float, Vin, str], bool]]:
    """Confidence, VIN, and no truth, of every photograph for tuning that shows one to the agent; True for those never taught."""
    photos = [photo for photo in photos_in(folder) if photo.part == "tuning"]
    with multiprocessing.get_context("spawn").Pool(processes, open_reader) as pool:
        for done, (spelling, kept) in enumerate(pool.imap(seen, photos, 4), 1):
            if spelling:
                yield (spelling.lowest or 0.0, describe(spelling.value), ""), kept
            if done % 25 == 0 or done == len(photos):
                print(f"\r{done} of {len(photos)} photographs", end="\n" if done == len(photos) else "", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--passes", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    photographs = list(read(options.photos, options.processes))
    passes = passes_in(options.passes) if options.passes else []
    rendered = [(each.confidence, describe(each.vin), each.truth) for each in passes]
    vins = [each for each, _ in photographs] + rendered
    never_taught = [each for each, kept in photographs if kept]
    kinds: dict[str, tuple[Callable[[Iterable[tuple[float, Vin, str]]], Iterator[Claim]], float]]
    kinds = {"accept_alone": (alone, 1.0), "accept_checked": (checked, LUCKY)}
    values = {}
    for name, (kind, odd) in kinds.items():
        claims = list(kind(vins))
        values[name] = lowest(claims, odd)
        print(table(name, claims))
        print(table("  of these, photographs the recogniser was never taught", list(kind(never_taught))))
    values["review_from"] = guesses(list(alone(vins)))
    print(", ".join(f"reading.{name} = {value:g}" for name, value in values.items()))
    if options.write:
        written(values)


if __name__ == "__main__":
    main()
