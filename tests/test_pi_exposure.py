"""Exposure within limits: a sensor, a scene whose light changes, and a picture that is to be neither dark nor blurred."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.camera.pi_exposure import TARGET, Exposure, wishes
from agent.config_picamera import PiCamera

ADVERTISED = {"ExposureTime": (14, 11_767_556, 20_000), "AnalogueGain": (1.12, 16.0, 1.0)}
LATE = 3  # frames after which a sensor follows


@dataclass
class Sensor:
    """Counts exposure in rows and gain in steps, follows late, and shows light through a curve as the Pi's tuning has one."""

    light: float  # times 1 ms of exposure at gain 1 gives so much of a full pixel
    waiting: deque[dict[str, Any]] = field(default_factory=lambda: deque([{}] * LATE, LATE))
    exposure_us: float = 20_000.0
    gain: float = 1.12

    def frame(self, asked: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """The mean of the picture, and what is told of it."""
        due = self.waiting.popleft()
        self.waiting.append(asked)
        self.exposure_us = due.get("ExposureTime", self.exposure_us) // 14 * 14 or 14
        self.gain = round(due.get("AnalogueGain", self.gain) * 16) / 16
        full = min(1.0, self.light * self.exposure_us / 1000 * self.gain)
        return 255 * full ** (1 / 2.2), {"ExposureTime": int(self.exposure_us), "AnalogueGain": self.gain}


def run(exposure: Exposure, sensor: Sensor, frames: int = 60) -> list[float]:
    """The brightness of each frame while exposure is kept."""
    asked, seen = exposure.controls(), []
    for _ in range(frames):
        brightness, told = sensor.frame(asked)
        seen.append(brightness)
        asked = exposure.next(brightness, told)
    return seen


def within(**settings: Any) -> Exposure:
    exposure = Exposure.within(PiCamera(**settings), ADVERTISED)
    assert exposure is not None
    return exposure


@pytest.mark.parametrize("light", [0.02, 0.1, 1.0, 10.0])
def test_a_scene_of_any_light_comes_out_neither_dark_nor_bright(light: float) -> None:
    seen = run(within(longest_exposure_ms=4.0, highest_gain=8.0), Sensor(light))
    assert seen[-1] == pytest.approx(TARGET, abs=20)
    assert max(seen[-10:]) - min(seen[-10:]) < 3, "and settles"


def test_limits_hold_in_every_frame_once_they_are_in_force() -> None:
    exposure, sensor = within(longest_exposure_ms=2.0, highest_gain=6.0), Sensor(0.004)
    run(exposure, sensor, LATE + 1)
    for light in (0.004, 0.4, 40.0, 0.0004):
        sensor.light = light
        for _ in range(40):
            run(exposure, sensor, 1)
            assert sensor.exposure_us <= 2000
            assert sensor.gain <= 6.0


def test_light_that_changes_is_followed_both_ways() -> None:
    exposure, sensor = within(longest_exposure_ms=4.0), Sensor(0.1)
    for light in (0.1, 3.0, 0.05, 1.0):
        sensor.light = light
        assert run(exposure, sensor)[-1] == pytest.approx(TARGET, abs=20)


def test_exposure_is_used_before_gain() -> None:
    sensor = Sensor(0.1)
    run(within(longest_exposure_ms=4.0), sensor)
    assert sensor.exposure_us > 1300
    assert sensor.gain < 1.3


def test_a_fixed_exposure_leaves_the_gain_to_follow_and_the_other_way_round() -> None:
    sensor = Sensor(0.03)
    run(within(exposure_ms=2.0), sensor)
    assert sensor.exposure_us == pytest.approx(2000, abs=14)
    assert sensor.gain > 2
    sensor = Sensor(0.03)
    run(within(gain=2.0), sensor)
    assert sensor.gain == 2.0
    assert sensor.exposure_us > 2000


def test_both_fixed_are_asked_for_once_and_left() -> None:
    exposure = within(exposure_ms=2.0, gain=3.0)
    assert exposure.controls() == {"ExposureTime": 2000, "AnalogueGain": 3.0}
    assert [exposure.next(brightness, {"ExposureTime": 2000, "AnalogueGain": 3.0}) for brightness in (5.0, 110.0, 250.0)] == [{}] * 3


def test_a_vehicle_that_darkens_the_picture_a_little_changes_nothing() -> None:
    exposure, sensor = within(longest_exposure_ms=4.0), Sensor(0.1)
    run(exposure, sensor)
    told = {"ExposureTime": int(sensor.exposure_us), "AnalogueGain": sensor.gain}
    assert exposure.next(TARGET - 10, told) == {}


def test_a_camera_that_does_not_do_what_it_was_asked_is_not_waited_for_for_ever() -> None:
    exposure = within(longest_exposure_ms=4.0)
    stuck = {"ExposureTime": 500, "AnalogueGain": 1.12}
    assert any(exposure.next(20.0, stuck) for _ in range(20))


def test_without_limits_or_without_the_controls_exposure_is_the_cameras_own_affair() -> None:
    assert Exposure.within(PiCamera(), ADVERTISED) is None
    assert Exposure.within(PiCamera(exposure_ms=2.0), {}) is None
    assert [wish.control for wish in wishes(PiCamera())] == ["AeExposureMode"]
    assert [(wish.control, wish.keys) for wish in wishes(PiCamera(gain=2.0))][1:] == [
        ("ExposureTime", ("gain",)),
        ("AnalogueGain", ("gain",)),
    ]
