"""R22: a picture goes black, white, dark, frozen, blurred or askew: named within a minute, never paid for, and silence on a normal day."""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from agent import config
from agent.bounds import Bounds
from agent.camera.scene import Scene
from agent.domain import AlarmName, Frame, Pixels
from agent.outgoing import Outgoing
from agent.vision.alarm import Alarms
from agent.watch import Watch
from agent.wire import Captured, FromChild, FromParent, Job
from tests.bench.rendered.told import stamp
from tests.chaos.row import Row
from tests.yard import HOUR, SIZE, Floats, Yard, at, vehicle

LOOK_S, KNOWN_S, NAMED_S = 2.0, 600.0, 60.0
DIM = 4  # a picture as dark as this counts as black, and its plates could be found all the same
NOON, NIGHT = 13 * HOUR, 2 * HOUR
Lens = Callable[[Floats], Floats]


def _blurred(pixels: float) -> Lens:
    """Out of focus by so many pixels of 1920 × 1080."""
    return lambda light: np.asarray(cv2.GaussianBlur(light, (0, 0), pixels / 4), np.float32)


def _turned(degrees: float, across: float = 0.0) -> Lens:
    matrix = cv2.getRotationMatrix2D((SIZE[0] / 2, SIZE[1] / 2), degrees, 1.0)
    matrix[0, 2] += across * SIZE[0]
    return lambda light: np.asarray(cv2.warpAffine(light, matrix, SIZE, borderMode=cv2.BORDER_REFLECT), np.float32)


def _flat(shade: float) -> Lens:
    return lambda light: np.full_like(light, shade)


FAULTS: tuple[tuple[AlarmName, Lens], ...] = (
    ("black", _flat(1.0)), ("white", _flat(255.0)), ("covered", _flat(90.0)),
    *(("blurred", _blurred(step)) for step in (4, 6, 10, 20)),
    *(("moved", _turned(degrees)) for degrees in (5, 15, 45, 90, 180)),
    *(("moved", _turned(0, share)) for share in (0.04, 0.1, 0.3)),
)  # fmt: skip


@dataclass(slots=True)
class Looked:
    """A yard, the alarms over it, and the time."""

    yard: Yard
    alarms: Alarms
    now_s: float

    @classmethod
    def known(cls, start_s: float) -> "Looked":
        made = cls(Yard(1), Alarms(config.Alarm(), config.Vision(), live=True), start_s)
        made.named({"nothing"}, KNOWN_S)
        return made

    def named(self, wanted: set[str], seconds: float, *, frozen: bool = False) -> float | None:
        """Seconds until just these alarms are on; None where they are not, or others are."""
        began_s, still = self.now_s, self.yard.view(self.now_s)
        while self.now_s < began_s + seconds:
            self.alarms.look(still if frozen else self.yard.view(self.now_s), at(self.now_s))
            if {alarm.name for alarm in self.alarms.all if alarm.on} == wanted:
                return self.now_s - began_s
            self.now_s += LOOK_S
        return None


def faults() -> dict[str, float | None]:
    """By day and by night each fault, over a view that is known → seconds until it was named, and nothing else."""
    found: dict[str, float | None] = {}
    for start_s, when in ((NOON, "day"), (NIGHT, "night")):
        known = Looked.known(start_s)
        for number, (name, lens) in enumerate(FAULTS):
            spoilt = copy.deepcopy(known)
            spoilt.yard.lens = lens
            found[f"{name} by {when} ({number})"] = spoilt.named({name}, NAMED_S)
        found[f"frozen by {when}"] = copy.deepcopy(known).named({"frozen"}, NAMED_S, frozen=True)
    lamp = Looked.known(NIGHT)
    lamp.yard.lamp = False
    lamp.yard.lens = lambda light: np.asarray(light + np.where(np.arange(SIZE[0]) % 120 < 4, 90.0, 2.0), np.float32)
    return {**found, "the lamp is out": lamp.named({"dark"}, NAMED_S)}


def day(hours: float, every_s: float) -> tuple[int, set[str]]:
    """Sun, clouds, lamp, shadows, steps of the exposure and vehicles: how many came, and the alarms that were raised."""
    yard, dice, raised = Yard(0), random.Random(0), set[str]()
    alarms = Alarms(config.Alarm(), config.Vision(), live=True)
    thing, until_s, comes_s, visits = vehicle(0), 0.0, 200.0, 0
    for now_s in np.arange(0, hours * HOUR, every_s).tolist():
        if now_s >= comes_s:
            visits += 1
            thing, until_s = vehicle(visits, dice.uniform(0.3, 0.8)), now_s + dice.choice([5, 20, 60, 120, 600, 1800])
            comes_s = until_s + dice.expovariate(1 / 400)
        gain = 1.35 if int(now_s / 1777) % 3 == 0 else 1.0
        alarms.look(yard.view(now_s, thing if now_s < until_s else None, gain=gain), at(now_s))
        raised |= {alarm.name for alarm in alarms.all if alarm.on}
    return visits, raised


@dataclass(slots=True)
class _Pipe:
    captures: int = 0

    def send(self, word: FromChild) -> None:
        self.captures += isinstance(word, Captured)


def paid(spoilt: Callable[[int, Pixels], Pixels], frames: int) -> int:
    """Vehicles that a camera hands over to be read, where one after the other comes and the picture is spoilt."""
    pipe = _Pipe()
    job = Job(config.Camera(driver="opencv", source="0"), config.Vision(), Bounds(), "info")
    watch = Watch(job, Outgoing(cast("Connection[FromChild, FromParent]", pipe)))
    views = [view.pixels for view in Scene(3, 1, 960, 540)]
    for number in range(frames):
        watch.look(Frame(spoilt(number, views[number % len(views)]), stamp(number * 0.5)))
    watch.finish()
    return pipe.captures


def fault(_folder: Path, full: bool) -> Row:
    named = faults()
    visits, raised = day(24.0, 10.0 if full else 60.0)
    frames = 600 if full else 60
    black = paid(lambda _number, seen: seen // np.uint8(DIM), frames)
    shown = next(view.pixels for view in Scene(3, 1, 960, 540) if view.stands)
    # The plate in a picture that has just frozen is a vehicle that stands there, until a minute has shown otherwise: told once, as any.
    again = max(0, paid(lambda _number, _seen: shown, 4 * frames) - 1)
    slow = [name for name, seconds in named.items() if seconds is None]
    worst = max((seconds for seconds in named.values() if seconds is not None), default=0.0)
    return Row(
        fault="pictures black, white, covered, frozen, blurred, turned, shifted, and a lamp that is out",
        times=f"{len(named)} faults",
        lost=0,
        worst_s=None,
        ok=not slow and not raised and not black and not again and visits > 20,
        note=f"named within {worst:.0f} s; {black} vehicles read while it is black, {again} more of a picture that is frozen; "
        f"a day with {visits} vehicles: {len(raised)} false alarms" + (f"; not named: {', '.join(slow)}" if slow else ""),
    )
