"""A clock that is set while vehicles pass: what was told at a wrong time is put right, and nobody waits, pays or is given up for it."""

import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent import config, health, settling, unsure
from agent.clock import BUILT_MS, Clock, boot_id
from agent.corrected import corrected, told
from agent.domain import Stamp, Told, Trust, rfc3339
from agent.errors import RetryLater
from agent.events import UNNUMBERED, delivered, final, queued_ms
from agent.ocr.budget import Budget
from agent.store import Spooled, Store
from tests.payloads import valid
from tests.samples import ACCEPTED, CAPTURE, FACTS, IMAGE, READINGS, UNREAD, capture

DAY_MS = 86_400_000
RIGHT_MS = BUILT_MS + 30 * DAY_MS + DAY_MS // 2
YEARS_MS = 5 * 365 * DAY_MS


class Device:
    """A store and a clock that the test sets; monotonic time is the world's own."""

    def __init__(self, folder: Path, utc_ms: int = 60_000) -> None:
        self.ahead_ms, self.synced = utc_ms - round(time.monotonic() * 1000), False
        self.clock = Clock(lambda: self.synced, lambda: time.monotonic() + self.ahead_ms / 1000)
        self.store = Store.open(folder, config.Store(free_mb=1), self.clock.now().utc_ms)

    def set(self, utc_ms: int, *, synced: bool) -> None:
        self.ahead_ms, self.synced = utc_ms - round(time.monotonic() * 1000), synced

    def tell(self, read_id: str, *, sent: bool = True, **stamp: Any) -> Stamp:
        taken = replace(self.clock.now(), **stamp)
        images = tuple(replace(image, read_id=read_id, taken_at=taken) for image in CAPTURE.images)
        seen = replace(CAPTURE, read_id=read_id, taken_at=taken, images=images)
        event = final(seen, ACCEPTED, READINGS, facts=FACTS, now=self.clock.now())
        with self.store.transaction():
            sequence = self.store.outbox.put(event, self.clock.now().utc_ms)
            self.store.unsure.note(event)
        if sent:
            self.store.outbox.sent([sequence], self.clock.now().utc_ms)
        return taken

    def put_right(self) -> list[dict[str, Any]]:
        """The corrections that are waiting to be sent afterwards."""
        settling.put_right(self.store, self.clock, FACTS)
        events = [queued.event for queued in self.store.outbox.next(1000)]
        return [event.payload for event in events if event.topic.endswith("/corrected")]


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_a_correction_follows_the_contract() -> None:
    wrong = Stamp(61_000, 5_000, "boot", "unknown")
    event = final(replace(CAPTURE, images=(replace(IMAGE, taken_at=wrong),)), UNREAD, READINGS, facts=FACTS, now=wrong)
    note = told(event)
    assert note is not None
    right, now = Stamp(RIGHT_MS, 5_000, "boot", "synced"), Stamp(RIGHT_MS + 9_000, 14_000, "boot", "synced")

    put = corrected(note, right, facts=FACTS, now=now)

    waited_ms = queued_ms(put.payload, RIGHT_MS + 9_000, now)
    payload = valid(put.topic, delivered(put.payload, 8, replay=False, attempt=1, queued_ms=waited_ms))
    assert (put.topic, put.id, payload["id"]) == ("gate/north-in/corrected", f"{event.id}-c1", f"{event.id}-c1")
    assert (payload["type"], payload["time"]) == ("io.vinagent.read.corrected.v1", rfc3339(RIGHT_MS))
    assert payload["data"] == {
        "read_id": event.id,
        "phase": "corrected",
        "corrects": {"id": event.id, "time": "1970-01-01T00:01:01.000Z", "trust": "unknown"},
        "gate": "north-in",
        "clock": {"trust": "synced", "boot_id": "boot", "monotonic_ms": 5_000, "corrected_ms": RIGHT_MS - 61_000},
        "agent": {"version": "1.4.0", "config": "9f3ab2"},
        "delivery": {"replay": False, "attempt": 1, "queued_ms": 9_000, "durable": True},
    }


def test_a_correction_that_is_in_memory_alone_has_no_number_and_follows_the_contract_too() -> None:
    right = Stamp(RIGHT_MS, 5_000, "boot", "synced")
    put = corrected(Told("A", "north-in", Stamp(61_000, 5_000, "boot", "unknown")), right, facts=FACTS, now=right)
    payload = valid(put.topic, delivered(put.payload, UNNUMBERED + 1, replay=False, attempt=1, queued_ms=0))
    assert "sequence" not in payload
    assert payload["data"]["delivery"]["durable"] is False


