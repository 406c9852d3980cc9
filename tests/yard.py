"""A yard seen by the gate's small grey picture, through a day: light, shadows, rain, vehicles, and whatever may be wrong with a camera."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from agent.camera import paint
from agent.domain import Pixels, Stamp
from agent.vision.gate import View

Floats = npt.NDArray[np.float32]

SIZE = (480, 270)
HOUR = 3600.0


def background(seed: int = 0, times: int = 4) -> Pixels:
    """A painted yard in grey with a gate post, a barrier and a fence, `times` larger than the gate's small picture."""
    dice = np.random.default_rng(seed)
    width, height = SIZE[0] * times, SIZE[1] * times
    pixels = paint.yard(width, height, round(height * 0.28), dice)
    for x in dice.uniform(0.03, 0.97, 6):
        left, tall = round(x * width), dice.uniform(0.2, 0.5)
        top = round(height * (0.5 - tall / 2))
        shade = float(dice.uniform(30, 210))
        cv2.rectangle(pixels, (left, top), (left + round(0.02 * width), top + round(tall * height)), (shade, shade, shade), -1)
    for y in dice.uniform(0.55, 0.95, 4):
        cv2.line(pixels, (0, round(y * height)), (width, round((y - dice.uniform(-0.1, 0.1)) * height)), (190, 190, 190), 2 * times)
    cv2.putText(pixels, "GATE 3", (round(0.7 * width), round(0.2 * height)), cv2.FONT_HERSHEY_DUPLEX, times * 0.7, (230, 230, 230), times)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def shrunk(pixels: npt.NDArray[np.uint8] | Floats) -> Floats:
    """A large grey picture at the size of the gate's, not yet smoothed, as its way of shrinking leaves it."""
    return np.asarray(cv2.resize(pixels, SIZE, interpolation=cv2.INTER_LINEAR), np.float32)


class Yard:
    """`view(seconds)` is the camera's picture so long after midnight; `lens` may be exchanged for what spoils it on its way.

    `noise` are grey levels left after shrinking a picture with four to five; the lamp is on at night.
    """

    def __init__(self, seed: int = 0, noise: float = 1.2) -> None:
        self.noise, self.lamp = noise, True
        self.lens: Callable[[Floats], Floats] = lambda light: light
        self.dice = np.random.default_rng(seed)
        self.base = shrunk(background(seed))
        width, height = SIZE
        across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
        self._glow = np.exp(-(((across - 0.55) / 0.45) ** 2) - ((down - 0.7) / 0.5) ** 2).astype(np.float32)
        self._across = across.astype(np.float32)
        self._fields = self.dice.standard_normal((height + 64, width + 64)).astype(np.float32)

    def view(self, seconds: float, thing: "Thing | None" = None, *, gain: float = 1.0) -> View:
        """What the gate makes of the frame of this moment; `thing` stands before the camera, `gain` is a step of the exposure."""
        light = self.base.copy()
        if thing is not None:
            light[thing.rows, thing.columns] = thing.look[thing.rows, thing.columns]
        sun = self._sun(seconds)
        light *= (sun * self._shade(seconds) + (0.28 * self._glow + 0.05) * (self.lamp and sun < 0.25) + 0.004) * gain
        if thing is not None and thing.lights and sun < 0.3:
            for x in (0.4, 0.6):
                cv2.circle(light, (round(x * SIZE[0]), 190), 26, 250.0, -1, cv2.LINE_AA)
        return seen(self.noisy(self.lens(light), 1.0 + 1.5 * (sun < 0.25)))

    def noisy(self, light: Floats, times: float = 1.0) -> Floats:
        y, x = self.dice.integers(0, 64, 2)
        return np.asarray(light + self.noise * times * self._fields[y : y + SIZE[1], x : x + SIZE[0]], np.float32)

    def _sun(self, seconds: float) -> float:
        """0 at night to 1 at noon, with clouds that come within seconds."""
        height = math.sin((seconds / HOUR - 6) / 12 * math.pi)
        day = min(1.0, max(0.0, height * 2.5 + 0.1))
        cloud = 0.75 + 0.25 * math.tanh(4 * math.sin(seconds / 431) * math.sin(seconds / 97 + 1))
        return day * cloud

    def _shade(self, seconds: float) -> Floats:
        """A shadow with a sharp edge that wanders over the yard, as one of a building does."""
        edge = (seconds / HOUR - 6) / 12
        return np.asarray(np.where(self._across < edge, 0.55, 1.0), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """Something before the camera: its look over the whole view, of which these rows and columns are seen."""

    look: Floats
    rows: slice
    columns: slice
    lights: bool = False


def vehicle(seed: int, fills: float = 0.75, *, plain: bool = False) -> Thing:
    """A lorry that fills so much of the width: sheet metal with seams, lettering, wheels, or a plain wall of a trailer."""
    dice = np.random.default_rng(seed)
    width, height = SIZE
    look = np.full((height, width), float(dice.uniform(40, 220)), np.float32)
    if not plain:
        for x in dice.uniform(0, width, 14):
            cv2.line(look, (round(x), 0), (round(x + dice.uniform(-20, 20)), height), float(dice.uniform(20, 230)), 2)
        for y in dice.uniform(0, height, 6):
            cv2.line(look, (0, round(y)), (width, round(y)), float(dice.uniform(20, 230)), 2)
        for x in dice.uniform(0.2, 0.8, 3):
            cv2.circle(look, (round(x * width), round(0.9 * height)), 28, 25.0, -1)
        cv2.putText(look, "SPEDITION 24", (100, 120), cv2.FONT_HERSHEY_DUPLEX, 1.4, float(dice.uniform(0, 255)), 2)
    left = round((1 - fills) / 2 * width)
    return Thing(look, slice(round((1 - fills) * 0.3 * height), height), slice(left, width - left), lights=not plain)


def seen(light: Floats) -> View:
    """The small picture as the gate hands it on."""
    small = np.asarray(cv2.blur(np.clip(light, 0, 255).astype(np.uint8), (3, 3)), np.uint8)
    return View(False, "still", float(cv2.mean(small)[0]), 0.0, small, 4)


def at(seconds: float) -> Stamp:
    return Stamp(round(seconds * 1000), round(seconds * 1000), "boot", "synced")
