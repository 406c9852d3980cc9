"""How much of a labelled line lies inside what the finder offers: labels are upright, the text in them may be tilted."""

import math

import cv2
import numpy as np

from agent.domain import Box, Plate

Corners = tuple[tuple[float, float], ...]

_STEEPEST = 30.0  # degrees of tilt up to which a label tells how high its text is


def share(of: Corners, inside: Corners) -> float:
    """The share of one convex shape that lies inside another."""
    one = np.array(of, np.float32)
    area, _ = cv2.intersectConvexConvex(one, np.array(inside, np.float32))
    return float(area) / max(1e-9, float(cv2.contourArea(one)))


def hull(corners: Corners) -> Box:
    """The upright rectangle around them."""
    xs, ys = zip(*corners, strict=True)
    return Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def text(label: Box, angle: float) -> Box:
    """The text, before it is turned by the angle about the label's centre, whose upright hull the label is.

    That hull is width · cos + height · sin wide and width · sin + height · cos high; turned by a quarter, the other way round.
    """
    tilt = abs((angle + 90) % 180 - 90)
    wide, high = (label.height, label.width) if tilt > 45 else (label.width, label.height)
    tilt = math.radians(min(_STEEPEST, min(tilt, 90 - tilt)))
    cos, sin = math.cos(tilt), math.sin(tilt)
    height = max((high * cos - wide * sin) / (cos * cos - sin * sin), high / 8)  # a tilt that the label does not have
    width = max((wide - height * sin) / cos, height)
    x, y = label.center
    return Box(x - width / 2, y - height / 2, width, height)


def overlap(label: Box, plate: Plate) -> float:
    """Intersection over union of the label and the upright hull of the plate's own box."""
    own = hull(plate.corners())
    shared = share(label.corners(), own.corners()) * label.width * label.height
    return shared / (label.width * label.height + own.width * own.height - shared)
