"""Finding the plate: from the pixels of a frame to the few lines of text that are most likely a VIN, and their upright crops."""

import math
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from agent.domain import Box, Pixels, Plate
from agent.vision import net, sharpness, weights
from agent.vision.lines import Level, Line, distinct, overlaps, pyramid, sample
from agent.vision.parts import Part, parts, whole

_SMALL = 480  # pixels; a close-up with smaller sides is enlarged, so that its glyphs reach the size the search is made for
_CLOSE_UP = 640 * 640  # pixels, enlarged: of so few everything is looked at, at three sizes
_SURE, _SQUEEZED = 0.5, 1.5  # where no line of a small close-up is so sure, it may be a square that was made of a wider picture
_LARGE = 600  # pixels of the shorter side from which a picture is searched smaller than it is, where no text is too small for that
_LONGEST, _SHORTEST = 30.0, 2.2  # width over height of what may be a VIN line
_SAME = 0.3  # overlap from which two lines are about the same text
_CLOSER = 6  # marked lines that are looked at once more
_BESIDE, _ABOVE, _WIDEST = 48, 38, 640  # pixels around such a line, and of the line itself
_SLIGHT, _STEEPEST = 0.15, 0.4  # taper that is more than the doubt about it (0.12), and the most that is believed
_WAY = 2  # which trait says how sure the direction of reading is
_WORTH = 0.02  # below this a line is hardly ever a VIN and is not mentioned


def find(frame: Pixels, min_text_px: int = 12, most: int = 5) -> list[Plate]:
    """The lines of text in a BGR or grey picture that look like a VIN, best first; `score` is a probability.

    `min_text_px` is the least height of a line that is searched for; text up to a third of the picture's height is found. The angle
    is the direction of reading, -180 to 180 degrees.
    """
    picture = grey(frame)
    found = _weighed(picture, min_text_px)
    if max(picture.shape) <= _SMALL and max((score for _, score in found), default=0.0) < _SURE:
        wide = np.asarray(cv2.resize(picture, None, fx=_SQUEEZED, fy=1.0, interpolation=cv2.INTER_LINEAR), np.uint8)
        found += [(line.narrowed(_SQUEEZED), score) for line, score in _weighed(wide, min_text_px)]
    found = sorted((each for each in found if each[1] >= _WORTH), key=lambda each: -each[1])
    best = distinct(overlaps([line for line, _ in found]), _SAME, most)
    return [_plate(frame, *found[at]) for at in best]


def _weighed(picture: Pixels, min_text_px: int) -> list[tuple[Line, float]]:
    """Every line that was marked, in pixels of the picture, with how likely it is a VIN."""
    levels, up = sizes(picture)
    lines = marked(levels, min_text_px * up)
    return [(line.scaled(1 / up), float(score)) for line, score in zip(lines, weights.VIN([line.traits for line in lines]), strict=True)]


def grey(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def sizes(picture: Pixels) -> tuple[list[Level], float]:
    """The grey picture at its sizes, and how far it was enlarged."""
    if max(picture.shape) > _SMALL:
        return pyramid(picture), 1.0
    return pyramid(np.asarray(cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR), np.uint8)), 2.0


def marked(levels: list[Level], least_px: float) -> list[Line]:
    """Every line that the second look holds for a VIN, drawn closely; `traits` is what it saw from near and from afar."""
    seen = [part.back(line) for part in _parts(levels, least_px) for line in net.marked(part.grey)]
    seen = sorted(filter(_may_be, seen), key=lambda line: -line.traits[0])
    apart = [seen[at] for at in distinct(overlaps(seen), _SAME, _CLOSER)]
    return [near for line in apart for near in _closer(levels, line)]


def _may_be(line: Line) -> bool:
    return _SHORTEST <= line.width / line.height <= _LONGEST


def _parts(levels: list[Level], least_px: float) -> list[Part]:
    """What is looked at: every other size, because the second look sees text from 6 to 44 pixels high."""
    if levels[0].grey.size <= _CLOSE_UP:
        return [whole(level) for level in levels[:3]]
    fine = [level for level in levels if least_px * level.scale >= net.LEAST_PX and min(level.grey.shape) > _LARGE / 2]
    at = levels.index((fine or levels[:1])[-1])
    return parts(levels[at]) + [whole(level) for level in levels[at + 2 :: 2]]


