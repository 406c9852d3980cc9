"""Cut-out lines of one VIN each to train a recogniser on: drawn in many faces and materials, or cut from photographs, then worn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from agent.domain import Pixels
from tests.bench.train import drawn
from tests.bench.train.drawn import Rng

ROWS, COLUMNS = 32, 320  # of what the recogniser takes: seventeen characters always fill the same width
HERSHEY = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_PLAIN)
Floats = npt.NDArray[np.float32]
Quad = Floats


@dataclass(frozen=True, slots=True, eq=False)
class Cutting:
    """A grey picture, the corners of the VIN's text in it, and the VIN."""

    grey: Pixels
    corners: Quad
    vin: str


def cutting(rng: Rng, faces: Sequence[Path]) -> Cutting:
    """A drawn line with what may stand around it."""
    cap = int(rng.integers(20, 36))
    text = drawn.vin(rng)
    if rng.random() < 0.5:  # any character anywhere but in the last four
        text = "".join(rng.choice(list(drawn.ALPHABET), 13)) + "".join(rng.choice(list("0123456789"), 4))
    spacing = float(rng.choice([0.0, 0.05, 0.15, 0.3, 0.5], p=[0.35, 0.25, 0.2, 0.12, 0.08]))
    mask = _hershey(rng, text, cap, spacing) if rng.random() < 0.15 else drawn.lettering(rng, text, _face(rng, faces), cap, spacing)
    squeeze = float(np.exp(rng.uniform(np.log(0.4), np.log(1.2))))
    mask = np.asarray(cv2.resize(mask, None, fx=squeeze, fy=1.0, interpolation=cv2.INTER_AREA), np.float32)
    height, width = mask.shape
    room_x, room_y = int(2 * cap), int(1.8 * cap)
    ink = np.zeros((height + 2 * room_y, width + 2 * room_x), np.float32)
    ink[room_y : room_y + height, room_x : room_x + width] = mask
    _surround(rng, ink, faces, (room_x, room_y, width, height), cap)
    kind = "stamped" if rng.random() < 0.25 else "label"
    grey = np.clip(drawn.painted(rng, ink, kind), 0, 255).astype(np.uint8)
    x, y = float(room_x), float(room_y)
    return Cutting(grey, np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], np.float32), text)


def _face(rng: Rng, faces: Sequence[Path]) -> Path:
    return faces[int(rng.integers(len(faces)))]


def _hershey(rng: Rng, text: str, cap: int, spacing: float) -> Floats:
    """Strokes of one width, as engraving tools draw."""
    face, thick = HERSHEY[int(rng.integers(len(HERSHEY)))], max(1, round(cap * float(rng.uniform(0.08, 0.2))))
    size = cap / cv2.getTextSize("H", face, 1.0, 1)[0][1]
    widths = [cv2.getTextSize(each, face, size, thick)[0][0] + spacing * cap for each in text]
    mask = np.zeros((3 * cap, int(sum(widths) + 2 * cap)), np.uint8)
    for each, x in zip(text, np.cumsum([cap / 2, *widths]), strict=False):
        cv2.putText(mask, each, (round(x), 2 * cap), face, size, (255,), thick, cv2.LINE_AA)
    x, y, width, height = cv2.boundingRect(mask)
    return np.asarray(mask[y : y + height, x : x + width] / 255, np.float32)


