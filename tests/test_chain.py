"""Who is asked to read, in which order, and what it may cost."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from agent import config
from agent.domain import Bounds, Box, EncodedImage, Quality, Reading, Stamp
from agent.errors import AgentError, BadConfig, NeedsOperator, Rejected, RetryLater
from agent.ocr import common_bounds, provider_class
from agent.ocr.budget import Budget, periods
from agent.ocr.chain import Chain
from agent.store import Store

NOON = int(datetime(2026, 12, 31, 12, tzinfo=UTC).timestamp() * 1000)
STAMP = Stamp(NOON, 1_000, "boot", "synced")
IMAGE = EncodedImage("01J", 0, STAMP, b"jpeg", 400, 80, Box(10, 10, 300, 30), Quality(1.0, (300, 30), 0.0))


class Scripted:
    """A provider that answers as a list says: a text is read, an error is raised."""

    bounds = Bounds()

    def __init__(self, name: str, *answers: str | AgentError, price: float = 0.0, metered: bool = True) -> None:
        self.name, self.price, self.metered = name, price, metered
        self.answers, self.calls, self.open = list(answers), 0, False

    def __enter__(self) -> Self:
        self.open = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.open = False

    def read(self, image: EncodedImage) -> Reading:
        self.calls += 1
        answer = self.answers.pop(0)
        if isinstance(answer, AgentError):
            raise answer
        return Reading(answer, None, self.name, image.number, None, 1)


class Bench:
    """A chain on a real ledger, with a clock the test moves."""

    def __init__(self, folder: Path, *providers: Scripted, settings: config.Reading | None = None) -> None:
        self.seconds = 0.0
        self.store = Store.open(folder, config.Store(), NOON)
        budget = Budget(settings or config.Reading(), self.store.ledger)
        self.chain = Chain(providers, self.store.ledger, budget, self.now, lambda: self.seconds)

    def now(self) -> Stamp:
        return Stamp(NOON + round(self.seconds * 1000), 0, "boot", "synced")

    def calls(self, provider: str | None = None) -> int:
        return self.store.ledger.spent(provider, 0).calls


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Bench]:
    return lambda *providers, **more: Bench(tmp_path, *providers, **more)


def test_the_first_provider_that_reads_ends_the_chain(bench: Callable[..., Bench]) -> None:
    first, second = Scripted("first", "A"), Scripted("second")
    with bench(first, second).chain as chain:
        assert chain.read(IMAGE).reading.text == "A"
    assert second.calls == 0


def test_a_provider_that_fails_is_passed_over_and_left_alone_for_a_while(bench: Callable[..., Bench]) -> None:
    first, second = Scripted("first", RetryLater("first: 503"), "A"), Scripted("second", "B", "C")
    at = bench(first, second)
    assert [at.chain.read(IMAGE).reading.text for _ in range(2)] == ["B", "C"]
    assert first.calls == 1
    at.seconds = 6.0
    assert at.chain.read(IMAGE).reading.text == "A"
    assert at.chain.circuits["first"].failures == 0


def test_a_wait_the_vendor_asked_for_is_honoured(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("only", RetryLater("only: busy", after=60.0), "A"))
    with pytest.raises(RetryLater) as trouble:
        at.chain.read(IMAGE)
    assert trouble.value.after == 60.0
    assert at.chain.off_for_s() == 60.0
    at.seconds = 59.0
    with pytest.raises(RetryLater):
        at.chain.read(IMAGE)
    assert at.calls() == 1, "a provider that is off is not called"
    at.seconds = 60.0
    assert at.chain.read(IMAGE).reading.text == "A"


def test_a_provider_that_needs_a_person_is_asked_every_five_minutes(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("only", NeedsOperator("only: the key is refused"), "A"))
    with pytest.raises(RetryLater, match="the key is refused"):
        at.chain.read(IMAGE)
    assert at.chain.off_for_s() == 300.0


def test_waits_between_failures_grow(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("only", *[RetryLater("down")] * 9))
    waits = []
    for _ in range(9):
        with pytest.raises(RetryLater):
            at.chain.read(IMAGE)
        waits.append(at.chain.off_for_s())
        at.seconds += waits[-1]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_picture_every_provider_refuses_is_refused(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("first", Rejected("first: blurred")), Scripted("second", Rejected("second: too small")))
    with pytest.raises(Rejected, match="first: blurred; second: too small"):
        at.chain.read(IMAGE)


def test_a_picture_refused_by_one_and_not_yet_seen_by_another_waits(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("first", Rejected("first: blurred")), Scripted("second", RetryLater("second: down")))
    with pytest.raises(RetryLater):
        at.chain.read(IMAGE)


def test_every_metered_attempt_is_booked_also_one_that_failed(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("cloud", RetryLater("time-out", after=0), "A", price=0.02), Scripted("embedded", "B", metered=False))
    assert at.chain.read(IMAGE).booking is None, "the embedded reader costs nothing"
    answer = at.chain.read(IMAGE)
    assert answer.booking is not None
    assert at.calls("cloud") == 2
    assert at.store.ledger.spent("cloud", 0).money == pytest.approx(0.04)
    assert at.store.ledger.open_bookings() == 1, "the answered call is settled by the caller, with the reading"


@pytest.mark.parametrize(
    ("limits", "calls"),
    [
        (config.Reading(calls_per_minute=3), 3),
        (config.Reading(calls_per_day=4), 4),
        (config.Reading(calls_per_month=5), 5),
        (config.Reading(money_per_month=0.06), 2),
        (config.Reading(calls_per_minute=3, calls_per_day=2), 2),
    ],
)
def test_a_budget_is_never_overdrawn(bench: Callable[..., Bench], limits: config.Reading, calls: int) -> None:
    cloud = Scripted("cloud", *["A"] * 9, price=0.03)
    at = bench(cloud, settings=limits)
    for _ in range(9):
        with contextlib.suppress(RetryLater):
            at.chain.read(IMAGE)
        at.seconds += 1.0
    assert cloud.calls == calls


def test_a_new_day_opens_the_day_budget_again(bench: Callable[..., Bench]) -> None:
    cloud = Scripted("cloud", "A", "B")
    at = bench(cloud, settings=config.Reading(calls_per_day=1))
    at.chain.read(IMAGE)
    with pytest.raises(RetryLater, match="cloud: the budget is spent"):
        at.chain.read(IMAGE)
    at.seconds = 12 * 3600.0
    assert at.chain.read(IMAGE).reading.text == "B"


def test_months_and_days_begin_at_midnight_utc() -> None:
    at = periods(NOON)
    begins = (at.day_ms, at.month_ms, at.next_day_ms, at.next_month_ms)
    shown = [datetime.fromtimestamp(ms / 1000, UTC).isoformat()[:16] for ms in begins]
    assert shown == ["2026-12-31T00:00", "2026-12-01T00:00", "2027-01-01T00:00", "2027-01-01T00:00"]


def test_a_chain_closes_what_it_opened_also_when_opening_breaks_off(bench: Callable[..., Bench]) -> None:
    class Broken(Scripted):
        def __enter__(self) -> Self:
            raise NeedsOperator("broken: no models")

    good = Scripted("good")
    with pytest.raises(NeedsOperator), bench(good, Broken("broken")).chain:
        pass
    assert not good.open


def test_a_picture_must_suit_every_provider_of_the_chain() -> None:
    strict = Bounds(min_side=20, max_side=2000, max_bytes=6_000_000, counted="raw")
    both = Bounds().tightened(strict)
    assert (both.min_side, both.max_side, both.raw_bytes) == (20, 2000, 5_250_000)
    assert common_bounds(()) == Bounds()


def test_an_unknown_provider_is_a_configuration_error() -> None:
    with pytest.raises(BadConfig, match='there is no provider "tencant"; known: embedded'):
        provider_class("tencant")
