"""From a recogniser's shares per column to whole VINs with what each is worth: beam search over the 33 letters (CTC)."""

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agent.vin_text import ALPHABET, LENGTH

Floats = npt.NDArray[np.float32]

_BEAMS = 12  # beginnings kept from column to column; 30 read no line better
_CHARS = 4  # continuations of each
_PAUSED = 0.999  # share of the pause from which a column says nothing else
_LEAST = 1e-6  # share below which no character is followed
_DIGITS = frozenset("0123456789")
_TAIL = 4  # characters at the end that are digits (ISO 3779)


@dataclass(frozen=True, slots=True)
class Guess:
    """Seventeen characters, and the natural logarithm of the chance that the columns spell them."""

    text: str
    log: float


def guesses(shares: Floats, most: int = 6) -> list[Guess]:
    """The likeliest VINs that (columns, 34) shares spell, best first: output 0 is the pause, the others stand for `ALPHABET`.

    Prefix beam search (Graves 2006): of each beginning the chance to have ended in a pause, and in its last character.
    """
    beams: dict[str, tuple[float, float]] = {"": (1.0, 0.0)}
    scale = 0.0
    for column in shares:
        if column[0] >= _PAUSED:
            beams = {text: ((paused + ended), 0.0) for text, (paused, ended) in beams.items()}
            continue
        beams = _grown(beams, column)
        total = sum(map(sum, beams.values()))
        if total <= 0:
            return []
        # Chances of eighty columns leave what a float can hold.
        scale += math.log(total)
        beams = {text: (paused / total, ended / total) for text, (paused, ended) in beams.items()}
    whole = [(text, sum(chances)) for text, chances in beams.items() if len(text) == LENGTH and sum(chances) > 0]
    whole.sort(key=lambda each: -each[1])
    return [Guess(text, math.log(chance) + scale) for text, chance in whole[:most]]


def _grown(beams: dict[str, tuple[float, float]], column: Floats) -> dict[str, tuple[float, float]]:
    """One column further."""
    pause = float(column[0])
    likely = [int(at) for at in np.argpartition(-column[1:], _CHARS)[:_CHARS] if column[at + 1] > _LEAST]
    grown: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for text, (paused, ended) in beams.items():
        grown[text][0] += (paused + ended) * pause
        last = text[-1:]
        if last:
            grown[text][1] += ended * float(column[1 + ALPHABET.index(last)])
        for at in likely:
            char = ALPHABET[at]
            if not _may_follow(text, char):
                continue
            grown[text + char][1] += (paused if char == last else paused + ended) * float(column[1 + at])
    best = sorted(grown.items(), key=lambda each: -sum(each[1]))[:_BEAMS]
    return {text: (paused, ended) for text, (paused, ended) in best}


def _may_follow(text: str, char: str) -> bool:
    return len(text) < LENGTH - _TAIL or (len(text) < LENGTH and char in _DIGITS)


def likelihood(shares: Floats, text: str) -> float:
    """The natural logarithm of the chance that the columns spell exactly this text, over all its paths (the forward algorithm)."""
    labels = np.zeros(2 * len(text) + 1, np.intp)
    labels[1::2] = [1 + ALPHABET.index(char) for char in text]
    skips = np.zeros(len(labels), np.float64)
    skips[3::2] = labels[3::2] != labels[1:-2:2]
    reached = np.zeros(len(labels))
    reached[0] = 1.0
    total = 0.0
    for at, column in enumerate(np.asarray(shares, np.float64)):
        moved = reached.copy()
        if at:
            moved[1:] += reached[:-1]
            moved[2:] += reached[:-2] * skips[2:]
        else:
            moved[1] = 1.0
        reached = moved * column[labels]
        scale = reached.sum()
        if scale <= 0:
            return -math.inf
        reached, total = reached / scale, total + math.log(scale)
    return total + math.log(max(reached[-1] + reached[-2], 1e-300))
