"""Whether a confidence means what it says: the share that was right at each confidence, and how far the two are apart."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.bench.photos import stop

# Most of what is read is read surely, so the bins are finer there.
_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)

Claim = tuple[float, bool]  # how sure somebody was, and whether it was right


@dataclass(frozen=True, slots=True)
class Bin:
    """`n` claims with confidences from `low` to below `high`, their mean confidence and the share that was right."""

    low: float
    high: float
    n: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """`error` is the expected calibration error: the gap between confidence and share right, weighed by how many claims show it."""

    n: int
    right: int
    error: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """A VIN that was decided on, how sure of it and of each character, and the truth."""

    truth: str
    vin: str
    confidence: float
    char_confidence: tuple[float, ...]


def reliability(claims: Iterable[Claim]) -> Reliability:
    made = list(claims)
    bins = tuple(each for low, high in pairwise(_EDGES) if (each := _bin(made, low, high)).n)
    error = sum(each.n * abs(each.confidence - each.right) for each in bins) / max(1, len(made))
    return Reliability(len(made), sum(right for _, right in made), round(error, 4), bins)


def _bin(claims: list[Claim], low: float, high: float) -> Bin:
    inside = [claim for claim in claims if low <= claim[0] < high or (high == 1.0 and claim[0] >= 1.0)]
    n = max(1, len(inside))
    return Bin(low, high, len(inside), round(sum(sure for sure, _ in inside) / n, 4), round(sum(right for _, right in inside) / n, 4))


def whole(reads: Iterable[Read]) -> Reliability:
    """Of decisions: right is a VIN without a wrong character."""
    return reliability((read.confidence, read.vin == read.truth) for read in reads)


def characters(reads: Iterable[Read]) -> Reliability:
    """Of single characters, by their place in the VIN."""
    return reliability(claim for read in reads for claim in _characters(read))


def _characters(read: Read) -> Iterator[Claim]:
    for sure, char, meant in zip(read.char_confidence, read.vin, read.truth, strict=False):
        yield sure, char == meant


def passes_in(file: Path) -> list[Read]:
    """The passes of a JSON file with a list `rows` of truth, vin (empty where none was read), confidence and char_confidence."""
    try:
        passes = json.loads(file.read_text("utf-8"))["rows"]
        return [
            Read(each["truth"], each["vin"], float(each["confidence"]), tuple(each["char_confidence"])) for each in passes if each["vin"]
        ]
    except (OSError, KeyError, TypeError, ValueError) as exc:
        stop(f"{file}: expected JSON with a list `rows` of truth, vin, confidence and char_confidence: {exc!r}")
