"""What the programs that teach the reader and set its thresholds make of what was read."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.domain import Box
from agent.ocr.beam import Floats
from agent.vin import describe
from agent.vin_text import ALPHABET
from tests.bench.photos import Photo
from tests.bench.train.known import Heard, exchanged, model
from tests.bench.train.thresholds import Claim, alone, checked, lowest

RIGHT, SEEN = "LVVDB21B7MD219209", "LVVDB2187MD219209"
EUROPEAN = "WVWZZZ3BZ4E001120"
PHOTO = Photo(Path("kt_0001.jpg"), "plate", "", Box(0, 0, 100, 10))


def columns(text: str) -> Floats:
    """A column for each character, and a pause after it."""
    shares = np.full((2 * len(text), 1 + len(ALPHABET)), 1e-4, np.float32)
    shares[1::2, 0] = 1.0
    shares[range(0, len(shares), 2), [1 + ALPHABET.index(char) for char in text]] = 0.9
    return shares


def heard(vin: str, sure: float) -> Heard:
    return Heard(PHOTO, np.zeros((4, 2), np.float32), vin, sure, [columns(vin)])


@pytest.mark.parametrize(("vin", "sure", "taught"), [
    (RIGHT, 0.5, RIGHT), (RIGHT, 0.2, ""), (EUROPEAN, 0.8, EUROPEAN), (EUROPEAN, 0.5, ""),
])  # fmt: skip
def test_a_text_is_taught_where_it_was_read_surely_and_sooner_where_its_check_digit_is_right(vin: str, sure: float, taught: str) -> None:
    assert heard(vin, sure).taught(Counter()) == taught


def test_a_text_that_its_check_digit_contradicts_is_taught_as_its_lookalike_of_a_known_model_or_not_at_all() -> None:
    assert heard(SEEN, 0.99).taught(Counter({model(RIGHT): 2})) == RIGHT
    assert heard(SEEN, 0.99).taught(Counter({model(RIGHT): 1})) == ""


def test_of_lookalikes_that_fit_the_one_the_columns_make_likeliest_is_taught() -> None:
    fitting = [text for text in exchanged(SEEN) if describe(text).check_digit == "pass"]
    assert len(fitting) > 1
    for text in fitting:
        line = replace(heard(SEEN, 0.9), columns=[columns(SEEN), columns(text)])
        assert line.taught(Counter({model(each): 2 for each in fitting})) == text


def test_no_serial_number_is_changed_in_teaching() -> None:
    assert {text[11:] for text in exchanged(SEEN)} == {SEEN[11:]}


def test_wrong_vins_count_more_than_their_check_digits_show_and_unknown_ones_without_one_not_at_all() -> None:
    vins = [(0.9, describe(RIGHT), ""), (0.8, describe(SEEN), ""), (0.7, describe(EUROPEAN), ""), (0.6, describe(EUROPEAN), RIGHT)]
    assert [(each.confidence, each.wrong) for each in alone(vins)] == [(0.9, 0.0), (0.8, pytest.approx(1.1)), (0.6, 1.0)]
    assert [(each.confidence, each.wrong) for each in checked(vins)] == [(0.9, 0.0), (0.8, pytest.approx(0.1))]


def test_a_threshold_lies_above_what_was_read_wrong() -> None:
    right = [Claim(0.5 + number / 1000, 0.0) for number in range(500)]
    assert lowest(right, 1.0) == 0.5
    assert lowest([*right, *[Claim(0.705, 1.0)] * 9], 1.0) == pytest.approx(0.71)


def test_a_threshold_needs_enough_that_was_read_right() -> None:
    assert lowest([Claim(0.955, 0.0)] * 40, 1.0) == 1.0
