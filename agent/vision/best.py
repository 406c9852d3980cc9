"""From plates over time to one vehicle: where a pass begins and ends, and which pictures of it are kept."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.domain import Box, Frame, Pixels, Plate, Quality, Stamp
from agent.vision.patch import Patch, again, alike, cut
from agent.vision.plate import rectify
from agent.vision.sharpness import glare, levels

if TYPE_CHECKING:
    from agent import config

# Of photographs with a VIN three in four score 0.3 or more, half of them 0.6; streets and car parks stay below 0.2 for the most part.
USABLE = 0.3  # score from which a plate counts at all: below it, text on walls and clothes would keep a gate busy
_EVIDENCE = 1.0  # scores of a pass in all: one frame alone never has it, because noise rarely looks like a VIN twice
_HOLDS = 0.5  # share of its best score that keeps a pass going: a sign half as likely would join one vehicle to the next
_ALONE = 0.85  # score that needs no second frame: a fast vehicle has none
_CUT_OFF = 0.3  # worth of a plate that touches the edge of the frame: part of it is probably outside
_SURE, _READABLE = 0.6, 16.0  # score and pixels of letter height with which a pass need not wait for a better picture
_BETTER = 1.05  # times the worth of the best picture so far that count as a better one; noise alone gives less
_APART_S = 0.2  # pictures closer than this show the same blur …
_CROWDED = 0.7  # … and count this much beside a better one
_STEP, _START = 0.5, 2.0  # plate widths a standing plate may move at once, and a second: enough for one that drives off
_FAST = 12.0  # plate widths a second a plate seen for the first time may have: 3 m/s


# eq=False: comparing pixels is never what a caller means by `==`.
@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An upright crop of a plate, BGR or grey, with the text line's place in it, and the patch of the frame it was cut from.

    Pictures of a pass with the same `still` show the same view: the vehicle stood.
    """

    taken_at: Stamp
    pixels: Pixels
    line: Box
    quality: Quality
    patch: Patch
    still: int


@dataclass(frozen=True, slots=True, eq=False)
class FinishedPass:
    """One vehicle that was seen: `pictures` best first, at least one; `frames_seen` counts the frames that showed its plate."""

    began_at: Stamp
    seen_at: Stamp  # the last of those frames
    frames_seen: int
    pictures: tuple[Picture, ...]
    first: Patch  # where its plate was seen first
    name: str  # under which `Passes.claimed` tells of plates of it that are still in view


@dataclass(slots=True)
class _Place:
    """Where a plate was last seen, and how fast it moved, in pixels a second; a vehicle may show several lines, each a place."""

    plate: Plate
    seen_s: float
    speed: float
    missed: int = 0

    def apart(self, plate: Plate) -> float:
        return math.dist(self.plate.box.center, plate.box.center)

    def reaches(self, plate: Plate, now_s: float) -> bool:
        """True where this may be the same plate. What stands still is held to its place, or a sign would swallow vehicles near it."""
        unseen = min(now_s - self.seen_s, 1.0)
        return self.apart(plate) <= self.plate.box.width * (_STEP + _START * unseen) + 2 * self.speed * unseen

    def move(self, plate: Plate, now_s: float) -> None:
        self.speed = self.apart(plate) / max(now_s - self.seen_s, 0.001)
        self.plate, self.seen_s, self.missed = plate, now_s, 0


@dataclass(slots=True)
class _Pass:
    """A vehicle in view: first collecting pictures, then, once committed, only watched until it has gone."""

    began_at: Stamp
    seen_at: Stamp
    places: list[_Place] = field(default_factory=list)
    kept: list[tuple[float, Picture]] = field(default_factory=list)
    frames_seen: int = 0
    best_score: float = 0.0
    evidence: float = 0.0
    bettered_s: float = float("-inf")
    committed: bool = False
    first: Patch | None = None

    @property
    def name(self) -> str:
        return f"{self.began_at.boot_id}/{self.began_at.monotonic_ms}"

    def claim(self, plate: Plate, now_s: float) -> bool:
        """Note that one of the places has moved here; False where none can have."""
        free = [place for place in self.places if place.seen_s != now_s and place.reaches(plate, now_s)]
        if free:
            min(free, key=lambda place: place.apart(plate)).move(plate, now_s)
        return bool(free)

    def see(self, plate: Plate, now_s: float) -> None:
        if not self.claim(plate, now_s):
            self.places.append(_Place(plate, now_s, _FAST * plate.box.width))

    def forget(self, now_s: float, gap_s: float) -> None:
        """Drop the places that are empty: for `gap_s` and two frames at least, so that a slow machine does not split a pass."""
        for place in self.places:
            place.missed += place.seen_s != now_s
        self.places = [place for place in self.places if place.missed < 2 or now_s - place.seen_s < gap_s]

    def keep(self, worth: float, picture: Picture, most: int) -> None:
        """Add a picture; of too many the least goes, where pictures of the same moment count less beside a better one."""
        if not self.kept or worth > _BETTER * self.kept[0][0]:
            self.bettered_s = picture.taken_at.seconds
        self.kept.append((worth, picture))
        self.kept.sort(key=lambda each: -each[0])
        if len(self.kept) > most:
            values = [worth * self._freshness(index) for index, (worth, _) in enumerate(self.kept)]
            self.kept.pop(values.index(min(values)))

    def still(self, frame: Frame, plate: Plate) -> int:
        """The number of the kept pictures that show this very view; one of its own where none does."""
        shown = next((each.still for _, each in self.kept if alike(each.patch, again(each.patch, frame.pixels), plate)), None)
        return self.frames_seen if shown is None else shown

    def settled(self, now_s: float, settings: "config.Vision") -> bool:
        """True where the best picture is readable and has stayed the best for `settle_s`: a vehicle that halts is told at once."""
        readable = self.best_score >= _SURE and self.kept[0][1].line.height >= _READABLE
        return readable and len(self.kept) >= settings.pictures and now_s - self.bettered_s >= settings.settle_s

    def _freshness(self, index: int) -> float:
        moment = self.kept[index][1].taken_at.seconds
        crowded = any(abs(better.taken_at.seconds - moment) < _APART_S for _, better in self.kept[:index])
        return _CROWDED if crowded else 1.0

    @property
    def convincing(self) -> bool:
        return self.best_score >= _ALONE or self.evidence >= _EVIDENCE

    def finished(self) -> FinishedPass:
        first = self.first or self.kept[0][1].patch
        return FinishedPass(self.began_at, self.seen_at, self.frames_seen, tuple(picture for _, picture in self.kept), first, self.name)


