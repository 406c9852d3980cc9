"""What became of each labelled photograph, and the figures that many of them come to."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from agent import config
from agent.domain import Box, Decision, Plate
from agent.vin import CHECKED
from agent.vin_text import LENGTH, folded
from tests.bench import cover
from tests.bench.cover import Corners
from tests.bench.photos import Photo, edits

COVERED = 0.9  # share of the labelled text that has to lie in the picture that is sent
SAME = 0.5  # intersection over union from which a candidate is the labelled line
OFFERED = 0.3  # score from which a gate takes a candidate for a plate
LEVEL = 3.0  # degrees up to which a label, which is upright, is as high as its text
HEIGHTS = (12, 16, 20, 24, 32)  # pixels of label height at which a new bin begins


@dataclass(frozen=True, slots=True)
class Score:
    """One photograph: every candidate of the finder, best first, what was decided, processor time, and the picture that was read."""

    photo: Photo
    plates: tuple[Plate, ...]
    chosen: Plate | None
    decision: Decision
    find_ms: float
    read_ms: float
    crop: bytes = b""

    @property
    def found(self) -> bool:
        return self.found_in(1)

    def found_in(self, first: int) -> bool:
        """Whether one of the first candidates holds the line."""
        return any(covered(self.photo.line, plate) >= COVERED for plate in self.plates[:first])

    @property
    def holds_label(self) -> bool:
        """Whether the picture of the best candidate holds the upright label too, corners without text and all."""
        return bool(self.plates) and cover.share(self.photo.line.corners(), sent(self.plates[0])) >= COVERED

    @property
    def chosen_holds(self) -> bool:
        return self.chosen is not None and covered(self.photo.line, self.chosen) >= COVERED

    @property
    def vin(self) -> str:
        return self.decision.vin.value if self.decision.vin else ""

    @property
    def text(self) -> str:
        """The VIN that was read, or what was read in its place: the first line, which the reader held for likeliest."""
        return self.vin or folded("".join(self.decision.raw.split("\n")[0].split()))

    @property
    def exact(self) -> bool:
        return bool(self.photo.vin) and self.vin == self.photo.vin

    @property
    def wrong_characters(self) -> int:
        return min(LENGTH, edits(self.text, self.photo.vin)) if self.photo.vin else 0

    @property
    def wrong_accepted(self) -> bool:
        return bool(self.photo.vin) and self.decision.outcome == "accepted" and not self.exact

    @property
    def sure(self) -> bool:
        """Whether this would be accepted without its binding check digit."""
        vin = self.decision.vin
        return vin is not None and vin.value[0] in CHECKED and self.decision.confidence >= config.Reading().accept_alone

    @property
    def contradicted(self) -> bool:
        return self.sure and self.decision.vin is not None and self.decision.vin.check_digit == "fail"

    @property
    def failure(self) -> str:
        """What went wrong, the worst first; empty where nothing did that anybody can know of."""
        if self.wrong_accepted:
            return "wrong VIN accepted"
        if self.photo.vin and not self.exact:
            return "misread" if self.chosen_holds else "misread, line not found"
        return "" if self.found else "line not found"


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 90th and 95th percentile of `n` measurements."""

    n: int
    median: float
    p90: float
    p95: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts over photographs.

    `found_label` counts upright labels that are held whole. `offered` are candidates a gate would take for a plate, `right` those of
    them that are the labelled line. `tight_level` is the height of the finder's own box over that of the label where the text is level,
    `tight` everywhere, the label's tilt taken out. `char_accuracy` is the share of right characters of the transcribed photographs;
    `sure` are VINs with a binding check digit that were read surely enough to be accepted without one, `contradicted` those of them that it
    proves wrong: what photographs nobody transcribed say of those where nothing is binding. `outcomes` are decisions with their reasons.
    """

    n: int
    found: int
    found_in_3: int
    found_label: int
    chosen: int
    offered: int
    right: int
    tight_level: Spread
    tight: Spread
    transcribed: int
    exact: int
    char_accuracy: float
    wrong_accepted: int
    accepted: int
    needs_review: int
    sure: int
    contradicted: int
    outcomes: dict[str, int]
    find_ms: Spread
    read_ms: Spread


def sent(plate: Plate) -> Corners:
    """The corners of the picture that is made of a plate."""
    vision = config.Vision()
    return plate.box.grown(vision.margin_x * plate.box.height, vision.margin_y * plate.box.height).corners(plate.angle)


def covered(label: Box, plate: Plate) -> float:
    """The share of the labelled text, as it is tilted, that lies in the picture that is made of a plate."""
    return cover.share(cover.text(label, plate.angle).corners(plate.angle), sent(plate))


def is_line(label: Box, plate: Plate) -> bool:
    """Whether a candidate's own box is the labelled line."""
    return cover.overlap(label, plate) >= SAME


