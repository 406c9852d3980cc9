"""What stands in front of a camera and was told of: parked vehicles and signs, which are not offered again while they do not change."""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from agent.domain import Box, Frame, Pixels, Plate
from agent.vision.best import USABLE, FinishedPass
from agent.vision.patch import Patch, again, compared, cut, mixed, unchanged
from agent.vision.place import Picture
from agent.vision.plate import grey

MOST = 24  # patches remembered of one camera; of too many the one not seen for longest goes
_RESTS_S = 0.4  # a plate that has not moved for so long stands
_LOOK_S, _ASLEEP_S = 0.5, 10.0  # how often what is remembered is looked at, also while the finder sleeps: light changes without motion
_NEWER = 0.2  # share a fresh look has in what is remembered
_SAY_S = 1800.0  # how often a patch that followed the light is told to whoever keeps it: a card wears out
_PRESENT_S = 0.8  # after it was seen for the last time something may still be there, half hidden; a vehicle takes longer to be exchanged
_PARTLY, _GONE = 0.5, 0.2  # share of a line that is as it was while somebody stands before it; and with which it is not there
_SIGHTS = 3  # times a text has to be found unchanged before a vehicle may be passed over for it …
_SIGHT_S = 2.0  # … within this time
_NEAR = 1.5  # letter heights around a plate within which another sighting is of the same plate
_MOST_SIGHTS = 400
_GLANCE_S = 2.0  # between two looks at a view without a pass: a vehicle that arrives is found sooner than it becomes part of one
_LOOKS = 4  # of them that are kept, each a grey frame
SCENERY = -1  # the `still` of all pictures of a pass whose text stood there before it began


# eq=False: comparing pixels is never what a caller means by `==`.
@dataclass(slots=True, eq=False)
class Spot:
    """A patch that is remembered under a name; `arrived` where its vehicle was seen driving there, so that it will leave again."""

    name: str
    patch: Patch
    arrived: bool
    seen_s: float
    said_s: float = float("-inf")
    present_s: float = float("-inf")  # when at least half of it was in view

    def shows(self, frame: Pixels, plate: Plate, now_s: float) -> bool:
        """Whether the plate is what stands here. While that has not left, half of it is enough: nothing else can be where it is.

        So a clock in the picture, of which only some digits change, is known, and so is a sign somebody walks past.
        """
        match = compared(self.patch, again(self.patch, frame), plate)
        if match is None:
            return False
        return match.same or (now_s - self.present_s <= _PRESENT_S and match.share >= _PARTLY)

    def follow(self, frame: Pixels, now_s: float) -> bool:
        """Look whether it is there, and how; False where it is hidden or gone."""
        now = again(self.patch, frame)
        match = compared(self.patch, now, self.patch.plate)
        if match is None or match.share < _GONE:
            self.present_s = float("-inf")
        elif self.shows(frame, self.patch.plate, now_s):
            self.patch, self.seen_s, self.present_s = mixed(self.patch, now, _NEWER), now_s, now_s
            return True
        return False


# eq=False: comparing pixels is never what a caller means by `==`.
@dataclass(slots=True, eq=False)
class _Rest:
    """Follows a plate of a vehicle that was told, until it stands."""

    of: str
    patch: Patch
    since_s: float
    seen_s: float


@dataclass(frozen=True, slots=True)
class _Sight:
    """A plate that was found in a frame, and whether it was what stands there anyway."""

    at_s: float
    box: Box
    known: bool

    def near(self, box: Box) -> bool:
        return math.dist(self.box.center, box.center) <= _NEAR * max(self.box.height, box.height)


