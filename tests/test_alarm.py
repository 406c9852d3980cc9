"""What is wrong with a camera's picture: named within a minute, and nothing on a normal day."""

import copy
import random
import time
from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import pytest

from agent import config
from agent.domain import AlarmName
from agent.vision.alarm import Alarms
from agent.vision.gate import View
from tests.yard import HOUR, SIZE, Floats, Thing, Yard, at, seen, vehicle

NOON, NIGHT = 13 * HOUR, 2 * HOUR
EVERY_S, KNOWN_S = 2.0, 600.0
Lens = Callable[[Floats], Floats]


def on(alarms: Alarms) -> set[AlarmName]:
    return {alarm.name for alarm in alarms.all if alarm.on}


class Watched:
    """A yard before a camera whose view is known, and the alarms that were on, with the seconds until the first of each."""

    def __init__(self, start_s: float = NOON, *, live: bool = True, settings: config.Alarm | None = None) -> None:
        self.yard, self.now_s = Yard(1), start_s
        self.alarms = Alarms(settings or config.Alarm(), config.Vision(), live=live)
        self.raised: dict[AlarmName, float] = {}

    def show(self, seconds: float, view: Callable[[float], View] | None = None, thing: Thing | None = None) -> set[AlarmName]:
        """So long a view, by default the yard's own; the alarms that are on afterwards."""
        began_s, self.raised = self.now_s, {}
        while self.now_s < began_s + seconds:
            self.alarms.look(view(self.now_s) if view else self.yard.view(self.now_s, thing), at(self.now_s))
            for name in on(self.alarms):
                self.raised.setdefault(name, self.now_s - began_s)
            self.now_s += EVERY_S
        return on(self.alarms)

    def through(self, lens: Lens, seconds: float = 60.0) -> set[AlarmName]:
        self.yard.lens = lens
        return self.show(seconds)

    def recovers(self) -> bool:
        """Within clear_s and two looks everything is as it was."""
        self.yard.lens, self.yard.lamp = lambda light: light, True
        return not self.show(config.Alarm().clear_s + 2 * EVERY_S)


@cache
def learnt(start_s: float, live: bool) -> Watched:
    camera = Watched(start_s, live=live)
    camera.show(KNOWN_S)
    assert not camera.raised
    return camera


def known(start_s: float = NOON, *, live: bool = True) -> Watched:
    """A camera that has looked at its yard for ten minutes."""
    return copy.deepcopy(learnt(start_s, live))


def blurred(sigma: float) -> Lens:
    """Out of focus by so many pixels of 1920 × 1080."""
    return lambda light: np.asarray(cv2.GaussianBlur(light, (0, 0), sigma / 4), np.float32)


def turned(degrees: float = 0.0, across: float = 0.0, down: float = 0.0) -> Lens:
    matrix = cv2.getRotationMatrix2D((SIZE[0] / 2, SIZE[1] / 2), degrees, 1.0)
    matrix[:, 2] += np.array((across * SIZE[0], down * SIZE[1]))
    return lambda light: np.asarray(cv2.warpAffine(light, matrix, SIZE, borderMode=cv2.BORDER_REFLECT), np.float32)


def behind(shade: float, share: float = 1.0) -> Lens:
    """Something over the lens, from the left: far too near to have edges."""

    def covered(light: Floats) -> Floats:
        light[:, : round(share * SIZE[0])] = shade
        return light

    return covered


FAULTS = [
    pytest.param("black", behind(1.0), id="black"),
    pytest.param("white", behind(255.0), id="white"),
    pytest.param("covered", behind(90.0), id="covered"),
    pytest.param("covered", behind(90.0, 0.9), id="most of it covered"),
    *(pytest.param("blurred", blurred(sigma), id=f"blurred by {sigma} px") for sigma in (4, 6, 10, 20)),
    *(pytest.param("moved", turned(degrees), id=f"turned by {degrees} degrees") for degrees in (5, 15, 45, 90, 180)),
    *(pytest.param("moved", turned(across=share), id=f"shifted by {share}") for share in (0.04, 0.1, 0.3)),
    pytest.param("moved", turned(down=-0.2), id="nodding"),
    pytest.param("moved", turned(8, 0.1, 0.05), id="turned and shifted"),
]


