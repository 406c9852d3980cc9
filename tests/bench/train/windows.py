"""From photographs and drawn sheets to the windows a network learns from: turned, tilted, blurred, and with maps of the VIN lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from agent.domain import Box, Pixels
from agent.ocr.textline import slope
from agent.vision import net, plate
from agent.vision.lines import Line
from tests.bench.photos import photos_in
from tests.bench.train import drawn, rendered
from tests.bench.train.drawn import Quad, Rng

SIZE, STRIDE = 320, 4
INSIDE = 0.55  # height of the core over that of its line: cores of neighbouring lines do not touch
TEXT_PX = (6.0, 44.0)
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A grey picture and the corners of its VIN lines; `upright` where the direction of reading is known."""

    grey: Pixels
    vins: tuple[Quad, ...]
    upright: bool = True


def photographs(folder: Path, endings: str) -> Iterator[Example]:
    """Photographs for tuning whose number ends in one of these. Labels are upright boxes; examples are tilted as their text is."""
    for photo in photos_in(folder):
        if photo.part == "tuning" and photo.file.stem[-1] in endings:
            grey, box = plate.grey(photo.pixels()), photo.line
            yield Example(grey, (line_of(grey, box),), box.width > box.height)


def line_of(grey: Pixels, label: Box) -> Quad:
    """The corners of the line in a labelled box, in reading order: turned as the finder there is sees it, or as its strokes say."""
    found, middle, width, height = _seen_in(grey, label), label.center, label.width, label.height
    if height > width:
        return _corners(middle, found.width, found.height, found.angle) if found else _corners(middle, height, width, -90.0)
    pixels = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    angle = found.angle if found else float(np.degrees(np.arctan2(slope(pixels, label), width)))
    cos, sin = np.cos(np.radians(angle)), abs(np.sin(np.radians(angle)))
    along, across = np.array([width * cos - height * sin, height * cos - width * sin]) / max(cos * cos - sin * sin, 0.1)
    if across >= 0.35 * height and along >= 2.5 * across:
        return _corners(middle, along, across, angle)
    # Of a thin line that is steep hardly anything is left by that sum.
    return _corners(middle, found.width, found.height, found.angle) if found else _corners(middle, width, height, 0.0)


def _corners(middle: tuple[float, float], along: float, across: float, angle: float) -> Quad:
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    unit, down = np.array([cos, sin]) * along / 2, np.array([-sin, cos]) * across / 2
    return np.asarray(np.array([-unit - down, unit - down, unit + down, down - unit]) + middle, np.float32)


def _seen_in(grey: Pixels, label: Box) -> Line | None:
    """The line in a labelled box that the finder marks, -90 to 90 degrees; None where it marks another or none."""
    levels, up = plate.sizes(grey)
    best, most = None, 0.5
    for line in plate.marked(levels, net.LEAST_PX):
        line = replace(line.scaled(1 / up), angle=(line.angle + 90) % 180 - 90)
        left, top, right, bottom = line.hull()
        across = min(right, label.x + label.width) - max(left, label.x)
        down = min(bottom, label.y + label.height) - max(top, label.y)
        shared = max(0.0, across) * max(0.0, down)
        share = shared / ((right - left) * (bottom - top) + label.width * label.height - shared)
        if share > most:
            best, most = line, share
    return best


def sheets(count: int, seed: int, faces: Sequence[Path]) -> Iterator[Example]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        sheet = drawn.sheet(rng, faces)
        yield Example(np.clip(sheet.pixels, 0, 255).astype(np.uint8), sheet.vins)


