"""Barcodes near a plate: where they are looked for, and what those say that hold a VIN; free, and nobody has to be asked."""

import math
from collections.abc import Iterable

import cv2
import numpy as np

from agent.domain import Pixels, Plate, Reading
from agent.vin_code import BARCODE, PROVEN, words_in
from agent.vision import zxing
from agent.vision.plate import grey

# What a reading of each kind is worth. Of 2,500 linear codes read from poor renderings one was wrong, a Code 128 in spite of its sum.
_WORTH = {"DataMatrix": PROVEN, "QRCode": PROVEN, "PDF417": PROVEN, "Aztec": PROVEN, "Code128": 0.9, "Code39": 0.9}
# Of the line's width: how far a label reaches from it, to each side and up and down. The whole frame costs ten times as much.
_ACROSS, _UP = 0.6, 0.6
_LEVEL = 1.5  # degrees of tilt that need no turning
_SMALL = 1_000_000  # pixels of a picture that is worth enlarging: bars of 1.5 pixels are read then, else they need 2


def around(pixels: Pixels, plate: Plate) -> Pixels:
    """The plate's surroundings as a grey picture of their own, level, as far as its label may reach and the frame goes."""
    wanted = plate.box.grown(_ACROSS * plate.box.width, _UP * plate.box.width)
    top, left = max(0, math.floor(wanted.y)), max(0, math.floor(wanted.x))
    part = pixels[top : max(top, math.ceil(wanted.y + wanted.height)), left : max(left, math.ceil(wanted.x + wanted.width))]
    view = grey(part) if part.ndim == 3 else part.copy()  # a view into the frame would keep all of it
    if abs(plate.angle) <= _LEVEL or not view.size:
        return view
    size = view.shape[1], view.shape[0]
    turn = cv2.getRotationMatrix2D((plate.box.center[0] - left, plate.box.center[1] - top), plate.angle, 1.0)
    return np.asarray(cv2.warpAffine(view, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def near(views: Iterable[tuple[int, Pixels]]) -> tuple[Reading, ...]:
    """What the pictures of one pass show, each given with its number, best first: until a code proves itself.

    Only the best is looked at enlarged too, or a vehicle without a barcode would wait for nothing.
    """
    readings: list[Reading] = []
    for place, (number, view) in enumerate(views):
        readings += read(view, number, enlarged=place == 0)
        if any(min(each.confidence or (0.0,)) >= PROVEN for each in readings):
            break
    return tuple(readings)


def read(pixels: Pixels, number: int = 0, *, enlarged: bool = True) -> list[Reading]:
    """The VINs in the barcodes of a BGR or grey picture, one reading for each as it is coded; none where the library is missing."""
    picture = grey(pixels)
    found = _words(picture)
    if not found and enlarged and 0 < picture.size <= _SMALL:
        found = _words(np.asarray(cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8))
    return [Reading(word, (worth,) * len(word), BARCODE, number, None, 0) for word, worth in found.items()]


def _words(picture: Pixels) -> dict[str, float]:
    """Each word that holds a VIN, with the worth of the surest code it stands in."""
    found: dict[str, float] = {}
    for text, kind in zxing.codes(picture, _WORTH):
        for word in words_in(text):
            found[word] = max(_WORTH[kind], found.get(word, 0.0))
    return found
