"""What time it is, and how far the agent believes it."""

import itertools
import re
import time

import pytest

from agent.clock import BUILT_MS, Clock, boot_id, disciplined, trust_in
from agent.domain import Trust, rfc3339

LATER_S = BUILT_MS / 1000 + 86_400


@pytest.mark.parametrize(
    ("utc_ms", "synced", "trust"),
    [(0, False, "unknown"), (0, True, "unknown"), (BUILT_MS, False, "coarse"), (BUILT_MS, True, "synced"), (BUILT_MS - 1, True, "unknown")],
)
def test_a_clock_is_trusted_only_after_the_build_date_and_a_synchronisation(utc_ms: int, synced: bool, trust: Trust) -> None:
    assert trust_in(utc_ms, synced) == trust


def test_a_stamp_holds_wall_time_and_the_monotonic_time_of_the_same_moment() -> None:
    before = time.monotonic()
    stamp = Clock(lambda: True, lambda: LATER_S).now()
    assert stamp.utc_ms == round(LATER_S * 1000)
    assert round(before * 1000) <= stamp.monotonic_ms <= round(time.monotonic() * 1000)
    assert stamp.trust == "synced"
    assert stamp.boot_id == boot_id()


def test_a_moment_in_the_past_gets_the_wall_time_it_had() -> None:
    clock = Clock(lambda: False, lambda: LATER_S)
    stamp = clock.at(time.monotonic() - 2.0)
    assert abs(stamp.utc_ms - (round(LATER_S * 1000) - 2000)) <= 5
    assert stamp.trust == "coarse"


def test_whether_the_clock_is_disciplined_is_asked_at_most_once_a_second() -> None:
    asked = itertools.count()
    clock = Clock(lambda: next(asked) >= 0, lambda: LATER_S)
    for _ in range(50):
        clock.now()
    assert next(asked) == 1


def test_the_kernel_tells_whether_its_clock_is_disciplined() -> None:
    assert disciplined() in (True, False)
    assert re.fullmatch(r"[0-9a-f-]{36}", boot_id())


def test_times_are_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(1_773_468_729_482) == "2026-03-14T06:12:09.482Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
