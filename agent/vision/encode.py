"""Fitting a picture into a provider's bounds without losing what has to be read in it."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from agent.bounds import Bounds
from agent.domain import Box, Pixels
from agent.errors import Rejected

_READABLE = 32.0  # pixels of text height that a reader is content with; a smaller line is enlarged to it
_ENLARGED = 4.0  # times at most: beyond it there is nothing left to show
_LEGIBLE = 8.0  # pixels of text height below which nobody reads: no line of twice that is shrunk under it
_QUALITIES = (92, 80, 65, 50)  # of the JPEG; below 50 blocks eat thin strokes, so the picture shrinks instead
_SHRUNK = 65  # quality at the smaller sizes
_ATTEMPTS = 8  # sizes tried; each is chosen from how far the one before it missed


@dataclass(frozen=True, slots=True)
class Fitted:
    """A JPEG that meets the bounds, its sides in pixels, and where the text line lies in it."""

    jpeg: bytes
    width: int
    height: int
    line: Box


def fit(pixels: Pixels, line: Box, bounds: Bounds) -> Fitted:
    """A BGR or grey picture as a JPEG within `bounds`, its aspect kept, padded with its own border where a side is too short.

    Raises `Rejected`, naming the bound and the figures, where the text could not be read any more.
    """
    scale = _scale(pixels, line, bounds)
    size = 0
    for size, fitted in _attempts(pixels, line, bounds, scale):
        if size <= bounds.raw_bytes:
            return fitted
    raise Rejected(
        f"max_bytes: the picture of {pixels.shape[1]} × {pixels.shape[0]} px takes {size} bytes at its smallest legible size, "
        f"expected at most {bounds.raw_bytes} before encoding ({bounds.max_bytes} {bounds.counted}); allow more or reduce the margins"
    )


def _scale(pixels: Pixels, line: Box, bounds: Bounds) -> float:
    """How much to enlarge a small line, or to shrink sides that are too long."""
    height, width = pixels.shape[:2]
    if not width or not height:
        raise Rejected(f"min_side: the picture of {width} × {height} px has no pixels, expected sides of {bounds.min_side} px or more")
    if bounds.min_side > bounds.max_side:
        raise Rejected(f"min_side: {bounds.min_side} px is more than max_side, {bounds.max_side} px; no picture can meet both")
    largest: float = bounds.max_side / max(width, height)
    scale = min(largest, max(1.0, min(_ENLARGED, _READABLE / max(line.height, 1.0))))
    if scale < _least(line):
        raise Rejected(
            f"max_side: the picture of {width} × {height} px would have to shrink to {bounds.max_side} px and its text "
            f"from {line.height:.0f} to {line.height * scale:.1f} px, expected {_LEGIBLE:.0f} px or more; reduce the margins"
        )
    return scale


def _least(line: Box) -> float:
    """The smallest scale at which the text can be read; a line that is hardly legible already may lose half."""
    return _LEGIBLE / line.height if line.height > 2 * _LEGIBLE else 0.5


def _attempts(pixels: Pixels, line: Box, bounds: Bounds, scale: float) -> Iterator[tuple[int, Fitted]]:
    """Bytes and picture, ever smaller: first by quality, then by size."""
    first = sized(pixels, line, bounds, scale)
    fitted = encoded(*first, _QUALITIES[0])
    yield len(fitted.jpeg), fitted
    for quality in _QUALITIES[1:]:
        fitted = encoded(*first, quality)
        yield len(fitted.jpeg), fitted
    least = min(scale, _least(line))
    for _ in range(_ATTEMPTS):
        if scale <= least:
            return
        # Bytes go with the area; a little less, because the frame around the pixels stays.
        scale = max(least, scale * min(0.9, 0.95 * (bounds.raw_bytes / len(fitted.jpeg)) ** 0.5))
        fitted = encoded(*sized(pixels, line, bounds, scale), _SHRUNK)
        yield len(fitted.jpeg), fitted


def sized(pixels: Pixels, line: Box, bounds: Bounds, scale: float) -> tuple[Pixels, Box]:
    """The picture `scale` times as large and padded to the shortest side allowed, and its line."""
    height, width = pixels.shape[:2]
    size = max(1, min(bounds.max_side, round(width * scale))), max(1, min(bounds.max_side, round(height * scale)))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = pixels if size == (width, height) else cv2.resize(pixels, size, interpolation=smooth)
    left, top = (max(0, bounds.min_side - side) // 2 for side in size)
    right, bottom = (max(0, bounds.min_side - side) - before for side, before in zip(size, (left, top), strict=True))
    if left or right or top or bottom:
        scaled = cv2.copyMakeBorder(scaled, top, bottom, left, right, cv2.BORDER_REPLICATE)
    wide, high = size[0] / width, size[1] / height
    return np.asarray(scaled, np.uint8), Box(line.x * wide + left, line.y * high + top, line.width * wide, line.height * high)


def encoded(pixels: Pixels, line: Box, quality: int) -> Fitted:
    # Colour at full resolution: halved, as JPEG does by itself, red text on black loses its edges.
    full = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality, *full])
    return Fitted(jpeg.tobytes(), pixels.shape[1], pixels.shape[0], line)