@dataclass(slots=True)
class Standing:
    """The spots of one camera; a vehicle hidden for longer than `hidden_s` is taken to be gone.

    `news` collects what whoever keeps the spots has to hear: a spot by its name, or None where it is forgotten.
    """

    hidden_s: float
    spots: dict[str, Spot] = field(default_factory=dict)
    news: dict[str, Spot | None] = field(default_factory=dict)
    _rests: list[_Rest] = field(default_factory=list)
    _sights: deque[_Sight] = field(default_factory=lambda: deque(maxlen=_MOST_SIGHTS))
    _arrived: deque[str] = field(default_factory=lambda: deque(maxlen=MOST))
    _looked_s: float = float("-inf")
    _views: deque[Frame] = field(default_factory=lambda: deque(maxlen=_LOOKS))

    def sift(self, frame: Frame, plates: list[Plate]) -> tuple[list[Plate], list[Plate]]:
        """The plates that may be a vehicle's, and of the others those that stand there beyond doubt."""
        now_s, fresh, sure = frame.taken_at.seconds, [], []
        for plate in plates:
            known = bool(self.spots) and plate.score >= USABLE and self.knows(frame.pixels, plate, now_s)
            if plate.score >= USABLE:
                self._sights.append(_Sight(now_s, plate.box, known))
            if not known:
                fresh.append(plate)
            elif self._is_repeat(plate.box, now_s - _SIGHT_S, now_s):
                sure.append(plate)
        return fresh, sure

    def knows(self, frame: Pixels, plate: Plate, now_s: float) -> bool:
        """Whether this very text has stood there since it was told of."""
        spot = next((each for each in self.spots.values() if each.shows(frame, plate, now_s)), None)
        if spot is not None:
            spot.seen_s = spot.present_s = now_s
        return spot is not None

    def is_repeat(self, finished: FinishedPass) -> bool:
        """Whether all that made this pass was seen unchanged more often than not: light or somebody's shadow made it look new."""
        since_s, until_s = finished.began_at.seconds, finished.seen_at.seconds + _SIGHT_S
        return all(self._is_repeat(each.patch.line, since_s, until_s) for each in finished.pictures)

    def _is_repeat(self, box: Box, since_s: float, until_s: float) -> bool:
        known = [each.known for each in self._sights if since_s <= each.at_s <= until_s and each.near(box)]
        return sum(known) >= max(_SIGHTS, len(known) / 2)

    def told(self, finished: FinishedPass, frame: Frame) -> None:
        """A vehicle was committed: what of it stands is remembered now, or when it comes to rest."""
        if not _is_there(finished.first, frame):
            self._arrived.append(finished.name)
        for picture in finished.pictures:
            if _rests(picture, frame) or any(_rested(picture, other) for other in finished.pictures):
                self._learn(finished.name, picture.patch, frame)

    def rest(self, frame: Frame, claimed: list[tuple[str, Plate]]) -> None:
        """Follow the plates of vehicles that were told until they stand."""
        now_s = frame.taken_at.seconds
        for name, plate in claimed:
            rest = next((each for each in self._rests if each.patch.holds(plate.box.center)), None)
            if rest is None:
                self._rests.append(_Rest(name, cut(frame.pixels, plate), now_s, now_s))
                continue
            rest.seen_s = now_s
            if now_s - rest.since_s >= _RESTS_S:
                if unchanged(rest.patch, again(rest.patch, frame.pixels), plate):
                    self._learn(name, rest.patch, frame)
                rest.patch, rest.since_s = cut(frame.pixels, plate), now_s
        self._rests = [each for each in self._rests if now_s - each.seen_s < _SIGHT_S]

    def glance(self, frame: Frame) -> None:
        """Keep what the view was like every now and then while no pass was under way."""
        if not self._views or frame.taken_at.seconds - self._views[-1].taken_at.seconds >= _GLANCE_S:
            self._views.append(replace(frame, picture=grey(frame.pixels), grey=None))

    def sorted_out(self, finished: FinishedPass) -> FinishedPass:
        """The pass with all its pictures of text that was there before it as one still view: they are worth one call together."""
        pictures = [replace(each, still=SCENERY) if self._was_there(each.patch) else each for each in finished.pictures]
        return replace(finished, pictures=tuple(pictures))

    def _was_there(self, patch: Patch) -> bool:
        """In any of the looks but the last, which may be of the moment before: what passed by may have hidden it in one."""
        looks = list(self._views)[:-1] or self._views
        return any(_is_there(patch, view) for view in looks)

    def look(self, frame: Frame, *, asleep: bool = False) -> None:
        """Follow the light on what stands; forget a vehicle that is seen to be gone, rather than hidden for a while."""
        now_s = frame.taken_at.seconds
        if not self.spots or now_s - self._looked_s < (_ASLEEP_S if asleep else _LOOK_S):
            return
        self._looked_s = now_s
        for spot in list(self.spots.values()):
            if spot.follow(frame.pixels, now_s):
                self._say(spot, now_s)
            elif spot.arrived and now_s - spot.seen_s > self.hidden_s:
                self._forget(spot)

    def remember(self, spots: Iterable[Spot], now_s: float) -> None:
        """Take over what was kept over a restart; nobody knows how long ago it was seen, so hidden counts from now."""
        self.spots |= {spot.name: replace(spot, seen_s=now_s, said_s=now_s) for spot in spots}

    def _learn(self, of: str, patch: Patch, frame: Frame) -> None:
        """What is remembered already is not remembered twice."""
        now_s = frame.taken_at.seconds
        if self.knows(frame.pixels, patch.plate, now_s):
            return
        spot = Spot(f"{of}#{now_s:.3f}-{len(self.spots)}", patch, of in self._arrived, now_s, present_s=now_s)
        self.spots[spot.name] = spot
        self._say(spot, now_s)
        if len(self.spots) > MOST:
            self._forget(min(self.spots.values(), key=lambda each: each.seen_s))

    def _say(self, spot: Spot, now_s: float) -> None:
        if now_s - spot.said_s >= _SAY_S:
            spot.said_s, self.news[spot.name] = now_s, spot

    def _forget(self, spot: Spot) -> None:
        del self.spots[spot.name]
        self.news[spot.name] = None


def _rests(picture: Picture, frame: Frame) -> bool:
    return frame.taken_at.seconds - picture.taken_at.seconds >= _RESTS_S and _is_there(picture.patch, frame)


def _is_there(patch: Patch, frame: Frame) -> bool:
    """Whether the text of the patch is in view where it was, or half of it."""
    match = compared(patch, again(patch, frame.pixels), patch.plate)
    return match is not None and match.share >= _PARTLY


def _rested(one: Picture, other: Picture) -> bool:
    return one is not other and one.still == other.still and abs(one.taken_at.seconds - other.taken_at.seconds) >= _RESTS_S
