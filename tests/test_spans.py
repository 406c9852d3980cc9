"""An age, a size or a time is understood as the person who typed it meant it, or not at all."""

import pytest

from agent import spans

NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("text", "ms"), [("90s", 90_000), ("15m", 900_000), ("2h", 7_200_000), ("1.5h", 5_400_000), (" 3D ", 259_200_000), ("1w", 604_800_000)]
)
def test_an_age_is_read_in_its_unit(text: str, ms: int) -> None:
    assert spans.age_ms(text) == ms


@pytest.mark.parametrize(
    ("text", "count"), [("500", 500), ("100K", 100_000), ("100kb", 100_000), ("1.5M", 1_500_000), ("2G", 2_000_000_000)]
)
def test_a_size_is_read_in_its_unit(text: str, count: int) -> None:
    assert spans.size_bytes(text) == count


@pytest.mark.parametrize(
    ("text", "utc_ms"),
    [
        ("now", NOW),
        ("2h ago", NOW - 7_200_000),
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15t09:00:00.500+01:00", NOW + 500),
    ],
)
def test_a_moment_is_read_with_its_zone(text: str, utc_ms: int) -> None:
    assert spans.moment(text).utc_ms(NOW) == utc_ms


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2 years", "1e9d", "99999999999d", "NaNh"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an age such as"):
        spans.age_ms(text)


@pytest.mark.parametrize("text", ["", "K", "-1", "1X", "one"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a size such as"):
        spans.size_bytes(text)


@pytest.mark.parametrize("text", ["", "soon", "2h", "ago", "2026-13-01T00:00:00Z"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="wanted"):
        spans.moment(text)


def test_a_time_without_a_zone_is_refused_because_two_people_mean_two_hours_by_it() -> None:
    with pytest.raises(ValueError, match=r"which zone: write 2027-01-15T08:00:00Z"):
        spans.moment("2027-01-15T08:00:00")


def test_ages_and_sizes_are_told_in_few_characters() -> None:
    assert [spans.age_told(ms) for ms in (-5, 42_000, 720_000, 18_720_000, 267_840_000)] == ["0 s", "42 s", "12 min", "5.2 h", "3.1 d"]
    assert [spans.size_told(count) for count in (12, 61_400, 2_400_000)] == ["12 B", "61 KB", "2.4 MB"]
