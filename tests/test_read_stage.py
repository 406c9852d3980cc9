"""From the spool to the outbox: each vehicle becomes one event, whoever could be asked, and no picture is paid for twice."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import config, stages
from agent.board import Board
from agent.clock import BUILT_MS, Clock
from agent.domain import Capture, EncodedImage, Reading, Stamp
from agent.errors import NeedsOperator, Rejected, RetryLater
from agent.events import delivered
from agent.ocr import opinion
from agent.ocr.budget import Budget
from agent.ocr.chain import Chain
from agent.ocr.memory import Memory
from agent.stages import Read
from agent.store import Store
from agent.vin import judge
from agent.vin_code import PROVEN
from tests.payloads import valid
from tests.readers import Scripted
from tests.samples import CAPTURE, FACTS, IMAGE

GOOD, OTHER, WRONG = "1HGCM82633A004352", "1M8GDM9AXKP042788", "1HGCM82633A004353"
TIME_OUT = RetryLater("no complete answer in time", tries=1)


def vehicle(read_id: str, pictures: int = 3) -> Capture:
    """Its pictures are files of their own, and no other vehicle has the same."""
    images = [replace(IMAGE, read_id=read_id, number=number, jpeg=f"{read_id} {number}".encode()) for number in range(pictures)]
    return replace(CAPTURE, read_id=read_id, images=tuple(images))


class Hands(Clock):
    """A clock whose hands the test moves, wall and monotonic alike."""

    def __init__(self) -> None:
        super().__init__(lambda: True)
        self.seconds, self.set_on_s = BUILT_MS / 1000 + 86_400, 0.0

    def now(self) -> Stamp:
        ms = round(self.seconds * 1000)
        return Stamp(ms + round(self.set_on_s * 1000), ms, "boot", "synced")


class Gate:
    """The read stage of a gate on a real store, with a wall clock and monotonic seconds that the test moves."""

    def __init__(self, folder: Path, settings: config.Reading, *readers: Scripted) -> None:
        self.folder, self.settings, self.readers = folder, settings, readers
        self.clock = Hands()
        self.start()

    def start(self) -> None:
        """As after the power was cut: only what is on the disk is left."""
        self.store = Store.open(self.folder, config.Store(free_mb=1), round(self.clock.seconds * 1000))
        ledger, settings = self.store.ledger, self.settings
        chain = Chain(
            self.readers, ledger, Budget(settings, ledger), self.clock.now, lambda: self.clock.seconds,
            facts=self.store, memory=Memory(self.store.seen), calls=settings.calls_per_vehicle, sleep=lambda _: None,
        )  # fmt: skip
        board = Board(self.clock.now(), "session", "clean")
        self.stage = Read(self.store, chain, settings, FACTS, self.clock, board)

    def cut(self) -> None:
        self.store.close()
        self.start()

    def arrive(self, *vehicles: Capture, readings: Sequence[Reading] = ()) -> None:
        for each in vehicles:
            assert self.store.spool.put(each, round(self.clock.seconds * 1000), readings)

    def work(self, hours: float = 0.0) -> None:
        """Step until there is nothing to do; where hours are given, let them pass ten seconds at a time until the spool is empty."""
        until = self.clock.seconds + hours * 3600
        while self.stage.step() or (len(self.store.spool) and self.clock.seconds < until):
            self.clock.seconds += 10.0 if hours else 0.0

    def events(self) -> list[dict[str, Any]]:
        return [queued.event.payload for queued in self.store.outbox.next(100)]

    def told(self) -> list[tuple[str, str]]:
        """The VIN and the decision of each event, or nothing and the reason."""
        data = [each["data"] for each in self.events()]
        return [(each.get("vin", ""), each["decision"] if "vin" in each else each["reason"]) for each in data]


MakeGate = Callable[..., Gate]


@pytest.fixture
def gate(tmp_path: Path) -> MakeGate:
    def made(*readers: Scripted, **settings: Any) -> Gate:
        names = tuple(reader.name for reader in readers)
        # Vehicles of these tests share a VIN, for brevity: each of them is an arrival of its own.
        return Gate(tmp_path, config.Reading(chain=names, **{"again_s": 0.0, **settings}), *readers)

    return made


def cloud(*answers: Any, name: str = "tencent") -> Scripted:
    return Scripted(name, *answers, price=0.01)


def embedded(*answers: Any) -> Scripted:
    return Scripted("embedded", *answers, metered=False)


def test_a_vehicle_is_read_with_one_call_where_the_first_picture_is_sure(gate: MakeGate) -> None:
    tencent = cloud(GOOD)
    at = gate(tencent)
    at.arrive(vehicle("A"))
    at.work()
    assert at.told() == [(GOOD, "accepted")]
    assert (tencent.calls, at.store.ledger.spent(None, 0).calls, at.store.ledger.open_bookings()) == (1, 1, 0)
    assert at.events()[0]["data"]["ocr"] == {"provider": "tencent", "attempts": 1, "latency_ms": 1, "fallback": False}


def test_an_unsure_picture_is_followed_by_the_next_and_three_calls_are_the_most(gate: MakeGate) -> None:
    tencent = cloud(*["no VIN here"] * 9)
    at = gate(tencent)
    at.arrive(vehicle("A", pictures=5))
    at.work()
    assert at.told() == [("", "blurred")]
    assert tencent.calls == 3


def test_a_fallback_is_told_as_one(gate: MakeGate) -> None:
    at = gate(cloud(NeedsOperator("the key is refused")), cloud(GOOD, name="huawei"))
    at.arrive(vehicle("A"))
    at.work()
    ocr = at.events()[0]["data"]["ocr"]
    assert (ocr["provider"], ocr["fallback"]) == ("huawei", True)


def test_a_power_cut_after_an_answer_pays_for_nothing_twice(gate: MakeGate) -> None:
    tencent = cloud(WRONG, RetryLater("down", after=60.0), GOOD)
    at = gate(tencent)
    at.arrive(vehicle("A", pictures=2))
    at.work()
    assert (tencent.calls, at.told()) == (2, [])
    at.cut()
    at.clock.seconds += 61
    at.work()
    assert tencent.calls == 3
    assert len(at.told()) == 1


def test_a_cut_between_the_answer_and_its_commit_costs_one_more_call_and_counts_it(gate: MakeGate) -> None:
    tencent = cloud(GOOD, GOOD)
    at = gate(tencent)
    at.arrive(vehicle("A"))
    at.store.ledger.book("tencent", "A", 0.01, round(at.clock.seconds * 1000))  # made, and never answered as far as the disk knows
    at.cut()
    at.work()
    assert at.told() == [(GOOD, "accepted")]
    assert (at.store.ledger.calls("A"), at.store.ledger.open_bookings()) == (2, 1)


def test_a_refused_picture_is_not_sent_again_after_a_cut(gate: MakeGate) -> None:
    tencent = cloud(Rejected("no VIN", charged=True), RetryLater("down", after=60.0), Rejected("no VIN"))
    at = gate(tencent)
    at.arrive(vehicle("A", pictures=2))
    at.work()
    at.cut()
    at.clock.seconds += 61
    at.work()
    assert at.told() == [("", "no_plate")]
    assert tencent.calls == 3, "one for the first picture, two for the second"


def test_a_vehicle_whose_calls_all_came_to_nothing_is_told_as_the_vendors_fault(gate: MakeGate) -> None:
    tencent = cloud(*[TIME_OUT] * 9)
    at = gate(tencent)
    at.arrive(vehicle("A"))
    at.work(hours=2)
    assert at.told() == [("", "provider_down")]
    assert tencent.calls == 3
    assert at.clock.seconds - BUILT_MS / 1000 - 86_400 < 7200, "it does not wait for three days: nothing more may be spent on it"


def test_an_outage_that_costs_nothing_loses_nobody(gate: MakeGate) -> None:
    down = [RetryLater("its name has no address", charged=False) for _ in range(200)]
    tencent = cloud(*down, *[GOOD] * 5)
    at = gate(tencent)
    at.arrive(*(vehicle(name) for name in "ABCDE"))
    at.work(hours=40)
    assert at.told() == [(GOOD, "accepted")] * 5
    assert at.store.ledger.spent(None, 0).money == pytest.approx(0.05)


def test_while_nobody_can_be_asked_the_queue_is_left_as_it_is(gate: MakeGate) -> None:
    tencent = cloud(NeedsOperator("arrears", code="InArrears"))
    at = gate(tencent)
    at.arrive(*(vehicle(f"{count:03d}") for count in range(20)))
    at.work()
    for _ in range(50):
        assert at.stage.step() is False
    attempts = list(at.store._db.select("SELECT attempts FROM spool ORDER BY rowid"))
    assert attempts == [(1,)] + [(0,)] * 19
    assert tencent.calls == 1


def test_a_vehicle_nobody_could_read_for_three_days_is_told(gate: MakeGate) -> None:
    at = gate(cloud(*[NeedsOperator("arrears")] * 1000), give_up_h=2.0)
    at.arrive(vehicle("A"), vehicle("B"))
    at.work(hours=3)
    assert at.told() == [("", "provider_down")] * 2


@pytest.mark.parametrize("jump_s", [-7 * 86_400, -3600, 3600, 5 * 365 * 86_400])
def test_a_clock_that_is_set_gives_up_no_vehicle_that_waits_and_keeps_none_waiting(gate: MakeGate, jump_s: int) -> None:
    tencent = cloud(*[NeedsOperator("arrears")] * 2, *[GOOD] * 2)
    at = gate(tencent, give_up_h=2.0)
    at.arrive(*(replace(vehicle(read_id), taken_at=at.clock.now()) for read_id in ("A", "B")))
    at.work()
    at.clock.set_on_s += jump_s
    at.work()
    assert at.told() == []
    at.work(hours=1)
    assert at.told() == [(GOOD, "accepted")] * 2
    assert tencent.calls == 4


def test_a_spent_budget_is_told_as_such(gate: MakeGate) -> None:
    at = gate(cloud(GOOD, GOOD, GOOD), calls_per_month=1, give_up_h=2.0)
    at.arrive(vehicle("A"), vehicle("B"))
    at.work(hours=3)
    assert at.told() == [(GOOD, "accepted"), ("", "budget")]


def test_one_bad_vehicle_does_not_hold_up_the_others(gate: MakeGate) -> None:
    class Picky(Scripted):
        def read(self, image: Any) -> Reading:
            if image.read_id == "BAD":
                self.calls += 1
                raise RetryLater("InternalError", code="InternalError", action="retry", charged=False)
            return super().read(image)

    tencent = Picky("tencent", *[GOOD] * 400)
    at = gate(tencent, give_up_h=12.0)
    at.arrive(vehicle("BAD"), *(vehicle(f"{count:03d}") for count in range(10)))
    for _ in range(600):
        at.stage.step()
        at.clock.seconds += 1.0
    assert at.told() == [(GOOD, "accepted")] * 10
    assert tencent.calls - 10 < 15, "its waits grow, so that it is not asked for every few seconds"


def test_the_same_file_twice_is_no_second_witness(gate: MakeGate) -> None:
    """A camera that hangs delivers one picture again and again."""
    tencent = cloud(WRONG, WRONG, WRONG)
    at = gate(tencent)
    one = vehicle("A", pictures=3)
    at.arrive(replace(one, images=tuple(replace(image, jpeg=b"the same") for image in one.images)))
    at.work()
    assert tencent.calls == 1
    assert at.told() == [(WRONG, "needs_review")]


def test_a_picture_another_vehicle_had_is_not_paid_for_again(gate: MakeGate) -> None:
    tencent = cloud(GOOD)
    at = gate(tencent)
    first, second = vehicle("A"), vehicle("B")
    at.arrive(first, replace(second, images=tuple(replace(b, jpeg=a.jpeg) for a, b in zip(first.images, second.images, strict=True))))
    at.work()
    assert at.told() == [(GOOD, "accepted")] * 2
    assert at.events()[1]["data"]["ocr"]["attempts"] == 1
    assert tencent.calls == 1


def test_a_slow_reader_does_not_keep_the_thread_for_minutes(gate: MakeGate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "LONG_S", -1.0)
    at = gate(cloud(GOOD))
    at.arrive(vehicle("A"))
    assert at.stage.step() is False
    monkeypatch.undo()
    at.clock.seconds += 2
    at.work()
    assert at.told() == [(GOOD, "accepted")]


# ---- the second opinion


def test_with_second_opinion_unsure_a_sure_reader_is_believed_alone(gate: MakeGate) -> None:
    tencent = cloud()
    at = gate(embedded(GOOD), tencent, second_opinion="unsure")
    at.arrive(vehicle("A"))
    at.work()
    assert at.told() == [(GOOD, "accepted")]
    assert tencent.calls == 0


def test_with_second_opinion_unsure_the_next_reader_sees_the_same_picture(gate: MakeGate) -> None:
    seen: list[int] = []

    class Noting(Scripted):
        def read(self, image: Any) -> Reading:
            seen.append(image.number)
            return super().read(image)

    at = gate(embedded("1HGCM8263"), Noting("tencent", GOOD), second_opinion="unsure")
    at.arrive(vehicle("A"))
    at.work()
    assert seen == [0]
    assert at.told() == [(GOOD, "accepted")]


def test_the_chain_says_who_is_asked_first(gate: MakeGate) -> None:
    reader = embedded(GOOD)
    at = gate(cloud(WRONG), reader, second_opinion="unsure")
    at.arrive(vehicle("A", pictures=1))
    at.work()
    assert reader.calls == 1
    assert at.told()[0][0] == GOOD


def test_with_second_opinion_always_two_readers_have_to_agree(gate: MakeGate) -> None:
    tencent = cloud(GOOD)
    at = gate(embedded(GOOD), tencent, second_opinion="always")
    at.arrive(vehicle("A"))
    at.work()
    assert at.told() == [(GOOD, "accepted")]
    assert (tencent.calls, at.events()[0]["data"]["frames"]["agreeing"]) == (1, 2)


def test_a_second_reader_confirms_what_the_first_could_only_guess() -> None:
    guess = Reading(GOOD, (0.1,) * len(GOOD), "embedded", 0, None, 1)
    sure = Reading(GOOD, None, "tencent", 0, None, 1)
    settings = config.Reading(chain=("embedded", "tencent"), second_opinion="always")
    assert judge([guess], settings).outcome == "unread"
    assert opinion.is_enough(judge([guess, sure], settings), [guess, sure], settings)
    assert not opinion.is_enough(judge([sure], settings), [sure], settings)


def test_with_second_opinion_always_a_contradiction_is_for_a_person(gate: MakeGate) -> None:
    at = gate(embedded(*[GOOD] * 3), cloud(*[OTHER] * 3), second_opinion="always")
    at.arrive(vehicle("A"))
    at.work()
    assert [decision for _, decision in at.told()] == ["needs_review"]


def test_a_missing_second_opinion_does_not_keep_a_vehicle_for_long(gate: MakeGate) -> None:
    at = gate(embedded(GOOD), cloud(*[NeedsOperator("arrears")] * 9), second_opinion="always", second_wait_s=60.0)
    at.arrive(vehicle("A"))
    at.work()
    assert at.told() == []
    at.work(hours=1)
    assert at.told() == [(GOOD, "needs_review")], "nobody has confirmed it"
    assert at.readers[0].calls == 1, "what the first reader said is on the disk"


def test_a_missing_second_opinion_leaves_an_unsure_vin_as_it_is(gate: MakeGate) -> None:
    at = gate(embedded(*[WRONG] * 3), cloud(*[NeedsOperator("arrears")] * 9), second_opinion="unsure")
    at.arrive(vehicle("A", pictures=1))
    at.work(hours=1)
    assert at.told() == [(WRONG, "needs_review")]


def test_a_vehicle_without_any_vin_waits_for_the_reader_that_may_find_one(gate: MakeGate) -> None:
    at = gate(embedded(""), cloud(NeedsOperator("arrears"), GOOD), second_opinion="unsure", second_wait_s=1.0)
    at.arrive(vehicle("A", pictures=1))
    at.work(hours=1)
    assert at.told() == [(GOOD, "accepted")]


def test_one_voice_twice_is_no_confirmation() -> None:
    settings = config.Reading(chain=("embedded", "tencent"), second_opinion="always")
    one = Reading(GOOD, (0.99,) * 17, "embedded", 0, None, 1)
    readings = (one, replace(one, image=1))
    decision = judge(readings, settings)
    assert decision.outcome == "accepted"
    assert not opinion.is_enough(decision, readings, settings)
    assert opinion.concluded(decision, readings, settings).outcome == "needs_review"
    both = (one, replace(one, provider="tencent"))
    assert opinion.is_enough(judge(both, settings), both, settings)


def coded(text: str, image: int = 0, worth: float = PROVEN) -> Reading:
    return Reading(text, (worth,) * len(text), "barcode", image, None, 0)


def test_a_vehicle_that_its_barcode_settles_is_told_and_nobody_is_paid(gate: MakeGate) -> None:
    tencent = cloud()
    at = gate(tencent)
    at.arrive(vehicle("A"), readings=[coded(f"I{GOOD}")])
    at.work()
    assert at.told() == [(GOOD, "accepted")]
    assert (tencent.calls, at.store.ledger.spent(None, 0).calls) == (0, 0)
    data = valid("gate/north-in/vin", delivered(at.events()[0], 1, replay=False, attempt=1, queued_ms=1))["data"]
    assert (data["raw"], data["barcodes"]) == (f"I{GOOD}", [f"I{GOOD}"])
    assert data["ocr"] == {"provider": "barcode", "attempts": 0, "latency_ms": 0, "fallback": False}
    assert data["frames"]["sent"] == 0


def test_what_a_barcode_said_is_still_known_after_the_power_was_cut(gate: MakeGate) -> None:
    tencent = cloud()
    at = gate(tencent)
    at.arrive(vehicle("A"), readings=[coded(GOOD)])
    at.cut()
    at.work()
    assert (at.told(), tencent.calls) == ([(GOOD, "accepted")], 0)


def test_bars_that_are_not_enough_alone_are_settled_by_one_call(gate: MakeGate) -> None:
    european = "WVWZZZ1JZXW000123"
    tencent = cloud(european)
    at = gate(tencent)
    at.arrive(vehicle("A"), readings=[coded(european, worth=0.9)])
    at.work()
    assert (at.told(), tencent.calls) == ([(european, "accepted")], 1)
    data = at.events()[0]["data"]
    assert (data["ocr"]["attempts"], data["ocr"]["fallback"], data["frames"]["agreeing"]) == (1, False, 2)


def test_a_barcode_counts_as_one_where_two_have_to_agree(gate: MakeGate) -> None:
    first, second = embedded(GOOD), cloud()
    at = gate(first, second, second_opinion="always")
    at.arrive(vehicle("A"), readings=[coded(GOOD)])
    at.work()
    assert (at.told(), first.calls, second.calls) == ([(GOOD, "accepted")], 1, 0)


def test_a_barcode_of_another_vehicle_beside_a_sure_line_is_for_a_person(gate: MakeGate) -> None:
    first, second = embedded(GOOD), cloud(GOOD)
    at = gate(first, second, second_opinion="always")
    at.arrive(vehicle("A"), readings=[coded(OTHER)])
    at.work()
    assert at.told() == [(GOOD, "needs_review")]
    assert (first.calls, second.calls) == (1, 1), "reading it again and again would change nothing"
    data = valid("gate/north-in/vin", delivered(at.events()[0], 1, replay=False, attempt=1, queued_ms=1))["data"]
    assert {each["vin"] for each in data["candidates"]} == {GOOD, OTHER}
    assert data["barcodes"] == [OTHER]


def test_while_nobody_can_be_asked_a_vehicle_with_a_barcode_passes_those_that_wait(gate: MakeGate) -> None:
    tencent = cloud(*[RetryLater("no connection", code="connect", charged=False)] * 9)
    at = gate(tencent)
    at.arrive(vehicle("A"))
    at.work()
    calls = tencent.calls
    at.arrive(vehicle("B"), readings=[coded("WVWZZZ1JZXW000123", worth=0.9)])
    at.arrive(vehicle("C"), readings=[coded(OTHER)])
    at.work()
    assert at.told() == [(OTHER, "accepted")]
    assert (tencent.calls, len(at.store.spool)) == (calls, 2)
    at.cut()
    tencent.answers = [GOOD, "WVWZZZ1JZXW000123"]
    at.work(hours=1)
    assert at.told() == [(OTHER, "accepted"), (GOOD, "accepted"), ("WVWZZZ1JZXW000123", "accepted")]


def test_a_vehicle_that_is_taken_out_by_hand_while_it_is_read_gets_no_event(gate: MakeGate, monkeypatch: pytest.MonkeyPatch) -> None:
    tencent = cloud(GOOD)
    at = gate(tencent)
    at.arrive(vehicle("A"))
    answer = tencent.read

    def read(image: EncodedImage) -> Reading:
        at.store._db.execute("DELETE FROM spool")
        at.store._db.execute("DELETE FROM pictures")
        return answer(image)

    monkeypatch.setattr(tencent, "read", read)
    at.work()
    assert (at.events(), len(at.store.outbox), list(at.store.arrivals)) == ([], 0, [])
    assert at.store.get("last/gate/north-in/vin") is None