def yards(count: int, seed: int) -> Iterator[Example]:
    """Rendered yards: licence plates, signs and stripes, with or without a VIN among them."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        grey, quads = rendered.scene(rng)
        yield Example(grey, tuple(quads))


def window(rng: Rng, example: Example, ground: Pixels | None = None, size: int = SIZE) -> tuple[Pixels, Floats]:
    """A (size, size) grey window and its maps (4, size / 4, size / 4): core, whole line, cosine and sine of the direction of reading.

    `ground` is what lies around a sheet; photographs go on with their own border.
    """
    warp = _warp(rng, example, size)
    border = cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    shown = np.asarray(cv2.warpPerspective(_softened(example.grey, warp), warp, (size, size), flags=cv2.INTER_LINEAR, borderMode=border))
    if ground is not None:
        inside = cv2.warpPerspective(np.full_like(example.grey, 255), warp, (size, size), flags=cv2.INTER_LINEAR)
        shown = np.where(inside > 200, shown, cv2.resize(ground, (size, size)))
    quads = [cv2.perspectiveTransform(quad[None], warp)[0] for quad in example.vins]
    return seen(rng, np.asarray(shown, np.uint8)), maps(quads, size, upright=example.upright)


def stacked(rng: Rng, one: tuple[Pixels, Floats], other: tuple[Pixels, Floats]) -> tuple[Pixels, Floats]:
    """The upper part of one window over the lower part of another, parted where no line is cut; the first where there is no such place."""
    lines = one[1][1].max(1) + other[1][1].max(1)
    free = [at for at in range(len(lines) // 4, 3 * len(lines) // 4) if lines[at - 1 : at + 1].max() < 0.05]
    if not free:
        return one
    at = int(rng.choice(free))
    pixels = np.concatenate([one[0][: STRIDE * at], other[0][STRIDE * at :]])
    return pixels, np.concatenate([one[1][:, :at], other[1][:, at:]], axis=1)


def _softened(grey: Pixels, warp: npt.NDArray[np.float64]) -> Pixels:
    """Smoothed before it is shrunk, as a lens would."""
    shrink = 1 / max(1e-6, float(np.sqrt(abs(np.linalg.det(warp[:2, :2])))))
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.45 * shrink), np.uint8) if shrink > 1.3 else grey


def _warp(rng: Rng, example: Example, size: int) -> npt.NDArray[np.float64]:
    height, width = example.grey.shape
    if example.vins:
        quad = example.vins[int(rng.integers(len(example.vins)))]
        middle, text = quad.mean(axis=0), float(np.linalg.norm(quad[3] - quad[0]))
        line = float(np.linalg.norm(quad[1] - quad[0]))
    else:
        middle, text, line = np.array((width, height)) * rng.uniform(0.3, 0.7, 2), 40.0, 600.0
    wide = float(rng.uniform(0.8, 1.9)) if example.upright and rng.random() < 0.7 else 1.0
    most = min(TEXT_PX[1], 3.0 * text, max(12.0, 1.15 * size / line / wide * text))
    scale = float(np.exp(rng.uniform(np.log(TEXT_PX[0]), np.log(max(most, TEXT_PX[0] + 1))))) / text
    angle = _angle(rng)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.diag((scale * wide, scale))
    shear = np.array([[1, float(rng.normal(0, 0.08))], [float(rng.normal(0, 0.04)), 1]])
    turn = shear @ turn
    spread = 0.5 * np.abs(turn @ (line, 0.0)) if example.vins else np.zeros(2)
    room = np.maximum(0.5 * size - spread - 4, 0.06 * size)
    if rng.random() < 0.1:
        room = np.full(2, 0.7 * size)
    target = 0.5 * size + rng.uniform(-1, 1, 2) * room
    warp = np.eye(3)
    warp[:2, :2] = turn
    warp[:2, 2] = target - turn @ middle
    if rng.random() < 0.4:
        tilt = np.eye(3)
        tilt[2, :2] = rng.normal(0, 0.25, 2) / size
        centre = np.array([[1, 0, -size / 2], [0, 1, -size / 2], [0, 0, 1.0]])
        warp = np.linalg.inv(centre) @ tilt @ centre @ warp
    return np.asarray(warp, np.float64)


def _angle(rng: Rng) -> float:
    """Most lines run along rows; some are tilted, some turned by quarters."""
    kind = rng.random()
    if kind < 0.6:
        return float(rng.normal(0, 7))
    return float(rng.uniform(-40, 40)) if kind < 0.8 else 90.0 * int(rng.integers(4)) + float(rng.normal(0, 8))


def maps(quads: Sequence[Quad], size: int, *, upright: bool) -> Floats:
    """Drawn twice as fine and averaged, so that thin lines keep their place."""
    fine = 2 * size // STRIDE
    out = np.zeros((4, fine, fine), np.float32)
    for quad in quads:
        corners = quad.astype(np.float64)
        down = (corners[3] - corners[0] + corners[2] - corners[1]) / 2
        along = (corners[1] - corners[0] + corners[2] - corners[3]) / 2
        unit = along / (np.linalg.norm(along) + 1e-9)
        high = float(np.linalg.norm(down))
        shrink = down * (1 - INSIDE) / 2
        cut = unit * min(0.25 * high, 0.1 * float(np.linalg.norm(along)))
        core = corners + np.array([shrink + cut, shrink - cut, -shrink - cut, -shrink + cut])
        for layer, each in ((0, core), (1, corners)):
            cv2.fillPoly(out[layer], [_points(each, fine / size)], 1.0, shift=4)
        if upright:
            mask = np.zeros((fine, fine), np.uint8)
            cv2.fillPoly(mask, [_points(corners, fine / size)], 1, shift=4)
            out[2][mask > 0], out[3][mask > 0] = unit
    return np.stack([cv2.resize(each, (size // STRIDE,) * 2, interpolation=cv2.INTER_AREA) for each in out])


def _points(corners: npt.NDArray[np.float64], scale: float) -> npt.NDArray[np.int32]:
    return np.round((corners * scale - 0.5) * 16).astype(np.int32)


def seen(rng: Rng, shown: Pixels) -> Pixels:
    """Through a lens, at another light, by a sensor, as a JPEG."""
    picture = _lit(rng, shown.astype(np.float32))
    if rng.random() < 0.4:
        picture = _floats(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.8))))
    if rng.random() < 0.15:
        length = int(rng.integers(2, 8))
        kernel = np.zeros((length, length), np.float32)
        cv2.line(kernel, (0, int(rng.integers(length))), (length - 1, int(rng.integers(length))), 1.0)
        picture = _floats(cv2.filter2D(picture, -1, kernel / max(float(kernel.sum()), 1.0)))
    sensed = np.clip(picture + rng.normal(0, abs(rng.normal(0, 6)), picture.shape), 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, jpeg = cv2.imencode(".jpg", sensed, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))])
        return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), np.uint8)
    return sensed


def _lit(rng: Rng, picture: Floats) -> Floats:
    if rng.random() < 0.15:
        picture = 255 - picture
    if rng.random() < 0.6:
        picture = _floats((picture / 255) ** float(np.exp(rng.normal(0, 0.35))) * 255)
    mean, contrast = float(picture.mean()), float(np.exp(rng.normal(-0.2, 0.4)))
    picture = _floats((picture - mean) * contrast + mean + float(rng.normal(0, 18)))
    if rng.random() < 0.3:
        glow = np.zeros(picture.shape, np.float32)
        centre = [int(each) for each in rng.integers(0, picture.shape[0], 2)]
        cv2.ellipse(glow, centre, [int(each) for each in rng.integers(10, 160, 2)], float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        picture = _floats(picture + cv2.GaussianBlur(glow, (0, 0), float(rng.uniform(4, 40))) * float(rng.normal(0, 70)))
    return picture


def _floats(picture: npt.ArrayLike) -> Floats:
    return np.asarray(picture, np.float32)
