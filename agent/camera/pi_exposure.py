"""Exposure and gain of a Pi's camera: left to libcamera, fixed, or kept within limits, which libcamera itself has no controls for.

FrameDurationLimits bound the exposure too, but only down to the sensor's fastest frame, 8 ms at best, where a vehicle's letters want
2; AeExposureMode prefers short exposures and promises none. What every release has is exposure and gain by hand: within limits we
choose both ourselves from how bright the picture is.
"""

from collections.abc import Mapping
from typing import Any

from agent.camera.pi_controls import Wish
from agent.config_picamera import PiCamera

TARGET = 110.0  # mean grey level aimed at: where libcamera's own exposure leaves a scene of ordinary contrast
_CONTENT = 12.0  # grey levels off the target that are let be: a vehicle in view must not set the exposure swinging
_GAMMA = 1.6  # light goes with the 2.2th power of a grey level; less, because the tone curve of the Pi is steeper in its middle
_MOST = 4.0  # times as much light, or as little, in one step
_SETTLED = 0.2  # share by which what the camera did may differ from what was asked: a sensor counts in rows and steps
_PATIENCE = 8  # frames after which a change that is not seen counts as made
_EXPOSURE_US, _GAIN = (100.0, 33_333.0), (1.0, 16.0)  # of a camera that tells no limits

Range = tuple[float, float]


def wishes(settings: PiCamera) -> list[Wish]:
    """The controls that exposure needs beyond its values; no automatic means by hand."""
    keys = ("exposure_ms", "longest_exposure_ms", "gain", "highest_gain")
    asked = tuple(key for key in keys if getattr(settings, key))
    if not asked:
        return [Wish("AeExposureMode", 1)]
    return [Wish("AeEnable", False), Wish("ExposureTime", 0, asked), Wish("AnalogueGain", 0, asked)]


class Exposure:
    """Keeps the mean brightness of the picture near a target, exposure first, then gain, each within its range."""

    def __init__(self, exposure_us: Range, gain: Range) -> None:
        self._exposure_us, self._gain = exposure_us, gain
        self._asked = (exposure_us[1], gain[0])
        self._waited = 0

    @classmethod
    def within(cls, settings: PiCamera, advertised: Mapping[str, Any]) -> "Exposure | None":
        """Within the limits of the settings and of the camera; None where exposure is libcamera's own affair."""
        if not any((settings.exposure_ms, settings.longest_exposure_ms, settings.gain, settings.highest_gain)):
            return None
        if not {"ExposureTime", "AnalogueGain"} <= set(advertised):
            return None
        exposure_us = _range(advertised["ExposureTime"], _EXPOSURE_US, 1000 * settings.exposure_ms, 1000 * settings.longest_exposure_ms)
        return cls(exposure_us, _range(advertised["AnalogueGain"], _GAIN, settings.gain, settings.highest_gain))

    def controls(self) -> dict[str, Any]:
        """What is asked of the camera now."""
        return {"ExposureTime": round(self._asked[0]), "AnalogueGain": round(self._asked[1], 3)}

    def next(self, brightness: float, told: Mapping[str, Any]) -> dict[str, Any]:
        """What to change after a frame of mean `brightness` and metadata `told`; nothing is the usual answer."""
        done = float(told.get("ExposureTime", self._asked[0])), float(told.get("AnalogueGain", self._asked[1]))
        if self._pending(done):
            return {}
        asked = self._asked if abs(brightness - TARGET) <= _CONTENT else self._split(done[0] * done[1] * _factor(brightness))
        if all(abs(new - old) <= 0.02 * old for new, old in zip(asked, self._asked, strict=True)):
            return {}
        self._asked, self._waited = asked, 0
        return self.controls()

    def _pending(self, done: tuple[float, float]) -> bool:
        """True while the camera has not done yet what was asked last: a change takes it a few frames."""
        self._waited += 1
        off = any(abs(is_ - asked) > _SETTLED * asked for is_, asked in zip(done, self._asked, strict=True))
        return off and self._waited < _PATIENCE

    def _split(self, light: float) -> tuple[float, float]:
        """So much light, microseconds times gain, as exposure and gain: noise costs letters, but less than blur."""
        exposure_us = min(max(light / self._gain[0], self._exposure_us[0]), self._exposure_us[1])
        return exposure_us, min(max(light / exposure_us, self._gain[0]), self._gain[1])


def _factor(brightness: float) -> float:
    """How many times as much light the picture wants."""
    wanted: float = (TARGET / max(brightness, 1.0)) ** _GAMMA
    return min(max(wanted, 1 / _MOST), _MOST)


def _range(advertised: Any, usual: Range, fixed: float, most: float) -> Range:
    """Least and most of a control: what the camera can do, no more than `most`, or `fixed` alone; 0 stands for neither."""
    low, high = (float(told) if told else meant for told, meant in zip(advertised[:2], usual, strict=True))
    if fixed:
        return (min(max(fixed, low), high),) * 2
    return low, max(low, min(high, most)) if most else high
