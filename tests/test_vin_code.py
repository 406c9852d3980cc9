"""How a barcode settles the vote: with the printed line, alone, against it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import config
from agent.domain import Decision, Reading
from agent.vin import describe, judge
from agent.vin_code import PROVEN, bare, words_in
from agent.vin_text import ALPHABET

AMERICAN, EUROPEAN, OTHER = "1HGCM82633A004352", "WVWZZZ1JZXW000123", "1M8GDM9AXKP042788"
FAILING = "1HGCM82633A004353"  # where a check digit is required, and wrong
NOBODY = "E4UK7B1ZZ2A004352"  # of a maker nobody knows, with no right check digit
BARS = 0.9


def line(text: str, worth: float = 0.98, image: int = 0) -> Reading:
    return Reading(text, (worth,) * len(text), "embedded", image, None, 5)


def code(text: str, worth: float = PROVEN, image: int = 0) -> Reading:
    return Reading(text, (worth,) * len(text), "barcode", image, None, 5)


def decide(*readings: Reading) -> Decision:
    return judge(readings, config.Reading())


def said(decision: Decision) -> tuple[str | None, str, str | None]:
    return decision.vin.value if decision.vin else None, decision.outcome, decision.reason


def test_what_the_examples_are() -> None:
    assert not describe(NOBODY).wmi_known
    assert [describe(each).check_digit for each in (AMERICAN, EUROPEAN, FAILING, NOBODY)] == [
        "pass",
        "not_applicable",
        "fail",
        "not_applicable",
    ]


@pytest.mark.parametrize("value", [AMERICAN, EUROPEAN, NOBODY])
@pytest.mark.parametrize("worth", [PROVEN, BARS])
def test_a_code_that_agrees_with_a_line_settles_it_however_unsure_the_line_was(value: str, worth: float) -> None:
    unsure = decide(line(value, 0.3))
    assert unsure.outcome == "needs_review"
    both = decide(line(value, 0.3), code(value, worth))
    assert said(both) == (value, "accepted", None)
    assert both.confidence > unsure.confidence
    assert (both.agreeing, both.candidates[0].vin, both.candidates[0].votes) == (2, value, 2)


def test_a_code_settles_readings_that_compete() -> None:
    torn = decide(line(EUROPEAN, 0.8), line(EUROPEAN.replace("000", "008"), 0.8, 1))
    assert torn.reason == "disagreement"
    settled = decide(line(EUROPEAN, 0.8), line(EUROPEAN.replace("000", "008"), 0.8, 1), code(EUROPEAN, BARS))
    assert said(settled) == (EUROPEAN, "accepted", None)
    assert len(settled.candidates) >= 2


def test_a_line_that_was_sure_stays_as_it_was_read_and_is_believed_more() -> None:
    alone, both = decide(line(f" {AMERICAN} ")), decide(line(f" {AMERICAN} "), code(f"I{AMERICAN}"))
    assert (alone.outcome, both.outcome) == ("accepted", "accepted")
    assert (both.raw, both.agreeing) == (alone.raw, 2)
    assert both.confidence > alone.confidence


@pytest.mark.parametrize(
    ("value", "worth", "outcome"),
    [
        (AMERICAN, PROVEN, "accepted"),
        (EUROPEAN, PROVEN, "accepted"),
        (AMERICAN, BARS, "accepted"),
        # Bars read wrong would still name the maker: only a check digit, a second picture or the line can tell.
        (EUROPEAN, BARS, "needs_review"),
        # Seventeen characters of nobody's may be the number of a part.
        (NOBODY, PROVEN, "needs_review"),
        (NOBODY, BARS, "needs_review"),
        (FAILING, PROVEN, "needs_review"),
    ],
)
def test_a_code_alone_is_believed_where_it_proves_itself_and_is_a_vin_beyond_its_shape(value: str, worth: float, outcome: str) -> None:
    decision = decide(code(value, worth))
    assert said(decision)[:2] == (value, outcome)
    assert (decision.confidence, decision.char_confidence) == (worth, (worth,) * 17)


def test_bars_that_say_the_same_in_a_second_picture_are_believed_and_twice_in_one_they_are_not() -> None:
    assert decide(code(EUROPEAN, BARS), code(EUROPEAN, BARS, 1)).outcome == "accepted"
    assert decide(code(EUROPEAN, BARS), code(f"I{EUROPEAN}", BARS)).outcome == "needs_review"


def test_the_import_mark_travels_as_raw_text_and_never_in_the_vin() -> None:
    decision = decide(code(f"I{AMERICAN}"))
    assert (said(decision)[0], decision.raw) == (AMERICAN, f"I{AMERICAN}")
    assert said(decide(code(f"I{AMERICAN}I"))) == (AMERICAN, "accepted", None)


def test_a_code_that_contradicts_a_sure_line_goes_to_a_person_with_both() -> None:
    decision = decide(line(AMERICAN), code(OTHER))
    assert said(decision) == (AMERICAN, "needs_review", "disagreement")
    assert {each.vin for each in decision.candidates} == {AMERICAN, OTHER}


def test_a_proven_code_outweighs_a_line_that_nobody_is_sure_of() -> None:
    assert said(decide(line("WVWZZZ1JZXW008123", 0.5), code(EUROPEAN))) == (EUROPEAN, "accepted", None)
    assert said(decide(line("WVWZZZ1JZXW008123", 0.5), code(EUROPEAN, BARS))) == (EUROPEAN, "needs_review", "disagreement")
    assert said(decide(line("no VIN here"), code(EUROPEAN))) == (EUROPEAN, "accepted", None)


@pytest.mark.parametrize("readings", [(), (line(AMERICAN),), (line(AMERICAN, 0.3),), (line(OTHER),)])
def test_two_codes_with_different_vins_are_two_vehicles(readings: tuple[Reading, ...]) -> None:
    decision = decide(*readings, code(AMERICAN), code(OTHER, image=1))
    assert said(decision)[1:] == ("needs_review", "disagreement")
    assert {each.vin for each in decision.candidates} == {AMERICAN, OTHER}


@pytest.mark.parametrize("readings", [(), (line(FAILING),)])
def test_a_required_check_digit_that_fails_is_never_accepted_in_a_code_either(readings: tuple[Reading, ...]) -> None:
    assert said(decide(*readings, code(FAILING))) == (FAILING, "needs_review", "check_digit")


def test_the_number_of_a_part_that_looks_like_a_vin_contradicts_nobody() -> None:
    for sure in (line(AMERICAN), line(EUROPEAN, 0.4)):
        assert decide(sure, code(NOBODY)) == decide(sure)
    assert decide(code(NOBODY), code(AMERICAN)) == decide(code(AMERICAN))
    assert said(decide(line("no VIN here"), code(NOBODY))) == (NOBODY, "needs_review", "blurred")


def test_a_code_that_holds_no_vin_changes_nothing() -> None:
    assert decide(line(AMERICAN), code("8K0941597E")) == decide(line(AMERICAN))
    assert decide(code("8K0941597E")) == decide()


@given(st.text(ALPHABET + "IOQ -:/,\n", max_size=60))
def test_words_stand_in_the_text_as_they_are_and_hold_seventeen_characters_of_the_alphabet(text: str) -> None:
    for word in words_in(text):
        assert word in text
        assert len(bare(word)) == 17
        assert set(bare(word)) <= set(ALPHABET)


_ANY = st.sampled_from([AMERICAN, EUROPEAN, OTHER, FAILING, NOBODY])


@given(
    st.lists(st.builds(line, _ANY, st.floats(0, 1), st.integers(0, 2)), max_size=3),
    st.lists(st.builds(code, _ANY, st.sampled_from([PROVEN, BARS]), st.integers(0, 2)), min_size=1, max_size=3),
)
def test_any_lines_and_codes_give_a_decision_that_holds_together(lines: list[Reading], codes: list[Reading]) -> None:
    decision = decide(*lines, *codes)
    assert decision.vin is not None
    assert 0 <= decision.confidence <= 1
    assert len(decision.char_confidence) == 17
    assert (decision.reason is None) == (decision.outcome == "accepted")
    if decision.outcome == "accepted":
        assert {bare(each.text) for each in codes} - {NOBODY} <= {decision.vin.value}
        assert decision.vin.check_digit != "fail"