def spread(values: Iterable[float]) -> Spread:
    every = list(values)
    marks = np.percentile(every, (50, 90, 95)) if every else (0.0, 0.0, 0.0)
    return Spread(len(every), *(round(float(mark), 3) for mark in marks))


def outcome_of(decision: Decision) -> str:
    return f"{decision.outcome}: {decision.reason}" if decision.reason else decision.outcome


def figures(scores: Sequence[Score]) -> Figures:
    transcribed = [score for score in scores if score.photo.vin]
    wrong = sum(score.wrong_characters for score in transcribed)
    offered = [(score.photo.line, plate) for score in scores for plate in score.plates if plate.score >= OFFERED]
    held = [(score.photo.line, score.plates[0]) for score in scores if score.found]
    outcomes = Counter(outcome_of(score.decision) for score in scores)
    return Figures(
        n=len(scores),
        found=_count(scores, lambda score: score.found),
        found_in_3=_count(scores, lambda score: score.found_in(3)),
        found_label=_count(scores, lambda score: score.holds_label),
        chosen=_count(scores, lambda score: score.chosen_holds),
        offered=len(offered),
        right=sum(is_line(line, plate) for line, plate in offered),
        tight_level=spread(plate.box.height / line.height for line, plate in held if abs(plate.angle) <= LEVEL),
        tight=spread(plate.box.height / cover.text(line, plate.angle).height for line, plate in held),
        transcribed=len(transcribed),
        exact=_count(scores, lambda score: score.exact),
        char_accuracy=round(1 - wrong / LENGTH / len(transcribed), 4) if transcribed else 0.0,
        wrong_accepted=_count(scores, lambda score: score.wrong_accepted),
        accepted=_count(scores, lambda score: score.decision.outcome == "accepted"),
        needs_review=_count(scores, lambda score: score.decision.outcome == "needs_review"),
        sure=_count(scores, lambda score: score.sure),
        contradicted=_count(scores, lambda score: score.contradicted),
        outcomes=dict(outcomes.most_common()),
        find_ms=spread(score.find_ms for score in scores),
        read_ms=spread(score.read_ms for score in scores),
    )


def _count(scores: Sequence[Score], test: Callable[[Score], bool]) -> int:
    return sum(map(test, scores))


def height_bin(score: Score) -> str:
    """The label's height as one of a few classes, named so that they sort by height where they are listed."""
    names = [f"< {HEIGHTS[0]} px", *(f"{low}-{high} px" for low, high in pairwise(HEIGHTS)), f">= {HEIGHTS[-1]} px"]
    return names[sum(score.photo.line.height >= each for each in HEIGHTS)]


def grouped(scores: Sequence[Score], key: Callable[[Score], str]) -> dict[str, Figures]:
    names: dict[str, list[Score]] = {}
    for score in scores:
        names.setdefault(key(score), []).append(score)
    return {name: figures(names[name]) for name in sorted(names, key=_sorted)}


def _sorted(name: str) -> tuple[int, str]:
    """Classes of height by their number, everything else by its name."""
    digits = "".join(char for char in name.split("-")[0] if char.isdigit())
    return (int(digits) - name.startswith("<"), name) if digits else (0, name)


def likely(count: int, of: int) -> tuple[float, float]:
    """The shares that would not be surprised by this one in nineteen of twenty cases (Wilson's interval)."""
    if not of:
        return 0.0, 0.0
    z, share = 1.96, count / of
    middle, half = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, (middle - half) / (1 + z * z / of)), min(1.0, (middle + half) / (1 + z * z / of))
