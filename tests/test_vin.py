"""A VIN is decoded, spelled from raw text with its evidence, and decided on without ever inventing one."""

import contextlib
from dataclasses import replace

import pytest
import vininfo.dicts
from hypothesis import given
from hypothesis import strategies as st

from agent import config
from agent.domain import Decision, Reading
from agent.errors import Rejected
from agent.vin import check_digit, describe, judge, parse, verdict
from agent.vin_makers import MAKERS
from agent.vin_text import ALPHABET, candidates_in, folded, plausible

SETTINGS = config.Reading(accept_alone=0.9, accept_checked=0.7)
AMERICAN, GERMAN, CHINESE = "1M8GDM9AXKP042788", "WVWZZZ9NZ6Y195541", "LSVAA49J132047371"
VINS = st.text(alphabet=ALPHABET, min_size=17, max_size=17)
PLAUSIBLE = st.builds(
    lambda head, tail: head + tail, st.text(ALPHABET, min_size=13, max_size=13), st.from_regex(r"[0-9]{4}", fullmatch=True)
).filter(plausible)


def reading(text: str, worth: float | tuple[float, ...] | None = 0.95, image: int = 0, provider: str = "embedded") -> Reading:
    confidence = (worth,) * len(text) if isinstance(worth, float) else worth
    return Reading(text, confidence, provider, image, None, 20)


def decide(*readings: Reading) -> Decision:
    return judge(readings, SETTINGS)


def spelled(text: str) -> list[str]:
    return [spelling.value for spelling in candidates_in(text, None)]


def changed(value: str, at: int) -> str:
    return value[:at] + ("5" if value[at] != "5" else "6") + value[at + 1 :]


# --- What a VIN is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["11111111111111111", AMERICAN, "5GZCZ43D13S812715", "1HGCM82633A004352", CHINESE])
def test_the_check_digit_of_known_vins_holds(value: str) -> None:
    assert (verdict(value), check_digit(value)) == ("pass", value[8])


@pytest.mark.parametrize(
    ("value", "expected"), [(changed(AMERICAN, 16), "fail"), (changed(CHINESE, 16), "fail"), (GERMAN, "not_applicable")]
)
def test_a_wrong_check_digit_fails_only_where_one_is_required(value: str, expected: str) -> None:
    assert verdict(value) == expected


@given(VINS.filter(lambda value: value[0] in "12345L"), st.integers(0, 16).filter(lambda at: at != 8), st.sampled_from(ALPHABET))
def test_a_check_digit_that_holds_is_broken_by_any_other_character_value(value: str, at: int, other: str) -> None:
    right = value[:8] + check_digit(value) + value[9:]
    wrong = right[:at] + other + right[at + 1 :]
    # Only characters that count the same (A, J and 1) can hide from it: the remainder decides.
    assert (check_digit(wrong) == right[8]) == (counted(other) == counted(right[at]))


def counted(char: str) -> int:
    """What a character counts, taken from the table of the standard rather than from the module."""
    rows = ("1AJ", "2BKS", "3CLT", "4DMU", "5ENV", "6FW", "7GPX", "8HY", "9RZ")
    return next((count for count, row in enumerate(rows, 1) if char in row), 0)


def test_an_operator_learns_maker_place_and_the_likely_year() -> None:
    vin = parse(" 1hgcm82633a004352\n")
    assert (vin.value, vin.manufacturer, vin.region, vin.country) == ("1HGCM82633A004352", "Honda", "North America", "United States")
    assert (vin.check_digit, vin.expected_check_digit, vin.wmi_known, vin.years) == ("pass", "3", True, (2003,))


def test_position_seven_orders_the_years_of_an_american_vin() -> None:
    assert describe("1M8GDM9AXKP042788").years == (1989, 2019)
    assert describe("1M8GDMAAXKP042788").years == (2019, 1989)


def test_a_european_vin_names_its_newest_year_first() -> None:
    assert describe("WVWZZZ9NZKY195541").years == (2019, 1989)


