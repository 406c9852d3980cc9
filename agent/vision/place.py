"""One line of text from frame to frame: where it is, how it moves, how likely it is a VIN, and the best pictures of it."""

import math
from dataclasses import dataclass, field

from agent.domain import Box, Pixels, Plate, Quality, Stamp
from agent.vision import barcode
from agent.vision.patch import Patch

_BETTER = 1.05  # times the worth of the best picture so far that count as a better one; noise alone gives less
_APART_S = 0.2  # pictures closer than this show the same blur …
_CROWDED = 0.7  # … and count this much beside a better one
_STEP, _START = 0.5, 2.0  # plate widths a standing plate may move at once, and a second: enough for one that drives off
_FAST = 12.0  # plate widths a second a plate seen for the first time may have: 3 m/s
_MOVED = 2.0  # text heights from where it was first seen: no finder's box jitters so far
_GROWS, _SHRINKS = 2.2, 1.6  # times a line may be larger or smaller when it is seen next: that of the vehicle behind is smaller
_STAYS = 1.5  # text heights that one may jump which stands where some text stood before
_ALONE = 0.85  # score that needs no second frame: a fast vehicle has none …
_EDGES, _LONG = 0.05, 7.0  # … where there are strokes, and seventeen letters have the room: width over height
_LEVEL = 0.6  # text heights that a part of a line may be above or below it
_ROWS = 4.0  # text heights above and below a line in which other lines of the same label stand
_SIZES = 2.5  # times such a line may be larger or smaller


# eq=False: comparing pixels is never what a caller means by `==`.
@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An upright crop of a plate, BGR or grey, with the text line's place in it, and the patch of the frame it was cut from.

    Pictures of a pass with the same `still` show the same view: the vehicle stood. `around` is where barcodes are looked for.
    """

    taken_at: Stamp
    pixels: Pixels
    line: Box
    quality: Quality
    patch: Patch
    still: int
    around: barcode.Around | None = None


@dataclass(slots=True)
class Place:
    """A plate that was seen, and seen again; a vehicle may show several lines, each a place. `speed` is in pixels a second."""

    plate: Plate
    seen_s: float
    first: Plate
    first_s: float
    speed: float
    anchor: Plate  # from where it moves next …
    anchored_s: float  # … when it was last seen there …
    arrived_s: float  # … and when first
    missed: int = 0
    best_score: float = 0.0
    beyond_doubt: bool = False
    evidence: float = 0.0
    moved: bool = False
    stays: bool = False  # some text stood here before
    times: set[float] = field(default_factory=set)
    kept: list[tuple[float, Picture]] = field(default_factory=list)
    bettered_s: float = float("-inf")

    @classmethod
    def at(cls, plate: Plate, now_s: float, *, stays: bool) -> "Place":
        """One that is new may be fast, unless some text stood there before."""
        return cls(plate, now_s, plate, now_s, 0.0 if stays else _FAST * plate.box.width, plate, now_s, now_s, stays=stays)

    def apart(self, plate: Plate) -> float:
        return math.dist(self.plate.box.center, plate.box.center)

    def reaches(self, plate: Plate, now_s: float) -> bool:
        """True where this may be the same plate. What stands still is held to its place, or a sign would swallow vehicles near it."""
        unseen, before, after = min(now_s - self.seen_s, 1.0), _size(self.plate), _size(plate)
        if after > _GROWS * before or before > _SHRINKS * after:
            return False
        if self.stays and not self.moved:
            return self.apart(plate) <= _STAYS * self.plate.box.height + (self.plate.box.width + plate.box.width) / 4
        return self.apart(plate) <= self.plate.box.width * (_STEP + _START * unseen) + 2 * self.speed * unseen

    def move(self, plate: Plate, now_s: float) -> None:
        self.speed = self.apart(plate) / max(now_s - self.seen_s, 0.001)
        self.plate, self.seen_s, self.missed = plate, now_s, 0

    def left(self) -> float | None:
        """Since when it is on its way, where both its ends have left their place: it moved, or grew. A finder may lose one end."""
        far = _MOVED * max(self.plate.box.height, self.anchor.box.height)
        if any(math.dist(now, before) < far for now, before in zip(_ends(self.plate), _ends(self.anchor), strict=True)):
            self.anchored_s = self.seen_s
            return None
        since_s, self.anchor = self.anchored_s, self.plate
        self.anchored_s = self.arrived_s = self.seen_s
        return since_s

    def shimmers(self, plate: Plate) -> bool:
        """Whether an unlikely line may be what glare or rain leave of this one: level with it, and over a part of it."""
        here, there = self.plate.box, plate.box
        across, down = (abs(one - other) for one, other in zip(here.center, there.center, strict=True))
        return ratio(self.plate, plate) <= _GROWS and down <= _LEVEL * here.height and across <= (here.width + there.width) / 2

    def stay(self, now_s: float) -> None:
        self.seen_s, self.missed = now_s, 0

    def is_beside(self, plate: Plate) -> bool:
        """Whether a plate in the same frame stands on the same label: above or below, in letters of a like size."""
        here, there = self.plate.box, plate.box
        across, down = (abs(one - other) for one, other in zip(here.center, there.center, strict=True))
        rows = _ROWS * max(here.height, there.height)
        return ratio(self.plate, plate) <= _SIZES and down <= rows and across <= (here.width + there.width) / 2

    def judge(self, now_s: float) -> None:
        """Count the plate that is there now."""
        score, box = self.plate.score, self.plate.box
        self.best_score, self.evidence = max(self.best_score, score), self.evidence + score
        self.beyond_doubt |= score >= _ALONE and self.plate.sharpness >= _EDGES and box.width >= _LONG * box.height
        self.times.add(now_s)

    def keep(self, worth: float, picture: Picture, most: int) -> None:
        """Add a picture; of too many the least goes, where pictures of the same moment count less beside a better one."""
        if not self.kept or worth > _BETTER * self.kept[0][0]:
            self.bettered_s = picture.taken_at.seconds
        self.kept.append((worth, picture))
        thinned(self.kept, most)


def _ends(plate: Plate) -> list[tuple[float, float]]:
    """The middles of its left and right sides."""
    one, two, three, four = plate.corners()
    return [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in ((one, four), (two, three))]


def _size(plate: Plate) -> float:
    return math.sqrt(plate.box.width * plate.box.height)


def ratio(one: Plate, other: Plate) -> float:
    """How many times the letters of one of two plates are as high as those of the other, 1 or more."""
    low, high = sorted((one.box.height, other.box.height))
    return high / max(low, 1.0)


def thinned(kept: list[tuple[float, Picture]], most: int) -> None:
    """Put pictures in order, best first, and leave out what is too much, in place."""
    kept.sort(key=lambda each: -each[0])
    while len(kept) > most:
        values = [worth * _freshness(kept, index) for index, (worth, _) in enumerate(kept)]
        kept.pop(values.index(min(values)))


def _freshness(kept: list[tuple[float, Picture]], index: int) -> float:
    moment = kept[index][1].taken_at.seconds
    crowded = any(abs(better.taken_at.seconds - moment) < _APART_S for _, better in kept[:index])
    return _CROWDED if crowded else 1.0
