"""Pictures from outside become pixels here and nowhere else, once their header says that this costs what a picture may cost."""

import cv2
import numpy as np

from agent.domain import Pixels
from agent.errors import Rejected
from agent.vision import header

MOST_PIXELS = 50_000_000  # 150 MB of BGR; a camera of eight thousand pixels by six gives fewer
# Each scan goes over all pixels: 200 more, of 73 bytes each, made a picture of 48 million pixels take 3.2 s instead of 0.2 s, so that a
# megabyte of them would take minutes. Encoders make ten, and a thumbnail inside has some of its own.
_MOST_SCANS = 64


def decode(data: bytes, most: int = MOST_PIXELS) -> Pixels:
    """(height, width, 3) BGR of a JPEG, PNG, BMP or WebP; raises `Rejected`, a sentence without its subject, for anything else.

    OpenCV knows a dozen kinds more, and a limit of its own, 2^30 pixels: neither is for bytes that anybody may have sent.
    """
    found = header.read(data)
    if found is None:
        raise Rejected("is no picture that can be opened; expected a JPEG, PNG, BMP or WebP file")
    refuse_giant(found.width, found.height, most)
    if found.scans > _MOST_SCANS:
        raise Rejected(f"is a JPEG of {found.scans} scans; the most is {_MOST_SCANS}, save it without progressive coding")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise Rejected(f"is a damaged {found.kind} picture of {len(data)} bytes")
    return np.asarray(pixels, np.uint8)


def refuse_giant(width: float, height: float, most: int = MOST_PIXELS) -> None:
    """Raises `Rejected`, a sentence without its subject, for sides that would fill the memory, of a picture or of a video's frames."""
    if width * height > most:
        raise Rejected(f"has {width:.0f} × {height:.0f} px; the most is {most / 1e6:g} million pixels")
