"""The beam search over a recogniser's columns: what it finds, what each is worth, and what it never makes up."""

import itertools
import math

import numpy as np
import pytest

from agent.ocr.beam import Floats, guesses, likelihood
from agent.vin_text import ALPHABET

VIN = "WVWZZZ1JZ3W386752"
CLASSES = 1 + len(ALPHABET)


def columns(text: str, doubts: dict[int, tuple[str, float]] | None = None, pauses: int = 3) -> Floats:
    """What a recogniser that is sure of `text` says, but for the characters named by position: another one, and its share."""
    rows = []
    for at, char in enumerate(text):
        rows += [_row([])] * pauses
        other, share = (doubts or {}).get(at, (char, 0.0))
        rows.append(_row([(char, 1 - share), (other, share)]))
    return np.array([*rows, _row([])], np.float32)


def _row(chars: list[tuple[str, float]]) -> list[float]:
    """One column: the characters with their shares, or the pause."""
    row = [0.0001] * CLASSES
    for char, share in chars:
        row[1 + ALPHABET.index(char)] += share
    row[0] += 0.0 if chars else 1.0
    return [value / sum(row) for value in row]


def by_hand(shares: Floats, text: str) -> float:
    """The same by walking every path."""
    wanted = [1 + ALPHABET.index(char) for char in text]
    total = 0.0
    for path in itertools.product(sorted({0, *wanted}), repeat=len(shares)):
        merged = [here for before, here in itertools.pairwise((0, *path)) if here and here != before]
        if merged == wanted:
            total += math.prod(float(shares[at, each]) for at, each in enumerate(path))
    return math.log(total)


@pytest.mark.parametrize("text", ["A", "AA", "AB", "0Z0"])
def test_the_likelihood_of_a_text_is_that_of_all_paths_that_spell_it(text: str) -> None:
    shares = np.random.default_rng(1).dirichlet(np.full(CLASSES, 0.3), 6).astype(np.float32)

    assert likelihood(shares, text) == pytest.approx(by_hand(shares, text), abs=1e-4)


def test_a_clear_line_is_the_first_guess_and_as_likely_as_its_paths() -> None:
    shares = columns(VIN)

    best = guesses(shares)[0]

    assert best.text == VIN
    assert best.log == pytest.approx(likelihood(shares, VIN), abs=0.05)


def test_a_character_in_doubt_gives_both_spellings_the_likelier_first() -> None:
    shares = columns(VIN, {3: ("2", 0.4)})

    first, second = guesses(shares)[:2]

    assert (first.text, second.text) == (VIN, "WVW2ZZ1JZ3W386752")
    assert first.log - second.log == pytest.approx(math.log(0.6 / 0.4), abs=0.05)


def test_a_letter_among_the_last_four_is_read_as_the_digit_that_is_next_likely() -> None:
    assert guesses(columns(VIN[:-1] + "Z", {16: ("2", 0.3)}))[0].text == VIN


@pytest.mark.parametrize("text", [VIN[:16], VIN + "4"])
def test_a_line_of_another_length_is_hardly_any_vin(text: str) -> None:
    whole, other = guesses(columns(VIN))[0].log, guesses(columns(text))

    assert not other or other[0].log < whole - 4


def test_columns_that_say_nothing_spell_nothing() -> None:
    assert guesses(np.array([_row([])] * 40, np.float32)) == []
