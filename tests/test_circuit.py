"""A provider that is off stays off for as long as it should, whatever happens to the process, the device and its clock."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.domain import Stamp
from agent.errors import AgentError, NeedsOperator, RetryLater
from agent.ocr.circuit import Circuit, Circuits, Memoryless
from agent.store import Store

NOON = Stamp(1_798_718_400_000, 5_000_000, "this boot", "synced")


class Device:
    """Two clocks and a store: what a restart, or a reboot, leaves of a circuit."""

    def __init__(self, folder: Path) -> None:
        self.stamp, self.store = NOON, Store.open(folder, config.Store(), NOON.utc_ms)

    def started(self, dice: float = 0.0) -> Circuits:
        return Circuits(["tencent", "huawei"], self.store, lambda: self.stamp, lambda: self.stamp.seconds, lambda: dice)

    def wait(self, seconds: float) -> None:
        ms = round(seconds * 1000)
        self.stamp = replace(self.stamp, utc_ms=self.stamp.utc_ms + ms, monotonic_ms=self.stamp.monotonic_ms + ms)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def off_s(trouble: AgentError, failures: int = 1, dice: float = 0.0) -> float:
    circuit = Circuit()
    for _ in range(failures):
        circuit.open(trouble, 100.0, dice)
    return circuit.off_until - 100.0


def test_what_needs_a_person_is_off_for_ten_minutes_each_time() -> None:
    assert [off_s(NeedsOperator("wrong key"), failures) for failures in (1, 2, 9)] == [600, 600, 600]


@pytest.mark.parametrize(("lock_s", "off"), [(300.0, 600.0), (900.0, 900.0), (40_000.0, 40_000.0)])
def test_a_locked_account_is_not_asked_before_the_lock_ends(lock_s: float, off: float) -> None:
    assert off_s(NeedsOperator("locked", after=lock_s)) == off


def test_a_busy_vendor_is_left_alone_for_two_to_five_seconds_and_then_up_to_a_minute() -> None:
    busy = RetryLater("RequestLimitExceeded", action="throttle")
    assert [off_s(busy, 1, dice) for dice in (0.0, 0.5, 1.0)] == [2.0, 3.5, 5.0]
    assert [off_s(busy, failures) for failures in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]


def test_a_wait_the_vendor_names_is_the_least_also_when_it_is_long() -> None:
    assert [off_s(RetryLater("limit:10,time:1 minute", after=60.0), failures) for failures in (1, 2)] == [60, 60]
    assert off_s(RetryLater("tomorrow", after=30_000.0), 3) == 30_000
    assert [off_s(RetryLater("Retry-After: 7", after=7.0), failures) for failures in (1, 2, 3, 4, 5)] == [7, 14, 28, 56, 60]


def test_a_restart_of_the_process_leaves_a_provider_off(device: Device) -> None:
    device.started().open("tencent", NeedsOperator("tencent: arrears", code="InArrears"))
    device.wait(100)
    circuits = device.started()
    assert circuits.off_s("tencent") == 500
    assert (circuits["tencent"].reason, circuits["tencent"].code, circuits["tencent"].failures) == ("tencent: arrears", "InArrears", 1)
    assert circuits.off_s("huawei") == 0


def test_within_one_boot_a_corrected_clock_changes_nothing(device: Device) -> None:
    device.started().open("tencent", NeedsOperator("locked", after=900))
    device.stamp = replace(device.stamp, utc_ms=device.stamp.utc_ms + 7 * 86_400_000)
    assert device.started().off_s("tencent") == 900


@pytest.mark.parametrize(
    ("clock_s", "left_s"),
    [
        pytest.param(100, 500, id="a clock that went on"),
        pytest.param(700, 0, id="a long time off"),
        pytest.param(-86_400, 600, id="a clock that starts in the past never makes the wait longer"),
        pytest.param(-NOON.utc_ms // 1000, 600, id="nor does 1970"),
    ],
)
def test_after_a_reboot_the_clock_tells_what_is_left(device: Device, clock_s: int, left_s: int) -> None:
    device.started().open("tencent", NeedsOperator("arrears"))
    device.stamp = Stamp(NOON.utc_ms + clock_s * 1000, 9_000, "next boot", "coarse")
    assert device.started().off_s("tencent") == left_s


def test_a_provider_that_reads_again_is_forgotten_as_a_failure(device: Device) -> None:
    circuits = device.started()
    circuits.open("tencent", RetryLater("down"))
    circuits.close("tencent")
    assert device.started()["tencent"] == Circuit()


def test_looking_again_later_is_no_failure_and_ends_with_the_process(device: Device) -> None:
    circuits = device.started()
    circuits.pause("tencent", 300, "tencent: the budget is spent for now")
    assert (circuits.off_s("tencent"), circuits["tencent"].failures) == (300, 0)
    assert device.started().off_s("tencent") == 0


def test_a_failure_is_logged_when_it_begins_and_when_it_ends(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    circuits = device.started()
    for _ in range(3):
        circuits.open("tencent", RetryLater("tencent: 503"))
    circuits.close("tencent")
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("WARNING", "tencent is passed over, asked again in 5 s: tencent: 503"),
        ("INFO", "tencent reads again after 3 failures"),
    ]


def test_without_a_store_a_circuit_ends_with_the_process() -> None:
    facts: Any = Memoryless()
    first = Circuits(["tencent"], facts, lambda: NOON, lambda: 0.0)
    first.open("tencent", NeedsOperator("arrears"))
    assert first.off_s("tencent") == 600
    assert Circuits(["tencent"], facts, lambda: NOON, lambda: 0.0).off_s("tencent") == 0
