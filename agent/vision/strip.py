"""A line looked at closely: its box drawn tight around the glyphs, and the measurements that tell a VIN from other text."""

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from agent.domain import Pixels
from agent.vision.lines import Floats, Level, Line, reach, sample

_CORE, _BESIDE, _ABOVE = 24, 18, 14  # pixels of the strip that is measured: text height, context beside, context above and below
_HOLDS = 0.5
_GAPS = (0.4, 0.8, 1.5)
_FRINGE = 1.15
_TIGHT, _ROOM, _SIDE = 16, 16, 16  # the same for the strip that is tightened


def tightened(levels: list[Level], line: Line) -> list[Line]:
    """The line with its edges moved to where the strokes begin and end, and what was left of its tilt taken out.

    Two answers where the text has wide gaps: all of it, and only the part around the middle.
    """
    strip = sample(levels, line, _TIGHT, _SIDE, _ROOM)
    strokes = _strokes(strip)
    rows, columns = strokes.shape
    centre, height, slope = _course(strokes)
    down, right = line.height / _TIGHT, line.width / (columns - 2 * _SIDE)
    turn = math.degrees(math.atan2(slope * down, right))
    found = []
    for first, last in _ends(strokes, centre, height, slope):
        off = (first + last - columns + 1) / 2
        moved = line.moved(off * right, (centre + slope * off - (rows - 1) / 2) * down)
        found.append(replace(moved, width=(last - first + 1) * right, height=height * _FRINGE * down, angle=line.angle + turn))
    return found


def _course(strokes: Floats) -> tuple[float, float, float]:
    """Where the text runs through the strip: row of its centre in the middle column, height in rows, rows per column."""
    columns = strokes.shape[1]
    third = columns // 3
    (left, left_px), (middle, middle_px), (right, right_px) = (
        _band(strokes[:, part]) for part in (slice(third), slice(None), slice(-third, None))
    )
    slope = (right - left) / (columns - third)
    if abs(slope) > 0.2 or min(left_px, right_px) < 0.45 * middle_px:
        return middle, middle_px, 0.0
    return (left + right) / 2, sorted((left_px, middle_px, right_px))[1], slope


def _strokes(strip: Pixels) -> Floats:
    soft = cv2.GaussianBlur(strip, (3, 3), 0)
    return np.abs(np.asarray(cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=3), np.float32))


def _band(strokes: Floats) -> tuple[float, float]:
    """Centre and height, in rows, of the band of strokes nearest to the middle."""
    profile = cv2.blur(cv2.reduce(strokes, 1, cv2.REDUCE_AVG), (1, 3)).ravel()
    profile = profile - _ranked(profile, 0.12)
    rows = len(profile)
    peak = rows // 3 + int(profile[rows // 3 : rows - rows // 3].argmax())
    top, bottom = reach(profile > 0.42 * profile[peak], peak, 1)
    return (top + bottom) / 2, float(bottom - top + 1)


