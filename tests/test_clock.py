"""What time it is, and how far the agent believes it."""

import itertools
import re
import threading
import time
from dataclasses import replace

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


class Hands:
    """The wall clock of a device, and whether anybody vouches for it; monotonic time is the world's own."""

    def __init__(self, seconds: float = LATER_S, *, synced: bool = False, confirmed: bool = False) -> None:
        self.ahead_s, self.synced, self.confirmed = seconds - time.monotonic(), synced, confirmed
        self.clock = Clock(lambda: self.synced, lambda: time.monotonic() + self.ahead_s, lambda: self.confirmed)

    def set_on(self, seconds: float, *, synced: bool | None = None) -> None:
        self.ahead_s += seconds
        self.synced = self.synced if synced is None else synced


def test_a_moment_before_the_synchronisation_gets_its_right_time_after_it() -> None:
    device = Hands(60.0)
    seen = device.clock.now()
    assert (seen.trust, device.clock.settled(seen)) == ("unknown", seen)

    device.set_on(LATER_S - 60.0, synced=True)

    right = device.clock.settled(seen)
    assert (right.trust, right.monotonic_ms, right.boot_id) == ("synced", seen.monotonic_ms, seen.boot_id)
    assert abs(right.utc_ms - (seen.utc_ms + round((LATER_S - 60.0) * 1000))) <= 5
    assert abs((device.clock.offset_ms or 0) - round((LATER_S - 60.0) * 1000)) <= 5


def test_a_moment_of_another_boot_or_of_a_right_clock_keeps_its_time() -> None:
    device = Hands(synced=True)
    ours, other = device.clock.now(), replace(device.clock.now(), boot_id="before", trust="coarse")
    device.set_on(0.4)
    assert (device.clock.settled(ours), device.clock.settled(other)) == (ours, other)
    assert device.clock.offset_ms is None, "what a time server does little by little is no jump"


@pytest.mark.parametrize("jump_s", [-7 * 86_400, -3600, 3600, 5 * 365 * 86_400])
def test_a_clock_that_is_set_by_hand_is_not_believed_until_it_is_confirmed(jump_s: int) -> None:
    device = Hands(LATER_S + 30 * 86_400, synced=True)
    before = device.clock.now()
    device.set_on(jump_s)

    assert (before.trust, device.clock.now().trust) == ("synced", "coarse")
    assert device.clock.settled(before) == before, "it was right when it was made"
    seen = device.clock.now()
    unknowing = replace(seen, trust="synced", monotonic_ms=seen.monotonic_ms + 5)
    assert device.clock.settled(unknowing).trust == "coarse", "a camera's process that began after the jump knows nothing of it"

    device.set_on(-jump_s)
    device.confirmed = True
    right = device.clock.settled(unknowing)
    assert (device.clock.now().trust, right.trust) == ("synced", "synced")
    assert abs(right.utc_ms - before.utc_ms) < 1000


def test_each_jump_is_told_once_with_the_time_it_makes_wrong() -> None:
    device = Hands()
    began = device.clock.now()
    device.set_on(3600)
    threads = [threading.Thread(target=device.clock.now) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [jump] = device.clock.take_jumps()
    assert abs(jump.by_ms - 3_600_000) <= 5
    assert abs(jump.since_ms - began.utc_ms) <= 5
    assert 0 <= jump.until_ms - jump.since_ms < 1000
    assert device.clock.take_jumps() == []
    device.set_on(-3600)
    device.clock.now()
    assert abs(device.clock.take_jumps()[0].since_ms - began.utc_ms - 3_600_000) <= 5, "in the words of the clock that was left"


def test_a_thread_that_has_to_wait_between_two_clocks_sees_no_jump() -> None:
    late = itertools.chain([0.0, 1.3], itertools.repeat(0.0))

    def wall() -> float:
        time.sleep(next(late))
        return LATER_S + time.monotonic()

    clock = Clock(lambda: True, wall)
    clock.now()
    clock.now()
    assert clock.take_jumps() == []


def test_the_kernel_tells_whether_its_clock_is_disciplined() -> None:
    assert disciplined() in (True, False)
    assert re.fullmatch(r"[0-9a-f-]{36}", boot_id())


def test_times_are_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(1_773_468_729_482) == "2026-03-14T06:12:09.482Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
