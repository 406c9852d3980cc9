"""Whether a picture may be sent at all: looked at byte by byte, because a refused call can cost as much as one that is read."""

from agent.bounds import Bounds
from agent.domain import EncodedImage
from agent.errors import Rejected

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers that have no length behind them
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # every way of coding a frame; the three others are tables


def size(jpeg: bytes) -> tuple[int, int]:
    """Width and height of a whole JPEG; raises `ValueError` where it is none or was cut short.

    Its segments are walked up to the picture data (ITU-T T.81, annex B); the data itself is not decoded.
    """
    if jpeg[:2] != bytes((0xFF, _START)):
        raise ValueError("it does not begin as a JPEG does")
    if jpeg.rstrip(b"\0")[-2:] != bytes((0xFF, _END)):
        raise ValueError("it does not end as a JPEG does: a part is missing")
    sides, at = (0, 0), 2
    while at + 4 <= len(jpeg):
        if jpeg[at] != 0xFF:
            raise ValueError(f"byte {at} is no marker")
        marker = jpeg[at + 1]
        if marker in _ALONE or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            sides = int.from_bytes(jpeg[at + 7 : at + 9], "big"), int.from_bytes(jpeg[at + 5 : at + 7], "big")
        if marker == _SCAN:
            break
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    if at + 4 > len(jpeg) or not all(sides):
        raise ValueError("it has no picture data")
    return sides


def checked(image: EncodedImage, bounds: Bounds, provider: str) -> None:
    """Raises `Rejected`, naming the figure, where the picture is empty, damaged or outside the bounds: no call is made then."""
    where = f"picture {image.number} of {image.read_id} was not sent to {provider}"
    if not image.jpeg:
        raise Rejected(f"{where}: it is empty", charged=False)
    try:
        sides = size(image.jpeg)
    except ValueError as exc:
        raise Rejected(f"{where}: {len(image.jpeg)} bytes that are no whole JPEG, {exc}", charged=False) from exc
    if trouble := _outside(sides, len(image.jpeg), bounds):
        raise Rejected(f"{where}: {trouble}", charged=False)


def _outside(sides: tuple[int, int], size_bytes: int, bounds: Bounds) -> str:
    shortest, longest = min(sides), max(sides)
    if shortest < bounds.min_side or longest > bounds.max_side:
        return f"it has {sides[0]} × {sides[1]} px, expected sides from {bounds.min_side} to {bounds.max_side} px"
    if bounds.max_ratio and longest > bounds.max_ratio * shortest:
        return f"it has {sides[0]} × {sides[1]} px, expected at most {bounds.max_ratio:g} times as long as wide"
    if size_bytes > bounds.raw_bytes:
        return f"it has {size_bytes} bytes, expected at most {bounds.raw_bytes} ({bounds.max_bytes} {bounds.counted})"
    return ""
