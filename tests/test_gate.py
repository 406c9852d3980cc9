"""The gate: which frames are worth a search."""

import cv2
import numpy as np
import pytest

from agent.config import Vision
from agent.domain import Frame, Pixels, Stamp, Unmade
from agent.vision.gate import Gate, View, shrink

SHAPES = [pytest.param((540, 960, 3), id="colour"), pytest.param((540, 960), id="grey"), pytest.param((240, 320, 3), id="small")]


def scene(shape: tuple[int, ...] = (540, 960, 3), light: int = 90, noise: float = 4.0, seed: int = 0) -> Pixels:
    """A yard in even light with a darker gate post, as a noisy sensor sees it."""
    pixels = np.full(shape, light, np.float32)
    pixels[:, shape[1] // 3 : shape[1] // 3 + 20] -= 40
    pixels += np.random.default_rng(seed).normal(0, noise, shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def with_vehicle(pixels: Pixels, x: int, light: int = 180) -> Pixels:
    moved = pixels.copy()
    height = pixels.shape[0]
    moved[height // 4 : height // 2, x : x + height // 4] = light
    return moved


def frame(pixels: Pixels, at_s: float) -> Frame:
    return Frame(pixels, Stamp(0, round(at_s * 1000), "boot", "synced"))


def settled(pixels: Pixels, until_s: float = 10.0) -> Gate:
    """A gate that has looked at the same scene for so long that it has shut."""
    gate = Gate(Vision())
    for moment in np.arange(0, until_s + 0.01, 0.5):
        gate.look(frame(pixels, float(moment)))
    return gate


@pytest.mark.parametrize("shape", SHAPES)
def test_a_still_yard_is_not_searched(shape: tuple[int, ...]) -> None:
    gate = settled(scene(shape))

    view = gate.look(frame(scene(shape, seed=1), 10.5))

    assert not view.open
    assert view.why == "still"


@pytest.mark.parametrize("shape", SHAPES)
def test_a_vehicle_opens_the_gate_with_its_first_frame(shape: tuple[int, ...]) -> None:
    gate = settled(scene(shape))

    view = gate.look(frame(with_vehicle(scene(shape, seed=1), 30), 10.5))

    assert view.open
    assert view.why == ""


def test_the_first_frame_after_a_start_is_searched_because_a_vehicle_may_stand_there() -> None:
    assert Gate(Vision()).look(frame(scene(), 5.0)).open


def test_the_gate_stays_open_for_a_while_after_the_last_motion() -> None:
    gate = settled(scene())
    arrived = with_vehicle(scene(), 30)
    gate.look(frame(arrived, 10.5))

    assert gate.look(frame(arrived, 10.5 + Vision().awake_s - 0.1)).open
    assert not gate.look(frame(arrived, 10.5 + Vision().awake_s + 0.1)).open


def test_a_vehicle_that_creeps_slower_than_any_two_frames_show_still_opens_the_gate() -> None:
    gate = settled(with_vehicle(scene(noise=0), 30))

    views = [gate.look(frame(with_vehicle(scene(noise=0), 30 + step // 3), 10.0 + step / 8)) for step in range(1, 30)]

    assert any(view.open for view in views)


def test_noise_of_a_night_sensor_does_not_open_the_gate() -> None:
    gate = settled(scene(noise=10))

    views = [gate.look(frame(scene(noise=10, seed=seed), 10.5 + seed / 8)) for seed in range(1, 9)]

    assert not any(view.open for view in views)


@pytest.mark.parametrize(("light", "why"), [(5, "dark"), (254, "bright")])
def test_a_picture_without_light_or_drowned_in_it_is_not_searched(light: int, why: str) -> None:
    gate = Gate(Vision())

    view = gate.look(frame(np.full((540, 960, 3), light, np.uint8), 0.0))

    assert (view.open, view.why) == (False, why)
    assert view.brightness == pytest.approx(light, abs=1)


def test_a_pass_under_way_keeps_the_gate_open_over_a_still_scene() -> None:
    gate = settled(scene())

    view = gate.look(frame(scene(), 10.5), busy=True)

    assert view.open
    assert view.why == "still"


def test_motion_outside_the_mask_does_not_open_the_gate() -> None:
    mask = np.zeros((54, 96), np.uint8)
    mask[:, 60:] = 255
    gate = Gate(Vision(), mask)
    gate.look(frame(scene(), 0.0))

    assert gate.look(frame(with_vehicle(scene(), 100), 10.0)).why == "still"
    assert gate.look(frame(with_vehicle(scene(), 700), 10.5)).open


def test_a_camera_that_changes_its_size_is_looked_at_afresh() -> None:
    gate = settled(scene())

    assert gate.look(frame(scene((1080, 1920, 3)), 10.5)).open


def test_the_view_carries_the_shrunken_grey_picture_for_others_to_use() -> None:
    pixels = scene((1080, 1920, 3))

    view = Gate(Vision()).look(frame(pixels, 0.0))

    assert view.small.shape == (1080 // view.shrunk, 1920 // view.shrunk)
    assert abs(float(view.small.mean()) - float(pixels.mean())) < 1


def test_a_strip_of_a_picture_shrinks_to_something() -> None:
    assert shrink(np.zeros((2, 1000), np.uint8), 4).shape == (1, 250)


def never() -> Pixels:
    raise AssertionError("the picture was asked for")


@pytest.mark.parametrize("size", [(480, 270), (640, 360), (1920, 1080)])
def test_a_small_grey_picture_is_enough_for_the_gate(size: tuple[int, int]) -> None:
    gate = Gate(Vision())

    def look(pixels: Pixels, at_s: float) -> View:
        grey = np.asarray(cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), size, interpolation=cv2.INTER_AREA), np.uint8)
        return gate.look(Frame(Unmade(1920, 1080, never), Stamp(0, round(at_s * 1000), "boot", "synced"), grey=grey))

    yard = scene((1080, 1920, 3))
    shut = [look(yard, moment / 2) for moment in range(21)][-1]
    came = look(with_vehicle(yard, 300), 10.5)

    assert (shut.why, shut.small.shape, shut.shrunk) == ("still", (270, 480), 4)
    assert came.open
    assert came.brightness == pytest.approx(float(with_vehicle(yard, 300).mean()), abs=1)


def test_a_camera_without_a_grey_picture_is_asked_for_its_colours_once() -> None:
    asked: list[Pixels] = []

    def make() -> Pixels:
        asked.append(scene())
        return asked[-1]

    Gate(Vision()).look(Frame(Unmade(960, 540, make), Stamp(0, 0, "boot", "synced")))

    assert len(asked) == 1