@pytest.mark.parametrize("start_s", [pytest.param(NOON, id="at noon"), pytest.param(NIGHT, id="at night")])
@pytest.mark.parametrize(("name", "lens"), FAULTS)
def test_a_fault_is_named_within_a_minute_and_is_over_when_it_is_over(name: AlarmName, lens: Lens, start_s: float) -> None:
    camera = known(start_s)

    assert camera.through(lens) == {name}
    assert camera.raised[name] <= 58
    alarm = next(each for each in camera.alarms.all if each.name == name)
    assert alarm.since_ms is not None
    assert 0 <= alarm.since_ms - (start_s + 600) * 1000 <= 4000, "since it began, not since it was noticed"
    assert camera.recovers()
    alarm = next(each for each in camera.alarms.all if each.name == name)
    assert not alarm.on
    assert alarm.since_ms is not None
    assert alarm.since_ms > (start_s + 660) * 1000


def test_a_lamp_that_fails_leaves_the_yard_dark() -> None:
    camera = known(NIGHT)
    camera.yard.lamp = False
    lights = np.where(np.arange(SIZE[0]) % 120 < 4, 90.0, 2.0).astype(np.float32) * np.ones((SIZE[1], 1), np.float32)

    assert camera.show(60, lambda _now: seen(camera.yard.noisy(lights))) == {"dark"}
    assert camera.recovers()


@pytest.mark.parametrize("shift", [0.004, 0.008])
def test_a_mast_that_sways_has_not_moved(shift: float) -> None:
    camera = known()

    camera.yard.lens = lambda light: turned(across=shift * np.sin(camera.now_s))(light)
    assert camera.show(600) == set()
    assert camera.raised == {}


def test_a_picture_without_any_noise_is_frozen_and_shows_it_at_once_when_it_goes_on() -> None:
    camera = known()
    still = camera.yard.view(camera.now_s)

    assert camera.show(58, lambda _now: still) == {"frozen"}
    assert camera.alarms.stuck
    camera.alarms.look(camera.yard.view(camera.now_s), at(camera.now_s - 1.9))
    assert not camera.alarms.stuck, "the very next frame is searched again"
    assert camera.recovers()


def test_a_camera_that_goes_on_writing_the_time_into_a_frozen_picture_is_frozen() -> None:
    camera = known()
    still = camera.yard.view(camera.now_s)

    def with_clock(now_s: float) -> View:
        small = still.small.copy()
        cv2.putText(small, f"{now_s:.0f}", (8, 12), cv2.FONT_HERSHEY_PLAIN, 0.8, 255.0, 1)
        return View(False, "still", still.brightness, 0.0, small, 4)

    assert camera.show(60, with_clock) == {"frozen"}


def test_a_rendered_scene_without_noise_is_not_frozen_however_long_it_stands() -> None:
    yard = Yard(1, noise=0.0)
    alarms = Alarms(config.Alarm(), config.Vision(), live=False)
    for number in range(1300):
        moves = 300 < number % 400 < 360
        thing = vehicle(number, 0.3 + 0.4 * (number % 10) / 10) if moves else None
        alarms.look(yard.view(NOON, thing), at(number * EVERY_S))
        assert on(alarms) == set()
        assert not alarms.stuck


def test_a_replay_that_has_shown_noise_and_stops_is_frozen() -> None:
    camera = known(live=False)
    still = camera.yard.view(camera.now_s)

    assert camera.show(60, lambda _now: still) == {"frozen"}


def test_a_camera_that_is_black_has_no_noise_and_is_black_not_frozen() -> None:
    camera = known()
    black = seen(np.zeros(SIZE[::-1], np.float32))

    assert camera.show(300, lambda _now: black) == {"black"}


def test_a_camera_that_starts_covered_is_told_from_the_start() -> None:
    camera = Watched()

    assert camera.through(behind(90.0)) == {"covered"}


@pytest.mark.parametrize("start_s", [pytest.param(NOON, id="at noon"), pytest.param(NIGHT, id="at night")])
@pytest.mark.parametrize("fills", [0.75, 0.85])
def test_a_lorry_that_stands_for_half_an_hour_before_most_of_the_view_is_no_alarm(fills: float, start_s: float) -> None:
    camera = known(start_s)

    camera.show(1800, thing=vehicle(7, fills))
    assert camera.raised == {}
    camera.show(300)
    assert camera.raised == {}


