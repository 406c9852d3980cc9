"""How the faults are counted: a vehicle lost, an event told twice or otherwise, and what grows must show."""

import pytest

from tests.chaos.cuts import Known, Outcome
from tests.chaos.growth import Books, Look, growth, slope_per_day
from tests.chaos.growth import Outcome as Soaked
from tests.chaos.traffic import Told

A, B, C = Told("a", "1", "A"), Told("b", "2", "B"), Told("c", "3", "C")


def cut(committed: set[str], before: list[Told], after: list[Told], ready_s: float = 1.0, *, sound: bool = True) -> Outcome:
    outcome = Outcome()
    outcome.add(Known(committed, before), after, ready_s, sound=sound)
    return outcome


def test_a_vehicle_told_before_or_after_the_cut_is_not_lost() -> None:
    outcome = cut({"a", "b"}, [A], [B])
    assert (outcome.lost, outcome.twice, outcome.waiting, outcome.good) == (0, 0, 1, True)


def test_a_committed_vehicle_told_in_neither_life_is_lost() -> None:
    outcome = cut({"a", "b", "c"}, [A], [B])
    assert (outcome.lost, dict(outcome.losing), outcome.good) == (1, {1: 1}, False)


def test_an_event_told_in_both_lives_or_twice_in_the_second_is_counted_and_allowed() -> None:
    outcome = cut({"a", "b"}, [A], [A, B, B])
    assert (outcome.twice, outcome.most_twice, outcome.good) == (2, 2, True)


def test_more_copies_than_may_be_under_way_are_too_many() -> None:
    many = [Told(str(number), str(number), "") for number in range(11)]
    assert not cut(set(), many, many).good
    assert cut(set(), many[1:], many[1:]).good


@pytest.mark.parametrize(
    ("after", "figure"),
    [
        ([Told("a", "1", "another")], "differing"),
        ([Told("a", "9", "A")], "differing"),
        ([Told("d", "1", "D")], "renumbered"),
    ],
)
def test_a_copy_that_says_something_else_and_a_number_that_means_two_events_show(after: list[Told], figure: str) -> None:
    outcome = cut({"a"}, [A], after)
    assert (getattr(outcome, figure), outcome.good) == (1, False)


def test_a_damaged_store_and_a_slow_start_are_no_success() -> None:
    assert not cut({"a"}, [A], [], sound=False).good
    assert not cut({"a"}, [A], [], ready_s=5.1).good


def test_what_grows_within_lives_shows_although_each_life_begins_anew() -> None:
    looks = [(life, float(at), 50.0 + 10 * life + at / 864.0) for life in (1, 2) for at in range(0, 8640, 60)]
    assert slope_per_day(looks) == pytest.approx(100.0)
    assert growth((life, value) for life, _, value in looks) == pytest.approx(5.0, abs=0.1)
    assert slope_per_day([(1, 5.0, 50.0), (2, 5.0, 90.0)]) is None


def test_what_stays_as_it_is_does_not_grow() -> None:
    assert growth((1, value) for value in [50.0, 51.0] * 20) <= 1.0
    assert slope_per_day((1, float(at), 50.0) for at in range(20)) == 0.0


def test_a_long_run_passes_only_where_memory_stays_flat() -> None:
    books = Books({"a"}, {"a": 1})
    flat = [Look(1, float(at), 50.0, 20) for at in range(0, 50_000, 60)]
    rising = [Look(1, at_s=look.at_s, rss_mb=look.rss_mb + look.at_s / 40_000, fds=20) for look in flat]
    leaking = [Look(1, at_s=look.at_s, rss_mb=50.0, fds=20 + int(look.at_s / 5000)) for look in flat]
    assert Soaked(50_000.0, 9, books, flat).good()
    assert not Soaked(50_000.0, 9, books, rising).good()
    assert not Soaked(50_000.0, 9, books, leaking).good()
    assert not Soaked(50_000.0, 9, Books({"a", "b"}, {"a": 1}), flat).good()


def test_a_run_of_minutes_tells_no_slope_of_days() -> None:
    looks = [Look(1, float(at), 50.0 + at / 1000, 20) for at in range(600)]
    assert Soaked(600.0, 9, Books(), looks).slopes() == "within a life memory +0.3 MB, open files +0"
    assert Soaked(7200.0, 9, Books(), looks).slopes().endswith("memory +86.4 MB a day, open files +0.0 a day")


def test_a_run_of_seconds_does_not_say_that_nothing_grows() -> None:
    looks = [Look(life, float(at), 50.0, 20) for life in (1, 2, 3) for at in range(5)]
    assert Soaked(12.0, 9, Books(), looks).slopes() == "too short to tell what grows"


def test_the_books_of_a_week_know_copies_and_those_that_differ() -> None:
    books = Books()
    books.add([A, B])
    books.add([A, Told("b", "2", "another")])
    assert (books.copies, books.differing) == (2, 1)
