"""Calls are signed with the vendor's time, whatever the device believes."""

import logging
import os
import time
from email.utils import formatdate

import pytest

from agent.ocr.sign import tc3_authorization
from agent.ocr.vendor_clock import VendorClock

BEIJING_NIGHT, LAST_SECOND = 1699979400, 1700006399  # 2023-11-14T16:30:00Z and 23:59:59Z
WEEK = 7 * 86_400


class Device:
    """A device whose wall clock and monotonic time are set by hand."""

    def __init__(self, wall: float, monotonic: float = 1000.0) -> None:
        self.wall, self.monotonic = wall, monotonic

    def clock(self) -> VendorClock:
        return VendorClock(lambda: self.wall, lambda: self.monotonic)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


def date(unix: float) -> str:
    return formatdate(unix, usegmt=True)


def day_signed(now: int) -> str:
    headers = {"Content-Type": "application/json", "Host": "ocr.tencentcloudapi.com"}
    return tc3_authorization("AKIDEXAMPLE", "SECRETEXAMPLE", "ocr", headers, b"{}", now).split("/")[1]


@pytest.mark.parametrize("true", [BEIJING_NIGHT, LAST_SECOND], ids=["past midnight in Beijing", "one second before midnight"])
@pytest.mark.parametrize(
    "off",
    [0, -WEEK, 240, -240, 360, -360, -BEIJING_NIGHT],
    ids=["right", "a week behind", "4 minutes ahead", "4 minutes behind", "6 minutes ahead", "6 minutes behind", "in 1970"],
)
def test_one_answer_is_enough_to_sign_with_the_vendors_time_and_day(true: int, off: int) -> None:
    device = Device(true + off)
    clock = device.clock()
    assert (clock.now(), clock.offset_s) == (true + off, 0.0)

    clock.learn(date(true), device.monotonic, device.monotonic)

    assert (clock.now(), clock.offset_s) == (true, -off)
    assert day_signed(clock.now()) == "2023-11-14"
    device.passes(1)
    assert day_signed(clock.now()) == ("2023-11-15" if true == LAST_SECOND else "2023-11-14")


def test_the_vendors_time_is_that_of_the_middle_of_the_call() -> None:
    device = Device(BEIJING_NIGHT)
    clock = device.clock()
    sent = device.monotonic
    device.passes(8)

    clock.learn(date(BEIJING_NIGHT + 4), sent, device.monotonic)

    assert clock.offset_s == 0.0


def test_a_device_clock_that_is_set_right_later_changes_nothing_for_the_vendor() -> None:
    device = Device(0.0)
    clock = device.clock()
    clock.learn(date(BEIJING_NIGHT), device.monotonic, device.monotonic)

    device.passes(60)
    device.wall = BEIJING_NIGHT + 60

    assert (clock.now(), clock.offset_s) == (BEIJING_NIGHT + 60, 0.0)


def test_a_later_answer_corrects_an_earlier_one() -> None:
    device = Device(BEIJING_NIGHT)
    clock = device.clock()
    clock.learn(date(BEIJING_NIGHT - WEEK), device.monotonic, device.monotonic)
    clock.learn(date(BEIJING_NIGHT + 2), device.monotonic, device.monotonic)

    assert clock.now() == BEIJING_NIGHT + 2


@pytest.mark.parametrize("header", ["", "yesterday", "Tue, 14 Nov", "Tue, 99 Nov 2023 16:30:00 GMT", "Tue, 14 Nov 2023 25:00:00 GMT"])
def test_a_header_that_is_no_date_teaches_nothing(header: str) -> None:
    device = Device(BEIJING_NIGHT)
    clock = device.clock()

    clock.learn(header, device.monotonic, device.monotonic)

    assert (clock.now(), clock.offset_s) == (BEIJING_NIGHT, 0.0)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
@pytest.mark.parametrize("ending", ["GMT", "+0000", "-0000", "UT", ""])
def test_a_date_is_in_greenwich_wherever_the_device_stands(ending: str, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        device = Device(0.0)
        clock = device.clock()
        clock.learn(f"Tue, 14 Nov 2023 16:30:00 {ending}".strip(), device.monotonic, device.monotonic)
        assert clock.now() == BEIJING_NIGHT
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_clock_over_a_minute_off_is_told_once_and_again_after_it_was_right(caplog: pytest.LogCaptureFixture) -> None:
    device = Device(BEIJING_NIGHT - WEEK)
    clock = device.clock()

    def learn(unix: float) -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            clock.learn(date(unix), device.monotonic, device.monotonic)
        return [record.message for record in caplog.records]

    assert learn(BEIJING_NIGHT) == [
        "the clock of this device is 604800 s behind the vendor's: calls are signed with the vendor's time, set the device right (NTP)"
    ]
    assert learn(BEIJING_NIGHT) == []
    device.wall = BEIJING_NIGHT + 60
    assert learn(BEIJING_NIGHT) == []
    device.wall = BEIJING_NIGHT + 61
    assert learn(BEIJING_NIGHT)[0].startswith("the clock of this device is 61 s ahead of the vendor's")


def test_the_systems_clock_is_never_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("the clock of the device was set")

    for module, name in ((time, "clock_settime"), (time, "clock_settime_ns"), (os, "system")):
        monkeypatch.setattr(module, name, forbidden)
    before = time.time()
    clock = VendorClock()

    clock.learn(date(BEIJING_NIGHT), time.monotonic(), time.monotonic())

    assert abs(clock.now() - BEIJING_NIGHT) <= 1
    assert 0 <= time.time() - before < 5
