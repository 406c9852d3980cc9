"""A line of text: cut from the picture, made into what the recogniser takes, and its outputs into characters. Pure: no session, no file."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from agent.domain import Box, Pixels
from agent.vin_text import ALPHABET, FOLDED, LENGTH, candidates_in

Floats = npt.NDArray[np.float32]

_HEIGHT = 48  # rows the recogniser was trained on
_WIDEST = 960  # columns; a VIN takes about 500, and time grows with the width
_LETTERS = ALPHABET + "".join(FOLDED)
# Print has no small letters, so these are bars or the letter I; a zero with a stroke looks like the last two.
_ALIKE = {"|": "I", "l": "I", "!": "I", "Ø": "O", "ø": "O"}

# Seventeen characters in less than 8.5 heights are squeezed, by the lens or by a frame that was stretched to a square.
# Undoing it reads 13 % more rendered lines, and bilinear growing 20 % more small real ones than bicubic.
_NARROWEST = 8.5
_ACROSS = 0.2  # margin left and right in text heights: a cut first character costs more than a piece of frame
_TIGHT, _LEVELLED = 0.05, (0.1, 0.25)  # margins above and below, in text heights
_FAR = 1.5  # text heights beside the line in which characters may stand that its box left out
_ODD = 2  # characters too many or too few with which a line may still be a VIN
_LEAST = 1e-7  # share of a character that nothing speaks for
_TILT = 0.06  # of the text height over the whole line: less is not worth levelling


@dataclass(frozen=True, slots=True)
class Line:
    """Text of one line, tokens parted by blanks, and the confidence (0…1) of every character of it."""

    text: str
    confidence: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One look at a line: what was read, the columns each character came from, and (columns, 34) shares of pause and `ALPHABET`."""

    line: Line
    places: tuple[tuple[int, int], ...]
    shares: Floats

    def of_vin(self) -> Floats | None:
        """The columns in which the VIN stands, all of them where something like one does; None where there is nothing of the kind."""
        text = self.line.text
        spelled = candidates_in(text, self.line.confidence)
        start = text.find(spelled[0].raw) if spelled else -1
        if start < 0:
            return self.shares if abs(len(text.replace(" ", "")) - LENGTH) <= _ODD else None
        end = start + len(spelled[0].raw)
        first = (self.places[start - 1][1] + self.places[start][0]) // 2 + 1 if start else 0
        last = (self.places[end - 1][1] + self.places[end][0]) // 2 if end < len(text) else len(self.shares)
        return self.shares[first : last + 1]


class Columns:
    """Which outputs of the recogniser stand for which character of a VIN; the others are never the answer."""

    def __init__(self, characters: Sequence[str]) -> None:
        """`characters` as the model lists them; its output 0 is the pause between characters, the last one the blank."""
        meant = ["", *map(_meaning, characters), " "]
        self.count = len(meant)
        members = [[at for at, meaning in enumerate(meant) if meaning == letter] for letter in _LETTERS + " "]
        self._kept = np.array([0, *(at for group in members for at in group)])
        owner = [0, *(number for number, group in enumerate(members, 1) for _ in group)]
        self._owner = np.eye(len(members) + 1, dtype=np.float32)[owner]

    def look(self, outputs: Floats) -> Look:
        """`outputs`: (steps, classes), rows adding up to 1; the best path with repeats merged (CTC).

        A digit answers for the letter that a VIN cannot hold: their shares add up, and the likelier of them is written down.
        """
        shares = outputs[:, self._kept] @ self._owner
        shares /= np.maximum(shares.sum(1, keepdims=True), 1e-9)
        merged = shares.copy()
        for letter, digit in FOLDED.items():
            merged[:, 1 + _LETTERS.index(digit)] += merged[:, 1 + _LETTERS.index(letter)]
            merged[:, 1 + _LETTERS.index(letter)] = 0
        line, places = _spelled(shares, merged)
        seen = merged[:, : 1 + len(ALPHABET)]
        seen[:, 0] += merged[:, -1]
        return Look(line, places, np.maximum(seen, _LEAST).astype(np.float32))


def _meaning(char: str) -> str:
    """The VIN character, or I, O or Q, that an output stands for; a blank where it parts tokens, nothing where it is foreign."""
    if char in _ALIKE:
        return _ALIKE[char]
    plain = unicodedata.normalize("NFKD", char).upper()
    if len(char) == 1 and plain[:1] in _LETTERS and all(map(unicodedata.combining, plain[1:])):
        return plain[0]
    return " " if char.isascii() and not char.isalnum() else ""


