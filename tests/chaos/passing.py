"""R23: a vehicle that stands for half an hour, five in a minute, two plates in view at once: one event each, and no call too many."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from agent import config
from agent.camera.scene import Scene
from agent.domain import Pixels
from agent.ocr.embedded import Embedded
from tests.bench.rendered.frames import Shot, shots
from tests.bench.rendered.plan import plan, vehicles_in
from tests.bench.rendered.told import Agent, Told, agent, captured
from tests.chaos.row import Row

SEED, FPS = 3, 8.0
STANDS_S, SHORT_S = 1800, 50
PERIOD_S = 40  # of somebody who walks past the vehicle that stands, and hides it for two seconds
SETTINGS = config.Settings()


def standing(seconds: int) -> Iterator[Shot]:
    """One that drives up, stands for so long, looked at once a second, and drives off."""
    views = list(Scene(SEED, 1, fps=FPS))
    first = next(number for number, view in enumerate(views) if view.stands)
    last = max(number for number, view in enumerate(views) if view.stands)
    for number, view in enumerate(views[: first + 1]):
        yield _shot(number / FPS, view.pixels)
    at_s = first / FPS
    for second in range(seconds):
        shown = views[first + second % (last - first + 1)].pixels
        yield _shot(at_s + second, _hidden(shown) if second % PERIOD_S >= PERIOD_S - 2 else shown)
    for number, view in enumerate(views[last + 1 :]):
        yield _shot(at_s + seconds + number / FPS, view.pixels)


def _hidden(pixels: Pixels) -> Pixels:
    hidden = pixels.copy()
    width = pixels.shape[1]
    hidden[:, width // 4 : 3 * width // 4] = np.uint8(70)
    return hidden


def driving(vehicles: int) -> Iterator[Shot]:
    """One after the other, about three seconds each."""
    for number, view in enumerate(Scene(SEED + 1, vehicles, fps=FPS)):
        yield _shot(number / FPS, view.pixels)


def queues(passes: int) -> list[int]:
    """Numbers of rendered passes in which a second vehicle stands behind the first, its plate in view beside it."""
    return [number for number, _ in zip((each for each in count() if vehicles_in(each) == 2), range(passes), strict=False)]


def _shot(seconds: float, pixels: Pixels) -> Shot:
    return Shot(seconds, pixels, (), ())


def told(by: Agent, frames: Iterator[Shot]) -> list[Told]:
    return by.told(captured(frames, by.settings.vision, by.bounds))


def vins(events: Sequence[Told]) -> list[str]:
    return sorted(each.data.get("vin", each.data.get("reason", "")) for each in events)


def fault(folder: Path, full: bool) -> Row:
    seconds, few, pairs = (STANDS_S, 5, 5) if full else (SHORT_S, 2, 1)
    with agent(folder, Embedded(SETTINGS), SETTINGS) as by:
        one = told(by, standing(seconds))
        several = told(by, driving(few))
        beside = [(plan(1, number), told(by, shots(plan(1, number)))) for number in queues(pairs)]
    cap = SETTINGS.reading.calls_per_vehicle
    wrong = []
    if vins(one) != list(Scene(SEED, 1).truth) or one[0].calls > cap:
        wrong.append(f"the one that stood: {vins(one)}, {[each.calls for each in one]} calls")
    if vins(several) != sorted(Scene(SEED + 1, few).truth):
        wrong.append(f"one after the other: {vins(several)}")
    wrong += [f"two in view, pass {each.number}: {vins(events)}" for each, events in beside if len(events) != len(each.vehicles)]
    calls = sum(each.calls for each in (*one, *several, *(event for _, events in beside for event in events)))
    expected = 1 + few + 2 * pairs
    found = len(one) + len(several) + sum(len(events) for _, events in beside)
    return Row(
        fault=f"a vehicle stands for {seconds} s, {few} come within a minute, two plates are in view at once",
        times=f"{expected} vehicles",
        lost=max(0, expected - found),
        twice=0,
        ok=not wrong,
        note="; ".join(wrong) or f"{found} events, {one[0].calls} call for the one that stood, {calls / found:.1f} for each",
    )
