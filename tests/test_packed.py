"""Rows made small: what they say is what was put, and what was written once can be read for ever."""

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import packed as module
from agent.packed import packed, unpacked
from agent.records import capture_to_json, event_to_json
from agent.table import from_row, pack
from tests.samples import CAPTURE, event

LEAVES = st.none() | st.booleans() | st.floats(allow_nan=False) | st.text()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_what_is_kept_comes_back(value: object) -> None:
    content = json.dumps(value).encode("ascii")
    assert unpacked(packed(content)) == content
    assert len(packed(content)) <= len(content)


def test_two_events_fit_into_a_page_of_one_kilobyte() -> None:
    row = json.dumps(event_to_json(event(1)), separators=(",", ":")).encode("ascii")
    assert len(row) > 1024
    assert len(packed(row)) < 480


def test_a_vehicle_that_waits_to_be_read_takes_a_third_of_a_page() -> None:
    row = json.dumps(capture_to_json(CAPTURE), separators=(",", ":")).encode("ascii")
    assert len(packed(row)) < 340


def test_a_row_of_a_release_that_knew_nothing_of_this_is_read_as_it_is() -> None:
    value = event_to_json(event(1))
    assert from_row(pack(json.dumps(value).encode("ascii"))) == value


@pytest.mark.parametrize("content", [b"x", b"xyz", zlib.compress(b"1")[:-1], b"x\xbb\x00\x00\x00\x01"])
def test_what_is_no_stream_of_ours_is_called_damaged(content: bytes) -> None:
    with pytest.raises(ValueError, match="row"):
        unpacked(content)


def test_a_stream_that_swells_without_end_is_none_of_ours() -> None:
    with pytest.raises(ValueError, match="more than any row"):
        unpacked(zlib.compress(bytes(64 << 20)))


def test_the_words_that_old_rows_need_are_still_the_same() -> None:
    assert zlib.adler32(module._WORDS) == 915669053, "rows in the field were written with these: another list has to stand beside them"
