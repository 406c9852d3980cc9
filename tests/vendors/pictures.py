"""What a vendor sees of a picture before it reads it: the format by its first bytes, and both sides by decoding it."""

from dataclasses import dataclass

import cv2
import numpy as np

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"BM", "bmp"), (b"GIF8", "gif"), (b"II*\0", "tiff"), (b"MM\0*", "tiff"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """The format of a picture, empty where unknown, and its sides in pixels, 0 where it does not decode."""

    format: str
    width: int = 0
    height: int = 0

    @property
    def decodes(self) -> bool:
        return self.width > 0

    @property
    def sides(self) -> tuple[int, int]:
        """Shortest and longest."""
        return min(self.width, self.height), max(self.width, self.height)


def seen(picture: bytes) -> Seen:
    """Looks at the bytes; a WebP is known by its container."""
    known = next((name for magic, name in _MAGIC if picture.startswith(magic)), "")
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        known = "webp"
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED) if picture and known else None
    return Seen(known) if pixels is None else Seen(known, pixels.shape[1], pixels.shape[0])
