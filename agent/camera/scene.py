"""The rendered gate: vehicles that drive up, stop, show a VIN plate and leave, the same ones for the same seed, the truth known."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator, default_rng

from agent.camera import lettering, paint
from agent.camera.lettering import Points, Style
from agent.domain import Pixels
from agent.vin import check_digit

# World manufacturer identifiers of makers whose numbers carry a check digit by law, and of European ones, who may fill with Z.
CHECKED = (
    *("1FT", "1FA", "1G1", "1GC", "1HG", "1C4", "1N4", "2T1", "2HG", "3VW", "3FA", "4T1", "5YJ", "5NP"),
    *("LSV", "LFV", "LSG", "LGX", "LVS", "LFP", "LHG", "LGW", "LZW", "LBV"),
)
EUROPEAN = ("WVW", "WBA", "WDB", "WAU", "WF0", "VF1", "VF3", "ZFA", "SAL", "YV1", "TMB", "VSS")
LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
DIGITS = "0123456789"
YEARS = "ABCDEFGHJKLMNPRST"  # model years 2010 to 2026

# Seconds of one vehicle: empty road, driving up, standing, leaving, empty road.
STAGES = (0.25, 0.80, 1.00, 0.50, 0.95)
COMES, STOPS, GOES, GONE = itertools.accumulate(STAGES[:4])
FAR = 3.5  # how many stopping distances further away a vehicle comes into sight
COLOURS = ((150, 62, 30), (42, 40, 160), (196, 198, 198), (58, 56, 54), (70, 110, 60), (122, 124, 128), (205, 205, 200))


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One rendered picture, BGR, and what is true of it: the corners of the VIN's text (4, 2), None unless all are inside."""

    pixels: Pixels
    vehicle: int
    plate: Points | None
    stands: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """Iterate for the frames of `vehicles` vehicles, counted from `first`; each one follows from `seed` and its number alone.

    Raises `NeedsOperator` where Pillow, which draws the letters, is missing. No vehicles at all is an empty road.
    """

    seed: int
    vehicles: int
    width: int = 1280
    height: int = 720
    fps: float = 8.0
    first: int = 0

    @property
    def truth(self) -> tuple[str, ...]:
        """The VINs in the order in which they drive up."""
        return tuple(vin_of(self.seed, index) for index in range(self.first, self.first + self.vehicles))

    def __iter__(self) -> Iterator[View]:
        stage = Stage.built(self)
        if not self.vehicles:
            for _ in range(max(1, round(sum(STAGES) * self.fps))):
                yield View(stage.sensed(stage.road, 3.0, default_rng(self.seed)), 0, None, False)
        for index in range(self.first, self.first + self.vehicles):
            yield from _Pass.of(stage, self, index).views()


