"""Draws lettering for the rendered gate: signs in print, and VIN plates in plastic, paper and stamped metal."""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from agent.domain import Pixels
from agent.errors import NeedsOperator

Style = Literal["dash", "label", "stamped"]
Colour = tuple[int, int, int]
Points = npt.NDArray[np.float32]
FINE = 2  # plates are drawn this much larger: the warp onto the vehicle then averages 2 × 2 pixels instead of picking one


def text(words: str, capital: float, *, stamped: bool = False, gap: float = 0.10) -> Pixels:
    """`words` as a grey mask (height, width), as tight as its ink, with capitals `capital` pixels high and `gap` of that between."""
    mask = _stamps(words, capital, gap) if stamped else _print(words, capital, gap)
    x, y, width, height = cv2.boundingRect(mask)
    return mask[y : y + height, x : x + width]


def _print(words: str, capital: float, gap: float) -> Pixels:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise NeedsOperator("the rendered scene draws with Pillow, which is missing: pip install 'vin-capture-agent[demo]'") from None
    try:
        font = ImageFont.load_default(capital / 0.70)  # its capitals are 0.70 of the size
    except TypeError:  # bookworm's own: its letters come in one size
        raise NeedsOperator("the rendered scene draws with Pillow 10.1 or newer: pip install 'vin-capture-agent[demo]'") from None
    steps = [font.getlength(letter) + gap * capital for letter in words]
    canvas = Image.new("L", (round(sum(steps) + capital), round(2 * capital + 4)))
    pen = ImageDraw.Draw(canvas)
    for letter, x in zip(words, np.cumsum([capital / 4, *steps]), strict=False):
        pen.text((float(x), 0.3 * capital), letter, fill=255, font=font)
    return np.array(canvas, np.uint8)


def _stamps(words: str, capital: float, gap: float) -> Pixels:
    size, thick = capital / 21, max(1, round(capital / 9))  # Hershey capitals are 21 units high
    steps = [cv2.getTextSize(letter, cv2.FONT_HERSHEY_DUPLEX, size, thick)[0][0] + gap * capital for letter in words]
    mask = np.zeros((round(2 * capital + 4), round(sum(steps) + capital)), np.uint8)
    for letter, x in zip(words, np.cumsum([capital / 4, *steps]), strict=False):
        origin = (round(x), round(1.5 * capital))
        cv2.putText(mask, letter, origin, cv2.FONT_HERSHEY_DUPLEX, size, (255,), thick, cv2.LINE_AA)
    return mask


def plate(vin: str, style: Style, capital: float, dice: Generator, ink: Pixels | None = None) -> tuple[Pixels, Points]:
    """A VIN plate, BGR and `FINE` times too large, and the corners of its text line in it: top left, clockwise.

    `ink` is the line where it has been drawn already, a grey mask as `text` makes it with capitals `FINE` times too high.
    """
    cap = capital * FINE
    ink = text(vin, cap, stamped=style == "stamped") if ink is None else ink
    above, below = (1.6, float(dice.choice([0.6, 1.7]))) if style == "label" else (0.6, 0.6)
    height, width = round(ink.shape[0] + (above + below) * cap), round(ink.shape[1] + 2 * cap)
    left, top = round(cap), round(above * cap)
    board = _board(style, width, height, dice)
    if style == "label":
        _caption(board, cap, dice, barcode_at=top + ink.shape[0] + cap * 0.5 if below > 1 else None)
    _ink(board, ink, left, top, style)
    right, bottom = left + ink.shape[1], top + ink.shape[0]
    return board, np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def _board(style: Style, width: int, height: int, dice: Generator) -> Pixels:
    """The bare plate: black plastic, white paper or brushed metal, with its edge and what holds it."""
    tone = {"dash": dice.uniform(22, 45), "label": dice.uniform(215, 240), "stamped": dice.uniform(140, 175)}[style]
    grain = dice.normal(0, 7.0 if style == "stamped" else 1.5, (height, width)).astype(np.float32)
    grain = np.asarray(cv2.blur(grain, (41, 1) if style == "stamped" else (3, 3)), np.float32) * 3
    board: Pixels = np.clip(tone + grain[..., None] + dice.uniform(-4, 4, 3), 0, 255).astype(np.uint8)
    edge = round(max(2, height / 30))
    cv2.rectangle(board, (edge, edge), (width - edge, height - edge), (150,) * 3 if style == "dash" else (90,) * 3, edge // 2 + 1)
    if style != "label":
        for x in (round(height * 0.22), width - round(height * 0.22)):
            cv2.circle(board, (x, height // 2), round(height * 0.07), (120, 122, 125), -1, cv2.LINE_AA)
    return board


def _caption(board: Pixels, cap: float, dice: Generator, barcode_at: float | None) -> None:
    """The small print above the line of a paper label and, where there is room, a bar code below it."""
    words = text(str(dice.choice(["VEHICLE IDENTIFICATION NUMBER", "MADE FOR ROAD USE  GVWR 2480 KG", "TYPE M1  COLOUR 47"])), cap * 0.45)
    tint(board, words, round(cap), round(cap * 0.6), (60, 60, 60))
    if barcode_at is not None:
        bars = np.repeat(dice.integers(0, 2, 90).astype(np.uint8) * 255, max(1, round(cap * 0.08)))[: board.shape[1] - 2 * round(cap)]
        tint(board, np.tile(bars, (round(cap * 0.7), 1)), round(cap), round(barcode_at), (40, 40, 40))


def _ink(board: Pixels, ink: Pixels, left: int, top: int, style: Style) -> None:
    if style == "stamped":  # pressed into metal: lit from above, so a dark upper edge and a bright lower one
        off = max(1, round(ink.shape[0] / 24))
        tint(board, ink, left + off, top + off, (225, 228, 230))
        tint(board, ink, left - off, top - off, (35, 35, 38))
        tint(board, ink, left, top, (78, 80, 84))
    else:
        tint(board, ink, left, top, (215, 220, 222) if style == "dash" else (38, 34, 32))


def tint(board: Pixels, mask: Pixels, x: int, y: int, colour: Colour) -> None:
    """Lay `colour` over the part of `board` at x, y where `mask` is set."""
    height, width = mask.shape
    part = board[y : y + height, x : x + width]
    share = mask[: part.shape[0], : part.shape[1], None].astype(np.float32) / 255
    part[..., :3] = (part[..., :3] * (1 - share) + np.array(colour, np.float32) * share).astype(np.uint8)
