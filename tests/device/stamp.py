"""A moment painted into a picture as black and white cells, and read out of it again: how old a frame is, wherever it went."""

import numpy as np
import numpy.typing as npt

CELL, COLUMNS, ROWS = 24, 24, 2  # pixels, cells: 40 bits of milliseconds and 8 bits that tell whether they are right
_BITS = COLUMNS * ROWS

Grey = npt.NDArray[np.uint8]


def _check(milliseconds: int) -> int:
    """A sum over five bytes; the constant keeps a black picture from being a moment."""
    return (sum(milliseconds.to_bytes(5, "big")) + 0x5A) % 256


def paint(picture: Grey, milliseconds: int) -> None:
    """Write a moment (monotonic milliseconds) into the upper left corner of a grey picture, at least 576 × 48 pixels."""
    word = milliseconds << 8 | _check(milliseconds)
    bits = np.array([word >> bit & 1 for bit in range(_BITS)], np.uint8).reshape(ROWS, COLUMNS)
    picture[: ROWS * CELL, : COLUMNS * CELL] = np.kron(bits, np.full((CELL, CELL), 215, np.uint8)) + 20


def read(picture: Grey) -> int | None:
    """The moment in a picture, grey or BGR; None where the cells were damaged on the way."""
    grey = picture if picture.ndim == 2 else picture[:, :, 1]
    middles = grey[CELL // 2 : ROWS * CELL : CELL, CELL // 2 : COLUMNS * CELL : CELL]
    word = sum(1 << bit for bit, value in enumerate(middles.ravel()) if value > 128)
    milliseconds = word >> 8
    return milliseconds if word & 0xFF == _check(milliseconds) else None
