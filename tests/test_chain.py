"""Who is asked to read, in which order, and what it may cost."""

import contextlib
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import pytest

from agent import config, promise
from agent.bounds import Bounds
from agent.domain import Box, EncodedImage, Quality, Stamp, Trust
from agent.errors import AgentError, BadConfig, NeedsOperator, Rejected, RetryLater
from agent.ocr import common_bounds, provider_class
from agent.ocr.budget import Budget, periods
from agent.ocr.calls import LOOK_S
from agent.ocr.chain import Chain
from agent.ocr.memory import Memory
from agent.store import Store
from tests.readers import Scripted

NOON = int(datetime(2026, 12, 31, 12, tzinfo=UTC).timestamp() * 1000)
STAMP = Stamp(NOON, 1_000, "boot", "synced")
IMAGE = EncodedImage("01J", 0, STAMP, b"jpeg", 400, 80, Box(10, 10, 300, 30), Quality(1.0, (300, 30), 0.0))


class Bench:
    """A chain on a real ledger, with a clock the test moves."""

    def __init__(self, folder: Path, *providers: Scripted, settings: config.Reading | None = None, calls: int = 0) -> None:
        self.seconds = 0.0
        self.trust: Trust = "synced"
        self.store = Store.open(folder, config.Store(), NOON)
        self.slept: list[float] = []
        self.settings, self.calls_each = settings or config.Reading(), calls
        self.chain = self.started(*providers)

    def started(self, *providers: Scripted) -> Chain:
        """A chain as after a start of the agent, on the store as it is."""
        ledger, memory = self.store.ledger, Memory(self.store.seen)
        return Chain(
            providers, ledger, Budget(self.settings, ledger), self.now, lambda: self.seconds,
            facts=self.store, memory=memory, calls=self.calls_each, sleep=self.sleep,
        )  # fmt: skip

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def now(self) -> Stamp:
        return Stamp(NOON + round(self.seconds * 1000), round(self.seconds * 1000), "boot", self.trust)

    def read(self, image: EncodedImage = IMAGE) -> str:
        """One vehicle's picture, and the answer kept as the agent keeps it."""
        answer = self.chain.read(image)
        with self.store.transaction():
            self.chain.keep(image, answer)
        return answer.reading.text

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
    first, second = Scripted("first", *[RetryLater("first: 503")] * 3, "A"), Scripted("second", "B", "C")
    at = bench(first, second)
    assert [at.chain.read(IMAGE).reading.text for _ in range(2)] == ["B", "C"]
    assert first.calls == 3
    at.seconds += 6.0
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


def test_a_provider_that_needs_a_person_is_asked_every_ten_minutes(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("only", NeedsOperator("only: the key is refused"), "A"))
    with pytest.raises(RetryLater, match="the key is refused"):
        at.chain.read(IMAGE)
    assert at.chain.off_for_s() == 600.0


def test_waits_between_failures_grow(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("only", *[RetryLater("down")] * 11))
    waits = []
    for _ in range(9):
        with pytest.raises(RetryLater):
            at.chain.read(IMAGE)
        waits.append(at.chain.off_for_s())
        at.seconds += waits[-1]
    assert waits == pytest.approx([5, 10, 20, 40, 80, 160, 300, 300, 300])


def test_a_way_that_is_broken_is_tried_again_within_the_minute_and_uses_up_no_budget(bench: Callable[..., Bench]) -> None:
    only = Scripted("only", *[RetryLater("its name has no address", charged=False)] * 30, "A")
    at = bench(only, settings=config.Reading(calls_per_day=1))
    waits = []
    for _ in range(9):
        with pytest.raises(RetryLater):
            at.chain.read(IMAGE)
        waits.append(at.chain.off_for_s())
        at.seconds += waits[-1]
    assert (waits[0], round(max(waits)), at.calls()) == (5.0, 40, 0)


def test_a_picture_every_provider_refuses_is_refused(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("first", Rejected("first: blurred")), Scripted("second", Rejected("second: too small")))
    with pytest.raises(Rejected, match="first: blurred; second: too small"):
        at.chain.read(IMAGE)


def test_a_picture_refused_by_one_and_not_yet_seen_by_another_waits(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("first", Rejected("first: blurred")), Scripted("second", *[RetryLater("second: down")] * 3))
    with pytest.raises(RetryLater):
        at.chain.read(IMAGE)


