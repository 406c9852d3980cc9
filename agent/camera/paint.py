"""Draws vehicles and the yard of the rendered gate, as layers that only have to be moved later.

A layer is a `uint8` array (height, width, 4): BGR already multiplied by its alpha. Lengths are pixels, y points down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from agent.camera.lettering import FINE, Colour, Points, Style, text, tint
from agent.domain import Pixels


@dataclass(frozen=True, slots=True)
class Body:
    """The outline of a vehicle seen from the front, in units of half its width, measured up from the ground."""

    height: float
    bonnet: float
    screen: tuple[float, float]
    screen_half: tuple[float, float]  # half widths of the windscreen, below and above

    def place(self, style: Style) -> tuple[float, float]:
        """Where a plate of this style is fixed: half the width there is, and the height of its middle."""
        low, high = self.screen
        if style == "stamped":
            return 0.62, 0.60
        if style == "dash":
            return self.screen_half[0] - 0.06, low + 0.10
        return self.screen_half[0] - 0.12, low + 0.30 * (high - low)


BODIES = (
    Body(1.62, 0.98, (1.02, 1.46), (0.84, 0.66)),
    Body(1.95, 1.00, (1.06, 1.68), (0.88, 0.76)),
    Body(2.15, 1.05, (1.16, 1.90), (0.92, 0.88)),
)


def vehicle(body: Body, half: int, paint: Colour, sign: str, dice: Generator, *, night: bool) -> Pixels:
    """A vehicle from the front as a layer of 2.6 × `half` pixels in width; it stands on the lower edge."""
    layer = np.zeros((round(half * (body.height + 0.04)), round(half * 2.6), 4), np.uint8)
    glass, chrome, dark = (62, 52, 44), (150, 150, 152), (28, 28, 30)
    shade: Colour = (paint[0] * 3 // 5, paint[1] * 3 // 5, paint[2] * 3 // 5)

    def face(colour: Colour, *points: tuple[float, float]) -> None:
        """A polygon given for the right half; the left mirrors it."""
        outline = [*points, *((-x, y) for x, y in reversed(points))]
        _fill(layer, [_at(layer, half, x, y) for x, y in outline], colour)

    def pair(colour: Colour, *points: tuple[float, float]) -> None:
        for side in (-1, 1):
            _fill(layer, [_at(layer, half, side * x, y) for x, y in points], colour)

    (low, high), (wide, narrow) = body.screen, body.screen_half
    pair((20, 20, 21), (0.66, 0.02), (0.94, 0.02), (0.97, 0.10), (0.97, 0.45), (0.64, 0.45))
    pair(shade, (0.92, low), (1.2, low + 0.02), (1.22, low + 0.2), (1.02, low + 0.2), (0.9, low + 0.08))
    face((14, 14, 14), (0.0, 0.03), (0.8, 0.03), (0.8, 0.2), (0.0, 0.2))
    face(shade, (0.0, 0.16), (0.9, 0.16), (1.0, 0.26), (1.0, 0.46), (0.0, 0.46))
    face(paint, (0.0, 0.42), (1.0, 0.42), (1.0, 0.82), (0.95, body.bonnet), (wide + 0.07, low), (0.0, low))
    face(
        paint, (0.0, low - 0.02), (wide + 0.07, low - 0.02), (narrow + 0.06, high + 0.03), (narrow - 0.06, body.height), (0.0, body.height)
    )
    face(glass, (0.0, low), (wide, low), (narrow, high), (0.0, high))
    face((34, 34, 36), (0.0, low), (wide, low), (wide - 0.03, low + 0.19), (0.0, low + 0.19))
    face(dark, (0.0, 0.47), (0.66, 0.47), (0.70, 0.73), (0.0, 0.73))
    for bar in np.linspace(0.50, 0.70, 5):
        face((52, 52, 54), (0.0, bar), (0.66, bar), (0.66, bar + 0.012), (0.0, bar + 0.012))
    pair(chrome, (0.74, 0.60), (0.96, 0.63), (0.96, 0.76), (0.72, 0.74))
    pair((250, 250, 246) if night else (205, 208, 208), (0.77, 0.63), (0.93, 0.65), (0.93, 0.73), (0.76, 0.72))
    _inside(layer, half, body)
    _shaded(layer, half)
    _licence_plate(layer, half, sign)
    return layer


def _inside(layer: Pixels, half: int, body: Body) -> None:
    """What glass shows: seats, the mirror, a stripe of sky; and the wipers before it."""
    (low, high), (wide, narrow) = body.screen, body.screen_half
    for x in (-0.42, 0.42):
        seat = [(x - 0.16, low + 0.19), (x + 0.16, low + 0.19), (x + 0.12, high - 0.1), (x - 0.12, high - 0.1)]
        _fill(layer, [_at(layer, half, *corner) for corner in seat], (48, 41, 36))
    mirror = [(-0.1, high - 0.03), (0.1, high - 0.03), (0.09, high - 0.1), (-0.09, high - 0.1)]
    _fill(layer, [_at(layer, half, *corner) for corner in mirror], (20, 20, 20))
    stripe = [(-narrow * 0.9, high - 0.01), (-narrow * 0.45, high - 0.01), (-wide * 0.72, low + 0.22), (-wide * 0.9, low + 0.22)]
    sheen = layer.copy()
    _fill(sheen, [_at(layer, half, *corner) for corner in stripe], (120, 112, 100))
    cv2.addWeighted(sheen, 0.35, layer, 0.65, 0, layer)
    for x in (-0.62, 0.1):
        ends = [_at(layer, half, x, low + 0.01), _at(layer, half, x + 0.55, low - 0.03)]
        cv2.line(layer, ends[0], ends[1], (12, 12, 12, 255), max(2, half // 70), cv2.LINE_AA)


def _shaded(layer: Pixels, half: int) -> None:
    """Round the flat colours: darker to the sides and below, as sheet metal under a sky is."""
    height, width = layer.shape[:2]
    across = 1.06 - 0.26 * ((np.arange(width, dtype=np.float32) - width / 2) / half) ** 2
    down = np.linspace(1.12, 0.78, height, dtype=np.float32)
    layer[..., :3] = np.clip(layer[..., :3] * (down[:, None] * across)[..., None], 0, 255).astype(np.uint8)


def _licence_plate(layer: Pixels, half: int, sign: str) -> None:
    ink = text(sign, half * 0.075)
    height, width = round(ink.shape[0] * 1.7), round(ink.shape[1] + half * 0.12)
    x, y = _at(layer, half, 0, 0.36)
    left, top = x - width // 2, y - height // 2
    layer[top : top + height, left : left + width] = (205, 210, 210, 255)
    cv2.rectangle(layer, (left, top), (left + width, top + height), (60, 60, 60, 255), max(1, half // 200))
    tint(layer, ink, x - ink.shape[1] // 2, y - ink.shape[0] // 2, (35, 30, 30))


def _at(layer: Pixels, half: int, x: float, y: float) -> tuple[int, int]:
    """The pixel of a point given in half widths from the middle and up from the ground."""
    return round(layer.shape[1] / 2 + x * half), round(layer.shape[0] - y * half)


def _fill(layer: Pixels, points: Sequence[tuple[int, int]], colour: Colour) -> None:
    # The fourth channel is filled and smoothed like the others, which is what multiplied alpha means.
    cv2.fillPoly(layer, [np.array(points, np.int32)], (*colour, 255), cv2.LINE_AA)


def fix(layer: Pixels, board: Pixels, corners: Points, middle: tuple[float, float], angle: float, lean: float) -> Points:
    """Fix a plate drawn by `plate` onto a layer, turned by `angle` degrees, its far side `lean` smaller; its text corners there."""
    height, width = board.shape[0] / FINE, board.shape[1] / FINE
    square = np.array([(-width, -height), (width, -height * (1 - lean)), (width, height * (1 - lean)), (-width, height)], np.float32) / 2
    turn = np.array(cv2.getRotationMatrix2D((0, 0), -angle, 1.0), np.float32)
    return onto(layer, board, corners, (square @ turn[:, :2].T + np.array(middle, np.float32)).astype(np.float32))


def onto(layer: Pixels, board: Pixels, corners: Points, target: Points) -> Points:
    """Lay a plate over the quadrangle `target` of a layer, given from its top left clockwise; its text corners there."""
    source = np.array([(0, 0), (board.shape[1], 0), (board.shape[1], board.shape[0]), (0, board.shape[0])], np.float32)
    warp = cv2.getPerspectiveTransform(source, target)
    solid = np.dstack([board, np.full(board.shape[:2], 255, np.uint8)])
    moved = cv2.warpPerspective(solid, warp, (layer.shape[1], layer.shape[0]), flags=cv2.INTER_LINEAR)
    over(layer, np.asarray(moved, np.uint8))
    return np.asarray(cv2.perspectiveTransform(corners[None], warp)[0], np.float32)


def over(base: Pixels, layer: Pixels) -> None:
    """Lay a layer over an array of three or four channels, in place."""
    share = cv2.cvtColor(cv2.bitwise_not(layer[..., 3]), cv2.COLOR_GRAY2BGR if base.shape[2] == 3 else cv2.COLOR_GRAY2BGRA)
    cv2.multiply(base, share, base, 1 / 255)
    cv2.add(base, layer[..., : base.shape[2]], base)


def yard(width: int, height: int, horizon: int, dice: Generator) -> Pixels:
    """The empty gate by day, BGR: sky, sheds, road, a barrier that is up and a sign that is not a VIN."""
    view: Pixels = np.zeros((height, width, 3), np.uint8)
    view[:horizon] = np.linspace((214, 190, 168), (228, 222, 214), horizon).astype(np.uint8)[:, None]
    view[horizon:] = np.linspace((118, 122, 122), (92, 95, 96), height - horizon).astype(np.uint8)[:, None]
    for left in np.arange(-0.05, 1.0, 0.17):
        roof = round(horizon * dice.uniform(0.45, 0.85))
        tone = dice.uniform(105, 165)
        box = (round(left * width), roof), (round((left + dice.uniform(0.12, 0.18)) * width), horizon)
        cv2.rectangle(view, *box, (tone, tone * dice.uniform(0.95, 1.02), tone * dice.uniform(0.9, 1.05)), -1)
    road = [(0.46, 0.0), (0.54, 0.0), (1.05, 1.0), (-0.05, 1.0)]
    cv2.fillPoly(view, [_ground(road, width, height, horizon)], (78, 80, 82), cv2.LINE_AA)
    for side in (0.475, 0.525):
        edge = [(side - 0.001, 0.0), (side + 0.001, 0.0), ((side - 0.5) * 17 + 0.52, 1.0), ((side - 0.5) * 17 + 0.48, 1.0)]
        cv2.fillPoly(view, [_ground(edge, width, height, horizon)], (190, 196, 198), cv2.LINE_AA)
    grain = np.asarray(cv2.resize(dice.normal(0, 7, (height // 2, width // 2)).astype(np.float32), (width, height)), np.float32)
    view = np.clip(view + grain[..., None], 0, 255).astype(np.uint8)
    _barrier(view, dice)
    return view


def _ground(points: Sequence[tuple[float, float]], width: int, height: int, horizon: int) -> npt.NDArray[np.int32]:
    return np.array([(round(x * width), round(horizon + y * (height - horizon))) for x, y in points], np.int32)


def _barrier(view: Pixels, dice: Generator) -> None:
    """A post with its arm raised on the right, and the yard's sign on the left."""
    height, width = view.shape[:2]
    foot, post = (round(width * 0.93), round(height * 0.80)), round(width * 0.022)
    cv2.rectangle(view, (foot[0] - post, round(height * 0.46)), (foot[0] + post, foot[1]), (40, 150, 215), -1)
    arm = np.linspace((foot[0], height * 0.48), (width * 0.88, -0.1 * height), 9)
    for number, (start, end) in enumerate(pairwise(arm)):
        colour = (50, 45, 200) if number % 2 else (232, 232, 232)
        cv2.line(view, (round(start[0]), round(start[1])), (round(end[0]), round(end[1])), colour, max(3, width // 90), cv2.LINE_AA)
    lines = (f"GATE {dice.integers(1, 9)}", "STOP HERE", "MAX 10 KM/H")
    left, top, cap = round(width * 0.02), round(height * 0.22), height * 0.020
    view[top : top + round(cap * 6.4), left : left + round(cap * 11.5)] = (120, 70, 30)
    for number, words in enumerate(lines):
        tint(view, text(words, cap), left + round(cap), top + round(cap * (0.9 + 1.9 * number)), (235, 235, 235))
    cv2.rectangle(view, (left + round(cap * 5.4), top + round(cap * 6.4)), (left + round(cap * 6), round(height * 0.7)), (95, 95, 95), -1)