def test_a_letter_that_codes_no_year_leaves_the_year_open() -> None:
    assert describe("WVWZZZ9NZUY195541").years == ()


def test_an_unknown_maker_is_said_to_be_unknown() -> None:
    vin = describe("0ZZZZZ9NZ6Y195541")
    assert (vin.wmi_known, vin.manufacturer, vin.region, vin.country) == (False, "", "", "")


def test_an_operator_learns_every_wrong_character_and_where_it_stands() -> None:
    with pytest.raises(Rejected, match=r"'O' at position 3, 'Q' at position 5, '-' at position 9 cannot stand in a VIN"):
        parse("1MOGQM9A-KP042788")


def test_an_operator_learns_the_wrong_length() -> None:
    with pytest.raises(Rejected, match="a VIN has 17 characters, this has 16"):
        parse(AMERICAN[:-1])


@given(st.text())
def test_whatever_is_typed_is_decoded_or_rejected(text: str) -> None:
    vin = None
    with contextlib.suppress(Rejected):
        vin = parse(text)
    assert vin is None or (len(vin.value) == 17 and set(vin.value) <= set(ALPHABET))


@given(VINS)
def test_every_possible_vin_can_be_described(value: str) -> None:
    vin = describe(value)
    assert vin.value == value
    assert (vin.check_digit == "pass") == (vin.expected_check_digit == value[8])


# --- From raw text to spellings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GERMAN, id="as it is"),
        pytest.param(GERMAN.lower(), id="small letters"),
        pytest.param(f"*{GERMAN}*", id="stamped asterisks"),
        pytest.param(f"VIN{GERMAN}", id="caption glued on"),
        pytest.param(f"VIN: {GERMAN}", id="caption"),
        pytest.param(f"V1N{GERMAN}", id="caption misread"),
        pytest.param("WVW-ZZZ9NZ-6Y195541", id="dashes"),
        pytest.param("VIN WVW ZZZ 9NZ 6Y195541", id="groups"),
        pytest.param("MADE IN GERMANY\nWVWZZZ 9NZ6Y195541\nGVWR 1680 KG", id="among other lines"),
        pytest.param(f"I{GERMAN}", id="import mark"),
        pytest.param(f"I{GERMAN}I", id="bars"),
        pytest.param(f"X{GERMAN}X", id="asterisks read as X"),
        pytest.param(f"X{GERMAN}", id="one asterisk read as X"),
        pytest.param("".join(chr(ord(char) + 0xFEE0) for char in GERMAN), id="full width"),
    ],
)
def test_a_vin_is_found_in_what_readers_write(text: str) -> None:
    assert spelled(text) == [GERMAN]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(GERMAN[:-1], id="one too short"),
        pytest.param(f"A{GERMAN}", id="one too long, and no asterisk"),
        pytest.param(f"{GERMAN}1", id="a bar on one side only"),
        pytest.param("12345678901234567", id="digits only"),
        pytest.param("WVWZZZ9NZ6Y19554A", id="a letter among the last four"),
        pytest.param("A1A1A1A1A1A1A1111", id="one pattern"),
        pytest.param(f"{GERMAN[:8]}\n{GERMAN[8:]}", id="two lines"),
        pytest.param(f"SN90021{AMERICAN}88210", id="inside a longer number"),
    ],
)
def test_nothing_is_made_of_text_that_is_no_vin(text: str) -> None:
    assert spelled(text) == []


def test_a_folded_character_stays_visible_and_loses_a_little() -> None:
    (spelling,) = candidates_in("IM8GDM9AXKPO42788", (0.9,) * 17)
    assert (spelling.value, spelling.raw) == (AMERICAN, "IM8GDM9AXKPO42788")
    assert spelling.confidence is not None
    assert 0.8 < spelling.confidence[0] == spelling.confidence[11] < spelling.confidence[1] == 0.9


