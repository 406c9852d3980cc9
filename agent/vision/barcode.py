"""Barcodes near a plate: where they are looked for, and what those say that hold a VIN; free, and nobody has to be asked."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from agent.domain import Pixels, Plate, Reading
from agent.vin_code import BARCODE, PROVEN, words_in
from agent.vision import zxing
from agent.vision.plate import grey

# What a reading of each kind is worth. Of 2,800 linear codes read from poor renderings one was wrong, a Code 128 in spite of its sum.
_WORTH = {"DataMatrix": PROVEN, "QRCode": PROVEN, "PDF417": PROVEN, "Aztec": PROVEN, "Code128": 0.9, "Code39": 0.9}
# Of the line's width: how far a label reaches from it, to each side and up and down. Bars stand above or below, dots in any corner.
_ACROSS, _UP = 1.5, 1.0
_LEVEL = 1.5  # degrees of tilt that need no turning
# Pixels in the middle of a picture that are worth enlarging, which reads bars of 1.5 pixels where 2 are needed else: of a photograph
# that a person asks about, and of a vehicle that others may wait behind.
_PHOTOGRAPH, _VEHICLE = 2_000_000, 600_000


@dataclass(frozen=True, slots=True, eq=False)
class Around:
    """What surrounds a plate in grey, as far as its label may reach and the frame goes; `centre` is the plate's place in it."""

    pixels: Pixels
    centre: tuple[float, float]
    angle: float

    def level(self) -> Pixels:
        """As it would be seen with the plate's line level: bars are read along it."""
        if abs(self.angle) <= _LEVEL or not self.pixels.size:
            return self.pixels
        size, turn = (self.pixels.shape[1], self.pixels.shape[0]), cv2.getRotationMatrix2D(self.centre, self.angle, 1.0)
        return np.asarray(cv2.warpAffine(self.pixels, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def around(pixels: Pixels, plate: Plate) -> Around:
    """The surroundings of a plate in a BGR or grey frame, as pixels of their own: a view into the frame would keep all of it."""
    wanted = plate.box.grown(_ACROSS * plate.box.width, _UP * plate.box.width)
    top, left = max(0, math.floor(wanted.y)), max(0, math.floor(wanted.x))
    part = pixels[top : max(top, math.ceil(wanted.y + wanted.height)), left : max(left, math.ceil(wanted.x + wanted.width))]
    (x, y), own = plate.box.center, part.copy() if part.ndim == 2 or not part.size else grey(part)
    return Around(own, (x - left, y - top), plate.angle)


def near(views: Iterable[tuple[int, Around]]) -> tuple[Reading, ...]:
    """What the pictures of one pass show, each given with its number, best first: until a code proves itself.

    Only the best is enlarged too, or every vehicle without a barcode would have to wait for that.
    """
    readings: list[Reading] = []
    for place, (number, view) in enumerate(views):
        readings += read(view.level(), number, enlarged=0 if place else _VEHICLE)
        if any(min(each.confidence or (0.0,)) >= PROVEN for each in readings):
            break
    return tuple(readings)


def read(pixels: Pixels, number: int = 0, *, enlarged: int = _PHOTOGRAPH) -> list[Reading]:
    """The VINs in the barcodes of a BGR or grey picture, one reading for each as it is coded; none where the library is missing.

    Where there are none, so many pixels of its middle are looked at again, enlarged.
    """
    picture = grey(pixels)
    found = _words(picture)
    if not found and enlarged and picture.size:
        middle = _middle(picture, enlarged)
        found = _words(np.asarray(cv2.resize(middle, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8))
    return [Reading(word, (worth,) * len(word), BARCODE, number, None, 0) for word, worth in found.items()]


def _middle(picture: Pixels, most: int) -> Pixels:
    """The middle of a picture, of its shape but no more than `most` pixels."""
    share = min(1.0, math.sqrt(most / picture.size))
    height, width = (max(1, int(side * share)) for side in picture.shape)
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def _words(picture: Pixels) -> dict[str, float]:
    """Each word that holds a VIN, with the worth of the surest code it stands in."""
    found: dict[str, float] = {}
    for text, kind in zxing.codes(picture, _WORTH):
        for word in words_in(text):
            found[word] = max(_WORTH[kind], found.get(word, 0.0))
    return found
