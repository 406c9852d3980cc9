"""What a provider takes: how large a picture may be, in pixels and in bytes, and how those bytes are counted."""

from dataclasses import dataclass
from typing import Literal

Counted = Literal["raw", "base64", "urlencoded", "body", "multipart"]
# How many bytes every three of the file become, at most, where they are counted: base64 makes four of them (RFC 4648), and
# escaping for a form may make three of each of those.
_GROWN: dict[str, int] = {"raw": 3, "multipart": 3, "base64": 4, "body": 4, "urlencoded": 12}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a provider takes: sides in pixels, how many times one may be longer than the other (0: any), formats, and bytes.

    `counted` says what `max_bytes` is about: the file (raw), its base64 text, that text escaped for a form (urlencoded), or the
    whole request with the picture in it as base64 (body) or as it is (multipart); `around` are the bytes of such a request that
    are not the picture. The defaults hold for every known provider: sides 15 to 4096 px, 7 MB after base64, a JPEG.
    """

    min_side: int = 15
    max_side: int = 4096
    max_bytes: int = 7_000_000
    counted: Counted = "base64"
    around: int = 0
    max_ratio: float = 0.0
    formats: tuple[str, ...] = ("jpeg",)

    def tightened(self, other: "Bounds") -> "Bounds":
        """Bounds that satisfy both: what a picture must meet when either provider may have to read it."""
        return Bounds(
            max(self.min_side, other.min_side),
            min(self.max_side, other.max_side),
            min(self.raw_bytes, other.raw_bytes),
            "raw",
            max_ratio=min(filter(None, (self.max_ratio, other.max_ratio)), default=0.0),
            formats=tuple(each for each in self.formats if each in other.formats),
        )

    @property
    def raw_bytes(self) -> int:
        """The most bytes a file may have so that it fits however it is counted; base64 fills up the last three."""
        grown, room = _GROWN[self.counted], max(0, self.max_bytes - self.around)
        return room if grown == 3 else room // grown * 3