def test_a_wall_of_a_lorry_before_all_of_the_view_covers_it_until_it_leaves() -> None:
    """Nothing tells it from a bag over the lens; the view it hides is not forgotten."""
    camera = known()

    assert camera.show(1800, thing=vehicle(7, 1.0, plain=True)) == {"covered"}
    assert camera.recovers()


def test_a_view_that_is_quite_another_has_moved_after_longer_than_a_vehicle_hides_it() -> None:
    camera, away = Watched(settings=config.Alarm(lost_s=300)), vehicle(9, 1.0)
    camera.show(600)

    camera.show(290, thing=away)
    assert camera.raised == {}
    assert camera.show(80, thing=away) == {"moved"}
    assert camera.recovers()


def test_a_vehicle_that_stood_there_when_the_agent_was_started_may_leave() -> None:
    camera = Watched()

    camera.show(300, thing=vehicle(3, 1.0))
    camera.show(900)
    assert camera.raised == {}
    assert camera.through(turned(15)) == {"moved"}, "and what it hid is known"


def test_a_moved_camera_is_taken_as_aimed_anew_when_the_new_view_has_stood_as_long_as_the_old() -> None:
    camera = known()
    began_s = camera.now_s

    camera.through(turned(15), 500)
    assert on(camera.alarms) == {"moved"}
    assert camera.through(turned(15), 400) == set()
    assert camera.through(turned(15), 300) == set(), "the new view is the normal one"
    camera.yard.lens = lambda light: light
    assert camera.show(60) == {"moved"}
    assert camera.now_s - began_s < 0.4 * HOUR


def test_alarms_that_are_not_wanted_are_never_on() -> None:
    camera = Watched(settings=config.Alarm(off=("moved", "black")))
    camera.show(300)

    assert camera.through(turned(20)) == set()
    assert camera.through(behind(0.0)) == set()


def test_a_gap_between_frames_is_not_taken_for_a_fault_that_lasted() -> None:
    camera = known()
    black = seen(np.zeros(SIZE[::-1], np.float32))

    camera.show(4, lambda _now: black)
    camera.now_s += 600
    assert camera.show(4, lambda _now: black) == set()


@pytest.mark.parametrize("shape", [(1, 250), (48, 64), (480, 480)])
def test_a_camera_of_another_shape_is_looked_at_too(shape: tuple[int, int]) -> None:
    dice, alarms = np.random.default_rng(1), Alarms(config.Alarm(), config.Vision(), live=True)
    for number in range(200):
        small = dice.integers(80, 120, shape, np.uint8)
        alarms.look(View(False, "still", 100.0, 0.0, small, 1), at(number * EVERY_S))
    black = np.zeros(shape, np.uint8)
    for number in range(200, 240):
        alarms.look(View(False, "dark", 0.0, 0.0, black, 1), at(number * EVERY_S))
    assert "black" in on(alarms)


def test_a_normal_day_raises_nothing() -> None:
    """Sun and clouds, a shadow that wanders, lamp and headlights, steps of the exposure, and vehicles, some of which stay half an hour."""
    yard, dice = Yard(0), random.Random(0)
    alarms = Alarms(config.Alarm(), config.Vision(), live=True)
    thing, until_s, comes_s, visits = vehicle(0), 0.0, 200.0, 0
    spent = time.process_time()
    for now_s in np.arange(0, 24 * HOUR, 30.0).tolist():
        if now_s >= comes_s:
            visits += 1
            thing, until_s = vehicle(visits, dice.uniform(0.3, 0.8)), now_s + dice.choice([5, 20, 60, 120, 600, 1800])
            comes_s = until_s + dice.expovariate(1 / 400)
        gain = 1.35 if int(now_s / 1777) % 3 == 0 else 1.0
        alarms.look(yard.view(now_s, thing if now_s < until_s else None, gain=gain), at(now_s))
        assert on(alarms) == set(), f"{on(alarms)} at {now_s / HOUR:.2f} h with {visits} vehicles"
    print(f"a normal day: {visits} vehicles, no alarm, {time.process_time() - spent:.1f} s of processor time")
    assert visits > 40
