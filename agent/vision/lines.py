"""A line of text as a tilted box, the sizes of a picture it is looked at in, and its pixels upright."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from agent.domain import Pixels


@dataclass(frozen=True, slots=True)
class Line:
    """A tilted box in pixels: centre, sides along and across the text, degrees clockwise, and the taper as of a plate.

    `traits` are what else is known of it.
    """

    x: float
    y: float
    width: float
    height: float
    angle: float
    traits: tuple[float, ...] = ()
    taper: float = 0.0

    @property
    def axis(self) -> tuple[float, float]:
        """Cosine and sine of the angle: the direction of reading."""
        return math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))

    def moved(self, along: float, across: float) -> "Line":
        """The same line shifted in its own directions."""
        cos, sin = self.axis
        x, y = self.x + along * cos - across * sin, self.y + along * sin + across * cos
        return replace(self, x=x, y=y)

    def shifted(self, right: float, down: float) -> "Line":
        return replace(self, x=self.x + right, y=self.y + down)

    def scaled(self, by: float) -> "Line":
        # Pixel centres: a level is an area average, so its pixel 0 lies in the middle of those it came from.
        x, y = (self.x + 0.5) * by - 0.5, (self.y + 0.5) * by - 0.5
        return replace(self, x=x, y=y, width=self.width * by, height=self.height * by)

    def narrowed(self, by: float) -> "Line":
        """The same line in a picture that is so many times narrower, and as high."""
        right, down = self.axis[0] / by, self.axis[1]
        longer = math.hypot(right, down)
        angle, x = math.degrees(math.atan2(down, right)), (self.x + 0.5) / by - 0.5
        return replace(self, x=x, width=self.width * longer, height=self.height / by / longer, angle=angle)

    def hull(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the upright rectangle around the line."""
        cos, sin = (abs(part) for part in self.axis)
        across, up = (self.width * cos + self.height * sin) / 2, (self.width * sin + self.height * cos) / 2
        return self.x - across, self.y - up, self.x + across, self.y + up


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The picture at one size: `scale` is pixels here per pixel of the frame."""

    grey: Pixels
    scale: float


def pyramid(grey: Pixels) -> list[Level]:
    """The picture itself and its halves down to about 100 pixels, the finest first."""
    levels = [Level(grey, 1.0)]
    while min(levels[-1].grey.shape) >= 200:
        height, width = levels[-1].grey.shape
        small = cv2.resize(levels[-1].grey, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        levels.append(Level(np.asarray(small, np.uint8), levels[-1].scale / 2))
    return levels


def sample(levels: list[Level], line: Line, text_px: int, beside: int, above: int, widest: int = 900) -> Pixels:
    """The line upright in grey, `text_px` high, with so many pixels beside and above; from the level nearest to that size."""
    fine = [level for level in levels if level.scale * line.height >= text_px] or levels[:1]
    level = fine[-1]
    line = line.scaled(level.scale)
    step = line.height / text_px
    columns = int(min(max(line.width / step, 2 * text_px), widest))
    return _strip(level.grey, line, line.width / columns, step, columns + 2 * beside, text_px + 2 * above)


def _strip(image: Pixels, line: Line, step_x: float, step_y: float, columns: int, rows: int) -> Pixels:
    """`rows` × `columns` samples around the centre of the line, so many pixels apart along and across it."""
    cos, sin = line.axis
    forward = np.array([[cos * step_x, -sin * step_y, 0.0], [sin * step_x, cos * step_y, 0.0]])
    forward[:, 2] = (line.x, line.y) - forward[:, :2] @ ((columns - 1) / 2, (rows - 1) / 2)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, forward, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def overlaps(lines: list[Line]) -> npt.NDArray[np.float64]:
    """Intersection over union of the upright hulls of every two lines."""
    hulls = np.array([line.hull() for line in lines]).reshape(-1, 4)
    sizes = (hulls[:, 2:] - hulls[:, :2]).prod(axis=1)
    low, high = np.maximum(hulls[:, None, :2], hulls[None, :, :2]), np.minimum(hulls[:, None, 2:], hulls[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    return np.asarray(shared / (sizes[:, None] + sizes[None] - shared), np.float64)


def distinct(shared: npt.NDArray[np.float64], share: float, most: int) -> list[int]:
    """Which of the lines with these overlaps remain, in their order, without those that overlap an earlier one by `share`."""
    kept: list[int] = []
    for index in range(len(shared)):
        if len(kept) < most and not (shared[index, kept] > share).any():
            kept.append(index)
    return kept
