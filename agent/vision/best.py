"""From plates over time to one vehicle: where a pass begins and ends, and which pictures of it are kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.domain import Frame, Plate, Quality, Stamp
from agent.vision import barcode
from agent.vision.fixed import Yard
from agent.vision.patch import Patch, again, alike, cut
from agent.vision.place import Picture, Place, thinned
from agent.vision.plate import rectify
from agent.vision.sharpness import glare, levels

if TYPE_CHECKING:
    from agent import config

# Of photographs with a VIN three in four score 0.3 or more, half of them 0.6; streets and car parks stay below 0.2 for the most part.
USABLE = 0.3  # score from which a plate counts at all: below it, text on walls and clothes would keep a gate busy
_EVIDENCE = 1.0  # scores of a line in all: one frame alone never has it, because noise rarely looks like a VIN twice
_LINGERING = 2.0  # the same for a line that never moved, where some text stood before: a sign is taken for a VIN now and then
_HOLDS = 0.5  # share of its best score that keeps a pass going: a sign half as likely would join one vehicle to the next
_CUT_OFF = 0.3  # worth of a plate that ends at the edge of the frame: part of it is probably outside
_LETTER = 0.5  # text heights of room in which no letter is missing
_SURE, _READABLE = 0.6, 16.0  # score and pixels of letter height with which a pass need not wait for a better picture


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
class _Pass:
    """A vehicle in view: first collecting pictures, then, once committed, only watched until it has gone.

    `places` are the lines in view, `lines` all that ever were. The likeliest line is the VIN; what moves comes before what stands.
    """

    began_at: Stamp
    seen_at: Stamp
    places: list[Place] = field(default_factory=list)
    lines: list[Place] = field(default_factory=list)
    frames_seen: int = 0
    best_score: float = 0.0
    lingers: bool = True  # some text stood where its likeliest line is before that was first seen
    woke: bool = False  # it was in view when the camera's first frame came
    committed: bool = False
    first: Patch | None = None

    @property
    def name(self) -> str:
        return f"{self.began_at.boot_id}/{self.began_at.monotonic_ms}"

    def claim(self, plate: Plate, now_s: float, least: float = 0.0) -> Place | None:
        """The one of the places, with so much evidence at least, that has moved here; None where none can have."""
        free = [place for place in self.places if place.evidence >= least and place.seen_s != now_s and place.reaches(plate, now_s)]
        if not free:
            return None
        nearest = min(free, key=lambda place: place.apart(plate))
        nearest.move(plate, now_s)
        return nearest

    def see(self, plate: Plate, now_s: float, *, is_old: bool) -> Place:
        place = self.claim(plate, now_s)
        if place is None:
            place = Place.at(plate, now_s, stays=is_old)
            self.places.append(place)
            self.lines.append(place)
        place.judge(now_s)
        return place

    def owns(self, plate: Plate, now_s: float, other: float) -> bool:
        """True where the plate is one of this vehicle's, or another line beside one that has moved; `other` is how near another's is."""
        if other < self.nearness(plate):
            return False
        # A caption alone is not the vehicle: it would take the VIN of the one behind for its own.
        least = self.chosen.evidence / 2
        beside = [place for place in self.places if place.moved and place.missed < 2 and place.evidence >= least]
        return self.claim(plate, now_s, least) is not None or any(place.is_beside(plate) for place in beside)

    def holds(self, plate: Plate) -> bool:
        """True where one of its plates that came here stands just there, as it may before the yard's own text."""
        return any(place.moved and place.apart(plate) <= place.plate.box.height for place in self.places)

    def nearness(self, plate: Plate) -> float:
        """How near a plate is to one that was seen before: the nearest is given its place first."""
        return min((place.apart(plate) for place in self.places), default=0.0)

    def forget(self, now_s: float, gap_s: float) -> None:
        """Drop the places that are empty: for `gap_s` and two frames at least, so that a slow machine does not split a pass."""
        for place in self.places:
            place.missed += place.seen_s != now_s
        self.places = [place for place in self.places if place.missed < 2 or now_s - place.seen_s < gap_s]

    @property
    def is_gone(self) -> bool:
        """A line half as likely as the best does not keep a pass going."""
        return not any(place.best_score >= _HOLDS * self.best_score for place in self.places)

    @property
    def chosen(self) -> Place:
        """The line that is the VIN, as far as can be told."""
        return max([line for line in self.lines if line.moved] or self.lines, key=lambda line: line.evidence)

    def still(self, frame: Frame, plate: Plate) -> int:
        """The number of the kept pictures that show this very view; one of its own where none does."""
        kept = (picture for line in self.lines for _, picture in line.kept)
        shown = next((each.still for each in kept if alike(each.patch, again(each.patch, frame.pixels), plate)), None)
        return self.frames_seen if shown is None else shown

    @property
    def convincing(self) -> bool:
        line = self.chosen
        lingers = self.lingers and not line.moved
        return (line.beyond_doubt and not lingers) or line.evidence >= (_LINGERING if lingers else _EVIDENCE)

    def settled(self, now_s: float, settings: "config.Vision") -> bool:
        """True where the best picture is readable and has stayed the best for `settle_s`: a vehicle that halts is told at once."""
        line = self.chosen
        came = now_s - line.arrived_s >= settings.settle_s and (line.moved or not (self.lingers or self.woke))
        readable = came and line.best_score >= _SURE and line.kept[0][1].line.height >= _READABLE
        return readable and len(line.kept) >= settings.pictures and now_s - line.bettered_s >= settings.settle_s

    def finished(self, most: int) -> FinishedPass:
        """With the pictures of the line that is the VIN, and of lines that may be it: those never seen beside it."""
        chosen = self.chosen
        same = [line for line in self.lines if line is chosen or (line.moved >= chosen.moved and not line.times & chosen.times)]
        kept = [each for line in same for each in line.kept]
        thinned(kept, most)
        pictures = tuple(picture for _, picture in kept)
        return FinishedPass(self.began_at, self.seen_at, self.frames_seen, pictures, self.first or pictures[0].patch, self.name)


