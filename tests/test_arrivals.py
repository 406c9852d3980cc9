"""One arrival, one event: a VIN that rolls to and fro, one that comes back, a sign that never was a vehicle, and what is paid for them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.domain import Capture, EncodedImage, Reading, Stamp
from agent.errors import Rejected
from agent.events import delivered
from agent.spots import MOST
from agent.store import Store
from tests.payloads import valid
from tests.readers import Scripted
from tests.samples import TAKEN
from tests.test_read_stage import GOOD, OTHER, Gate, cloud, embedded, vehicle

# Without a check digit that has to hold: its maker alone would not make it sure.
NEXT = "WVWZZZ1JZ3W386753"


class Sure(Scripted):
    """A reader on the device that tells how sure it is."""

    sureness = 0.95

    def read(self, image: EncodedImage) -> Reading:
        plain = super().read(image)
        return replace(plain, confidence=(self.sureness,) * len(plain.text))


def sure(*answers: Any) -> Sure:
    return Sure("embedded", *answers, metered=False)


def at_s(capture: Capture, seconds: float, **place: Any) -> Capture:
    taken = replace(TAKEN, utc_ms=TAKEN.utc_ms + round(seconds * 1000), monotonic_ms=TAKEN.monotonic_ms + round(seconds * 1000))
    return replace(capture, taken_at=taken, **place)


def still(capture: Capture) -> Capture:
    """All of its pictures show the same view."""
    return replace(capture, images=tuple(replace(image, still=3) for image in capture.images))


MakeGate = Callable[..., Gate]


@pytest.fixture
def gate(tmp_path: Path) -> MakeGate:
    def made(*readers: Scripted, **settings: Any) -> Gate:
        return Gate(tmp_path, config.Reading(chain=tuple(reader.name for reader in readers), **settings), *readers)

    return made


def ids(at: Gate) -> list[str]:
    return [each["id"] for each in at.events()]


def test_a_vehicle_that_rolls_to_and_fro_in_the_gate_is_one_arrival(gate: MakeGate, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    at = gate(sure(*[GOOD] * 9))
    at.arrive(*(at_s(vehicle(name), seconds) for name, seconds in (("A", 0), ("B", 40), ("C", 80), ("D", 120))))
    at.work()
    assert ids(at) == ["A"], "40 seconds after it was seen last, each time"
    assert at.stage.board.again == 3
    assert "D: 1HGCM82633A004352 is still there, told as A" in caplog.text
    assert at.store.spool.pictures("D") == []


def test_a_vehicle_that_returns_later_is_told_and_says_when_it_was_here(gate: MakeGate) -> None:
    at = gate(sure(*[GOOD] * 9))
    at.arrive(at_s(vehicle("A"), 0), at_s(vehicle("B"), 3600))
    at.work()
    first, second = at.events()
    assert "previous" not in first["data"]
    assert second["data"]["previous"] == {"read_id": "A", "ago_s": 3600}


def test_what_an_event_says_of_the_pass_before_follows_the_published_schema(gate: MakeGate) -> None:
    at = gate(sure(*[GOOD] * 9))
    at.arrive(at_s(vehicle("01J8Z6Q4N7T0V9K3M2R5X8B1CD"), 0), at_s(vehicle("01J8Z6Q4N7T0V9K3M2R5X8B1CE"), 3600))
    at.work()
    queued = at.store.outbox.next(9)[1]
    payload = delivered(queued.event.payload, 2, replay=False, attempt=1, queued_ms=5)
    assert valid(queued.event.topic, payload)["data"]["previous"]["ago_s"] == 3600


@pytest.mark.parametrize("place", [{"direction": "out"}, {"lane": "2"}, {"gate": "south"}])
def test_a_vehicle_that_leaves_at_once_by_another_way_is_told(gate: MakeGate, place: dict[str, str]) -> None:
    at = gate(sure(*[GOOD] * 9))
    at.arrive(at_s(vehicle("A"), 0), at_s(vehicle("B"), 10, **place))
    at.work()
    assert ids(at) == ["A", "B"]


def test_two_cameras_at_one_gate_tell_of_one_vehicle_once(gate: MakeGate) -> None:
    at = gate(sure(*[GOOD] * 9))
    at.arrive(at_s(vehicle("A"), 0), at_s(vehicle("B"), 2, camera="rear"))
    at.work()
    assert ids(at) == ["A"]


def test_the_next_vehicle_is_never_taken_for_the_one_before_because_it_was_read_badly(gate: MakeGate) -> None:
    reader = sure(GOOD, GOOD, GOOD, GOOD)
    at = gate(reader)
    at.arrive(at_s(vehicle("A", 1), 0))
    at.work()
    reader.sureness = 0.4  # vehicles of one series follow each other, and a misread digit may make one the other
    at.arrive(at_s(vehicle("B", 1), 20))
    at.work()
    assert at.told() == [(GOOD, "accepted"), (GOOD, "needs_review")]


def test_a_vin_that_was_doubtful_is_told_again_when_it_is_sure(gate: MakeGate) -> None:
    reader = sure(GOOD, GOOD)
    reader.sureness = 0.4
    at = gate(reader)
    at.arrive(at_s(vehicle("A", 1), 0))
    at.work()
    reader.sureness = 0.95
    at.arrive(at_s(vehicle("B", 1), 20))
    at.work()
    assert at.told() == [(GOOD, "needs_review"), (GOOD, "accepted")]


def test_another_vin_is_another_vehicle_however_soon(gate: MakeGate) -> None:
    at = gate(sure(GOOD, OTHER, NEXT))
    at.arrive(*(at_s(vehicle(name, 1), 0.5 * number) for number, name in enumerate("ABC")))
    at.work()
    assert [vin for vin, _ in at.told()] == [GOOD, OTHER, NEXT]


def test_every_pass_is_told_where_the_operator_wants_that(gate: MakeGate) -> None:
    at = gate(sure(*[GOOD] * 9), again_s=0.0)
    at.arrive(at_s(vehicle("A"), 0), at_s(vehicle("B"), 1))
    at.work()
    assert ids(at) == ["A", "B"]


def test_an_arrival_is_remembered_over_a_power_cut_and_a_reboot(gate: MakeGate) -> None:
    at = gate(sure(*[GOOD] * 9))
    at.arrive(at_s(vehicle("A"), 0))
    at.work()
    at.cut()
    rebooted = at_s(vehicle("B"), 50)
    at.arrive(replace(rebooted, taken_at=replace(rebooted.taken_at, boot_id="another", monotonic_ms=9000)))
    at.work()
    assert ids(at) == ["A"]


def test_a_vehicle_is_told_where_no_clock_says_how_long_ago_it_was_here(gate: MakeGate) -> None:
    at = gate(sure(*[GOOD] * 9))
    at.arrive(at_s(vehicle("A"), 0), replace(vehicle("B"), taken_at=Stamp(5000, 9000, "another", "unknown")))
    at.work()
    assert ids(at) == ["A", "B"]
    assert at.events()[1]["data"]["previous"] == {"read_id": "A"}


def test_a_sign_that_was_read_is_no_vehicle_and_counted(gate: MakeGate, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    at = gate(sure(*["STOP"] * 3))
    at.arrive(vehicle("A"))
    at.work()
    assert at.events() == []
    assert (at.stage.board.other_text, len(at.store.spool)) == (1, 0)
    assert "A: no vehicle: a sign or a licence plate, 'STOP'" in caplog.text


def test_a_vehicle_of_which_nothing_was_read_is_told(gate: MakeGate) -> None:
    at = gate(sure("", "STOP", ""))
    at.arrive(vehicle("A"))
    at.work()
    assert [reason for _, reason in at.told()] == ["blurred"]


def test_no_call_is_paid_for_a_sign_that_the_reader_on_the_device_knows(gate: MakeGate) -> None:
    tencent = cloud(*[GOOD] * 9)
    at = gate(tencent, sure(*["STOP"] * 3))
    at.arrive(vehicle("A"))
    at.work()
    assert (tencent.calls, at.events()) == (0, [])


@pytest.mark.parametrize(("veto", "calls"), [("never", 1), ("other", 1), ("all", 0)])
def test_a_picture_without_any_text_is_worth_a_call_unless_the_operator_thinks_otherwise(gate: MakeGate, veto: str, calls: int) -> None:
    tencent = cloud(GOOD)
    at = gate(tencent, sure(*[""] * 9), local_veto=veto)
    at.arrive(vehicle("A"))
    at.work()
    assert tencent.calls == calls
    assert at.told() == ([(GOOD, "accepted")] if calls else [("", "no_plate")])


def test_a_reader_on_the_device_that_fails_objects_to_nothing(gate: MakeGate) -> None:
    tencent = cloud(GOOD)
    at = gate(tencent, sure(Rejected("no picture")))
    at.arrive(vehicle("A"))
    at.work()
    assert at.told() == [(GOOD, "accepted")]


def test_what_the_reader_on_the_device_saw_is_not_looked_at_again_when_it_is_its_turn(gate: MakeGate) -> None:
    own = sure(GOOD)
    at = gate(cloud("1HGCM82633A"), own, second_opinion="unsure")
    at.arrive(vehicle("A", 1))
    at.work()
    assert own.calls == 1
    assert at.told() == [(GOOD, "accepted")]


@pytest.mark.parametrize(("stands", "calls"), [(True, 1), (False, 3)])
def test_a_still_view_in_which_there_was_no_vin_is_paid_once(gate: MakeGate, stands: bool, calls: int) -> None:  # both ways
    tencent = cloud(*["SPEED LIMIT 30"] * 9)
    at = gate(tencent)
    at.arrive(still(vehicle("A")) if stands else vehicle("A"))
    at.work()
    assert tencent.calls == calls
    assert len(at.events()) == 1


def test_a_still_view_that_was_refused_is_not_paid_again(gate: MakeGate) -> None:
    tencent = cloud(*[Rejected("no VIN in it")] * 9)
    at = gate(tencent)
    at.arrive(still(vehicle("A")))
    at.work()
    assert tencent.calls == 1


def test_a_doubtful_vin_earns_another_picture_of_a_vehicle_that_stands(gate: MakeGate) -> None:
    tencent = cloud(NEXT, NEXT)
    at = gate(tencent)
    at.arrive(still(vehicle("A")))
    at.work()
    assert (tencent.calls, at.told()) == (2, [(NEXT, "accepted")])


def test_an_unread_vehicle_has_the_reason_of_its_pictures(gate: MakeGate) -> None:
    at = gate(embedded(*["WVWZZZ1JZ"] * 3))
    at.arrive(vehicle("A"))
    at.work()
    assert at.told() == [("", "occluded")]


def test_what_stands_before_a_camera_is_kept_within_bounds_and_over_a_restart(tmp_path: Path) -> None:
    with Store.open(tmp_path, config.Store(free_mb=1), 1000) as store:
        for number in range(MOST + 3):
            store.spots.put("cam1", f"spot {number}", {"number": number}, 1000 + number)
        store.spots.put("cam2", "spot 0", {"number": 7}, 1000)
        store.spots.put("cam1", "spot 20", None, 2000)
        store.spots.put("cam1", "spot 21", {"number": "followed the light"}, 3000)
    with Store.open(tmp_path, config.Store(free_mb=1), 4000) as store:
        kept = store.spots.of("cam1")
        assert [name for name, _ in kept] == [*(f"spot {number}" for number in range(3, 27) if number not in (20, 21)), "spot 21"]
        assert kept[-1][1] == {"number": "followed the light"}
        assert store.spots.of("cam2") == (("spot 0", {"number": 7}),)
        assert store.spots.of("cam3") == ()


def test_vins_and_what_stood_are_forgotten_in_their_time(tmp_path: Path) -> None:
    day_ms = 86_400_000
    with Store.open(tmp_path, config.Store(free_mb=1, keep_days=7.0, unsent_days=30.0), 1000) as store:
        store.arrivals["gate/VIN"] = {"read_id": "A", "put_ms": 1000}
        store.spots.put("cam1", "spot", {}, 1000)
        left = []
        for days in (6, 8, 31):
            for hours in (0, 0.5, 1.2):
                store.trim(round((days + hours / 24) * day_ms))
            left.append((len(store.arrivals), len(store.spots.of("cam1"))))
        assert left == [(1, 1), (0, 1), (0, 0)]