def test_what_was_told_before_the_clock_was_set_is_corrected_once_it_is(device: Device) -> None:
    taken = device.tell("A")
    assert device.put_right() == []

    device.set(RIGHT_MS, synced=True)

    [payload] = device.put_right()
    seen_ms = RIGHT_MS - (device.clock.now().monotonic_ms - taken.monotonic_ms)
    assert abs(datetime.fromisoformat(payload["time"]).timestamp() * 1000 - seen_ms) < 1000
    assert (payload["data"]["read_id"], payload["data"]["clock"]["trust"]) == ("A", "synced")
    assert len(device.put_right()) == 1, "once, however often the agent looks"
    [kept] = device.store.outbox.history(RIGHT_MS - DAY_MS, RIGHT_MS + DAY_MS)
    assert kept.event.id == "A", "an operator finds it by its right time"


def test_a_clock_that_was_only_restored_from_the_disk_is_corrected_too(device: Device) -> None:
    device.set(RIGHT_MS - 7 * DAY_MS, synced=False)
    device.tell("A")
    device.set(RIGHT_MS, synced=True)
    assert device.put_right()[0]["data"]["corrects"]["trust"] == "coarse"


def test_an_event_told_by_a_right_clock_is_never_corrected(device: Device) -> None:
    device.set(RIGHT_MS, synced=True)
    device.tell("A")
    assert len(device.store.unsure) == 0
    assert device.put_right() == []


def test_a_correction_waits_until_the_yard_has_what_it_corrects(device: Device) -> None:
    device.tell("A", sent=False)
    device.set(RIGHT_MS, synced=True)
    assert device.put_right() == []
    device.store.outbox.sent([1], RIGHT_MS)
    assert [each["id"] for each in device.put_right()] == ["A-c1"]


