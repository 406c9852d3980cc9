"""Why a vehicle could not be read, as far as its best picture tells, and what is no vehicle's VIN at all."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from agent.domain import Capture, Decision, Quality, Reading, Reason
from agent.vin_text import ALPHABET, FOLDED

_SURE = 0.8  # confidence from which a character counts as read
_PART = 8  # characters in one piece that are part of a VIN; licence plates have fewer
_PIECES = 12  # characters in several pieces of one line that may be a VIN printed in groups
_LIKE = range(12, 25)  # characters of a line that looks like a VIN, its ends missing or something else beside it
_WORD = 3  # letters and nothing else: a word beside it, not part of a VIN
_LEAST_PX = 10  # pixels of text height in the frame below which one VIN in four is read
_BLOWN = 0.2  # share of the line in which light has wiped out everything
_UNLIT, _FAINT = 60.0, 14.0  # grey levels of the brightest part of the line, and from its darkest to its brightest
_SOFT = 0.08  # sharpness below which letters run into each other

_KNOWN = set(ALPHABET) | set(FOLDED)


def explained(decision: Decision, capture: Capture, readings: Sequence[Reading]) -> Decision:
    """The decision with what was wrong with the pictures, where `judge` could only say that they were not clear enough."""
    if decision.reason not in ("blurred", "no_plate") or not capture.images:
        return decision
    quality, seen = capture.images[0].quality, bool(decision.vin or decision.raw)
    part = not decision.candidates and any(_longest(reading) >= _PART for reading in readings)
    return replace(decision, reason=_wrong_with(quality, part=part) or _unclear(quality, seen=seen))


def _wrong_with(quality: Quality, *, part: bool) -> Reason | None:
    if quality.glare >= _BLOWN:
        return "glare"
    if part:
        return "occluded"
    if quality.plate_px[1] < _LEAST_PX:
        return "too_small"
    if (quality.light is not None and quality.light < _UNLIT) or (quality.contrast is not None and quality.contrast < _FAINT):
        return "dark"
    return "occluded" if quality.cut_off else None


def _unclear(quality: Quality, *, seen: bool) -> Reason:
    return "blurred" if seen or quality.sharpness < _SOFT else "no_plate"


def is_other_text(capture: Capture, readings: Sequence[Reading]) -> bool:
    """Whether what was read, surely and in every picture, is a sign or a licence plate: then no vehicle's VIN was seen at all.

    A line that ends at the edge of the frame may be the rest of a VIN.
    """
    whole = not any(image.quality.cut_off for image in capture.images)
    return whole and bool(readings) and all(says_other(reading) for reading in readings)


def says_other(reading: Reading) -> bool:
    """Text that was read surely, and no part of it is a VIN's."""
    if not reading.text.strip() or not reading.confidence or reading.fields:
        return False
    lines = reading.text.splitlines()
    return fmean(reading.confidence) >= _SURE and not any(_is_part(line) for line in lines)


def says_nothing_like_it(reading: Reading) -> bool:
    """No line with letters and digits of the length of a VIN, or no text at all."""
    return not any(_is_like_one("".join(_pieces(line))) for line in reading.text.splitlines())


def _is_like_one(line: str) -> bool:
    return len(line) in _LIKE and any(map(str.isalpha, line)) and any(map(str.isdigit, line))


def _is_part(line: str) -> bool:
    pieces = [piece for piece in _pieces(line) if not (piece.isalpha() and len(piece) >= _WORD)]
    mixed = any(char.isalpha() for piece in pieces for char in piece)
    return any(len(piece) >= _PART for piece in pieces) or (mixed and sum(map(len, pieces)) >= _PIECES)


def _pieces(line: str) -> list[str]:
    return "".join(char if char in _KNOWN else " " for char in line.upper()).split()


def _longest(reading: Reading) -> int:
    """The most characters in one piece that were read surely; words are no part of a VIN."""
    sure = reading.confidence if reading.confidence and len(reading.confidence) == len(reading.text) else [_SURE] * len(reading.text)
    text = "".join(char if worth >= _SURE else " " for char, worth in zip(reading.text, sure, strict=True))
    return max((len(piece) for piece in _pieces(text) if not piece.isalpha()), default=0)