class Passes:
    """Offered every frame that was searched, also those without a plate; answers with the vehicles whose pictures are complete.

    One vehicle collects pictures at a time: all plates that belong to no committed pass are its. It is committed once: when its
    plates have gone, when no picture was better for `settle_s`, or at the latest after `longest_s`. From then on its plates are
    ignored until they have gone, so it is never two passes; a sign in the view of the camera costs one pass and no vehicle.
    """

    def __init__(self, settings: "config.Vision") -> None:
        self._settings = settings
        self._passes: list[_Pass] = []
        # Plates of the frame offered last that belong to vehicles committed already, and the name of each vehicle.
        self.claimed: list[tuple[str, Plate]] = []

    @property
    def busy(self) -> bool:
        """True while a pass collects pictures: then every frame has to be searched and offered."""
        return any(not each.committed for each in self._passes)

    def offer(self, frame: Frame, plates: list[Plate], standing: list[Plate] | None = None) -> list[FinishedPass]:
        """`standing` are plates told of by a pass that was forgotten meanwhile: watched again until they have gone."""
        now_s = frame.taken_at.seconds
        self.claimed = []
        for plate in standing or ():
            if not self._known(plate, now_s):
                place = _Place(plate, now_s, 0.0)
                self._passes.append(_Pass(frame.taken_at, frame.taken_at, [place], committed=True))
        fresh = [plate for plate in plates if plate.score >= USABLE and not self._known(plate, now_s)]
        if fresh:
            self._collect(frame, fresh)
        for each in self._passes:
            each.forget(now_s, self._settings.gap_s)
        return self._finish(now_s)

    def flush(self) -> list[FinishedPass]:
        """The pass that was under way, for a stop; nothing is remembered afterwards."""
        left = [each.finished() for each in self._passes if not each.committed and each.convincing]
        self._passes = []
        return left

    def _known(self, plate: Plate, now_s: float) -> bool:
        """True where the plate belongs to a vehicle that was committed and still stands there."""
        owner = next((each for each in self._passes if each.committed and each.claim(plate, now_s)), None)
        if owner is not None:
            self.claimed.append((owner.name, plate))
        return owner is not None

    def _collect(self, frame: Frame, plates: list[Plate]) -> None:
        active = next((each for each in self._passes if not each.committed), None)
        if active is None:
            active = _Pass(frame.taken_at, frame.taken_at)
            self._passes.append(active)
        score = max(plate.score for plate in plates)
        active.best_score, active.evidence = max(active.best_score, score), active.evidence + score
        for plate in plates:
            if plate.score >= _HOLDS * active.best_score:
                active.see(plate, frame.taken_at.seconds)
        active.frames_seen, active.seen_at = active.frames_seen + 1, frame.taken_at
        best = max(plates, key=lambda plate: worth(plate, frame.size))
        active.first = active.first or cut(frame.pixels, best)
        active.keep(worth(best, frame.size), self._picture(frame, best, active), self._settings.pictures)

    def _picture(self, frame: Frame, plate: Plate, of: _Pass) -> Picture:
        pixels, line = rectify(frame.pixels, plate, self._settings.margin_x, self._settings.margin_y)
        inside, _ = rectify(frame.pixels, plate, 0.0, 0.0)
        size = round(plate.box.width), round(plate.box.height)
        told = frame.exposure_ms, frame.gain, frame.lens_position
        dark, light = levels(inside)
        quality = Quality(
            plate.sharpness, size, glare(inside), *told, contrast=light - dark, light=light, cut_off=not whole(plate, frame.size)
        )
        return Picture(frame.taken_at, pixels, line, quality, cut(frame.pixels, plate), of.still(frame, plate))

    def _finish(self, now_s: float) -> list[FinishedPass]:
        """What is complete now: gone, settled, or standing for too long. Passes that never convinced end without a word."""
        finished = []
        for each in self._passes:
            overdue = now_s - each.began_at.seconds >= self._settings.longest_s
            settled = each.convincing and each.settled(now_s, self._settings)
            if not each.committed and (overdue or settled or not each.places):
                each.committed = True
                if each.convincing:
                    finished.append(each.finished())
        self._passes = [each for each in self._passes if each.places]
        return finished


def worth(plate: Plate, frame_size: tuple[int, int]) -> float:
    """What a picture of this plate is worth beside others of the same pass: sure, sharp and complete."""
    return plate.score * plate.sharpness * (1.0 if whole(plate, frame_size) else _CUT_OFF)


def whole(plate: Plate, frame_size: tuple[int, int]) -> bool:
    """Whether the line ends inside the frame."""
    xs, ys = zip(*plate.corners(), strict=True)
    return bool(min(xs) > 1 and min(ys) > 1 and max(xs) < frame_size[0] - 1 and max(ys) < frame_size[1] - 1)
