"""The second look: a small network that marks where VIN lines run and which way they read, through OpenCV alone."""

import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import cv2
import numpy as np
import numpy.typing as npt

from agent.domain import Pixels
from agent.vision.lines import Line

WEIGHTS = files("agent.vision") / "plates.onnx"
BEST_PX, LEAST_PX = 20.0, 6.0  # pixels of text height that it sees best, and at all; it was taught up to 44
_STRIDE, _SIDES = 4, 32  # pixels that one place of its maps stands for; what the sides of a picture have to be a multiple of
_INSIDE = 0.55  # height of a mark over that of its line, as it was taught: marks of neighbouring lines do not touch
_CUT = 0.25  # text heights that a mark falls short of its line at each end
_MARKED, _LEAST = 0.35, 3  # chance from which a place makes a mark, and how many such places that takes
_JOINED = 0.12  # chance from which a place belongs to the mark it touches: a faint letter shall not part a line
_HEIGHT = 1.0  # what the mass of a mark is short of

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """What it says of each place: the chance that it is the core of a VIN line, or anything of one, and the direction of reading."""

    core: Floats
    whole: Floats
    cos: Floats
    sin: Floats


@cache
def _network() -> cv2.dnn.Net:
    return cv2.dnn.readNetFromONNX(np.frombuffer(WEIGHTS.read_bytes(), np.uint8))


def marked(grey: Pixels) -> list[Line]:
    """The VIN lines of a grey picture, angles from -180 to 180 degrees; `traits` are what is known of each, the chance of its core first.

    Some 70 ns per pixel on one core of a server.
    """
    return _lines(_looked(grey))


def _looked(grey: Pixels) -> Maps:
    down, right = (-side % _SIDES for side in grey.shape)
    padded = cv2.copyMakeBorder(grey, 0, down, 0, right, cv2.BORDER_REPLICATE) if down or right else grey
    network = _network()
    network.setInput(cv2.dnn.blobFromImage(padded, 1 / 255))
    return Maps(*np.asarray(network.forward(), np.float32)[0])


def _lines(maps: Maps) -> list[Line]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats((maps.core > _JOINED).astype(np.uint8), connectivity=8)
    sure = np.bincount(labels[maps.core > _MARKED], minlength=count)
    found = []
    for at in np.flatnonzero(sure[1:] >= _LEAST) + 1:
        x, y, width, height, _ = (int(each) for each in stats[at])
        part = slice(max(0, y - 1), y + height + 1), slice(max(0, x - 1), x + width + 1)
        inside = cv2.dilate((labels[part] == at).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        found.append(_line(maps, part, inside))
    return found


def _line(maps: Maps, part: tuple[slice, slice], inside: npt.NDArray[np.bool_]) -> Line:
    """The line whose mark lies in a part of the maps: its place, tilt and size from the moments of the chances, finer than their places."""
    ys, xs = np.nonzero(inside)
    core, whole, cos, sin = (each[part][ys, xs].astype(np.float64) for each in (maps.core, maps.whole, maps.cos, maps.sin))
    mass = core.sum()
    share = core / mass
    x, y = float(share @ xs), float(share @ ys)
    across, down = xs - x, ys - y
    spread = np.array([(share @ across**2, share @ (across * down)), (share @ (across * down), share @ down**2)])
    powers, axes = np.linalg.eigh(spread)
    angle = math.degrees(math.atan2(float(axes[1, 1]), float(axes[0, 1])))
    long = math.sqrt(12 * max(float(powers[1]), 0.1))
    high = _HEIGHT * float(mass) / long / _INSIDE
    wide = long + 2 * _CUT * high
    forward = float(share @ cos * axes[0, 1] + share @ sin * axes[1, 1])
    along = across * axes[0, 1] + down * axes[1, 1]
    if forward < 0:
        angle, along = angle + 180, -along
    sure = core > _MARKED
    traits = float(core[sure].mean()), float(whole[sure].mean()), abs(forward), math.log(wide / high), math.log(high * _STRIDE / BEST_PX)
    left, top = part[1].start, part[0].start
    place = (x + left + 0.5) * _STRIDE - 0.5, (y + top + 0.5) * _STRIDE - 0.5
    return Line(*place, wide * _STRIDE, high * _STRIDE, (angle + 180) % 360 - 180, traits, _taper(along / long, core))


def _taper(along: Doubles, core: Doubles) -> float:
    """How much higher a mark is at its end than at its beginning: the mass of its second half over that of its first.

    `along` is -0.5…0.5; the ends are left out, where a mark may be cut, and the middle of each half lies a quarter from the centre.
    """
    first, second = (core[(low < along) & (along < low + 0.4)].sum() for low in (-0.45, 0.05))
    return float(4 * (second - first) / max(first + second, 1e-9))