def test_a_correction_and_the_note_of_it_are_one_move(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    device.tell("A")
    device.set(RIGHT_MS, synced=True)
    monkeypatch.setattr(device.store.unsure, "forget", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        device.put_right()
    monkeypatch.undo()
    assert [each["id"] for each in device.put_right()] == ["A-c1"]


def test_many_corrections_go_a_few_at_a_time(device: Device) -> None:
    for count in range(settling.MOST + 5):
        device.tell(f"{count:03d}")
    device.set(RIGHT_MS, synced=True)
    assert [len(device.put_right()) for _ in range(3)] == [settling.MOST, settling.MOST + 5, settling.MOST + 5]


def test_over_a_reboot_nothing_can_be_corrected_and_that_is_told_in_one_sentence(device: Device) -> None:
    for read_id in ("A", "B"):
        device.tell(read_id, boot_id="before")
    device.tell("C")

    settling.give_up(device.store, device.clock.now())

    [audit] = device.store.take_audits()
    assert (audit.what, audit.source, audit.id) == ("uncorrected", "outbox", "A")
    assert audit.why.startswith("2 events keep their doubtful times, the last is B")
    device.set(RIGHT_MS, synced=True)
    assert [each["id"] for each in device.put_right()] == ["C-c1"]
    settling.give_up(device.store, device.clock.now())
    assert device.store.take_audits() == []


def test_a_site_without_a_time_server_does_not_gather_notes_for_ever(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsure, "MOST", 3)
    for count in range(5):
        device.tell(f"{count}")
    settling.give_up(device.store, device.clock.now())
    assert len(device.store.unsure) == 3
    assert device.store.take_audits()[0].why.startswith("2 events keep their doubtful times, the last is 1")


def test_an_event_that_was_given_up_unsent_is_not_corrected(device: Device) -> None:
    device.tell("A", sent=False)
    device.store._retention._forget.unsent("outbox", "room", Counter())
    device.set(RIGHT_MS, synced=True)
    assert device.put_right() == []


def test_a_picture_taken_before_and_read_after_the_synchronisation_is_told_at_its_right_time(device: Device) -> None:
    taken = device.clock.now()
    seen = replace(CAPTURE, taken_at=taken, images=(replace(IMAGE, taken_at=taken),))
    device.set(RIGHT_MS, synced=True)

    right = settling.settled(seen, device.clock)
    by_ms = right.taken_at.utc_ms - taken.utc_ms
    event = final(right, ACCEPTED, READINGS, facts=FACTS, now=device.clock.now(), corrected_ms=by_ms)

    payload = valid(event.topic, delivered(event.payload, 1, replay=False, attempt=1, queued_ms=0))
    assert payload["time"] == rfc3339(taken.utc_ms + by_ms)
    assert (payload["data"]["clock"]["trust"], payload["data"]["clock"]["corrected_ms"]) == ("synced", by_ms)
    assert told(event) is None


def test_what_was_put_in_1970_is_not_reported_as_waiting_for_decades() -> None:
    now = Stamp(RIGHT_MS, 90_000, "boot", "synced")
    assert health._waited_s(60_000, now) == 90.0
    assert health._waited_s(RIGHT_MS - 5_000, now) == 5.0
    assert health._waited_s(RIGHT_MS + 5_000, now) == 0.0
    assert health._waited_s(None, now) is None


def waiting(trust: Trust, put_ms: int, boot: str = "before") -> Spooled:
    return Spooled(replace(capture("A"), taken_at=Stamp(put_ms, 1_000, boot, trust)), (), 0, put_ms, 0)


@pytest.mark.parametrize(
    ("spooled", "now", "waited_ms"),
    [
        pytest.param(waiting("unknown", 60_000, "boot"), Stamp(RIGHT_MS, 9_000, "boot", "synced"), 8_000, id="set while it waits"),
        pytest.param(waiting("synced", RIGHT_MS, "boot"), Stamp(RIGHT_MS + YEARS_MS, 9_000, "boot", "coarse"), 8_000, id="set wrong"),
        pytest.param(waiting("unknown", 60_000), Stamp(RIGHT_MS, 9_000, "boot", "synced"), 9_000, id="never set before the reboot"),
        pytest.param(waiting("unknown", 60_000), Stamp(90_000, 9_000, "boot", "unknown"), 9_000, id="nor after it"),
        pytest.param(waiting("synced", RIGHT_MS), Stamp(RIGHT_MS + DAY_MS, 9_000, "boot", "synced"), DAY_MS, id="right both times"),
        pytest.param(waiting("coarse", RIGHT_MS), Stamp(RIGHT_MS + DAY_MS, 9_000, "boot", "coarse"), DAY_MS, id="a site without NTP"),
        pytest.param(waiting("synced", RIGHT_MS), Stamp(RIGHT_MS - DAY_MS, 9_000, "boot", "synced"), 0, id="never less than nothing"),
    ],
)
def test_a_vehicle_has_waited_as_long_as_it_has_whatever_the_clock_shows(spooled: Spooled, now: Stamp, waited_ms: int) -> None:
    assert settling.waited_ms(spooled, now) == waited_ms


@pytest.mark.parametrize("jump_ms", [-7 * DAY_MS, -3_600_000, 3_600_000, YEARS_MS])
def test_a_jump_of_the_clock_neither_opens_the_budget_nor_closes_it(device: Device, jump_ms: int) -> None:
    device.set(RIGHT_MS, synced=True)
    device.clock.now()
    ledger = device.store.ledger
    budget = Budget(config.Reading(calls_per_day=4, calls_per_month=0, money_per_month=0, calls_per_minute=0), ledger)
    for count in range(3):
        ledger.settle(ledger.book("cloud", f"{count}", 0.1, device.clock.now().utc_ms), "read")
    at = device.clock.now().utc_ms

    for shown_ms in (at + jump_ms, at):
        device.set(shown_ms, synced=False)
        device.put_right()
        device.clock.now()
        device.put_right()
        assert budget.closed_for_ms(0.1, device.clock.now().utc_ms) == 0
    ledger.book("cloud", "last", 0.1, device.clock.now().utc_ms)
    assert budget.closed_for_ms(0.1, device.clock.now().utc_ms) > 0
    device.set(at + jump_ms, synced=False)
    device.clock.now()
    device.put_right()
    assert budget.closed_for_ms(0.1, device.clock.now().utc_ms) > 0, "today's calls were made today, whatever day that is"


def test_a_disk_that_fails_when_the_clock_is_set_leaves_no_booking_on_the_wrong_day(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.clock.now()
    device.store.ledger.book("cloud", "A", 0.1, device.clock.now().utc_ms)
    device.set(RIGHT_MS, synced=True)
    device.clock.now()

    def fails(*_: object) -> None:
        raise RetryLater("the disk is full")

    monkeypatch.setattr(device.store.ledger, "redate", fails)
    with pytest.raises(RetryLater):
        device.put_right()
    monkeypatch.undo()
    device.put_right()
    assert device.store.ledger.spent("cloud", RIGHT_MS - DAY_MS, RIGHT_MS + DAY_MS).calls == 1


def test_bookings_of_a_clock_that_was_years_ahead_do_not_stop_reading_for_years(device: Device) -> None:
    for count in range(9):
        device.store.ledger.book("cloud", f"{count}", 1.0, RIGHT_MS + YEARS_MS)
    budget = Budget(config.Reading(calls_per_minute=3, calls_per_day=3, calls_per_month=3, money_per_month=3.0), device.store.ledger)
    assert budget.closed_for_ms(1.0, RIGHT_MS) == 0
    assert budget.closed_for_ms(1.0, RIGHT_MS + YEARS_MS) > 0


def test_the_devices_boot_is_part_of_the_note(device: Device) -> None:
    device.tell("A")
    [note] = device.store.unsure.due(boot_id(), 9)
    assert (note.read_id, note.stamp.boot_id, note.gate) == ("A", boot_id(), "north-in")
    assert datetime.fromtimestamp(note.stamp.utc_ms / 1000, UTC).year == 1970