def _ends(strokes: Floats, centre: float, height: float, slope: float) -> set[tuple[int, int]]:
    """First and last column of the text, once bridging gaps as wide stamping has them, once only those between glyphs."""
    rows, columns = strokes.shape
    spread = height / 2 + abs(slope) * columns / 4
    band = strokes[max(0, int(centre - spread)) : min(rows, int(centre + spread) + 1)]
    profile = cv2.blur(cv2.reduce(band, 0, cv2.REDUCE_AVG), (3, 1)).ravel()
    inner = profile[columns // 4 : -columns // 4]
    on = profile > _HOLDS * _ranked(inner, 0.6)
    return {reach(on, columns // 2, int(gap * height)) for gap in _GAPS}


def _ranked(values: npt.NDArray[Any], share: float) -> float:
    """The value below which so large a share lies; the exact percentile interpolates and takes four times as long."""
    return float(np.sort(values, axis=None)[round(share * (values.size - 1))])


def measurements(levels: list[Level], line: Line) -> Floats:
    """What a strip of one line of seventeen glyphs looks like, free of scale and polarity; the weights follow this order."""
    strip = sample(levels, line, _CORE, _BESIDE, _ABOVE)
    core = strip[_ABOVE:-_ABOVE, _BESIDE:-_BESIDE]
    dark, light = _ranked(core[::2, ::2], 0.04), _ranked(core[::2, ::2], 0.96)
    contrast = light - dark
    even = np.clip((strip.astype(np.float32) - dark) / max(contrast, 8.0), -0.3, 1.3)
    shape = [math.log(line.width / line.height), math.log(min(line.height, _CORE)), contrast / 128]
    return np.array([*shape, *_surroundings(even), *_rhythm(even), *_glyphs(core, contrast)], np.float32)


def _surroundings(even: Floats) -> list[float]:
    """Stroke energy inside the line against that around it, and how evenly it is spread along and across."""
    across, down = np.abs(even[:, 2:] - even[:, :-2]), np.abs(even[2:] - even[:-2])
    rows, columns = across.mean(axis=1), across[_ABOVE:-_ABOVE].mean(axis=0)
    inside = float(rows[_ABOVE + 3 : -_ABOVE - 3].mean()) + 1e-3
    core = columns[_BESIDE : -_BESIDE + 2]
    sixths = [float(part.mean()) for part in np.array_split(core, 6)]
    thirds = [float(part.mean()) / inside for part in np.array_split(rows[_ABOVE:-_ABOVE], 3)]
    around = [rows[2 : _ABOVE - 3], rows[-_ABOVE + 3 : -2], columns[: _BESIDE - 5], columns[-_BESIDE + 5 :]]
    edges = [rows[_ABOVE - 3 : _ABOVE], rows[-_ABOVE : -_ABOVE + 3]]
    flat = inside / (float(down[_ABOVE:-_ABOVE].mean()) + 1e-3)
    ratios = [float(part.mean()) / inside for part in (*around, *edges)]
    return [4 * inside, flat, *ratios, *thirds, min(sixths) / inside, max(sixths) / inside, float(np.std(sixths)) / inside]


def _rhythm(even: Floats) -> list[float]:
    """How strongly and how often the ink repeats along the line: glyphs stand at an even pitch, barcodes and photographs do not."""
    core = even[_ABOVE:-_ABOVE, _BESIDE:-_BESIDE]
    ink = np.abs(core - np.median(core, axis=1, keepdims=True)).mean(axis=0)
    wave = ink - cv2.blur(ink.reshape(1, -1), (37, 1)).ravel()
    spectrum = np.fft.rfft(wave, 2048)
    echo = np.fft.irfft(np.abs(spectrum) ** 2)[: len(wave)]
    echo = echo / (echo[0] + 1e-9)
    shortest = int(0.42 * _CORE)
    longest = max(shortest + 3, min(int(1.5 * _CORE), len(wave) // 5))
    pitch = shortest + int(echo[shortest:longest].argmax())
    crossings = int(np.count_nonzero(np.diff(np.signbit(cv2.blur(wave.reshape(1, -1), (5, 1)).ravel()).astype(np.int8))))
    return [float(echo[pitch]), math.log(len(wave) / pitch), math.log((crossings + 1) / 34)]


def _glyphs(core: Pixels, contrast: float) -> list[float]:
    """Count, sizes and spacing of the connected pieces as high as glyphs, in the polarity that has the better row of them."""
    around = cv2.blur(core, (25, 25))
    least = max(10.0, 0.16 * contrast)
    sides = cv2.subtract(core, around), cv2.subtract(around, core)
    rows = [_row(cv2.threshold(side, least, 255, cv2.THRESH_BINARY)[1]) for side in sides]
    best = max(rows, key=lambda row: row[0] * (1 - min(row[2], 1)))
    return [*best, min(row[0] for row in rows)]


def _row(ink: cv2.typing.MatLike) -> list[float]:
    """Pieces per seventeen, distance from seventeen, spread of heights and of pitch, width share, median width, mean height."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    pieces = stats[1:]
    width, height = pieces[:, cv2.CC_STAT_WIDTH], pieces[:, cv2.CC_STAT_HEIGHT]
    pieces = pieces[(height > 0.42 * _CORE) & (width < 1.25 * _CORE) & (width > 1)]
    if len(pieces) < 3:
        return [0.0, 1.7, 1.0, 1.0, 0.0, 1.0, 0.0]
    width, height = pieces[:, cv2.CC_STAT_WIDTH], pieces[:, cv2.CC_STAT_HEIGHT]
    pitch = np.diff(np.sort(pieces[:, cv2.CC_STAT_LEFT] + width / 2))
    pitch = pitch[pitch > 0.2 * _CORE]
    spread = float(np.std(pitch) / np.mean(pitch)) if len(pitch) else 1.0
    count = len(pitch) + 1
    share, middle, high = float(width.sum()) / ink.shape[1], float(np.median(width)) / _CORE, float(np.mean(height))
    return [count / 17, abs(count - 17) / 10, float(np.std(height)) / high, spread, share, middle, high / _CORE]
