"""Finding the plate: from the pixels of a frame to the few lines of text that are most likely a VIN, and their upright crops."""

import math

import cv2
import numpy as np

from agent.domain import Box, Pixels, Plate
from agent.vision import sharpness, weights
from agent.vision.judge import Doubles
from agent.vision.lines import Level, Line, distinct, overlaps, proposals, pyramid
from agent.vision.strip import measurements, tightened

_PROPOSED = 32  # proposals drawn tight, best first: twice as many cost 10 ms and brought one photograph in a hundred
_MEASURED = 40  # tight lines measured
_SMALL = 480  # pixels; a close-up with smaller sides is enlarged, so that its glyphs reach the size the search is made for
_LONGEST, _SHORTEST = 30.0, 3.0  # width over height of what may be a VIN line
_SAME = 0.3  # overlap from which two lines are about the same text
_WORTH = 0.02  # below this a line is hardly ever a VIN and is not mentioned


def find(frame: Pixels, min_text_px: int = 8, most: int = 5) -> list[Plate]:
    """The lines of text in a BGR or grey picture that look like a VIN, best first; `score` is a probability.

    `min_text_px` is the least height of a line that is searched for; text up to a third of the picture's height is found.
    """
    levels, up, lines = candidates(grey(frame), min_text_px)
    lines, scores = _judged(levels, lines)
    # The best line once more from where it was drawn: with its tilt known better, ends that had drifted out of the band come back.
    again, again_scores = _judged(levels, _tight(levels, lines[:1]))
    lines, scores = _ranked([*lines, *again], np.concatenate([scores, again_scores]))
    best = distinct(overlaps(lines), _SAME, most)
    return [_plate(frame, lines[index].scaled(1 / up), float(scores[index])) for index in best if scores[index] >= _WORTH]


def _judged(levels: list[Level], lines: list[Line]) -> tuple[list[Line], Doubles]:
    return _ranked(lines, weights.VIN([measured(levels, line) for line in lines]))


def _ranked(lines: list[Line], scores: Doubles) -> tuple[list[Line], Doubles]:
    order = np.argsort(-scores)
    return [lines[index] for index in order], scores[order]


def _tight(levels: list[Level], rough: list[Line]) -> list[Line]:
    return [line for each in rough for line in tightened(levels, each) if _SHORTEST <= line.width / line.height <= _LONGEST]


def grey(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def candidates(picture: Pixels, min_text_px: int) -> tuple[list[Level], float, list[Line]]:
    """The grey picture at its sizes, how far it was enlarged, and the tight lines worth measuring in its enlarged pixels."""
    levels, up, found = proposed(picture, min_text_px)
    chances = weights.TEXT([line.traits for line in found])
    ordered = [found[index] for index in np.argsort(-chances)]
    rough = [ordered[index] for index in distinct(overlaps(ordered), 0.75, _PROPOSED)]
    tight = _tight(levels, rough)
    return levels, up, [tight[index] for index in distinct(overlaps(tight), 0.85, _MEASURED)]


def proposed(picture: Pixels, min_text_px: int) -> tuple[list[Level], float, list[Line]]:
    """As `candidates`, but every rough proposal."""
    up = 2.0 if max(picture.shape) <= _SMALL else 1.0
    if up > 1:
        picture = np.asarray(cv2.resize(picture, None, fx=up, fy=up, interpolation=cv2.INTER_LINEAR), np.uint8)
    finest = 1.0
    while min(picture.shape) * finest > 600 and min_text_px * finest >= 8:
        finest /= 2
    levels = pyramid(picture, finest)
    return levels, up, [line for level in levels if level.scale <= finest for line in proposals(level)]


def measured(levels: list[Level], line: Line) -> list[float]:
    """All that is known of a tight line, in the order the weights were trained with."""
    return [*line.traits, *map(float, measurements(levels, line))]


def _plate(frame: Pixels, line: Line, score: float) -> Plate:
    box = Box(line.x - line.width / 2 + 0.5, line.y - line.height / 2 + 0.5, line.width, line.height)
    rough = Plate(box, line.angle, score, 0.0)
    crop, _ = rectify(frame, rough, 0.0, 0.0)
    return Plate(box, line.angle, score, sharpness.sharpness(crop))


def rectify(pixels: Pixels, plate: Plate, margin_x: float, margin_y: float) -> tuple[Pixels, Box]:
    """An upright crop of the plate at the picture's own resolution, and where the text line lies in it.

    The margins are in text heights; what lies outside the picture repeats its border. A crop of a BGR picture is BGR.
    """
    text_px = max(plate.box.height, 1.0)
    wanted = plate.box.grown(margin_x * text_px, margin_y * text_px)
    width, height = max(1, math.ceil(wanted.width)), max(1, math.ceil(wanted.height))
    cos, sin = math.cos(math.radians(plate.angle)), math.sin(math.radians(plate.angle))
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    # Half a pixel: boxes measure from edges, the warp from pixel centres.
    turn[:, 2] = np.subtract(plate.box.center, 0.5) - turn[:, :2] @ ((width - 1) / 2, (height - 1) / 2)
    flags = (cv2.INTER_CUBIC if plate.angle else cv2.INTER_NEAREST) | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(pixels, turn, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    line = Box((width - plate.box.width) / 2, (height - plate.box.height) / 2, plate.box.width, plate.box.height)
    return np.asarray(crop, np.uint8), line