def _surround(rng: Rng, ink: Floats, faces: Sequence[Path], box: tuple[int, int, int, int], cap: int) -> None:
    """Lines above and below, marks at the ends, rules and frames."""
    x, y, width, height = box
    for above in (True, False):
        if rng.random() < 0.4:
            other = drawn.lettering(rng, drawn.words(rng), _face(rng, faces), max(8, int(cap * rng.uniform(0.5, 1.1))), 0.0)
            gap = int(cap * rng.uniform(0.15, 0.8))
            top = y - gap - other.shape[0] if above else y + height + gap
            _put(ink, other, x + int(rng.uniform(-cap, width - cap)), top)
        if rng.random() < 0.1:
            row = y - int(cap * rng.uniform(0.15, 0.6)) if above else y + height + int(cap * rng.uniform(0.15, 0.6))
            ink[max(0, row) : row + max(1, cap // 14)] = 1.0
    if rng.random() < 0.2:
        ends = drawn.lettering(rng, str(rng.choice(["*", "☆", "★", "-", "<"])), _face(rng, faces), cap, 0.0)
        gap = int(cap * rng.uniform(0.1, 0.5))
        _put(ink, ends, x - gap - ends.shape[1], y + (height - ends.shape[0]) // 2)
        _put(ink, ends, x + width + gap, y + (height - ends.shape[0]) // 2)


def _put(ink: Floats, mask: Floats, x: int, y: int) -> None:
    left, top = max(0, x), max(0, y)
    mask = mask[top - y :, left - x :]
    room = ink[top : top + mask.shape[0], left : left + mask.shape[1]]
    np.maximum(room, mask[: room.shape[0], : room.shape[1]], out=room)


def worn(rng: Rng, cut: Cutting, *, drawn_: bool) -> Pixels:
    """(32, 320) grey: cut out as loosely and as crookedly as the finder may, seen through lens and sensor."""
    corners = cut.corners.astype(np.float64)
    along, down = (corners[1] - corners[0] + corners[2] - corners[3]) / 2, (corners[3] - corners[0] + corners[2] - corners[1]) / 2
    unit, high = along / np.linalg.norm(along), float(np.linalg.norm(down))
    before, after = rng.uniform(-0.04, 0.55, 2) * high
    above, below = np.clip(rng.normal(0.14, 0.13, 2), -0.08, 0.5)
    drift = float(rng.normal(0, 0.06))
    quad = corners + np.array(
        [
            -unit * before - down * (above + drift),
            unit * after - down * (above - drift),
            unit * after + down * (below + drift),
            -unit * before + down * (below - drift),
        ]
    )
    rows = int(np.clip(np.exp(rng.uniform(np.log(10), np.log(46))), 10, max(12.0, 1.5 * high))) if drawn_ else ROWS
    wide = rows * float(np.exp(rng.uniform(np.log(0.5), np.log(1.3)))) if drawn_ else rows
    columns = int(max(60.0, min(560.0, wide * float(np.linalg.norm(along)) / high)))
    target = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float32)
    warp = cv2.getPerspectiveTransform(quad.astype(np.float32), target)
    shrink = high / rows
    grey = cv2.GaussianBlur(cut.grey, (0, 0), 0.4 * shrink) if shrink > 1.3 else cut.grey
    seen = np.asarray(cv2.warpPerspective(grey, warp, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
    shown = _light(rng, seen, strong=drawn_)
    return np.asarray(cv2.resize(shown, (COLUMNS, ROWS), interpolation=cv2.INTER_LINEAR if rows <= ROWS else cv2.INTER_AREA), np.uint8)


def _light(rng: Rng, seen: Floats, *, strong: bool) -> Pixels:
    if rng.random() < 0.3:
        seen = 255 - seen
    mean, much = float(seen.mean()), 1.0 if strong else 0.5
    seen = (seen - mean) * float(np.exp(rng.normal(-0.3, 0.5 * much))) + mean + float(rng.normal(0, 15))
    if rng.random() < 0.3:
        glow = np.zeros(seen.shape, np.float32)
        rows, columns = seen.shape
        centre = int(rng.integers(columns)), int(rng.integers(rows))
        axes = int(rng.uniform(0.3, 3) * rows), int(rng.uniform(0.2, 1) * rows)
        cv2.ellipse(glow, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        glow = np.asarray(cv2.GaussianBlur(glow, (0, 0), float(rng.uniform(0.2, 1.5)) * rows), np.float32)
        seen = seen + glow * np.float32(rng.normal(0, 80))
    if rng.random() < 0.5:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), float(rng.uniform(0.3, 0.045 * seen.shape[0] * much + 0.35))), np.float32)
    if rng.random() < 0.2 * much:
        length = int(rng.integers(2, max(3, seen.shape[0] // 5)))
        kernel = np.zeros((length, length), np.float32)
        cv2.line(kernel, (0, int(rng.integers(length))), (length - 1, int(rng.integers(length))), 1.0)
        seen = np.asarray(cv2.filter2D(seen, -1, kernel / max(float(kernel.sum()), 1.0)), np.float32)
    noise = abs(rng.normal(0, 0.3 * much)) * float(seen.std()) + abs(rng.normal(0, 1.5))
    sensed = np.clip(seen + rng.normal(0, noise, seen.shape), 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        _, jpeg = cv2.imencode(".jpg", sensed, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))])
        return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), np.uint8)
    return sensed
