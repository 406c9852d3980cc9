"""Fitting a picture into a provider's bounds: what comes back meets them, or says which one could not be met."""

import re

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.bounds import Bounds
from agent.domain import Box, Pixels
from agent.errors import Rejected
from agent.vision.encode import Fitted, fit

SIDES = st.one_of(st.integers(1, 60), st.integers(1, 700), st.sampled_from([1, 14, 15, 16, 1500, 4096, 4097, 5000]))


def picture(width: int, height: int, colour: bool, seed: int = 0) -> Pixels:
    """Noise over a gradient: neither the easiest nor the hardest thing to compress."""
    shape = (height, width, 3) if colour else (height, width)
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3) if colour else (8, 8), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_NEAREST), np.uint8)


def noise(width: int, height: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def line_in(pixels: Pixels, text_px: float) -> Box:
    height, width = pixels.shape[:2]
    return Box(width * 0.1, (height - min(text_px, height)) / 2, width * 0.8, min(text_px, height))


def assert_meets(fitted: Fitted, bounds: Bounds) -> None:
    decoded = cv2.imdecode(np.frombuffer(fitted.jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    assert decoded.shape[1::-1] == (fitted.width, fitted.height)
    assert bounds.min_side <= min(fitted.width, fitted.height)
    assert max(fitted.width, fitted.height) <= bounds.max_side
    counted = len(fitted.jpeg) if bounds.counted == "raw" else -(-len(fitted.jpeg) // 3) * 4
    assert counted <= bounds.max_bytes
    assert fitted.line.x >= 0
    assert fitted.line.y >= 0
    assert fitted.line.x + fitted.line.width <= fitted.width + 0.01
    assert fitted.line.y + fitted.line.height <= fitted.height + 0.01


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    width=SIDES,
    height=SIDES,
    colour=st.booleans(),
    text_px=st.floats(1, 120),
    min_side=st.integers(1, 64),
    max_side=st.integers(1, 4096),
    max_bytes=st.one_of(st.integers(1, 20_000), st.just(7_000_000)),
    counted=st.sampled_from(["raw", "base64"]),
)
def test_a_fitted_picture_always_meets_the_bounds_or_the_refusal_names_one(
    width: int, height: int, colour: bool, text_px: float, min_side: int, max_side: int, max_bytes: int, counted: str
) -> None:
    pixels = picture(width, height, colour)
    bounds = Bounds(min_side, max_side, max_bytes, "raw" if counted == "raw" else "base64")

    try:
        fitted = fit(pixels, line_in(pixels, text_px), bounds)
    except Rejected as exc:
        refusal = str(exc)
    else:
        assert_meets(fitted, bounds)
        return
    assert re.match(r"(min_side|max_side|max_bytes): .*\d", refusal)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(width=SIDES, height=SIDES, colour=st.booleans())
def test_every_picture_fits_the_bounds_all_known_providers_share(width: int, height: int, colour: bool) -> None:
    pixels = picture(width, height, colour)

    assert_meets(fit(pixels, line_in(pixels, 24), Bounds()), Bounds())


@pytest.mark.parametrize(
    ("size", "bounds"),
    [
        pytest.param((800, 120), Bounds(), id="a usual crop"),
        pytest.param((800, 120), Bounds(max_bytes=9_000, counted="raw"), id="few bytes"),
        pytest.param((5000, 5000), Bounds(max_bytes=200_000), id="far too large"),
        pytest.param((5000, 1), Bounds(), id="a hair"),
        pytest.param((1, 5000), Bounds(), id="an upright hair"),
        pytest.param((1, 1), Bounds(), id="one pixel"),
    ],
)
def test_noise_the_worst_there_is_to_compress_meets_the_bounds(size: tuple[int, int], bounds: Bounds) -> None:
    pixels = noise(*size)

    assert_meets(fit(pixels, line_in(pixels, max(size) / 2), bounds), bounds)


def test_a_picture_with_room_to_spare_keeps_its_size_and_best_quality() -> None:
    pixels = picture(800, 120, colour=True)

    fitted = fit(pixels, Box(100, 40, 600, 40), Bounds())

    assert (fitted.width, fitted.height) == (800, 120)
    decoded = cv2.imdecode(np.frombuffer(fitted.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.mean(np.abs(decoded.astype(int) - pixels)) < 3


def test_quality_goes_before_size_when_bytes_are_short() -> None:
    pixels = noise(600, 100)
    best = len(fit(pixels, Box(50, 30, 500, 40), Bounds()).jpeg)

    fitted = fit(pixels, Box(50, 30, 500, 40), Bounds(max_bytes=best * 2 // 3, counted="raw"))

    assert (fitted.width, fitted.height) == (600, 100)


def test_a_small_plate_is_enlarged_to_what_a_reader_needs_and_no_further() -> None:
    fitted = fit(picture(300, 40, colour=True), Box(30, 15, 240, 12), Bounds())

    assert 30 <= fitted.line.height <= 48


def test_a_plate_of_a_few_pixels_is_not_blown_up_without_limit() -> None:
    fitted = fit(picture(60, 10, colour=True), Box(10, 4, 40, 2), Bounds())

    assert fitted.width <= 240


def test_the_line_still_lies_over_the_text_after_scaling_and_padding() -> None:
    pixels = np.zeros((12, 2000), np.uint8)
    pixels[4:8, 500:1500] = 255

    fitted = fit(pixels, Box(500, 4, 1000, 4), Bounds(min_side=100, max_side=3000))

    decoded = cv2.imdecode(np.frombuffer(fitted.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    ys, xs = np.nonzero(decoded > 127)
    assert fitted.line.x == pytest.approx(xs.min(), abs=2)
    assert fitted.line.y == pytest.approx(ys.min(), abs=2)
    assert fitted.line.width == pytest.approx(xs.max() - xs.min() + 1, abs=3)
    assert fitted.line.height == pytest.approx(ys.max() - ys.min() + 1, abs=2)


@pytest.mark.parametrize(
    ("size", "text_px", "bounds", "words"),
    [
        pytest.param((800, 120), 40, Bounds(max_bytes=200), r"max_bytes: .* 150 .*200 base64", id="no JPEG is that small"),
        pytest.param((4000, 100), 20, Bounds(max_side=400), r"max_side: .*4000 × 100 .* 2\.0 px", id="text would vanish"),
        pytest.param((800, 120), 40, Bounds(min_side=500, max_side=400), r"min_side: 500 .* 400", id="bounds that contradict"),
        pytest.param((0, 120), 0, Bounds(), r"min_side: .*0 × 120", id="nothing"),
    ],
)
def test_what_cannot_be_read_any_more_is_refused_with_the_bound_and_the_figures(
    size: tuple[int, int], text_px: int, bounds: Bounds, words: str
) -> None:
    with pytest.raises(Rejected, match=words):
        fit(np.zeros((size[1], size[0], 3), np.uint8) if 0 in size else noise(*size), Box(10, 10, size[0] * 0.8, text_px), bounds)
