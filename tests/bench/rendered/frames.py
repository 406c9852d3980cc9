"""The frames of a planned pass, eight a second, with what is true of each: where the VIN is, and whether a careful eye could read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from agent.camera import lettering, paint
from agent.camera.lettering import FINE, Points
from agent.camera.scene import COLOURS, Scene, Stage
from agent.domain import Pixels
from tests.bench.rendered import boards, legible
from tests.bench.rendered.legible import Seen
from tests.bench.rendered.plan import Board, Glare, Plan, Vehicle
from tests.bench.rendered.ride import Ride

FPS = 8.0
_FOCUS = 6.0  # text widths from the eye to the plate: what a turned plate's perspective is drawn with
_ROADS = (0.26, 0.22, 0.20)  # of the road's light that is left at night


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame, BGR, and of each vehicle the corners of its text (4, 2), None unless all are inside, and whether it is legible."""

    seconds: float
    pixels: Pixels
    plates: tuple[Points | None, ...]
    legible: tuple[bool, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Body:
    """One vehicle, drawn once and then only moved."""

    layer: Pixels
    corner: tuple[float, float]
    text: Points
    lamps: Points
    ride: Ride
    contrast: tuple[float, float]  # grey levels of the ground and of the ink in this light


def shots(plan: Plan) -> Iterator[Shot]:
    stage = Stage.built(Scene(plan.seed * 1_000_003 + plan.number, 1, *plan.size, fps=FPS))
    bodies = [_body(plan, vehicle, plan.dice(20 + index)) for index, vehicle in enumerate(plan.vehicles)]
    road, dice, drops = _road(plan, stage), plan.dice(3), _drops(plan)
    for count in range(round(plan.lasts_s * FPS)):
        seconds = count / FPS
        frame = road.copy()
        # Who comes later is farther away, and behind.
        seen = [_drawn(plan, stage, frame, body, seconds) for body in reversed(bodies)][::-1]
        for layers in range(max(0, plan.light.rain - 1)):
            frame = stage.sensed(frame, 0.5, dice, rain=layers >= 0)
        frame = stage.sensed(frame, plan.light.noise, dice, rain=plan.light.rain > 0)
        for x, y, radius in drops:
            part = frame[y : y + radius, x : x + radius]
            part[:] = cv2.GaussianBlur(part, (0, 0), radius / 6)
        whole = [each is not None and legible.inside(each.text, plan.size) for each in seen]
        plates = tuple(each.text if each and fits else None for each, fits in zip(seen, whole, strict=True))
        readable = tuple(fits and legible.by_eye(cast("Seen", each)) for each, fits in zip(seen, whole, strict=True))
        yield Shot(seconds, frame, plates, readable)


def _road(plan: Plan, stage: Stage) -> Pixels:
    road, dice = stage.road.copy(), plan.dice(4)
    width, height = plan.size
    if plan.sign:
        words = lettering.text(plan.sign, float(dice.uniform(16, 26)))
        left, top = round(width * dice.uniform(0.02, 0.08)), round(height * dice.uniform(0.44, 0.6))
        road[top : top + 3 * words.shape[0], left : left + words.shape[1] + 40] = dice.choice([(40, 36, 34), (40, 90, 160), (110, 66, 30)])
        lettering.tint(road, words, left + 20, top + words.shape[0], (228, 230, 230))
    if not plan.light.night:
        return _times(road, *(plan.light.gain * dice.uniform(0.9, 1.05, 3)))
    road = _times(road, *_ROADS)
    stage.shine(road, np.array((width * 0.55, height * 0.9), np.float32), 0.8 * height, (30, 48, 58))
    stage.shine(road, np.array((width * 0.93, height * 0.12), np.float32), 0.16 * height, (120, 170, 190))
    return road


def _times(pixels: Pixels, *gains: float) -> Pixels:
    return np.clip(pixels * np.array(gains, np.float32), 0, 255).astype(np.uint8)


def _drops(plan: Plan) -> list[tuple[int, int, int]]:
    """Water on the lens, in the same places over the whole pass: left, top and size."""
    dice, (width, height) = plan.dice(5), plan.size
    sizes = dice.uniform(0.015, 0.05, plan.light.drops) * height
    return [(int(dice.uniform(0, width - size)), int(dice.uniform(0, height - size)), int(size)) for size in sizes]


def _body(plan: Plan, vehicle: Vehicle, dice: Generator) -> _Body:
    (width, height), light = plan.size, plan.light
    body = paint.BODIES[int(dice.integers(len(paint.BODIES)))]
    half = round(min(height * dice.uniform(0.92, 1.0) / body.height, width * 0.38))
    sign = "".join(dice.choice(list("ABCDEFGHKLMNPRSTUVWXYZ"), 2)) + " " + "".join(dice.choice(list("0123456789"), 4))
    colour = COLOURS[int(dice.integers(len(COLOURS)))]
    layer = paint.vehicle(body, half, colour, sign, dice, night=light.night)
    board, corners = _board(vehicle.board, dice)
    room, up = body.place(vehicle.board.style)
    play = max(0.0, room * half - board.shape[1] / FINE / 2)
    middle = np.array((layer.shape[1] / 2 + play * dice.uniform(-0.9, 0.9), layer.shape[0] - up * half))
    text = paint.onto(layer, board, corners, _turned(board, vehicle.board.turn, middle))
    warm = (light.gain * 0.9, light.gain * 0.98, light.gain, 1) if light.night else (*(light.gain * dice.uniform(0.95, 1.02, 3)), 1)
    layer = np.asarray(cv2.GaussianBlur(_times(layer, *warm), (0, 0), light.soft), np.uint8)
    corner = (width * dice.uniform(0.46, 0.54) - layer.shape[1] / 2, height * dice.uniform(0.99, 1.03) - layer.shape[0])
    lamps = np.array([(layer.shape[1] / 2 + side * 0.85 * half, layer.shape[0] - 0.68 * half) for side in (-1, 1)], np.float32)
    ground, ink = legible.LEVELS[vehicle.board.style]
    return _Body(layer, corner, text, lamps, vehicle.ride, (ground * light.gain, ink * light.gain))


def _board(board: Board, dice: Generator) -> tuple[Pixels, Points]:
    line = boards.ink(board.vin, board.capital * FINE, board.face, board.stretch, board.gap)
    return boards.label(line, board.capital, dice) if board.among_lines else boards.plate(board.vin, board.style, board.capital, dice, line)


def _turned(board: Pixels, turn: tuple[float, float, float], middle: npt.NDArray[np.float64]) -> Points:
    """The corners of a board that is turned in space by roll, yaw and pitch in degrees, seen from a few of its widths away."""
    width, height = board.shape[1] / FINE, board.shape[0] / FINE
    roll, yaw, pitch = np.radians(turn)
    flat = np.array([(-width, -height, 0), (width, -height, 0), (width, height, 0), (-width, height, 0)]) / 2
    about_y = np.array([(np.cos(yaw), 0, np.sin(yaw)), (0, 1, 0), (-np.sin(yaw), 0, np.cos(yaw))])
    about_x = np.array([(1, 0, 0), (0, np.cos(pitch), -np.sin(pitch)), (0, np.sin(pitch), np.cos(pitch))])
    about_z = np.array([(np.cos(roll), -np.sin(roll), 0), (np.sin(roll), np.cos(roll), 0), (0, 0, 1)])
    x, y, z = about_z @ about_x @ about_y @ flat.T
    far = 1 + z / (_FOCUS * width)
    return np.asarray(np.stack([x / far, y / far], axis=1) + middle, np.float32)


def _drawn(plan: Plan, stage: Stage, frame: Pixels, body: _Body, seconds: float) -> Seen | None:
    """Put the vehicle into the frame as it is at this time; what there is to see of its plate."""
    where = body.ride.where(seconds, plan.size, body.corner)
    if where is None:
        return None
    text, blur = _moved(body.text, where), _blur(plan, body, seconds)
    _lay(frame, body.layer, where, blur)
    if plan.light.night:
        for lamp in _moved(body.lamps, where):
            stage.shine(frame, lamp, 0.14 * where[0, 0] * frame.shape[0], (150, 165, 170))
    lit = np.zeros(legible.POINTS)
    if plan.light.glare:
        lit = _shone(plan.light.glare, stage, frame, text, body.ride, seconds)
    return Seen(text, blur, body.contrast, lit, plan.light.noise)


def _moved(points: Points, where: npt.NDArray[np.float64]) -> Points:
    return (points @ where[:, :2].T + where[:, 2]).astype(np.float32)


def _blur(plan: Plan, body: _Body, seconds: float) -> tuple[float, float]:
    """Pixels that the text moves across and down while the shutter is open."""
    ends = [body.ride.where(seconds + step, plan.size, body.corner) for step in (0.0, -0.01)]
    if ends[0] is None or ends[1] is None:
        return 0.0, 0.0
    moved = _moved(body.text, ends[0]).mean(0) - _moved(body.text, ends[1]).mean(0)
    across, down = np.abs(moved) * plan.light.exposure_s / 0.01
    return float(across), float(down)


def _lay(frame: Pixels, layer: Pixels, where: npt.NDArray[np.float64], blur: tuple[float, float]) -> None:
    """Only the part of the frame that the vehicle covers is worked on."""
    (rows, columns), near = layer.shape[:2], where[0, 0]
    left, top = max(0, int(where[0, 2]) - 4), max(0, int(where[1, 2]) - 4)
    part = frame[top : max(0, int(where[1, 2] + near * rows) + 4), left : max(0, int(where[0, 2] + near * columns) + 4)]
    if not part.size:
        return
    there = where.copy()
    there[:, 2] -= (left, top)
    moved = cv2.warpAffine(layer, there, (part.shape[1], part.shape[0]), flags=cv2.INTER_LINEAR)
    length = min(60, 1 + round(blur[0])), min(60, 1 + round(blur[1]))
    if max(length) > 1:
        moved = cv2.blur(moved, length) if min(length) == 1 else cv2.filter2D(moved, -1, _streak(*length))
    paint.over(part, np.asarray(moved, np.uint8))


def _streak(across: int, down: int) -> npt.NDArray[np.float32]:
    """What a point becomes that moves so far while the shutter is open."""
    streak = np.zeros((down, across), np.float32)
    cv2.line(streak, (0, 0), (across - 1, down - 1), (1.0,), 1)
    return np.asarray(streak / streak.sum(), np.float32)


def _shone(glare: Glare, stage: Stage, frame: Pixels, text: Points, ride: Ride, seconds: float) -> npt.NDArray[np.float64]:
    """Lay the highlight over the plate; the grey levels it adds along the line."""
    wide = float(np.linalg.norm(text[1] - text[0]))
    along = (text[1] - text[0]) / max(wide, 1.0)
    past = seconds - ride.stops_s
    at = glare.at_stop + past * (glare.rolling if past < 0 else glare.standing)
    centre = text.mean(0) + np.array((along * at + np.array((0, glare.above))) * wide, np.float32)
    stage.shine(frame, centre, glare.radius * wide, (glare.strength,) * 3)
    points = text[[0, 3]].mean(0) + np.linspace(0, 1, legible.POINTS)[:, None] * (text[1] - text[0])
    off = (points - centre) / max(glare.radius * wide, 1.0) * 2.4
    return np.asarray(glare.strength * np.exp(-(off**2).sum(axis=1)), np.float64)