def _standing(since: Stamp, place: Place) -> _Pass:
    """A vehicle that was told already."""
    return _Pass(since, since, [place], [place], committed=True)


class Passes:
    """Offered every frame that was searched, also those without a plate; answers with the vehicles whose pictures are complete.

    One vehicle collects pictures at a time: all plates that belong to no committed pass are its. It is committed once: when its
    plates have gone, when no picture was better for `settle_s`, or at the latest after `longest_s`. From then on its plates are
    ignored until they have gone, so it is never two passes. The yard's own text is ignored once something has moved before it.
    """

    def __init__(self, settings: "config.Vision") -> None:
        self._settings = settings
        self._passes: list[_Pass] = []
        self._yard = Yard()
        # Plates of the frame offered last that belong to vehicles committed already, and the name of each vehicle.
        self.claimed: list[tuple[str, Plate]] = []

    @property
    def busy(self) -> bool:
        """True while a pass collects pictures: then every frame has to be searched and offered."""
        return any(not each.committed for each in self._passes)

    def offer(self, frame: Frame, plates: list[Plate], standing: Sequence[Plate] = ()) -> list[FinishedPass]:
        """`standing` are plates told of by a pass that was forgotten meanwhile: watched again until they have gone."""
        now_s = frame.taken_at.seconds
        self.claimed = []
        self._yard.see([*plates, *standing], now_s)
        for plate in standing:
            if not self._known(plate, now_s):
                self._passes.append(_standing(frame.taken_at, Place.at(plate, now_s, stays=True)))
        fresh = [plate for plate in plates if plate.score >= USABLE and not self._known(plate, now_s)]
        if fresh:
            self._collect(frame, fresh)
        self._hold(plates, now_s)
        for each in self._passes:
            for place in each.places if each.committed else ():
                if place.seen_s == now_s:
                    self._follow(place, now_s)
            each.forget(now_s, self._settings.gap_s)
        return self._finish(now_s)

    def flush(self) -> list[FinishedPass]:
        """The pass that was under way, for a stop; nothing is remembered afterwards."""
        left = [each.finished(self._settings.pictures) for each in self._passes if not each.committed and each.convincing]
        self._passes = []
        return left

    def now(self, frame: Frame, plates: Sequence[Plate]) -> tuple[FinishedPass, bool] | None:
        """What is in view of the frame that was offered last, because somebody asks; None where no plate is.

        True beside it where it is the pass under way, which ends with it; a vehicle told already, or the yard's own text, makes one
        more, of this frame alone.
        """
        now_s = frame.taken_at.seconds
        active = next((each for each in self._passes if not each.committed), None)
        if active is not None and any(place.seen_s == now_s for place in active.places):
            active.committed = True
            return active.finished(self._settings.pictures), True
        usable = [plate for plate in plates if plate.score >= USABLE]
        if not usable:
            return None
        once = _Pass(frame.taken_at, frame.taken_at)
        self._take(once, frame, max(usable, key=lambda plate: worth(plate, frame.size)))
        once.frames_seen = 1
        return once.finished(self._settings.pictures), False

    def _hold(self, plates: list[Plate], now_s: float) -> None:
        """A line that came and that was lost in glare or rain is still there as long as anything is left of it."""
        faint = [plate for plate in plates if plate.score < USABLE]
        for place in (place for each in self._passes for place in each.places if place.moved and place.seen_s != now_s):
            if any(map(place.shimmers, faint)):
                place.stay(now_s)

    def _known(self, plate: Plate, now_s: float) -> bool:
        """True where the plate belongs to a vehicle that was committed and still stands there, or to the yard."""
        if self._yard.is_fixed(plate) and not any(each.holds(plate) for each in self._passes):
            return True
        others = [place.apart(plate) for each in self._passes if not each.committed for place in each.places if place.reaches(plate, now_s)]
        nearest = min(others, default=math.inf)
        owner = next((each for each in self._passes if each.committed and each.owns(plate, now_s, nearest)), None)
        if owner is not None:
            self.claimed.append((owner.name, plate))
        return owner is not None

    def _collect(self, frame: Frame, plates: list[Plate]) -> None:
        active = next((each for each in self._passes if not each.committed), None)
        if active is None:
            active = _Pass(frame.taken_at, frame.taken_at)
            self._passes.append(active)
        for plate in sorted(plates, key=active.nearness):
            active.best_score = max(active.best_score, plate.score)
            self._take(active, frame, plate)
        active.frames_seen, active.seen_at = active.frames_seen + 1, frame.taken_at

    def _take(self, active: _Pass, frame: Frame, plate: Plate) -> None:
        now_s = frame.taken_at.seconds
        place = active.see(plate, now_s, is_old=self._yard.is_old(plate, now_s))
        self._follow(place, now_s)
        line = active.chosen
        active.lingers, active.woke = self._yard.is_old(line.first, line.first_s), line.first_s == self._yard.began_s
        active.first = active.first or cut(frame.pixels, plate)
        place.keep(worth(plate, frame.size), self._picture(frame, plate, active), self._settings.pictures)

    def _follow(self, place: Place, now_s: float) -> None:
        """Note that a line moves, unless it only jumped to other text that stood there before."""
        since_s = place.left()
        if since_s is not None and (place.moved or not self._yard.is_old(place.plate, place.first_s)):
            if not place.moved:
                self._yard.forget(place.first)
            place.moved = True
            self._yard.stirred(since_s, now_s)
        if place.moved:
            self._yard.forget(place.plate)

    def _picture(self, frame: Frame, plate: Plate, of: _Pass) -> Picture:
        whole_frame = frame.pixels
        pixels, line = rectify(whole_frame, plate, self._settings.margin_x, self._settings.margin_y)
        inside, _ = rectify(whole_frame, plate, 0.0, 0.0)
        size = round(plate.box.width), round(plate.box.height)
        told = frame.exposure_ms, frame.gain, frame.lens_position
        around = barcode.around(whole_frame, plate) if self._settings.barcodes else None
        dark, light = levels(inside)
        cut_off = not whole(plate, frame.size)
        quality = Quality(plate.sharpness, size, glare(inside), *told, contrast=light - dark, light=light, cut_off=cut_off)
        return Picture(frame.taken_at, pixels, line, quality, cut(whole_frame, plate), of.still(frame, plate), around)

    def _finish(self, now_s: float) -> list[FinishedPass]:
        """What is complete now: gone, settled, or standing for too long. Passes that never convinced end without a word."""
        finished = []
        for each in (each for each in self._passes if not each.committed):
            overdue = now_s - each.began_at.seconds >= self._settings.longest_s
            settled = each.convincing and each.settled(now_s, self._settings)
            if overdue or settled or each.is_gone:
                each.committed = True
                if each.convincing:
                    finished.append(each.finished(self._settings.pictures))
        self._passes = [each for each in self._passes if not each.is_gone]
        return finished


def worth(plate: Plate, frame_size: tuple[int, int]) -> float:
    """What a picture of this plate is worth beside others of the same pass: sure, sharp and complete."""
    return plate.score * plate.sharpness * (1.0 if whole(plate, frame_size) else _CUT_OFF)


def whole(plate: Plate, frame_size: tuple[int, int]) -> bool:
    """Whether all of the line is in the frame."""
    xs, ys = zip(*plate.corners(), strict=True)
    # A finder ends its box before the edge: it is the letter that should stand there which is missing.
    ends, edge = (min(xs), frame_size[0] - max(xs)), max(1.0, _LETTER * plate.box.height)
    return bool(min(ends) > edge and min(ys) > 1 and max(ys) < frame_size[1] - 1)