def test_confidences_follow_their_characters_through_the_clean_up() -> None:
    text = f"* {GERMAN} *"
    (spelling,) = candidates_in(text, tuple(at / 100 for at in range(len(text))))
    assert spelling.confidence == pytest.approx([at / 100 for at in range(2, 19)])


def test_joined_groups_are_worth_less_than_a_token_of_its_own() -> None:
    whole, parts = candidates_in(GERMAN, (0.9,) * 17)[0], candidates_in("WVWZZZ9NZ 6Y195541", (0.9,) * 18)[0]
    assert parts.lowest is not None
    assert whole.lowest is not None
    assert parts.lowest < whole.lowest


def test_a_word_beside_a_number_is_worth_less_than_groups() -> None:
    word, group = candidates_in("SERVAL 12A45671234", (0.9,) * 18)[0], candidates_in("SERVA1 12A45671234", (0.9,) * 18)[0]
    assert (word.lowest or 0) < (group.lowest or 0)


def test_two_vins_in_one_picture_are_both_kept_and_go_to_a_person() -> None:
    text = f"{GERMAN}\n{CHINESE}"
    assert sorted(spelled(text)) == sorted([GERMAN, CHINESE])
    assert decide(reading(text, 0.99)).reason == "disagreement"


def test_a_confidence_of_the_wrong_length_is_not_believed() -> None:
    assert candidates_in(GERMAN, (0.9,) * 3)[0].confidence is None


@given(st.text() | st.text(alphabet=ALPHABET + "IOQ *-:\nVIN", max_size=60), st.floats(-1, 2) | st.just(float("nan")) | st.none())
def test_any_text_gives_only_spellings_of_seventeen_characters(text: str, worth: float | None) -> None:
    for spelling in candidates_in(text, None if worth is None else (worth,) * len(text)):
        assert len(spelling.value) == 17
        assert set(spelling.value) <= set(ALPHABET)
        assert spelling.raw in text
        assert (spelling.confidence is None) == (worth is None)
        assert all(0 <= value <= 1 for value in spelling.confidence or ())


@given(PLAUSIBLE, st.sampled_from(["{}", "*{}*", "VIN {}", " {}\n", "VIN:{}.", "I{}"]))
def test_a_plausible_vin_survives_its_surroundings(value: str, around: str) -> None:
    assert value in spelled(around.format(value))


@given(st.text(alphabet="IOQ" + ALPHABET))
def test_folding_keeps_the_length_and_leaves_the_alphabet_alone(text: str) -> None:
    assert len(folded(text)) == len(text)
    assert all(new == old for new, old in zip(folded(text), text, strict=True) if old in ALPHABET)


# --- What readings add up to -------------------------------------------------------------------------------------------


def test_a_sure_reading_whose_check_digit_holds_is_accepted() -> None:
    decision = decide(reading(AMERICAN, 0.75))
    assert (decision.outcome, decision.reason, decision.agreeing) == ("accepted", None, 1)
    assert decision.vin == describe(AMERICAN)
    assert decision.char_confidence == (0.75,) * 17
    assert [(candidate.vin, candidate.votes) for candidate in decision.candidates] == [(AMERICAN, 1)]


@pytest.mark.parametrize(
    ("value", "worth", "outcome"),
    [(AMERICAN, 0.69, "needs_review"), (GERMAN, 0.89, "needs_review"), (GERMAN, 0.91, "accepted"), (CHINESE, 0.7, "accepted")],
)
def test_the_lowest_character_decides_by_the_settings(value: str, worth: float, outcome: str) -> None:
    assert decide(reading(value, (*[0.99] * 5, worth, *[0.99] * 11))).outcome == outcome


def test_the_thresholds_are_the_operators() -> None:
    lenient = replace(SETTINGS, accept_alone=0.6, accept_checked=0.5)
    assert judge([reading(GERMAN, 0.65)], lenient).outcome == "accepted"