def test_every_metered_attempt_is_booked_also_one_that_failed(bench: Callable[..., Bench]) -> None:
    cloud = Scripted("cloud", RetryLater("time-out", after=0, tries=1), "A", price=0.02)
    at = bench(cloud, Scripted("embedded", "B", metered=False))
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
    with pytest.raises(BadConfig, match=r'there is no provider "tencant"; known: .*embedded'):
        provider_class("tencant")


def test_a_passing_fault_is_sat_out_within_the_call(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("only", RetryLater("reset"), RetryLater("503"), "A"))
    assert at.read() == "A"
    assert at.calls() == 3, "each try is on the books"
    assert len(at.slept) == 2
    assert at.slept[0] <= 0.5
    assert at.slept[1] <= 1.0
    assert at.chain.off_for_s() == 0.0


@pytest.mark.parametrize(("tries", "calls"), [(None, 3), (1, 1), (2, 2), (9, 3)])
def test_a_fault_is_repeated_as_often_as_its_table_allows_and_never_more_than_thrice(
    bench: Callable[..., Bench], tries: int | None, calls: int
) -> None:
    cloud = Scripted("cloud", *[RetryLater("no complete answer in time", tries=tries)] * 9)
    with pytest.raises(RetryLater):
        bench(cloud).chain.read(IMAGE)
    assert cloud.calls == calls


def test_a_provider_that_has_failed_is_tried_once_to_see_whether_it_is_back(bench: Callable[..., Bench]) -> None:
    cloud = Scripted("cloud", *[RetryLater("down")] * 4, "A")
    at = bench(cloud)
    for calls in (3, 4):
        with pytest.raises(RetryLater):
            at.chain.read(IMAGE)
        assert cloud.calls == calls
        at.seconds += 60
    assert at.read() == "A"


def test_a_long_wait_is_not_sat_out_but_left_to_the_next_provider(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("first", RetryLater("first: limit:10,time:1 minute", after=60.0)), Scripted("second", "B"))
    assert at.read() == "B"
    assert at.slept == []


def test_a_second_that_the_vendor_asks_for_is_sat_out(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("only", RetryLater("limit:10,time:1 second", after=1.0, action="throttle"), "A"))
    assert at.read() == "A"
    assert at.slept == [1.0]


def test_vehicles_in_a_row_keep_to_the_rate_of_the_provider(bench: Callable[..., Bench]) -> None:
    cloud = Scripted("cloud", *["A"] * 17)
    cloud.per_s = 8.0
    at = bench(cloud)
    for count in range(17):
        at.read(replace(IMAGE, jpeg=b"%d" % count))
    assert at.seconds == pytest.approx(2.0)


def test_a_picture_that_was_read_is_never_paid_for_again_over_a_restart(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("cloud", "A"))
    at.read()
    cloud = Scripted("cloud")
    again = at.started(cloud).read(replace(IMAGE, read_id="01K", number=2))
    assert (again.reading.text, again.reading.image, again.booking) == ("A", 2, None)
    assert (cloud.calls, at.calls()) == (0, 1)


def test_a_picture_that_was_refused_is_never_paid_for_again_over_a_restart(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("first", Rejected("first: no VIN", charged=True)), Scripted("second", "B"))
    assert at.read() == "B"
    first, second = Scripted("first"), Scripted("second")
    with pytest.raises(Rejected, match="first: no VIN"):
        at.started(first).read(IMAGE)
    assert at.started(first, second).read(IMAGE).reading.text == "B"
    assert (first.calls, second.calls) == (0, 0)


def test_a_refusal_that_may_be_the_vendors_own_fault_is_asked_for_twice(bench: Callable[..., Bench]) -> None:
    at = bench(Scripted("only", Rejected("OcrFailed", tries=2), "A"))
    assert at.read() == "A"
    cloud = Scripted("cloud", Rejected("OcrFailed", tries=2), Rejected("OcrFailed", tries=2))
    chain = at.started(cloud)
    for _ in range(2):
        with pytest.raises(Rejected, match="OcrFailed"):
            chain.read(IMAGE)
    assert cloud.calls == 2


