"""Draws the VIN plates of the rendered passes: many faces, print, relief and dots, alone or on a label among other lines."""

from typing import Literal, get_args

import cv2
import numpy as np
from numpy.random import Generator

from agent.camera import lettering
from agent.camera.lettering import FINE, Points, Style
from agent.domain import Pixels

Face = Literal["print", "plain", "double", "serif", "heavy", "dots"]
FACES: tuple[Face, ...] = get_args(Face)
_HERSHEY = {
    "plain": cv2.FONT_HERSHEY_SIMPLEX,
    "double": cv2.FONT_HERSHEY_DUPLEX,
    "serif": cv2.FONT_HERSHEY_COMPLEX,
    "heavy": cv2.FONT_HERSHEY_TRIPLEX,
    "dots": cv2.FONT_HERSHEY_SIMPLEX,
}
_LINES = (
    "GVWR 2480 KG", "0- 4310 KG", "1- 1205 KG", "2- 1390 KG", "TYPE 8E0 AVJ", "COLOUR LY9B / N4F", "MODEL 205 C6B 6A2",
    "ENGINE 1968 CM3 110 KW", "TRANS 6MT 02Q", "TIRE 225/45 R17 91W", "MFD 04/21", "PAINT 475 A93 FA12", "E1*2001/116*0430*07",
)  # fmt: skip


def ink(words: str, capital: float, face: Face, stretch: float, gap: float) -> Pixels:
    """`words` as a tight grey mask with capitals `capital` pixels high, `stretch` times as wide as the face is."""
    if face == "print":
        mask = lettering.text(words, capital, gap=gap)
    else:
        drawn = _drawn(words, capital, face, gap)
        x, y, width, height = cv2.boundingRect(drawn)
        mask = drawn[y : y + height, x : x + width]
    size = (max(17, round(mask.shape[1] * stretch)), mask.shape[0])
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)


def _drawn(words: str, capital: float, face: Face, gap: float) -> Pixels:
    size, thick = capital / 21, 1 if face == "dots" else max(1, round(capital / 10))  # Hershey capitals are 21 units high
    steps = [cv2.getTextSize(letter, _HERSHEY[face], size, thick)[0][0] + gap * capital for letter in words]
    mask = np.zeros((round(2 * capital + 4), round(sum(steps) + capital)), np.uint8)
    for letter, x in zip(words, np.cumsum([capital / 4, *steps]), strict=False):
        cv2.putText(mask, letter, (round(x), round(1.5 * capital)), _HERSHEY[face], size, (255,), thick, cv2.LINE_AA)
    return _dotted(mask, capital) if face == "dots" else mask


def _dotted(strokes: Pixels, capital: float) -> Pixels:
    """Thin strokes as a needle punches them: dot beside dot along the line."""
    mask, apart, taken = np.zeros_like(strokes), capital / 7.5, list[tuple[float, float]]()
    outlines, _ = cv2.findContours((strokes > 90).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    for outline in outlines:
        for x, y in outline[:, 0].astype(float):
            near = taken[-160:]  # dots of the same letter, or the ones beside it
            if all((x - a) ** 2 + (y - b) ** 2 >= apart**2 for a, b in near):
                taken.append((x, y))
                cv2.circle(mask, (round(x * 8), round(y * 8)), round(capital / 19 * 8), (255,), -1, cv2.LINE_AA, 3)
    return mask


def plate(vin: str, style: Style, capital: float, dice: Generator, line: Pixels) -> tuple[Pixels, Points]:
    return lettering.plate(vin, style, capital, dice, line)


def label(line: Pixels, capital: float, dice: Generator) -> tuple[Pixels, Points]:
    """A paper label with the VIN among other lines and over a bar code; as `lettering.plate` gives it."""
    cap, rows = capital * FINE, [str(each) for each in dice.permutation(_LINES)[:4]]
    above = int(dice.integers(1, 4))
    height, width = round(cap * (1.5 * len(rows) + 5.2)), round(line.shape[1] + 2.4 * cap)
    board: Pixels = np.clip(dice.uniform(214, 242) + dice.normal(0, 2, (height, width, 1)) + dice.uniform(-4, 4, 3), 0, 255).astype(
        np.uint8
    )
    cv2.rectangle(board, (3, 3), (width - 4, height - 4), (90, 90, 90), max(2, round(cap / 12)))
    y = cap * 0.8
    for number, words in enumerate(rows):
        if number == above:
            top, y = round(y), y + line.shape[0] + cap * 0.7
            lettering.tint(board, line, round(1.2 * cap), top, (38, 34, 32))
        small = lettering.text(words, cap * dice.uniform(0.6, 0.95))
        lettering.tint(board, small[:, : width - round(2 * cap)], round(1.2 * cap), round(y), (48, 44, 42))
        y += cap * 1.5
    _bars(board, cap, round(y), dice)
    corners = [(0, 0), (line.shape[1], 0), (line.shape[1], line.shape[0]), (0, line.shape[0])]
    return board, np.array(corners, np.float32) + np.array((round(1.2 * cap), top), np.float32)


def _bars(board: Pixels, cap: float, top: int, dice: Generator) -> None:
    """A bar code below the lines."""
    width = board.shape[1] - round(2.4 * cap)
    bars = np.repeat(dice.integers(0, 2, 400).astype(np.uint8) * 255, max(2, round(cap * 0.09)))[:width]
    lettering.tint(board, np.tile(bars, (round(cap * 1.4), 1)), round(1.2 * cap), top, (36, 36, 36))