def test_a_vin_that_is_a_guess_is_a_candidate_and_the_vehicle_unread() -> None:
    for value in (GERMAN, changed(AMERICAN, 16)):
        guess = judge([reading(value, (*[0.99] * 16, 0.19))], replace(SETTINGS, review_from=0.2))
        assert (guess.outcome, guess.vin, guess.reason, guess.raw) == ("unread", None, "blurred", value)
        assert [candidate.vin for candidate in guess.candidates] == [value]
        assert judge([reading(value, (*[0.99] * 16, 0.21))], replace(SETTINGS, review_from=0.2)).outcome == "needs_review"


def test_two_vins_that_compete_are_for_a_person_however_unsure_each_is() -> None:
    decision = judge([reading(GERMAN, 0.15), reading(changed(GERMAN, 16), 0.15, 1)], replace(SETTINGS, review_from=0.2))
    assert (decision.outcome, decision.reason) == ("needs_review", "disagreement")


def test_a_required_check_digit_that_fails_is_never_accepted() -> None:
    wrong = changed(AMERICAN, 16)
    decision = decide(*(reading(wrong, 1.0, image) for image in range(3)), reading(wrong, None, 0, "cloud"))
    assert (decision.outcome, decision.reason) == ("needs_review", "check_digit")
    assert decision.vin is not None
    assert decision.vin.value == wrong


@given(st.integers(0, 16), st.sampled_from(ALPHABET), st.floats(0, 1), st.sampled_from([AMERICAN, CHINESE, "1HGCM82633A004352"]))
def test_one_wrong_character_is_accepted_only_where_the_check_digit_cannot_see_it(at: int, other: str, worth: float, value: str) -> None:
    wrong = value[:at] + other + value[at + 1 :]
    if verdict(wrong) == "fail":
        assert decide(reading(wrong, worth), reading(wrong, None, 1, "cloud")).outcome != "accepted"


def test_a_repair_that_the_check_digit_suggests_is_no_answer() -> None:
    decision = decide(reading(changed(AMERICAN, 4), 0.99))
    assert AMERICAN not in [candidate.vin for candidate in decision.candidates]


def test_a_reader_without_confidences_is_accepted_when_the_check_digit_holds() -> None:
    decision = decide(reading(AMERICAN, None, provider="cloud"))
    assert decision.outcome == "accepted"
    assert 0 < decision.confidence < 1


def test_a_reader_without_confidences_needs_a_second_opinion_elsewhere() -> None:
    assert decide(reading(GERMAN, None, provider="cloud")).outcome == "needs_review"
    assert decide(reading(GERMAN, None, 0, "cloud"), reading(GERMAN, None, 1, "cloud")).outcome == "accepted"


def test_two_pictures_that_agree_are_accepted_and_believed_more() -> None:
    once, twice = decide(reading(GERMAN, 0.82)), decide(reading(GERMAN, 0.82, 0), reading(GERMAN, 0.82, 1))
    assert (once.outcome, once.reason) == ("needs_review", "blurred")
    assert (twice.outcome, twice.agreeing) == ("accepted", 2)
    assert once.confidence < twice.confidence < 1


def test_the_same_picture_read_twice_is_no_second_opinion() -> None:
    assert decide(reading(GERMAN, 0.82), reading(GERMAN, 0.82)).outcome == "needs_review"


def test_readings_that_compete_go_to_a_person() -> None:
    decision = decide(reading(GERMAN, 0.95, 0), reading(changed(GERMAN, 14), 0.93, 1))
    assert (decision.outcome, decision.reason) == ("needs_review", "disagreement")
    assert [candidate.vin for candidate in decision.candidates] == [GERMAN, changed(GERMAN, 14)]


def test_a_weak_dissenter_does_not_stop_a_clear_reading() -> None:
    decision = decide(reading(AMERICAN, 0.99, 0), reading(changed(AMERICAN, 14), 0.3, 1))
    assert decision.outcome == "accepted"
    assert decision.char_confidence[14] < decision.char_confidence[13]


