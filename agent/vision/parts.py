"""The cheap first look: which parts of a picture have strokes close together as text has, and are worth the second look."""

from dataclasses import dataclass

import cv2
import numpy as np

from agent.domain import Pixels
from agent.vision.lines import Level, Line

_CELL = 32  # pixels; parts are made of whole cells, because the second look is laid out anew for every size it has not seen
_AROUND = 2  # cells around strokes that are looked at with them: what a line is shows in its surroundings
_DENSE = 0.02  # share of a cell that has to be strokes: a short line of small text has more
_PLAIN, _STEADY = 1.6, 6.0  # strokes count from so many times the median of the picture, and so much more
_WHOLE = 0.7  # share of the picture from which all of it is looked at: many parts cost more than they save


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle in the pixels of a level."""

    level: Level
    left: int
    top: int
    right: int
    bottom: int

    @property
    def grey(self) -> Pixels:
        return self.level.grey[self.top : self.bottom, self.left : self.right]

    def back(self, line: Line) -> Line:
        """A line found in the part, in pixels of the picture."""
        return line.shifted(self.left, self.top).scaled(1 / self.level.scale)


def parts(level: Level) -> list[Part]:
    """Those with strokes, each with its surroundings; all of the picture where that is most of it."""
    rows, columns = level.grey.shape
    cells = cv2.dilate(stroked(level.grey), np.ones((2 * _AROUND + 1,) * 2, np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(cells, connectivity=8)
    if sum(int(each[cv2.CC_STAT_WIDTH] * each[cv2.CC_STAT_HEIGHT]) for each in stats[1:count]) >= _WHOLE * cells.size:
        return [whole(level)]
    found = []
    for x, y, width, height, _ in stats[1:count].tolist():
        found.append(Part(level, x * _CELL, y * _CELL, min(columns, (x + width) * _CELL), min(rows, (y + height) * _CELL)))
    return found


def whole(level: Level) -> Part:
    return Part(level, 0, 0, level.grey.shape[1], level.grey.shape[0])


def stroked(grey: Pixels) -> Pixels:
    """For each cell whether strokes stand in it, 0 or 1, along rows or along columns: text may run either way."""
    rows, columns = (-(-side // _CELL) for side in grey.shape)
    dense = [_dense(_two_sided(grey)), _dense(_two_sided(np.ascontiguousarray(grey.T))).T]
    share = cv2.resize(cv2.max(*map(np.ascontiguousarray, dense)), (columns, rows), interpolation=cv2.INTER_AREA)
    return (np.asarray(share) > 255 * _DENSE).astype(np.uint8)


def _dense(strokes: Pixels) -> Pixels:
    least = _PLAIN * float(np.median(strokes[::4, ::4])) + _STEADY
    return np.asarray(cv2.threshold(strokes, least, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _two_sided(grey: Pixels) -> Pixels:
    """High where rising and falling edges stand close together along a row, so a lone edge scores nothing whatever its polarity."""
    across = cv2.Sobel(grey, cv2.CV_16S, 1, 0, ksize=3)
    none = np.zeros_like(across)
    rising, falling = (cv2.convertScaleAbs(side, alpha=2) for side in (cv2.max(across, none), cv2.min(across, none)))
    return np.asarray(cv2.min(cv2.blur(rising, (11, 3)), cv2.blur(falling, (11, 3))), np.uint8)
