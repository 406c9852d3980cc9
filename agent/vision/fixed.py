"""The text of the yard itself, signs and markings: it was there before something moved through the view, and is there afterwards."""

from dataclasses import dataclass

from agent.domain import Box, Plate

_ALIKE = 2.0  # times one of two boxes about the same text may be higher
_AT_END, _LEVEL = 1.0, 0.6  # text heights their ends and their middles may be apart: a finder may lose one end of a line, hardly both
_UNSEEN_S = 2.0  # a line that nothing was seen of for so long has gone: a vehicle that stood there, or a sign behind one
_MOST = 64


@dataclass(slots=True)
class _Line:
    box: Box
    first_s: float
    seen_s: float
    fixed: bool = False


class Yard:
    """Told of every line in every frame that is searched, also the unlikely ones: a sign is hardly ever likely, but always there."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._stirred: list[tuple[float, float]] = []
        self.began_s: float | None = None  # the first frame ever

    def see(self, plates: list[Plate], now_s: float) -> None:
        self.began_s = now_s if self.began_s is None else self.began_s
        self._lines = [line for line in self._lines if now_s - line.seen_s < _UNSEEN_S][-_MOST:]
        for plate in plates:
            known = self._known(plate)
            for line in known:
                line.seen_s = now_s
                line.fixed |= any(line.first_s < began_s and moved_s < now_s for began_s, moved_s in self._stirred)
            if not known:
                self._lines.append(_Line(plate.box, now_s, now_s))

    def stirred(self, began_s: float, moved_s: float) -> None:
        """Something has moved through the view between these two moments: what lies where it lay before is fixed."""
        self._stirred = [*self._stirred[-7:], (began_s, moved_s)]

    def forget(self, plate: Plate) -> None:
        """What came here is a vehicle's; the next vehicle may stop in the same place."""
        known = self._known(plate)
        self._lines = [line for line in self._lines if line not in known]

    def is_fixed(self, plate: Plate) -> bool:
        return any(line.fixed for line in self._known(plate))

    def is_old(self, plate: Plate, now_s: float) -> bool:
        """Whether some text was there already before `now_s`."""
        return any(line.first_s < now_s for line in self._known(plate))

    def _known(self, plate: Plate) -> list[_Line]:
        return [line for line in self._lines if _same(line.box, plate.box)]


def _same(one: Box, other: Box) -> bool:
    low, high = sorted((one.height, other.height))
    ends = abs(one.x - other.x), abs(one.x + one.width - other.x - other.width)
    return high <= _ALIKE * low and abs(one.center[1] - other.center[1]) <= _LEVEL * high and min(ends) <= _AT_END * high