def test_the_check_digit_orders_candidates_of_the_same_weight() -> None:
    wrong = changed(AMERICAN, 3)
    decision = decide(reading(wrong, 0.9, 0), reading(AMERICAN, 0.88, 1))
    assert [candidate.vin for candidate in decision.candidates] == [AMERICAN, wrong]
    assert (decision.outcome, decision.reason) == ("needs_review", "disagreement")


def test_a_vin_that_no_picture_shows_is_for_review() -> None:
    one, two, three = (changed(GERMAN, at) for at in (3, 10, 15))
    decision = decide(reading(one, 0.99, 0), reading(two, 0.99, 1), reading(three, 0.99, 2))
    assert decision.vin is not None
    assert (decision.vin.value, decision.agreeing) == (GERMAN, 0)
    assert (decision.outcome, decision.reason) == ("needs_review", "disagreement")


def test_an_unknown_maker_needs_more_than_a_lucky_check_digit() -> None:
    stranger = "XZ9FF07A1MA103999"
    lucky = stranger[:8] + check_digit(stranger) + stranger[9:]
    assert not describe(lucky).wmi_known
    assert decide(reading(lucky, 0.8)).outcome == "needs_review"
    assert decide(reading(lucky, 0.95)).outcome == "accepted"
    assert decide(reading(lucky, 0.85, 0), reading(lucky, 0.85, 1)).outcome == "accepted"


def test_no_text_at_all_means_no_plate() -> None:
    decision = decide(reading("", ()), reading(" \n", None, 1, "cloud"))
    assert (decision.outcome, decision.vin, decision.reason, decision.candidates) == ("unread", None, "no_plate", ())


def test_no_reading_at_all_means_no_plate() -> None:
    assert decide().reason == "no_plate"


def test_text_without_a_vin_is_kept_with_the_decision() -> None:
    decision = decide(reading("SPEED LIMIT 25"), reading("25", image=1))
    assert (decision.outcome, decision.vin, decision.reason, decision.raw) == ("unread", None, "blurred", "SPEED LIMIT 25")


def test_the_raw_text_travels_with_the_decision() -> None:
    assert decide(reading("VIN IM8GDM9AXKPO42788")).raw == "IM8GDM9AXKPO42788"


@given(PLAUSIBLE, st.lists(st.floats(SETTINGS.review_from, 1), min_size=17, max_size=17), st.integers(1, 4))
def test_readings_that_are_the_same_are_returned(value: str, worths: list[float], times: int) -> None:
    decision = decide(*(reading(value, tuple(worths), image) for image in range(times)))
    assert decision.vin is not None
    assert (decision.vin.value, decision.agreeing, len(decision.char_confidence)) == (value, times, 17)
    assert decision.confidence == min(decision.char_confidence)


@given(
    st.lists(
        st.builds(reading, st.text() | PLAUSIBLE, st.floats(0, 1) | st.none(), st.integers(0, 3), st.sampled_from(["a", "b"])), max_size=5
    )
)
def test_any_readings_give_a_decision_that_holds_together(readings: list[Reading]) -> None:
    decision = decide(*readings)
    assert (decision.vin is None) == (decision.outcome == "unread") == (decision.char_confidence == ())
    assert (decision.reason is None) == (decision.outcome == "accepted")
    assert 0 <= decision.confidence <= 1
    assert decision.vin is None or decision.candidates[0].vin == decision.vin.value


@pytest.mark.parametrize(
    ("value", "maker"), [("Z94CB41AAER123456", "Hyundai"), ("XZGFF06A7KA800026", "Haval"), ("Y4K8722Z0JB000123", "Geely")]
)
def test_a_maker_that_the_package_does_not_list_is_known_all_the_same(value: str, maker: str) -> None:
    vin = describe(value)

    assert (vin.wmi_known, vin.manufacturer) == (True, maker)


def test_no_maker_is_listed_that_the_package_knows_by_now() -> None:
    assert not set(MAKERS) & set(vininfo.dicts.wmi.WMI)
