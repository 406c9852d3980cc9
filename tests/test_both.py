"""Two recognisers and one line: what they agree on is believed, what they do not is doubted, and neither makes a VIN of other text."""

import pytest

from agent.ocr.both import together
from agent.ocr.textline import Line
from tests.test_beam import VIN, columns


def line(text: str, worth: float = 0.97, doubts: dict[int, float] | None = None) -> Line:
    return Line(text, tuple((doubts or {}).get(at, worth) for at in range(len(text))))


def test_what_both_read_is_surer_than_what_either_read() -> None:
    both = together(line(VIN, doubts={3: 0.8}), [columns(VIN, {3: ("2", 0.1)})])

    assert both.text == VIN
    assert both.confidence[3] > 0.95
    assert min(both.confidence) > 0.95


def test_where_they_read_differently_the_surer_one_is_followed_and_the_character_doubted() -> None:
    other = VIN[:3] + "2" + VIN[4:]

    both = together(line(other, doubts={3: 0.2}), [columns(VIN, {3: ("2", 0.05)})])

    assert both.text == VIN
    assert both.confidence[3] < 0.97
    assert both.confidence[4] > 0.97


def test_two_that_are_both_sure_of_different_characters_are_believed_neither() -> None:
    other = VIN[:3] + "2" + VIN[4:]

    both = together(line(other, 0.999), [columns(VIN)])

    assert both.confidence[3] < 0.9


def test_a_vin_that_only_the_recogniser_of_vins_can_read_is_read_with_less_confidence() -> None:
    both = together(line("VW ZZZ"), [columns(VIN)])

    assert both.text == VIN
    assert 0.5 < min(both.confidence) <= 0.9


@pytest.mark.parametrize("text", ["", "B MX 4711", "PARKING FOR CUSTOMERS", VIN[:15]])
def test_text_that_is_no_vin_stays_what_it_is(text: str) -> None:
    seen = columns(text.replace(" ", "").replace("O", "0").replace("I", "1") or "AB")

    assert together(line(text), [seen]) == line(text)


def test_a_vin_that_the_recogniser_of_vins_cannot_make_out_keeps_its_raw_text_and_is_doubted() -> None:
    both = together(line(f"VIN: {VIN}", 1.0), [columns("AB")])

    assert both.text == f"VIN: {VIN}"
    assert both.confidence == (0.9,) * len(both.text)


def test_a_right_check_digit_orders_what_is_equal_and_makes_nothing_surer() -> None:
    right, wrong = "1M8GDM9AXKP042788", "1M8GDM9AXKR042788"

    both = together(line(wrong, doubts={10: 0.2}), [columns(right, {10: ("R", 0.5)})])

    assert both.text == right
    assert both.confidence[10] < 0.5


def test_no_check_digit_outweighs_what_was_read() -> None:
    right, wrong = "1M8GDM9AXKP042788", "1M8GDM9AXKR042788"

    assert together(line(wrong), [columns(wrong, {10: ("P", 0.1)})]).text == wrong
    assert together(line(right), [columns(right)]).text == right
