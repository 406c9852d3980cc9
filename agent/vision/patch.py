"""Whether a line of text is pixel for pixel what stood there before, whatever light, noise and a shaking mast have done to it."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from agent.domain import Box, Pixels, Plate

# Measured by tests/bench/standing.py; a line that is judged changed is told again, one that is wrongly judged the same is lost.
_UNLIKE = 0.10  # what one letter's window may lack of full correlation …
_STICKS_OUT = 3.0  # … and how many times the typical window's lack: noise and light are everywhere, another letter is in one place
_ROUNDING = 0.012  # share of the contrast below which the rounding of grey levels decides
_ALIKE = 0.35  # what seven windows in ten may lack in two looks at one view
_TEXTURE = 0.15  # share of the line's own variance a window needs to count: blank ground correlates with nothing
_COVERED = 0.7  # share of the line that has to lie in the patch
_SHARED = 0.3  # share of the line that has to lie on the line the patch was cut for: what stands beside it is another vehicle's
_WINDOW = 0.7  # letter heights: about one letter
_TALL = 16.0  # pixels of text height patches are kept at: more tells no more, and a card has to keep them
_ALONG, _ABOVE = 8.0, 0.7  # what is kept around the line, in text heights: all of a VIN of which the finder drew a third
_SHAKES = 3  # pixels of the patch a camera on its mast may move

_Floats = npt.NDArray[np.float32]


# eq=False: comparing pixels is never what a caller means by `==`.
@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A piece of a frame in grey around a line of text, `scale` times its size there; `left`, `top` and `frame` say where it lay."""

    line: Box
    angle: float
    left: float
    top: float
    scale: float
    frame: tuple[int, int]
    pixels: Pixels

    def holds(self, point: tuple[float, float]) -> bool:
        x, y = (point[0] - self.left) * self.scale, (point[1] - self.top) * self.scale
        return bool(0 <= x < self.pixels.shape[1] and 0 <= y < self.pixels.shape[0])

    @property
    def plate(self) -> Plate:
        """The line it was cut for; score and sharpness are not known any more."""
        return Plate(self.line, self.angle, 0.0, 0.0)


def cut(frame: Pixels, plate: Plate) -> Patch:
    """The patch around a plate of a BGR or grey frame."""
    tall, (rows, columns) = max(plate.box.height, 1.0), frame.shape[:2]
    xs, ys = zip(*plate.box.grown(_ALONG * tall, _ABOVE * tall).corners(plate.angle), strict=True)
    left, right = _within(min(xs), max(xs), columns)
    top, bottom = _within(min(ys), max(ys), rows)
    scale = min(1.0, _TALL / tall)
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    return Patch(plate.box, plate.angle, left, top, scale, (columns, rows), _grey(frame[top:bottom, left:right], size))


def _within(low: float, high: float, end: int) -> tuple[int, int]:
    """Whole pixels of a frame, one at least."""
    first = min(max(0, math.floor(low)), end - 1)
    return first, max(first + 1, min(end, math.ceil(high)))


