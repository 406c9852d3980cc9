"""What is written into the store is read out of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import Box, Capture, EncodedImage, Event, Quality, Reading, Stamp
from agent.records import capture_from_json, capture_to_json, event_from_json, event_to_json, reading_from_json, reading_to_json
from tests.samples import CAPTURE, READINGS

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 2**53)
TEXTS = st.text(max_size=20)
STAMPS = st.builds(Stamp, COUNTS, COUNTS, TEXTS, st.sampled_from(["synced", "coarse", "unknown"]))
IMAGES = st.builds(
    EncodedImage,
    TEXTS,
    COUNTS,
    STAMPS,
    st.binary(max_size=50),
    COUNTS,
    COUNTS,
    st.builds(Box, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    st.builds(Quality, NUMBERS, st.tuples(COUNTS, COUNTS), NUMBERS, st.none() | NUMBERS),
)
CAPTURES = st.builds(
    Capture,
    TEXTS,
    TEXTS,
    TEXTS,
    st.none() | TEXTS,
    st.none() | TEXTS,
    TEXTS,
    STAMPS,
    COUNTS,
    st.lists(IMAGES, max_size=3).map(tuple),
)
READS = st.builds(Reading, TEXTS, st.none() | st.lists(NUMBERS).map(tuple), TEXTS, COUNTS, st.none() | TEXTS, COUNTS)
PAYLOADS = st.dictionaries(TEXTS, st.none() | st.booleans() | NUMBERS | TEXTS | st.lists(COUNTS))


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


@given(CAPTURES)
def test_a_capture_comes_back_with_its_pictures(capture: Capture) -> None:
    jpegs = {place: image.jpeg for place, image in enumerate(capture.images)}

    assert capture_from_json(through_json(capture_to_json(capture)), jpegs) == capture


@given(READS)
def test_a_reading_comes_back(reading: Reading) -> None:
    assert reading_from_json(through_json(reading_to_json(reading))) == reading


@given(st.builds(Event, TEXTS, TEXTS, PAYLOADS))
def test_an_event_comes_back(event: Event) -> None:
    assert event_from_json(through_json(event_to_json(event))) == event


def test_pictures_are_not_written_into_the_row_of_their_capture() -> None:
    assert "jpeg" not in json.dumps(capture_to_json(CAPTURE))


def test_a_capture_whose_picture_was_evicted_comes_back_without_it() -> None:
    assert capture_from_json(capture_to_json(CAPTURE), {}).images == ()


@pytest.mark.parametrize("key", ["read_id", "taken_at", "images", "frames_seen"])
def test_a_capture_with_a_part_missing_is_none(key: str) -> None:
    data = capture_to_json(CAPTURE)
    del data[key]

    with pytest.raises(ValueError, match="not a capture"):
        capture_from_json(data, {})


@pytest.mark.parametrize("data", [[], None, 7, {"taken_at": 7}, {"unknown": 1}])
def test_what_is_no_record_is_said_to_be_none(data: Any) -> None:
    with pytest.raises(ValueError, match="not a capture"):
        capture_from_json(data, {})
    with pytest.raises(ValueError, match="not a reading"):
        reading_from_json(data)
    with pytest.raises(ValueError, match="not an event"):
        event_from_json(data)


def test_a_reading_of_another_release_is_none() -> None:
    with pytest.raises(ValueError, match="not a reading"):
        reading_from_json({**reading_to_json(READINGS[0]), "mood": "good"})