def vin_of(seed: int, index: int) -> str:
    """The VIN of one vehicle: its check digit is right, except on some of the European ones that fill with Z."""
    dice = default_rng((seed, index, 17))

    def draw(letters: str, count: int) -> str:
        return "".join(dice.choice(list(letters), count))

    european = dice.random() < 0.3
    maker = str(dice.choice(EUROPEAN if european else CHECKED))
    filled = european and dice.random() < 0.4
    # Seventh a letter: with it the model year is one of this cycle.
    kind = "ZZZ" + draw(DIGITS + LETTERS, 2) if filled else draw(DIGITS + LETTERS, 3) + draw(LETTERS, 1) + draw(DIGITS + LETTERS, 1)
    rest = draw(YEARS, 1) + draw(LETTERS, 1) + draw(DIGITS, 6)
    return maker + kind + ("Z" if filled and dice.random() < 0.3 else check_digit(f"{maker}{kind}0{rest}")) + rest


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What all vehicles of a scene share: the road, and fields of noise, rain and light that are only shifted from frame to frame."""

    road: Pixels
    brighter: Pixels
    darker: Pixels
    streaks: Pixels
    glow: npt.NDArray[np.float32]

    @classmethod
    def built(cls, scene: Scene) -> "Stage":
        dice, width, height = default_rng((scene.seed, 3)), scene.width, scene.height
        road = paint.yard(width, height, round(height * HORIZON), dice)
        noise = dice.standard_normal((height + 64, width + 64, 3), np.float32) * NOISE
        streaks = np.zeros((height + 64, width + 64, 3), np.uint8)
        for x, y, length in dice.uniform((0, 0, 0.02), (width, height, 0.06), (350, 3)):
            end = (round(x - length * height * 0.15), round(y + length * height))
            cv2.line(streaks, (round(x), round(y)), end, (34, 34, 32), max(1, height // 700), cv2.LINE_AA)
        ramp = np.linspace(-2.4, 2.4, 128, dtype=np.float32) ** 2
        glow = np.exp(-(ramp[:, None] + ramp)).astype(np.float32)
        return cls(road, np.clip(noise, 0, 255).astype(np.uint8), np.clip(-noise, 0, 255).astype(np.uint8), streaks, glow)

    def sensed(self, frame: Pixels, sigma: float, dice: Generator, *, rain: bool = False) -> Pixels:
        """The frame as a sensor sees it: rain before it, noise of `sigma` grey levels in it."""
        if rain:
            frame = cast("Pixels", cv2.add(frame, self._shifted(self.streaks, dice)))
        frame = cast("Pixels", cv2.add(frame, cv2.convertScaleAbs(self._shifted(self.brighter, dice), alpha=sigma / NOISE)))
        return cast("Pixels", cv2.subtract(frame, cv2.convertScaleAbs(self._shifted(self.darker, dice), alpha=sigma / NOISE)))

    def _shifted(self, field: Pixels, dice: Generator) -> Pixels:
        (height, width), (y, x) = self.road.shape[:2], dice.integers(0, 64, 2)
        return field[y : y + height, x : x + width]

    def shine(self, frame: Pixels, centre: Points, radius: float, colour: tuple[float, float, float]) -> None:
        """Add a soft light of `radius` pixels to the frame, in place."""
        left, top, side = round(float(centre[0] - radius)), round(float(centre[1] - radius)), max(2, round(2 * radius))
        x, y = max(0, left), max(0, top)
        part = frame[y : max(0, top + side), x : max(0, left + side)]
        if part.size:
            light = cv2.resize(self.glow, (side, side))[y - top :, x - left :][: part.shape[0], : part.shape[1]]
            part[:] = cv2.add(part, (light[..., None] * np.array(colour, np.float32)).astype(np.uint8))


NOISE = 8.0  # grey levels of the noise fields before they are scaled
HORIZON = 0.28  # of the height


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """One vehicle before the camera: everything drawn once, then only moved, lit and sensed."""

    stage: Stage
    scene: Scene
    index: int
    dice: Generator
    road: Pixels
    layer: Pixels
    corner: tuple[float, float]  # where the layer's upper left corner is while the vehicle stands
    text: Points
    lamps: Points
    night: bool
    glare: bool
    rain: bool
    sigma: float

    @classmethod
    def of(cls, stage: Stage, scene: Scene, index: int) -> "_Pass":
        dice, width, height = default_rng((scene.seed, index)), scene.width, scene.height
        night = bool(dice.random() < 0.35)
        body = paint.BODIES[dice.integers(len(paint.BODIES))]
        half = round(min(height * dice.uniform(0.92, 1.0) / body.height, width * 0.38))
        sign = "".join(dice.choice(list(LETTERS), 2)) + " " + "".join(dice.choice(list(DIGITS), 4))
        colour = COLOURS[dice.integers(len(COLOURS))]
        layer = paint.vehicle(body, half, colour, sign, dice, night=night)
        text = _with_plate(layer, body, half, vin_of(scene.seed, index), height, dice)
        light, road = _lit(stage, layer, dice, night=night)
        corner = (width * dice.uniform(0.47, 0.53) - layer.shape[1] / 2, height * dice.uniform(0.99, 1.03) - layer.shape[0])
        lamps = np.array([(layer.shape[1] / 2 + side * 0.85 * half, layer.shape[0] - 0.68 * half) for side in (-1, 1)], np.float32)
        glare, rain = bool(dice.random() < 0.35), bool(dice.random() < 0.3)
        sigma = dice.uniform(4, 8) if night else dice.uniform(1.5, 4)
        return cls(stage, scene, index, dice, road, light, corner, text, lamps, night, glare, rain, sigma)

    def views(self) -> Iterator[View]:
        for count in range(max(1, round(sum(STAGES) * self.scene.fps))):
            seconds = count / self.scene.fps
            frame, plate = self.road.copy(), None
            if COMES <= seconds < GONE:
                plate = self._drive(frame, seconds)
            pixels = self.stage.sensed(frame, self.sigma, self.dice, rain=self.rain)
            yield View(pixels, self.index, plate, STOPS <= seconds < GOES)

    def _drive(self, frame: Pixels, seconds: float) -> Points | None:
        """Put the vehicle into the frame as it is at this time; where its text is, if all of it is in sight."""
        where = self._where(seconds)
        moved = cv2.warpAffine(self.layer, where, (frame.shape[1], frame.shape[0]), flags=cv2.INTER_LINEAR)
        blur = np.minimum(np.abs(self._middle(seconds + 0.005) - self._middle(seconds - 0.005)) * (1.8 if self.night else 0.6), 40)
        if blur.max() >= 1:
            moved = cv2.blur(moved, (1 + round(float(blur[0])), 1 + round(float(blur[1]))))
        paint.over(frame, np.asarray(moved, np.uint8))
        if self.night:
            for lamp in _moved(self.lamps, where):
                self.stage.shine(frame, lamp, 0.12 * where[0, 0] * frame.shape[0], (150, 165, 170))
        text = _moved(self.text, where)
        if self.glare:  # it wanders over the plate while the vehicle rolls; when it stands it has passed and faded
            wide, rolled = float(np.linalg.norm(text[1] - text[0])), (min(seconds, STOPS) - COMES) / (STOPS - COMES)
            off = np.array((rolled * 1.5 - 0.6, -0.2), np.float32) * wide
            self.stage.shine(frame, text.mean(0) + off, 0.3 * wide, (235 * (1 - 0.6 * rolled),) * 3)
        inside = (text > 0).all() and (text < (frame.shape[1] - 1, frame.shape[0] - 1)).all()
        return text if inside else None

    def _where(self, seconds: float) -> npt.NDArray[np.float64]:
        """The affine matrix (2, 3) from the layer into the frame: everything grows out of the point where the road vanishes."""
        width, height = self.scene.width, self.scene.height
        left = max(0.0, (seconds - GOES) / (GONE - GOES))
        near = 1 / (1 + FAR * max(0.0, (STOPS - seconds) / (STOPS - COMES)) ** 2) + 0.7 * left**2
        shake = 0.3 * math.sin(60 * seconds)  # an engine that idles
        x, y = width * 0.5, height * HORIZON
        across = x + near * (self.corner[0] - x) - 1.4 * width * left**1.5
        return np.array([(near, 0, across + shake), (0, near, y + near * (self.corner[1] - y) - shake)], np.float64)

    def _middle(self, seconds: float) -> Points:
        return cast("Points", _moved(self.text, self._where(seconds)).mean(0))


def _moved(points: Points, where: npt.NDArray[np.float64]) -> Points:
    return (points @ where[:, :2].T + where[:, 2]).astype(np.float32)


def _with_plate(layer: Pixels, body: paint.Body, half: int, vin: str, height: int, dice: Generator) -> Points:
    """Fix a VIN plate where its style belongs; where its text is on the layer."""
    style = cast("Style", str(dice.choice(["dash", "label", "stamped"])))
    room, up = body.place(style)
    capital = min(dice.uniform(20, 44) * height / 1080, 2 * room * half / 21)
    board, corners = lettering.plate(vin, style, capital, dice)
    play = max(0.0, room * half - board.shape[1] / lettering.FINE / 2)
    middle = (layer.shape[1] / 2 + play * dice.uniform(-0.9, 0.9), layer.shape[0] - up * half)
    return paint.fix(layer, board, corners, middle, float(np.clip(dice.normal(0, 2.5), -6, 6)), dice.uniform(0, 0.08))


def _lit(stage: Stage, layer: Pixels, dice: Generator, *, night: bool) -> tuple[Pixels, Pixels]:
    """The layer and the road in the light of the hour; at night a lamp over the gate is all there is."""
    if not night:
        gain = dice.uniform(0.72, 1.05)
        return _times(layer, gain, gain, gain, 1), _times(stage.road, gain, gain, gain)
    gain = dice.uniform(0.5, 0.75)
    road = _times(stage.road, 0.26, 0.22, 0.20)
    height, width = road.shape[:2]
    stage.shine(road, np.array((width * 0.55, height * 0.9), np.float32), 0.8 * height, (30, 48, 58))
    stage.shine(road, np.array((width * 0.93, height * 0.12), np.float32), 0.16 * height, (120, 170, 190))
    return _times(layer, gain * 0.9, gain * 0.98, gain, 1), road


def _times(pixels: Pixels, *gains: float) -> Pixels:
    return np.clip(pixels * np.array(gains, np.float32), 0, 255).astype(np.uint8)