def _grey(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    return np.asarray(grey if size == grey.shape[::-1] else cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def again(patch: Patch, frame: Pixels) -> Patch:
    """What this frame shows where the patch was cut; a frame of another size shows nothing there."""
    if patch.frame != (frame.shape[1], frame.shape[0]):
        return replace(patch, frame=(frame.shape[1], frame.shape[0]))
    height, width = patch.pixels.shape
    left, top = round(patch.left), round(patch.top)
    piece = frame[top : top + round(height / patch.scale), left : left + round(width / patch.scale)]
    return replace(patch, pixels=_grey(piece, (width, height)))


def mixed(patch: Patch, now: Patch, share: float) -> Patch:
    """The patch with a share of how its line looks now: noise averages out, and the light of the day is followed.

    What lies beside the line stays as it was: it may be another vehicle's by now.
    """
    line = _Line.of(patch, patch.plate)
    height, width = patch.pixels.shape
    left, right = _within(line.x - line.reach_x, line.x + line.reach_x, width)
    top, bottom = _within(line.y - line.reach_y, line.y + line.reach_y, height)
    pixels = patch.pixels.copy()
    before, after = pixels[top:bottom, left:right], now.pixels[top:bottom, left:right]
    pixels[top:bottom, left:right] = cv2.addWeighted(before, 1 - share, after, share, 0)
    return replace(patch, pixels=pixels)


# eq=False: comparing pixels is never what a caller means by `==`.
@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """What two looks at a line do not share, window by window: as a share of the window's contrast, and in grey levels squared."""

    lacks: _Floats
    left: _Floats
    rounding: float

    @property
    def same(self) -> bool:
        """The same text, not one letter of it another."""
        typical = max(float(np.median(self.left)), self.rounding)
        return bool(self.left.max() <= _STICKS_OUT * typical and self.lacks.max() <= _UNLIKE)

    @property
    def share(self) -> float:
        """How much of the line is as it was: the rest is another text, or somebody stands before it."""
        return float(np.mean(self.lacks <= _UNLIKE))

    @property
    def alike(self) -> bool:
        """The same view as far as anybody can see, though a letter may be another one."""
        return bool(np.percentile(self.lacks, 70) <= _ALIKE)


def unchanged(patch: Patch, now: Patch, plate: Plate) -> bool:
    """Whether this plate of the frame `now` was seen in is part of what the patch shows, not one letter of it another."""
    match = compared(patch, now, plate)
    return match is not None and match.same


def alike(patch: Patch, now: Patch, plate: Plate) -> bool:
    match = compared(patch, now, plate)
    return match is not None and match.alike


def compared(patch: Patch, now: Patch, plate: Plate) -> Match | None:
    """None where too little of the line can be compared, or it is a line beside that of the patch."""
    if patch.frame != now.frame or not _is_on(patch, plate):
        return None
    patch, now = _around(patch, now, _Line.of(patch, plate))
    line = _Line.of(patch, plate)
    before, after = (cv2.GaussianBlur(each.pixels.astype(np.float32), (0, 0), 0.7) for each in (patch, now))
    if (now_there := _aligned(before, after, line)) is None:
        return None
    after = now_there
    size = max(3, round(_WINDOW * line.tall)), max(3, round(1.2 * line.tall))
    columns, rows = line.points(patch.pixels.shape, size[0] // 2)
    if len(columns) < _COVERED * line.count:
        return None
    means = [cv2.blur(each, size) for each in (before, after)]
    own, other = (cv2.blur(each * each, size) - mean * mean for each, mean in zip((before, after), means, strict=True))
    shared = cv2.blur(before * after, size) - means[0] * means[1]
    own, other, shared = (np.maximum(each[rows, columns], 1e-3) for each in (own, other, shared))
    # The light's share is taken off: after it, both have the same contrast over the line as a whole.
    gain = float(np.sqrt(np.median(own) / np.median(other)))
    own, other, shared = own, other * gain**2, shared * gain
    counts = np.maximum(own, other) > _TEXTURE * np.percentile(own, 80)
    if counts.sum() <= line.count / 4:
        return None
    lacks = 1 - shared / np.sqrt(own * other)
    return Match(lacks[counts], (2 * lacks * np.sqrt(own * other))[counts], _ROUNDING * float(np.median(own)))


def _is_on(patch: Patch, plate: Plate) -> bool:
    """Whether the plate shares a third of its line with the patch's own."""
    apart = math.dist(patch.line.center, plate.box.center)
    return patch.holds(plate.box.center) and apart <= patch.line.width / 2 + plate.box.width * (0.5 - _SHARED)


def _around(patch: Patch, now: Patch, line: "_Line") -> tuple[Patch, Patch]:
    """Both as far as the line needs them: a long patch is no more work than a short one."""
    rim = line.tall + _SHAKES
    (left, right), (top, bottom) = (
        _within(at - reach - rim, at + reach + rim, end)
        for at, reach, end in zip((line.x, line.y), (line.reach_x, line.reach_y), patch.pixels.shape[::-1], strict=True)
    )
    corner = patch.left + left / patch.scale, patch.top + top / patch.scale
    cuts = (replace(each, left=corner[0], top=corner[1], pixels=each.pixels[top:bottom, left:right]) for each in (patch, now))
    return next(cuts), next(cuts)


def _aligned(before: cv2.typing.MatLike, after: cv2.typing.MatLike, line: "_Line") -> cv2.typing.MatLike | None:
    """The later picture shifted so that the line lies where it lay; a line has to be of some size to be found."""
    rows, columns = before.shape
    left, right = round(max(_SHAKES, line.x - line.reach_x)), round(min(columns - _SHAKES, line.x + line.reach_x))
    top, bottom = round(max(_SHAKES, line.y - line.reach_y)), round(min(rows - _SHAKES, line.y + line.reach_y))
    if right - left < 2 * line.tall or bottom - top < line.tall / 2:
        return None
    around = after[top - _SHAKES : bottom + _SHAKES, left - _SHAKES : right + _SHAKES]
    match = cv2.matchTemplate(around, before[top:bottom, left:right], cv2.TM_CCOEFF_NORMED)
    x, y = cv2.minMaxLoc(match)[3]
    shift = np.array([[1, 0, x - _SHAKES + _peak(match[y], x)], [0, 1, y - _SHAKES + _peak(match[:, x], y)]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(after, shift, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _peak(values: npt.NDArray[np.generic], at: int) -> float:
    """How far beside the greatest value the top of the curve through it and its neighbours lies."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, top, after = (float(each) for each in values[at - 1 : at + 2])
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else min(0.5, max(-0.5, (before - after) / (2 * bend)))


@dataclass(frozen=True, slots=True)
class _Line:
    """Where a plate's line runs through a patch, in the patch's own pixels."""

    x: float
    y: float
    half: float
    tall: float
    angle: float

    @classmethod
    def of(cls, patch: Patch, plate: Plate) -> "_Line":
        (x, y), scale = plate.box.center, patch.scale
        return cls((x - patch.left) * scale, (y - patch.top) * scale, plate.box.width * scale / 2, plate.box.height * scale, plate.angle)

    @property
    def along(self) -> tuple[float, float]:
        return math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))

    @property
    def reach_x(self) -> float:
        return abs(self.half * self.along[0]) + self.tall / 2

    @property
    def reach_y(self) -> float:
        return abs(self.half * self.along[1]) + self.tall / 2

    @property
    def count(self) -> int:
        """One point every other pixel."""
        return max(2, round(self.half))

    def points(self, shape: tuple[int, ...], rim: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Columns and rows of the points along the line whose windows lie in a picture of this shape."""
        steps = np.linspace(-1, 1, self.count) * (self.half - 0.2 * self.tall)
        columns = np.round(self.x + steps * self.along[0]).astype(np.intp)
        rows = np.round(self.y + steps * self.along[1]).astype(np.intp)
        inside = (columns >= rim) & (columns < shape[1] - rim) & (rows >= 0) & (rows < shape[0])
        return columns[inside], rows[inside]
