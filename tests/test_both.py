"""Two recognisers and one line: what they agree on is believed, what they do not is doubted, and neither makes a VIN of other text."""

from collections.abc import Sequence

import numpy as np
import pytest

from agent.ocr.beam import Floats
from agent.ocr.both import together
from agent.ocr.textline import Line, Look
from agent.vin_text import ALPHABET
from tests.test_beam import VIN, columns

Doubts = dict[int, tuple[str, float]]


def look(text: str, doubts: Doubts | None = None) -> Look:
    """What the general recogniser sees, with another character and its share at some places; it pauses where no VIN character stands."""
    doubts, shares = doubts or {}, columns("".join(char if char in ALPHABET else "0" for char in text), doubts)
    places = tuple((4 * at + 3, 4 * at + 3) for at in range(len(text)))
    for at in (at for at, char in enumerate(text) if char not in ALPHABET):
        shares[4 * at + 3] = np.eye(1, shares.shape[1])[0]
    read = "".join(doubts[at][0] if at in doubts and doubts[at][1] > 0.5 else char for at, char in enumerate(text))
    worth = tuple(max(doubts[at][1], 1 - doubts[at][1]) if at in doubts else 0.99 for at in range(len(text)))
    return Look(Line(read, worth), places, np.maximum(shares, 1e-7))


def heard(seen: Look, views: Sequence[Floats]) -> Line:
    return together(seen.line, [seen], views)


def test_what_both_read_is_surer_than_what_one_of_them_read() -> None:
    both = heard(look(VIN, {3: ("2", 0.2)}), [columns(VIN, {3: ("2", 0.1)})])

    assert both.text == VIN
    assert 0.8 < both.confidence[3] < min(both.confidence[:3])
    assert both.confidence[3] > heard(look(VIN, {3: ("2", 0.2)}), []).confidence[3]


def test_where_they_read_differently_the_surer_one_is_followed_and_the_character_doubted() -> None:
    both = heard(look(VIN, {3: ("2", 0.6)}), [columns(VIN, {3: ("2", 0.05)})])

    assert both.text == VIN
    assert both.confidence[3] < 0.9
    assert both.confidence[4] > 0.97


def test_two_that_are_both_sure_of_different_characters_are_believed_neither() -> None:
    assert heard(look(VIN[:3] + "2" + VIN[4:]), [columns(VIN)]).confidence[3] < 0.9


def test_a_vin_that_only_the_recogniser_of_vins_can_read_is_read_with_less_confidence() -> None:
    both = heard(look("VW ZZZ"), [columns(VIN)])

    assert both.text == VIN
    assert 0.5 < min(both.confidence) <= 0.9


@pytest.mark.parametrize("text", ["", "B MX 4711", "PARKING FOR CUSTOMERS", VIN[:14]])
def test_text_that_is_no_vin_stays_what_it_is(text: str) -> None:
    seen = columns(text.replace(" ", "").replace("O", "0").replace("I", "1") or "AB")
    read = Look(Line(text, (0.97,) * len(text)), ((0, 0),) * len(text), columns("AB"))

    assert heard(read, [seen]) == read.line


def test_a_vin_that_the_recogniser_of_vins_cannot_make_out_keeps_its_raw_text_and_is_doubted() -> None:
    both = heard(look(f"VIN: {VIN}"), [columns("AB")])

    assert both.text == f"VIN: {VIN}"
    assert 0.5 < max(both.confidence[5:]) <= 0.9


def test_one_look_of_several_is_outvoted() -> None:
    doubtful, clear = look(VIN, {3: ("2", 0.6)}), look(VIN)

    both = together(doubtful.line, [doubtful, clear], [])

    assert (doubtful.line.text[3], both.text) == ("2", VIN)


def test_what_stands_beside_the_vin_says_nothing_about_it() -> None:
    alone, beside = heard(look(VIN), [columns(VIN)]), heard(look(f"TYPE 4711 {VIN} 2090KG"), [columns(VIN)])

    assert beside.confidence[10:27] == pytest.approx(alone.confidence, abs=0.01)


def test_a_right_check_digit_orders_what_is_equal_and_makes_nothing_surer() -> None:
    right, wrong = "1M8GDM9AXKP042788", "1M8GDM9AXKR042788"

    both = heard(look(wrong, {10: ("P", 0.45)}), [columns(right, {10: ("R", 0.5)})])

    assert both.text == right
    assert both.confidence[10] < 0.5


def test_no_check_digit_outweighs_what_was_read() -> None:
    right, wrong = "1M8GDM9AXKP042788", "1M8GDM9AXKR042788"

    assert heard(look(wrong), [columns(wrong, {10: ("P", 0.1)})]).text == wrong
    assert heard(look(right), [columns(right)]).text == right


def test_looks_in_which_no_vin_can_stand_take_nothing_from_one_that_shows_it() -> None:
    clear, cut_off = look(VIN), look(VIN[:9])

    assert min(together(clear.line, [cut_off, cut_off, clear], []).confidence) == min(together(clear.line, [clear], []).confidence)


def test_a_view_that_is_blind_to_a_character_does_not_outweigh_others_that_see_it() -> None:
    seen, blind = look(VIN), columns(VIN[:3] + VIN[4:] + "0", dict.fromkeys(range(0, 17, 4), ("2", 0.4)))

    both = heard(seen, [blind])

    assert both.text == VIN
    assert min(both.confidence) > 0.4
