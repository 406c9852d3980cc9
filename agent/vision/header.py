"""How large a picture says it is, read from its first bytes: before anything is decoded, which a few kilobytes can make cost gigabytes."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

_SOF = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # every way of coding a JPEG's frame; the three others are tables
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers of a JPEG without a length behind them
_SCAN = b"\xff\xda"  # cannot stand in a scan's data, where each 0xFF is followed by a zero


@dataclass(frozen=True, slots=True)
class Header:
    """Kind and sides of a picture; `scans` is how often a decoder has to go over all of its pixels, 1 for all but JPEG."""

    kind: str
    width: int
    height: int
    scans: int = 1

    @property
    def pixels(self) -> int:
        return self.width * self.height


def read(data: bytes) -> Header | None:
    """The header of a JPEG, PNG, BMP or WebP; None where it is none of these, or ends before it tells.

    No TIFF: any of its tags may ask a decoder for gigabytes, and no camera writes it.
    """
    for magic, kind in _KINDS:
        if data.startswith(magic):
            try:
                return kind(data)
            except (struct.error, IndexError):
                return None
    return None


def _jpeg(data: bytes) -> Header | None:
    """Of several frame headers, of which a decoder may take any, the largest counts (ITU-T T.81, annex B).

    Bytes between two segments are passed over, as libjpeg does: something may be hidden behind them.
    """
    at, sides = 2, (0, 0)
    while (at := data.find(b"\xff", at)) >= 0:
        marker = data[at + 1]
        if marker in (0, 0xFF) or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xDA:
            break
        length = struct.unpack_from(">H", data, at + 2)[0]
        if marker in _SOF:
            height, width = struct.unpack_from(">HH", data, at + 5)
            sides = max(sides, (width, height), key=lambda each: each[0] * each[1])
        at += 2 + max(2, length)
    return Header("JPEG", *sides, scans=max(1, data.count(_SCAN))) if all(sides) else None


def _png(data: bytes) -> Header | None:
    """None also where a chunk claims more bytes than there are: OpenCV would take as many from the system, 3.6 GB for a file of 91."""
    width, height = struct.unpack_from(">II", data, 16)
    at = 8
    while data[at + 4 : at + 8] != b"IEND":
        at += 12 + int(struct.unpack_from(">I", data, at)[0])
    whole = data[12:16] == b"IHDR" and data[at : at + 4] == bytes(4) and len(data) >= at + 12
    return Header("PNG", width, height) if whole else None


def _bmp(data: bytes) -> Header | None:
    old = struct.unpack_from("<I", data, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    return Header("BMP", abs(width), abs(height))


def _webp(data: bytes) -> Header | None:
    if data[8:12] != b"WEBP":
        return None
    if data[12:16] == b"VP8X":
        return Header("WebP", 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    if data[12:16] == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return Header("WebP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    width, height = struct.unpack_from("<HH", data, 26)
    return Header("WebP", width & 0x3FFF, height & 0x3FFF) if data[12:16] == b"VP8 " else None


_KINDS: tuple[tuple[bytes, Callable[[bytes], Header | None]], ...] = (
    (b"\xff\xd8", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"BM", _bmp),
    (b"RIFF", _webp),
)
