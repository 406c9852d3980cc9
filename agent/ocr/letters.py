"""The agent's own recogniser: reads nothing but VINs, seventeen characters of 33, from one line cut out of a picture."""

from collections.abc import Iterator
from importlib.resources import files

import cv2
import numpy as np

from agent.domain import Box, Pixels
from agent.ocr.beam import Floats

WEIGHTS = files("agent.ocr") / "letters.onnx"
_ROWS, _COLUMNS = 32, 320  # what it was taught: seventeen characters fill the same width, however they were squeezed
# Beside and above the line, in text heights.
_MARGINS = ((0.25, 0.10), (0.10, 0.20), (0.40, 0.02))


def cuts(pixels: Pixels, line: Box) -> Iterator[Floats]:
    """The line as the recogniser takes it, (1, 1, 32, 320), cut a little differently each time: what all agree on is there.

    It answers (1, 80, 34): the shares of the pause and of the 33 characters in each of 80 columns.
    """
    grey = pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    for beside, above in _MARGINS:
        yield _cut(grey, line, beside, above)[None, None]


def _cut(grey: Pixels, line: Box, beside: float, above: float) -> Floats:
    """The line with margins as (32, 320) grey values; what lies outside the picture repeats its border."""
    box = line.grown(beside * line.height, above * line.height)
    wide, high = box.width / _COLUMNS, box.height / _ROWS
    if high > 1.5:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.4 * high), np.uint8)
    warp = np.array([[wide, 0, box.x + (wide - 1) / 2], [0, high, box.y + (high - 1) / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(grey, warp, (_COLUMNS, _ROWS), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)