def _spelled(shares: Floats, merged: Floats) -> tuple[Line, tuple[tuple[int, int], ...]]:
    """The line, and the first and last column of each of its characters."""
    pause, blank = 0, len(_LETTERS) + 1
    text, worth, places, last = "", list[float](), list[tuple[int, int]](), pause
    for step, best in enumerate(merged.argmax(1)):
        if best == last and best not in (pause, blank):
            worth[-1], places[-1] = max(worth[-1], float(merged[step, best])), (places[-1][0], step)
        elif best == blank and text and text[-1] != " ":
            text, worth, places = text + " ", [*worth, 1.0], [*places, (step, step)]
        elif best not in (pause, blank):
            text, worth = text + _as_read(shares[step], int(best)), [*worth, float(merged[step, best])]
            places.append((step, step))
        last = best
    kept = len(text.rstrip())
    return Line(text[:kept], tuple(min(1.0, value) for value in worth[:kept])), tuple(places[:kept])


def _as_read(share: Floats, best: int) -> str:
    """The character as it was seen: the letter where it was likelier than the digit it is taken for."""
    digit = _LETTERS[best - 1]
    alike = [digit, *(letter for letter, folded in FOLDED.items() if folded == digit)]
    return max(alike, key=lambda char: float(share[1 + _LETTERS.index(char)]))


def tensor(strip: Pixels) -> Floats:
    """A BGR strip as the recogniser takes it: (1, 3, 48, width), -1…1, the width a multiple of 8."""
    height, width = strip.shape[:2]
    columns = min(_WIDEST, max(width * _HEIGHT / height, _NARROWEST * _HEIGHT))
    columns = int(np.ceil(columns / 8)) * 8
    sized = cv2.resize(strip, (columns, _HEIGHT), interpolation=cv2.INTER_AREA if height > _HEIGHT else cv2.INTER_LINEAR)
    return scaled(sized)


def scaled(pixels: cv2.typing.MatLike) -> Floats:
    """(height, width, 3) in 0…255 to (1, 3, height, width) in -1…1, as both models were trained."""
    values = pixels.astype(np.float32) / 127.5 - 1
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def strips(pixels: Pixels, line: Box) -> Iterator[Pixels]:
    """Ways to cut the line from a BGR picture, the one that is right most often first.

    What a margin is worth depends on the box, and a box round tilted text is too tall: the best of three cuts reads 61 of
    63 photographs of which each alone reads 46 to 51.
    """
    yield from _cut(pixels, line, _TIGHT)
    levelled, box = level(pixels, line)
    for margin in _LEVELLED:
        yield from _cut(levelled, box, margin)


def longer(pixels: Pixels, line: Box) -> Iterator[Pixels]:
    """The line and what stands beside it: for a box that left out characters at its ends."""
    yield from _cut(*level(pixels, line), _LEVELLED[0], _FAR)


def _cut(pixels: Pixels, line: Box, up: float, across: float = _ACROSS) -> Iterator[Pixels]:
    """The box with margins, or nothing where too little of it lies in the picture."""
    box = line.grown(across * line.height, up * line.height)
    left, top = max(0, round(box.x)), max(0, round(box.y))
    strip = pixels[top : max(0, round(box.y + box.height)), left : max(0, round(box.x + box.width))]
    if min(strip.shape[:2]) >= 4:
        yield strip


def level(pixels: Pixels, line: Box) -> tuple[Pixels, Box]:
    """The picture sheared until the text in the box lies flat, and the box with the height that this leaves of it."""
    rise = slope(pixels, line)
    if abs(rise) <= _TILT * line.height:
        return pixels, line
    (_, middle), height = line.center, max(0.35 * line.height, line.height - abs(rise))
    per_column = rise / line.width
    shear = np.array([[1, 0, 0], [-per_column, 1, per_column * line.center[0]]], np.float32)
    flat = cv2.warpAffine(pixels, shear, (pixels.shape[1], pixels.shape[0]), borderMode=cv2.BORDER_REPLICATE)
    return flat.astype(np.uint8, copy=False), Box(line.x, middle - height / 2, line.width, height)


def slope(pixels: Pixels, line: Box) -> float:
    """How far the text sinks from the left to the right end of the box, in pixels of the picture.

    Text that lies flat has the steepest ends above and below: the shear with the greatest steps between rows wins.
    """
    wide = next(_cut(pixels, line, 0.15, 0.0), None)
    if wide is None:
        return 0.0
    grey = cv2.cvtColor(wide, cv2.COLOR_BGR2GRAY)
    width = min(320, max(64, grey.shape[1] * 32 // grey.shape[0]))
    small = cv2.resize(grey, (width, 32), interpolation=cv2.INTER_AREA if grey.shape[0] > 32 else cv2.INTER_LINEAR)
    strokes = cv2.convertScaleAbs(cv2.Sobel(small, cv2.CV_16S, 1, 0)).astype(np.float32)
    best = max(range(-22, 23), key=lambda rise: _steps(strokes, rise))
    return float(best / 32 * wide.shape[0])


def _steps(strokes: Floats, rise: int) -> float:
    height, width = strokes.shape
    shear = np.array([[1, 0, 0], [-rise / width, 1, rise / 2]], np.float32)
    rows: Floats = np.asarray(cv2.warpAffine(strokes, shear, (width, height)), np.float32).mean(1)
    return float((np.diff(rows) ** 2).sum())