def _closer(levels: list[Level], line: Line) -> Iterator[Line]:
    """The line upright, at the size that is seen best, looked at once more: its ends and its tilt are known better then.

    Upright may be on its head: where the first look was not sure which way a line reads, the better of both ways counts.
    """
    ways = (0.0, 180.0) if line.traits[_WAY] < _SURE else (0.0,)
    near = [each for way in ways for each in _near(levels, replace(line, angle=line.angle + way))]
    if near:
        yield max(near, key=lambda each: each.traits[0] * each.width)


def _near(levels: list[Level], line: Line) -> Iterator[Line]:
    strip = sample(levels, line, round(net.BEST_PX), _BESIDE, _ABOVE, _WIDEST)
    down, right = line.height / net.BEST_PX, line.width / (strip.shape[1] - 2 * _BESIDE)
    middle = (strip.shape[1] - 1) / 2, (strip.shape[0] - 1) / 2
    for each in net.marked(strip):
        if abs(each.y - middle[1]) < net.BEST_PX and abs(each.x - middle[0]) < middle[0] / 2:
            moved = line.moved((each.x - middle[0]) * right, (each.y - middle[1]) * down)
            angle = (line.angle + each.angle + 180) % 360 - 180
            size, traits = (each.width * right, each.height * down), (*each.traits, *line.traits)
            yield Line(moved.x, moved.y, *size, angle, traits, each.taper)


def _plate(frame: Pixels, line: Line, score: float) -> Plate:
    box = Box(line.x - line.width / 2 + 0.5, line.y - line.height / 2 + 0.5, line.width, line.height)
    taper = max(-_STEEPEST, min(_STEEPEST, line.taper)) if abs(line.taper) >= _SLIGHT else 0.0
    crop, _ = rectify(frame, Plate(box, line.angle, score, 0.0, taper), 0.0, 0.0)
    return Plate(box, line.angle, score, sharpness.sharpness(crop), taper)


def rectify(pixels: Pixels, plate: Plate, margin_x: float, margin_y: float) -> tuple[Pixels, Box]:
    """An upright crop of the plate at the picture's own resolution, as high at its end as at its beginning, and where its line lies.

    The margins are in text heights; what lies outside the picture repeats its border. A crop of a BGR picture is BGR.
    """
    text_px = max(plate.box.height, 1.0)
    wanted = plate.box.grown(margin_x * text_px, margin_y * text_px)
    width, height = max(1, math.ceil(wanted.width)), max(1, math.ceil(wanted.height))
    cos, sin = math.cos(math.radians(plate.angle)), math.sin(math.radians(plate.angle))
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    # Half a pixel: boxes measure from edges, the warp from pixel centres.
    turn[:, 2] = np.subtract(plate.box.center, 0.5) - turn[:, :2] @ ((width - 1) / 2, (height - 1) / 2)
    flags = (cv2.INTER_CUBIC if plate.angle or plate.taper else cv2.INTER_NEAREST) | cv2.WARP_INVERSE_MAP
    if plate.taper:
        turn = np.vstack([turn, (0, 0, 1)]) @ _tapered(plate, (width - 1) / 2, (height - 1) / 2)
        crop = cv2.warpPerspective(pixels, turn, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    else:
        crop = cv2.warpAffine(pixels, turn, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    line = Box((width - plate.box.width) / 2, (height - plate.box.height) / 2, plate.box.width, plate.box.height)
    return np.asarray(crop, np.uint8), line


def _tapered(plate: Plate, x: float, y: float) -> npt.NDArray[np.float64]:
    """From a crop with its centre at x, y to one in perspective: the ends of the line stay, its beginning and end differ in height."""
    half = plate.box.width / 2
    fall = -plate.taper / 2
    view = np.array([[1, 0, half * fall], [0, 1, 0], [fall / half, 0, 1]])
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = (-x, -y), (x, y)
    return np.asarray(back @ view @ there, np.float64)
