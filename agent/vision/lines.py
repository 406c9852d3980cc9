"""Where a line of text may be: stroke density at several scales becomes tilted boxes, good and bad, for the verifier to judge."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from agent.domain import Pixels

STEEPEST = 38.0  # degrees; a line is promised up to 35 and measured with a few degrees of error
_HEIGHTS = (3.5, 22.0)  # of a line in the pixels of its level; every level is half the one above, so they overlap
_ASPECTS = (3.2, 30.0)  # width over height of a whole line: seventeen characters measure 7 to 18, half that where a picture is squeezed
_BLOBS = 40  # of one map and level; more cost time and brought no line
_TILTS = (0.0, -24.0, 24.0)  # the density looks along rows: steep lines need the picture turned
_TURNED = 300_000  # pixels of a level that is also searched turned: larger ones cost 20 ms and show small text, hardly legible when steep

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Line:
    """A tilted box in pixels: centre, sides along and across the text, degrees clockwise; `traits` compare proposals."""

    x: float
    y: float
    width: float
    height: float
    angle: float
    traits: tuple[float, ...] = ()

    @property
    def axis(self) -> tuple[float, float]:
        """Cosine and sine of the angle: the direction of reading."""
        return math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))

    def moved(self, along: float, across: float) -> "Line":
        """The same line shifted in its own directions."""
        cos, sin = self.axis
        x, y = self.x + along * cos - across * sin, self.y + along * sin + across * cos
        return Line(x, y, self.width, self.height, self.angle, self.traits)

    def scaled(self, by: float) -> "Line":
        # Pixel centres: a level is an area average, so its pixel 0 lies in the middle of those it came from.
        x, y = (self.x + 0.5) * by - 0.5, (self.y + 0.5) * by - 0.5
        return Line(x, y, self.width * by, self.height * by, self.angle, self.traits)

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


def pyramid(grey: Pixels, finest: float) -> list[Level]:
    """The picture itself and its halves down to about 100 pixels; levels above the scale `finest` are only sampled, not searched."""
    levels = [Level(grey, 1.0)]
    while min(levels[-1].grey.shape) >= 200 or levels[-1].scale > finest:
        height, width = levels[-1].grey.shape
        size = (width // 2, height // 2)
        if min(size) < 24:
            break
        levels.append(Level(np.asarray(cv2.resize(levels[-1].grey, size, interpolation=cv2.INTER_AREA), np.uint8), levels[-1].scale / 2))
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


def proposals(level: Level) -> Iterator[Line]:
    """Every place at this size that may hold one line of text, in pixels of the frame."""
    tilts = _TILTS if level.grey.size <= _TURNED else _TILTS[:1]
    for tilt in tilts:
        grey, back = _turned(level.grey, tilt)
        for kind, (density, mask) in enumerate(_maps(grey)):
            for line in _grown(density, mask, kind):
                x, y = back @ (line.x, line.y, 1.0)
                upright = replace(line, x=float(x), y=float(y), angle=line.angle + tilt)
                if abs(upright.angle) <= STEEPEST:
                    yield upright.scaled(1 / level.scale)


def _turned(grey: Pixels, tilt: float) -> tuple[Pixels, npt.NDArray[np.float64]]:
    """The picture turned so that lines tilted by `tilt` run along rows, and the way back."""
    if tilt == 0.0:
        return grey, np.eye(2, 3)
    height, width = grey.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), tilt, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    size = (int(width * cos + height * sin), int(width * sin + height * cos))
    turn[:, 2] += ((size[0] - width) / 2, (size[1] - height) / 2)
    image = cv2.warpAffine(grey, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(image, np.uint8), np.asarray(cv2.invertAffineTransform(turn), np.float64)


def _maps(grey: Pixels) -> Iterator[tuple[Pixels, Pixels]]:
    """Two kinds of stroke density, each with the mask of where it is high."""
    strokes = two_sided(grey)
    floor = 1.5 * float(np.median(strokes[::4, ::4])) + 2
    around = cv2.convertScaleAbs(cv2.blur(strokes, (61, 31)), alpha=1.0)
    yield strokes, _closed(cv2.compare(strokes, cv2.max(around, np.full_like(around, floor)), cv2.CMP_GT), 13)
    # Divided by the local contrast, a bold barcode does not hide the thin line next to it.
    window = cv2.getStructuringElement(cv2.MORPH_RECT, (15, 9))
    contrast = cv2.subtract(cv2.dilate(grey, window), cv2.erode(grey, window))
    least = np.full_like(contrast, min(255, max(10, round(0.6 * float(np.median(contrast[::4, ::4]))))))
    evened = np.asarray(cv2.divide(strokes, cv2.add(contrast, least), scale=400, dtype=cv2.CV_8U), np.uint8)
    yield evened, _closed(cv2.threshold(evened, 24, 255, cv2.THRESH_BINARY)[1], 17)


def two_sided(grey: Pixels) -> Pixels:
    """High where rising and falling edges stand close together along a row, so a lone edge scores nothing whatever its polarity."""
    across, down = cv2.Sobel(grey, cv2.CV_16S, 1, 0, ksize=3), cv2.Sobel(grey, cv2.CV_16S, 0, 1, ksize=3)
    level = cv2.compare(cv2.convertScaleAbs(down, alpha=0.3), cv2.convertScaleAbs(across, alpha=0.5), cv2.CMP_GT)
    across[level > 0] = 0
    none = np.zeros_like(across)
    rising, falling = (cv2.convertScaleAbs(side, alpha=0.5) for side in (cv2.max(across, none), cv2.min(across, none)))
    return np.asarray(cv2.min(cv2.blur(rising, (11, 1)), cv2.blur(falling, (11, 1))), np.uint8)


def _closed(mask: cv2.typing.MatLike, gap: int) -> Pixels:
    """The mask with glyphs joined along the row and what is narrower than a few glyphs removed."""
    joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((1, gap), np.uint8))
    long = cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((1, 13), np.uint8))
    return np.asarray(cv2.morphologyEx(long, cv2.MORPH_OPEN, np.ones((3, 1), np.uint8)), np.uint8)


def _grown(density: Pixels, mask: Pixels, kind: int) -> Iterator[Line]:
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    boxes = [cv2.boundingRect(contour) for contour in contours]
    order = sorted((i for i, box in enumerate(boxes) if box[2] >= 18), key=lambda i: -boxes[i][2] * boxes[i][3])
    for index in order[:_BLOBS]:
        if (blob := _blob(contours[index])) is None:
            continue
        line = _stretched(density, blob, kind)
        if _ASPECTS[0] <= line.width / line.height <= _ASPECTS[1]:
            yield line


def _blob(contour: cv2.typing.MatLike) -> Line | None:
    (x, y), (width, height), angle = cv2.minAreaRect(contour)
    if width < height:
        width, height, angle = height, width, angle + 90
    angle = (angle + 90) % 180 - 90
    thin = _HEIGHTS[0] <= height + 1 <= _HEIGHTS[1] and width >= 2.2 * height
    if not thin or abs(angle) > STEEPEST or cv2.contourArea(contour) < 0.35 * width * height:
        return None
    return Line(x, y, width, height + 1, angle)


def _stretched(density: Pixels, blob: Line, kind: int) -> Line:
    """The blob grown along its own direction while the density holds: widely spaced stamping falls apart into several blobs."""
    half = int(min(15 * blob.height + blob.width / 2, sum(density.shape) / 2))
    rows = max(5, int(blob.height * 1.3) * 2 + 1)
    strip = _strip(density, blob, 1.0, 1.0, 2 * half + 1, rows)
    core = int(blob.height * 0.3)
    middle = strip[rows // 2 - core : rows // 2 + core + 1]
    profile = np.asarray(cv2.reduce(middle, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)).ravel()
    inside = profile[max(0, half - int(blob.width / 2)) : half + int(blob.width / 2) + 1]
    left, right = reach(profile > max(0.35 * float(np.sort(inside)[len(inside) // 2]), 1.0), half, max(2, int(1.7 * blob.height)))
    line = replace(blob.moved((left + right) / 2 - half, 0.0), width=float(right - left + 1))
    return replace(line, traits=(float(kind), *_traits(strip[:, left : right + 1], profile[left : right + 1], line)))


def _traits(strip: Pixels, profile: npt.NDArray[Any], line: Line) -> list[float]:
    """What a proposal can be ranked by before anybody looks at it closely."""
    level, spread = (float(value[0, 0]) for value in cv2.meanStdDev(profile))
    mean = level + 1.0
    edge = max(1, round(line.height * 0.45))
    beyond = cv2.mean(strip[:edge])[0] / mean, cv2.mean(strip[-edge:])[0] / mean
    aspect = math.log(line.width / line.height / 12)
    return [
        aspect,
        aspect * aspect,
        math.log(mean),
        min(beyond),
        max(beyond),
        spread / mean,
        math.log(line.height / 9),
        line.width / strip.shape[1],
    ]


def reach(on: npt.NDArray[np.bool_], start: int, gap: int) -> tuple[int, int]:
    """First and last true place connected with the one nearest to `start`, bridging gaps of at most `gap` places."""
    places = np.flatnonzero(on)
    if not len(places):
        return start, start
    after = int(places.searchsorted(start))
    nearest = after if after == 0 or (after < len(places) and places[after] - start < start - places[after - 1]) else after - 1
    breaks = np.flatnonzero(places[1:] - places[:-1] > gap)
    middle = int(breaks.searchsorted(nearest))
    first = breaks[middle - 1] + 1 if middle else 0
    last = breaks[middle] if middle < len(breaks) else -1
    return int(places[first]), int(places[last])


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
