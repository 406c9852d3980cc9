"""Spots as JSON values and back, for whoever keeps them over a restart: numbers, and the patch as a PNG in base64."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np

from agent.domain import Box
from agent.vision import header
from agent.vision.patch import Patch
from agent.vision.standing import Spot

_MOST_PIXELS = 1_000_000  # a patch has a twentieth of that
Json = dict[str, Any]


def to_json(spot: Spot) -> Json:
    """Some kilobytes; without loss, because a letter is told from another by it."""
    patch, box = spot.patch, spot.patch.line
    png = cv2.imencode(".png", patch.pixels)[1].tobytes()
    return {
        "line": [float(each) for each in (box.x, box.y, box.width, box.height)],
        "angle": patch.angle,
        "corner": [patch.left, patch.top],
        "scale": patch.scale,
        "frame": list(patch.frame),
        "arrived": spot.arrived,
        "png": base64.b64encode(png).decode("ascii"),
    }


def spots(kept: Iterable[tuple[str, Json]]) -> Iterator[Spot]:
    """What can be understood of it: a patch too few costs one event, a camera that cannot start all of them."""
    for name, data in kept:
        try:
            yield Spot(name, _patch(data), bool(data["arrived"]), 0.0)
        except (KeyError, TypeError, ValueError, OverflowError, binascii.Error, cv2.error):
            continue


def _patch(data: Json) -> Patch:
    png = base64.b64decode(data["png"], validate=True)
    found = header.read(png)
    if found is None or found.pixels > _MOST_PIXELS:
        raise ValueError("this is no patch")
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        raise ValueError("this is no picture")
    (left, top), (width, height) = data["corner"], data["frame"]
    return Patch(
        Box(*data["line"]), float(data["angle"]), int(left), int(top), float(data["scale"]), (int(width), int(height)), _grey(pixels)
    )


def _grey(pixels: cv2.typing.MatLike) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(pixels, np.uint8)