def test_a_vehicle_has_its_calls_and_no_more_over_restarts(bench: Callable[..., Bench]) -> None:
    cloud = Scripted("cloud", *[RetryLater("no complete answer in time", tries=2)] * 9)
    at = bench(cloud, calls=3)
    for _ in range(4):
        with pytest.raises(RetryLater):
            at.started(cloud).read(IMAGE)
        at.seconds += 601
        if cloud.calls == 3:
            break
    with pytest.raises(Rejected, match=r"this vehicle has had its 3 calls \(reading.calls_per_vehicle\)"):
        at.started(cloud).read(IMAGE)
    assert cloud.calls == 3
    with pytest.raises(RetryLater):
        at.started(cloud).read(replace(IMAGE, read_id="01K"))
    assert cloud.calls > 3, "another vehicle has its own"


def test_an_outage_that_costs_nothing_uses_up_nobodys_calls(bench: Callable[..., Bench]) -> None:
    free = [
        *[RetryLater("its name has no address", charged=False)] * 3,
        RetryLater("InternalError", code="InternalError", action="retry"),
        NeedsOperator("the key is refused", code="AuthFailure", action="auth"),
        RetryLater("RequestLimitExceeded", code="RequestLimitExceeded", action="throttle"),
    ]
    cloud = Scripted("cloud", *free, "A", price=0.1)
    at = bench(cloud, calls=1)
    for _ in range(4):
        with pytest.raises(RetryLater):
            at.chain.read(IMAGE)
        at.seconds += 1_000
    assert at.read() == "A"
    assert at.store.ledger.calls(IMAGE.read_id) == 1
    assert at.store.ledger.spent("cloud", 0).money == pytest.approx(0.1), "what cost nothing takes no money from the month"
    assert at.calls() == 4, "whoever was asked counts; a vendor that could not be reached was not asked"


def test_what_needs_a_person_is_said_once_also_over_a_restart(bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture) -> None:
    cloud = Scripted("cloud", *[NeedsOperator("cloud: the account is in arrears")] * 3, "A", NeedsOperator("cloud: arrears"))
    at = bench(cloud)
    for _ in range(3):
        with pytest.raises(RetryLater, match="arrears"):
            at.started(cloud).read(IMAGE)
        at.seconds += 600
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    assert at.started(cloud).read(IMAGE).reading.text == "A"
    with pytest.raises(RetryLater):
        at.started(cloud).read(replace(IMAGE, jpeg=b"another"))
    assert [record.levelname for record in caplog.records].count("ERROR") == 2, "the next trouble is news again"


def test_calls_wait_for_the_clock_unless_the_vendor_has_told_the_time(bench: Callable[..., Bench]) -> None:
    cloud = Scripted("cloud", "A")
    at = bench(cloud, Scripted("embedded", "B", "B", metered=False))
    for at.trust in ("unknown", "coarse"):
        assert at.chain.read(IMAGE).reading.text == "B"
        at.seconds += 10
    cloud.time_known = True
    at.seconds += 10
    assert at.read() == "A"
    assert at.calls() == 1


def test_a_reader_on_this_device_may_take_its_time_and_what_comes_after_it_may_not(bench: Callable[..., Bench]) -> None:
    promised: list[float] = []
    promise.heard_by(promised.append)
    try:
        with bench(Scripted("embedded", "A", metered=False)).chain as chain:
            chain.read(IMAGE)
    finally:
        promise.heard_by(lambda _seconds: None)
    assert promised == [LOOK_S, 0.0]


def test_a_stop_ends_the_waiting_between_two_tries(bench: Callable[..., Bench]) -> None:
    cloud = Scripted("cloud", RetryLater("503"), "A")
    at = bench(cloud)
    chain = Chain([cloud], at.store.ledger, Budget(at.settings, at.store.ledger), at.now, lambda: at.seconds, sleep=lambda _: True)
    with pytest.raises(RetryLater):
        chain.read(IMAGE)
    assert cloud.calls == 1


def test_a_random_day_never_calls_more_than_the_books_say(bench: Callable[..., Bench]) -> None:
    dice = random.Random(3)
    kinds: list[str | AgentError] = ["A", RetryLater("503"), RetryLater("slow", tries=2), Rejected("no VIN"), RetryLater("busy", after=3.0)]
    cloud = Scripted("cloud", *[dice.choice(kinds) for _ in range(900)])
    at = bench(cloud, settings=config.Reading(calls_per_minute=20, calls_per_day=150), calls=3)
    for count in range(400):
        with contextlib.suppress(RetryLater, Rejected):
            at.read(replace(IMAGE, read_id=f"{count // 2}", jpeg=b"%d" % count))
        at.seconds += dice.uniform(0, 9)
    assert cloud.calls == at.calls() == 150
