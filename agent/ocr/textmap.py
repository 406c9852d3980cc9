"""Where text lies in a whole picture: what the detector takes, and its map into lines, best first. Pure: no session, no file."""

import cv2
import numpy as np

from agent.domain import Box, Pixels, Plate
from agent.ocr.textline import Floats, scaled

_MULTIPLE = 32  # the detector halves its picture five times
_LARGEST = 640  # pixels: whole photographs read as well as at 960, in less than half the time
_GROWTH = 2.0  # small pictures are enlarged: finds 154 instead of 123 of 183 lines in pictures of 256 pixels

# What counts as text in the map, how sure a region has to be, and how far text reaches beyond the core that the map shows.
_TEXT, _SURE, _REACH = 0.3, 0.5, 1.6
_THINNEST = 3  # pixels of the detector's picture
_MOST = 12  # lines looked at in one picture
_LONG = 4.0  # a VIN is at least this many heights wide, also where it is printed in groups


def detector_input(pixels: Pixels) -> Floats:
    """A BGR picture as the detector takes it: (1, 3, height, width), both sides multiples of 32."""
    height, width = pixels.shape[:2]
    scale = min(_GROWTH, _LARGEST / max(height, width))
    size = max(1, round(width * scale / _MULTIPLE)) * _MULTIPLE, max(1, round(height * scale / _MULTIPLE)) * _MULTIPLE
    return scaled(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))


def lines(text: Floats, size: tuple[int, int]) -> list[Plate]:
    """The lines in a map of (height, width) values in 0…1, in pixels of a picture of that width and height.

    Long lines first, then the surest (`score`); at most twelve. Nothing is known of their sharpness yet.
    """
    mask = cv2.dilate((text > _TEXT).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    scale = size[0] / text.shape[1], size[1] / text.shape[0]
    found = [line for contour in contours if (line := _line(contour, text, scale))]
    found.sort(key=lambda line: (line.box.width < _LONG * line.box.height, -line.score))
    return found[:_MOST]


def _line(contour: cv2.typing.MatLike, text: Floats, scale: tuple[float, float]) -> Plate | None:
    (x, y), (width, height), angle = cv2.minAreaRect(contour)
    if min(width, height) < _THINNEST or (sure := _sureness(contour, text)) < _SURE:
        return None
    if width < height:
        width, height, angle = height, width, angle - 90
    reach = width * height * _REACH / (2 * (width + height))
    width, height = (width + 2 * reach) * scale[0], (height + 2 * reach) * scale[1]
    box = Box(x * scale[0] - width / 2, y * scale[1] - height / 2, width, height)
    return Plate(box, (angle + 90) % 180 - 90, sure, 0.0)


def _sureness(contour: cv2.typing.MatLike, text: Floats) -> float:
    """The mean of the map inside the contour."""
    left, top, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), np.uint8)
    cv2.drawContours(inside, [contour], -1, 1, -1, offset=(-left, -top))
    return cv2.mean(text[top : top + height, left : left + width], inside)[0]


def rows(found: list[Plate]) -> list[list[Plate]]:
    """Lines that stand beside each other are one, in reading order: a VIN may be printed in groups. Rows too short for one are left out."""
    joined: list[list[Plate]] = []
    for line in sorted(found, key=lambda each: each.box.center[0]):
        row = next((row for row in joined if _beside(row[-1], line)), None)
        if row is None:
            joined.append([line])
        else:
            row.append(line)
    return [row for row in joined if sum(line.box.width / line.box.height for line in row) >= _LONG]


def whole(row: list[Plate]) -> Plate:
    """One plate round all groups of a row, turned as the longest of them; as sure as the least sure."""
    longest = max(row, key=lambda line: line.box.width)
    back = cv2.getRotationMatrix2D((0, 0), longest.angle, 1.0)[:, :2]
    corners = np.array([corner for line in row for corner in line.corners()]) @ back.T
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
    x, y = np.array([left + right, top + bottom]) / 2 @ back
    width, height = float(right - left), float(bottom - top)
    return Plate(Box(float(x) - width / 2, float(y) - height / 2, width, height), longest.angle, min(line.score for line in row), 0.0)


def _beside(left: Plate, right: Plate) -> bool:
    height = max(left.box.height, right.box.height)
    gap = right.box.x - left.box.x - left.box.width
    return abs(left.box.center[1] - right.box.center[1]) < height / 2 and -height / 2 < gap < 3 * height
