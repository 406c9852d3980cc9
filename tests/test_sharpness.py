"""Sharpness ranks pictures of one plate; glare says how much of it is gone."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from agent.domain import Pixels
from agent.vision.sharpness import glare, sharpness


def plate(text_px: int = 40) -> Pixels:
    """A tight crop of a dark plate with light characters."""
    canvas = np.full((60, 760, 3), 40, np.uint8)
    cv2.putText(canvas, "WVWZZZ1JZ3W386752", (8, 46), cv2.FONT_HERSHEY_SIMPLEX, 1.4, (215, 215, 215), 4, cv2.LINE_AA)
    tight = canvas[10:52]
    return np.asarray(cv2.resize(tight, None, fx=text_px / 42, fy=text_px / 42, interpolation=cv2.INTER_AREA), np.uint8)


def noisy(pixels: Pixels, sigma: float) -> Pixels:
    noise = np.random.default_rng(1).normal(0, sigma, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


def smeared(pixels: Pixels, length: int) -> Pixels:
    return np.asarray(cv2.blur(pixels, (length, 1)), np.uint8)


@pytest.mark.parametrize("worse", [lambda each: blurred(each, 3), lambda each: smeared(each, 9)], ids=["out of focus", "moving"])
def test_a_sharp_plate_ranks_before_a_blurred_one(worse: Callable[[Pixels], Pixels]) -> None:
    assert sharpness(plate()) > 1.2 * sharpness(worse(plate()))


def test_more_blur_ranks_lower_step_by_step() -> None:
    ranks = [sharpness(blurred(plate(), sigma)) for sigma in (0.5, 1.5, 3, 5)]

    assert ranks == sorted(ranks, reverse=True)


def test_noise_does_not_make_a_blurred_plate_look_sharp() -> None:
    assert sharpness(noisy(blurred(plate(), 3), 12)) < sharpness(plate())
    assert sharpness(noisy(blurred(plate(), 3), 25)) < sharpness(blurred(plate(), 1))


def test_dim_light_does_not_make_a_plate_look_blurred() -> None:
    dim = (plate() * 0.5).astype(np.uint8)

    assert sharpness(dim) == pytest.approx(sharpness(plate()), rel=0.1)


def test_a_spot_of_glare_does_not_make_a_plate_look_sharper() -> None:
    flared = plate()
    cv2.circle(flared, (200, 20), 60, (255, 255, 255), -1)

    assert sharpness(flared) <= 1.05 * sharpness(plate())


def test_a_plate_twice_as_near_is_as_sharp() -> None:
    assert sharpness(plate(80)) == pytest.approx(sharpness(plate(40)), rel=0.25)


def test_grey_and_colour_of_one_plate_rank_alike() -> None:
    grey = np.asarray(cv2.cvtColor(plate(), cv2.COLOR_BGR2GRAY), np.uint8)

    assert sharpness(grey) == pytest.approx(sharpness(plate()), rel=1e-6)


def test_the_smallest_crop_there_can_be_has_a_sharpness() -> None:
    assert sharpness(np.zeros((1, 1), np.uint8)) == 0


def test_glare_is_the_share_of_the_plate_that_is_blown_out() -> None:
    half = plate()
    half[:, : half.shape[1] // 2] = 255

    assert glare(plate()) == 0
    assert glare(half) == pytest.approx(0.5, abs=0.01)
    assert glare(half[:, :, 0]) == pytest.approx(0.5, abs=0.01)


def test_a_coloured_light_that_leaves_detail_is_no_glare() -> None:
    yellow = np.full((20, 100, 3), (60, 255, 255), np.uint8)

    assert glare(yellow) == 0
