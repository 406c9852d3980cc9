"""Where text lies in a whole picture: what the detector takes, and its map into lines, best first. Pure: no session, no file."""

from dataclasses import dataclass

import cv2
import numpy as np

from agent.domain import Box, Pixels
from agent.ocr.textline import Floats, scaled

_MULTIPLE = 32  # the detector halves its picture five times
_LARGEST = 640  # pixels: whole photographs read as well as at 960, in less than half the time
_GROWTH = 2.0  # small pictures are enlarged: finds 154 instead of 123 of 183 lines in pictures of 256 pixels

# What counts as text in the map, how sure a region has to be, and how far text reaches beyond the core that the map shows.
_TEXT, _SURE, _REACH = 0.3, 0.5, 1.6
_THINNEST = 3  # pixels of the detector's picture
_MOST = 12  # lines looked at in one picture
_LONG = 4.0  # a VIN is at least this many heights wide, also where it is printed in groups


@dataclass(frozen=True, slots=True)
class Region:
    """A line of text: its box, tight, turned by `angle` degrees clockwise about its centre, and how sure the detector is."""

    box: Box
    angle: float
    sure: float


def detector_input(pixels: Pixels) -> Floats:
    """A BGR picture as the detector takes it: (1, 3, height, width), both sides multiples of 32."""
    height, width = pixels.shape[:2]
    scale = min(_GROWTH, _LARGEST / max(height, width))
    size = max(1, round(width * scale / _MULTIPLE)) * _MULTIPLE, max(1, round(height * scale / _MULTIPLE)) * _MULTIPLE
    return scaled(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))


def regions(text: Floats, size: tuple[int, int]) -> list[Region]:
    """The lines in a map of (height, width) values in 0…1, in pixels of a picture of that width and height.

    Long lines first, then the surest; at most twelve.
    """
    mask = cv2.dilate((text > _TEXT).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    scale = size[0] / text.shape[1], size[1] / text.shape[0]
    found = [region for contour in contours if (region := _region(contour, text, scale))]
    found.sort(key=lambda region: (region.box.width < _LONG * region.box.height, -region.sure))
    return found[:_MOST]


def _region(contour: cv2.typing.MatLike, text: Floats, scale: tuple[float, float]) -> Region | None:
    (x, y), (width, height), angle = cv2.minAreaRect(contour)
    if min(width, height) < _THINNEST or (sure := _sureness(contour, text)) < _SURE:
        return None
    if width < height:
        width, height, angle = height, width, angle - 90
    reach = width * height * _REACH / (2 * (width + height))
    width, height = (width + 2 * reach) * scale[0], (height + 2 * reach) * scale[1]
    return Region(Box(x * scale[0] - width / 2, y * scale[1] - height / 2, width, height), (angle + 90) % 180 - 90, sure)


def _sureness(contour: cv2.typing.MatLike, text: Floats) -> float:
    """The mean of the map inside the contour."""
    left, top, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), np.uint8)
    cv2.drawContours(inside, [contour], -1, 1, -1, offset=(-left, -top))
    return cv2.mean(text[top : top + height, left : left + width], inside)[0]


def upright(pixels: Pixels, region: Region) -> tuple[Pixels, Box]:
    """The region turned flat with its surroundings, and where its box lies in that."""
    box = region.box
    across, up = 0.5 * box.height, 0.5 * box.height
    width, height = round(box.width + 2 * across), round(box.height + 2 * up)
    corners = np.array(box.grown(across, up).corners(region.angle), np.float32)[:3]
    target = np.array([[0, 0], [width, 0], [width, height]], np.float32)
    turned = cv2.warpAffine(pixels, cv2.getAffineTransform(corners, target), (width, height), borderMode=cv2.BORDER_REPLICATE)
    return turned.astype(np.uint8, copy=False), Box(across, up, box.width, box.height)


def rows(found: list[Region]) -> list[list[Region]]:
    """Regions that stand beside each other belong to one line, in reading order: a VIN may be printed in groups."""
    lines: list[list[Region]] = []
    for region in sorted(found, key=lambda each: each.box.center[0]):
        line = next((line for line in lines if _beside(line[-1], region)), None)
        if line is None:
            lines.append([region])
        else:
            line.append(region)
    return lines


def _beside(left: Region, right: Region) -> bool:
    height = max(left.box.height, right.box.height)
    gap = right.box.x - left.box.x - left.box.width
    return abs(left.box.center[1] - right.box.center[1]) < height / 2 and -height / 2 < gap < 3 * height
