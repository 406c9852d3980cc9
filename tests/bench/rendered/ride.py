"""How a rendered vehicle moves through the view: it halts at the gate, drives by without stopping, or crosses from side to side."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from agent.camera.scene import FAR, HORIZON

Way = Literal["halts", "drives by", "crosses"]
_FIRST_NEAR = 0.3  # of the full size at which one that drives by comes into sight
_LAST_NEAR = 2.0


@dataclass(frozen=True, slots=True)
class Ride:
    """`stops_s` is when it is before the camera, `side` to which it leaves, -1 for left.

    `speed` is nothing for one that halts, stopping distances a second for one that drives by, frame widths a second for one that crosses.
    """

    way: Way
    begins_s: float
    stops_s: float
    goes_s: float
    gone_s: float
    side: int
    speed: float = 0.0

    def where(self, seconds: float, size: tuple[int, int], corner: tuple[float, float]) -> npt.NDArray[np.float64] | None:
        """The affine matrix (2, 3) from the vehicle's layer into the frame, None while it is not there.

        `corner` is where the layer's upper left corner is when the vehicle is before the camera.
        """
        if not self.begins_s <= seconds < self.gone_s:
            return None
        near, across = self._near(seconds), self._across(seconds)
        # Everything grows out of the point where the road vanishes; that of one that drives by lies beside it.
        x, y = size[0] * (0.5 - 0.35 * self.side * (self.way == "drives by")), size[1] * HORIZON
        shake = 0.3 * math.sin(60 * seconds)  # an engine that idles
        left, top = x + near * (corner[0] - x) + across * size[0] + shake, y + near * (corner[1] - y) - shake
        return np.array([(near, 0, left), (0, near, top)], np.float64)

    def _near(self, seconds: float) -> float:
        if self.way == "crosses":
            return 1.0
        if self.way == "drives by":
            return 1 / (1 + self.speed * (self.stops_s - seconds))
        left = max(0.0, (seconds - self.goes_s) / (self.gone_s - self.goes_s))
        return 1 / (1 + FAR * max(0.0, (self.stops_s - seconds) / (self.stops_s - self.begins_s)) ** 2) + 0.7 * left**2

    def _across(self, seconds: float) -> float:
        """Frame widths to the side."""
        if self.way == "crosses":
            return self.side * self.speed * (seconds - self.stops_s)
        left = max(0.0, (seconds - self.goes_s) / (self.gone_s - self.goes_s)) if self.way == "halts" else 0.0
        return float(self.side * 1.4 * left**1.5)

    def exposure(self, pixels: float) -> float:
        """Seconds in which what is before the camera moves so far in a view of 1280 pixels; no shutter is faster than a 4000th."""
        a_second = 1280 * (self.speed if self.way == "crosses" else 0.35 * self.speed)
        return max(0.00025, pixels / a_second) if a_second else 0.004


def halting(dice: Generator, begins_s: float) -> Ride:
    stops_s = begins_s + float(dice.uniform(0.7, 1.3))
    goes_s = stops_s + float(dice.uniform(0.9, 1.8))
    return Ride("halts", begins_s, stops_s, goes_s, goes_s + float(dice.uniform(0.45, 0.75)), int(dice.choice([-1, 1])))


def driving_by(dice: Generator, begins_s: float) -> Ride:
    speed = float(dice.uniform(1.2, 3.0))
    stops_s = begins_s + (1 / _FIRST_NEAR - 1) / speed
    gone_s = stops_s + (1 - 1 / _LAST_NEAR) / speed
    return Ride("drives by", begins_s, stops_s, stops_s, gone_s, int(dice.choice([-1, 1])), speed)


def crossing(dice: Generator, begins_s: float) -> Ride:
    speed = float(dice.uniform(0.6, 1.3))
    stops_s = begins_s + 0.85 / speed
    return Ride("crosses", begins_s, stops_s, stops_s, stops_s + 0.85 / speed, int(dice.choice([-1, 1])), speed)
