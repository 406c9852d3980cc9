"""A provider is asked no faster than its account allows, and not at all while it asked for quiet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ocr.limiter import Limiter


def times(limiter: Limiter, calls: int, start: float = 100.0) -> list[float]:
    """When each of some calls is made by a caller that waits exactly as long as it is told."""
    now, made = start, []
    for _ in range(calls):
        now += limiter.wait_s(now)
        limiter.take(now)
        made.append(now)
    return made


def test_the_first_call_is_made_at_once() -> None:
    assert Limiter(8).wait_s(0.0) == 0.0


def test_eight_a_second_are_an_eighth_of_a_second_apart() -> None:
    made = times(Limiter(8), 17)
    assert made[-1] - made[0] == pytest.approx(2.0)


@given(st.floats(0.1, 50), st.lists(st.floats(0, 3), min_size=2, max_size=60))
def test_no_second_sees_more_calls_than_the_rate_allows_however_vehicles_arrive(per_s: float, pauses: list[float]) -> None:
    limiter, now, made = Limiter(per_s), 0.0, []
    for pause in pauses:
        now += pause
        now += limiter.wait_s(now)
        limiter.take(now)
        made.append(now)
    for start in made:
        assert sum(start <= each < start + 1.0 - 1e-6 for each in made) <= max(1, per_s + 1)


def test_a_pause_saves_up_one_call_and_not_more() -> None:
    limiter = Limiter(2)
    times(limiter, 3)
    made = times(limiter, 3, start=1_000.0)
    assert [each - 1_000.0 for each in made] == pytest.approx([0.0, 0.5, 1.0])


def test_a_wait_the_vendor_asked_for_shuts_the_bucket_and_is_followed_by_no_burst() -> None:
    limiter = Limiter(4, burst=3)
    limiter.hold(60.0, 10.0)
    assert limiter.wait_s(10.0) == 60.0
    assert limiter.wait_s(69.0) == pytest.approx(1.0)
    assert limiter.wait_s(70.0) == 0.0
    made = times(limiter, 3, start=70.0)
    assert [each - 70.0 for each in made] == pytest.approx([0.0, 0.25, 0.5])


def test_a_pause_shorter_than_the_rate_leaves_the_rate_as_it_is() -> None:
    limiter = Limiter(2)
    limiter.take(0.0)
    limiter.hold(0.1, 0.0)
    assert limiter.wait_s(0.0) == pytest.approx(0.5)


def test_a_shorter_wait_does_not_end_a_longer_one() -> None:
    limiter = Limiter(0)
    limiter.hold(60.0, 0.0)
    limiter.hold(1.0, 0.0)
    assert limiter.wait_s(30.0) == 30.0


def test_a_rate_of_nothing_is_no_limit() -> None:
    assert times(Limiter(0), 5) == [100.0] * 5


def test_a_moment_gives_no_second_token() -> None:
    limiter = Limiter(10)
    limiter.take(5.0)
    assert limiter.wait_s(5.0) == pytest.approx(0.1)
