"""The finder on rendered yards: which line is the VIN, where exactly it lies, and what is none."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from agent.domain import Box, Pixels, Plate
from agent.vision.plate import find, rectify

VIN = "WVWZZZ1JZ3W386752"
FACE = cv2.FONT_HERSHEY_SIMPLEX


def yard(width: int = 1920, height: int = 1080, seed: int = 0) -> Pixels:
    """Soft light and shadow without any text, as a noisy sensor sees it."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 150, (6, 9, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noisy = smooth + rng.normal(0, 3, (height, width, 3))
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def with_text(pixels: Pixels, words: str, cap_px: float, angle: float = 0.0, light: bool = True) -> tuple[Pixels, Box]:
    """A label in the middle of the picture with one line of text, and the box of the text before it was turned."""
    scale, thick = cap_px / 21.5, max(1, round(cap_px / 9))
    (wide, _), _ = cv2.getTextSize(words, FACE, scale, thick)
    label = np.full((round(3 * cap_px), round(wide + 3 * cap_px), 3), 30 if light else 220, np.uint8)
    ink = (220, 220, 220) if light else (30, 30, 30)
    cv2.putText(label, words, (round(1.5 * cap_px), round(2 * cap_px)), FACE, scale, ink, thick, cv2.LINE_AA)
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((label.shape[1] / 2, label.shape[0] / 2), -angle, 1.0)
    turn[:, 2] += (width / 2 - label.shape[1] / 2, height / 2 - label.shape[0] / 2)
    laid = cv2.warpAffine(label, turn, (width, height), flags=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(np.full_like(label, 255), turn, (width, height))
    return np.where(inside > 250, laid, pixels).astype(np.uint8), Box((width - wide) / 2, (height - cap_px) / 2, wide, cap_px)


def assert_tight(plate: Plate, text: Box, angle: float) -> None:
    """The text and no second line: two characters more or less at the ends, at most as much again above and below."""
    assert abs((plate.angle - angle + 90) % 180 - 90) <= 3  # upside down is the reader's to find out
    assert np.hypot(*np.subtract(plate.box.center, text.center)) < 1.5 * text.height
    assert 0.85 < plate.box.width / text.width < 1.3
    assert 0.95 < plate.box.height / text.height < 2.0


@pytest.mark.parametrize("light", [True, False], ids=["light on dark", "dark on light"])
@pytest.mark.parametrize("cap_px", [12, 16, 20, 30, 60])
def test_a_plate_of_any_size_and_polarity_is_found_in_a_frame(cap_px: int, light: bool) -> None:
    pixels, text = with_text(yard(), VIN, cap_px, 4.0, light)

    best = find(pixels)[0]

    assert best.score > 0.3
    assert_tight(best, text, 4.0)


@pytest.mark.parametrize("angle", [-35, -20, -8, 0, 8, 20, 35, 90, -90, 180, 150])
def test_a_plate_is_found_along_its_line_however_it_is_turned(angle: float) -> None:
    pixels, text = with_text(yard(), VIN, 20, angle)

    assert_tight(find(pixels)[0], text, angle)


@pytest.mark.parametrize("cap_px", [8, 11])
def test_a_close_up_of_256_pixels_is_searched_as_well(cap_px: int) -> None:
    pixels, text = with_text(yard(256, 256), VIN, cap_px, 8.0)

    assert_tight(find(pixels)[0], text, 8.0)


def test_a_small_plate_in_a_4k_frame_is_found() -> None:
    pixels, text = with_text(yard(3840, 2160), VIN, 14, -10.0)

    assert_tight(find(pixels)[0], text, -10.0)


def test_the_plates_of_two_vehicles_in_view_are_both_found() -> None:
    pixels, first = with_text(yard(), VIN, 20, 5.0)
    half, second = with_text(pixels[:400, 1000:1900], "1M8GDM9AXKP042788", 16, -4.0)
    pixels[:400, 1000:1900] = half

    found = sorted(each.box.center for each in find(pixels) if each.score > 0.3)

    assert found == [pytest.approx(first.center, abs=15), pytest.approx((1000 + second.center[0], second.center[1]), abs=15)]


def test_a_grey_frame_gives_the_same_plates_as_its_colours() -> None:
    pixels, _ = with_text(yard(960, 540), VIN, 20)

    assert find(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8))[0].box == find(pixels)[0].box


@pytest.mark.parametrize("seed", range(4))
def test_a_yard_without_text_has_nothing_that_is_taken_for_a_plate(seed: int) -> None:
    assert max((plate.score for plate in find(yard(1280, 720, seed))), default=0.0) < 0.1


@pytest.mark.parametrize("words", ["B MX 4711", "KA01AB1234", "STOP"])
def test_a_licence_plate_or_a_sign_is_no_vin(words: str) -> None:
    pixels, _ = with_text(yard(), words, 40, 3.0)

    assert max((plate.score for plate in find(pixels)), default=0.0) < 0.6


def test_the_vin_ranks_before_the_licence_plate_beside_it() -> None:
    pixels, text = with_text(yard(), VIN, 20, 5.0)
    pixels[100:260, 200:900], _ = with_text(pixels[100:260, 200:900], "B MX 4711", 50)

    assert_tight(find(pixels)[0], text, 5.0)


def test_no_more_plates_are_named_than_asked_for_and_the_best_come_first() -> None:
    pixels = yard(1280, 720)
    for row in range(5):
        pixels[row * 140 : row * 140 + 140], _ = with_text(pixels[row * 140 : row * 140 + 140], VIN, 18)

    plates = find(pixels, 8, most=3)

    assert len(plates) == 3
    assert [plate.score for plate in plates] == sorted((plate.score for plate in plates), reverse=True)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 4000), (4000, 2, 3), (40, 40)])
def test_a_picture_too_small_for_text_has_no_plate(shape: tuple[int, ...]) -> None:
    assert find(np.zeros(shape, np.uint8)) == []


def test_a_sharper_frame_of_the_same_plate_has_the_greater_sharpness() -> None:
    pixels, _ = with_text(yard(), VIN, 24)
    blurred = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 3), np.uint8)

    assert find(pixels)[0].sharpness > find(blurred)[0].sharpness


@pytest.mark.parametrize("angle", [0, 7, -30])
def test_a_rectified_plate_is_upright_and_its_line_lies_where_it_is_said(angle: float) -> None:
    pixels, text = with_text(np.full((540, 960, 3), 90, np.uint8), VIN, 20, angle)

    crop, line = rectify(pixels, Plate(text, angle, 1.0, 1.0), 2.0, 1.0)

    assert crop.shape[:2] == (60, round(text.width + 80))
    assert line.x == pytest.approx(40, abs=1)
    assert line.y == pytest.approx(20, abs=1)
    assert line.height == 20
    ys, xs = np.nonzero(crop[5:-5, 20:-20, 0] > 150)
    assert ys.min() + 5 == pytest.approx(line.y, abs=3)
    assert ys.max() + 5 == pytest.approx(line.y + line.height, abs=3)
    assert xs.min() + 20 == pytest.approx(line.x, abs=4)
    assert xs.max() + 20 == pytest.approx(line.x + line.width, abs=4)


def test_an_upright_plate_is_cropped_pixel_for_pixel() -> None:
    pixels = yard(640, 360)

    crop, line = rectify(pixels, Plate(Box(100, 50, 200, 20), 0.0, 1.0, 1.0), 1.0, 0.5)

    assert np.array_equal(crop, pixels[40:80, 80:320])
    assert line == Box(20, 10, 200, 20)


def test_a_plate_at_the_edge_is_continued_with_the_border_of_the_frame() -> None:
    pixels = yard(640, 360)

    crop, _ = rectify(pixels, Plate(Box(0, 0, 200, 20), 0.0, 1.0, 1.0), 1.0, 1.0)

    assert crop.shape == (60, 240, 3)
    assert np.array_equal(crop[0, 30], pixels[0, 10])


def test_a_grey_frame_gives_a_grey_crop() -> None:
    crop, _ = rectify(yard(640, 360)[:, :, 0], Plate(Box(100, 50, 200, 20), 5.0, 1.0, 1.0), 1.0, 0.5)

    assert crop.ndim == 2


def seen_from_aside(taper: float) -> Pixels:
    """A grey label with a VIN in capitals of 24 pixels, as many times higher at its end than at its beginning."""
    label, text = with_text(np.full((72, 480, 3), 60, np.uint8), VIN, 24)
    beginning, end = 36 * (1 - taper / 2 * 480 / text.width), 36 * (1 + taper / 2 * 480 / text.width)
    corners = np.array([(0, 0), (480, 0), (480, 72), (0, 72)], np.float32)
    seen = np.array([(300, 270 - beginning), (660, 270 - end), (660, 270 + end), (300, 270 + beginning)], np.float32)
    return np.asarray(
        cv2.warpPerspective(label, cv2.getPerspectiveTransform(corners, seen), (960, 540), borderValue=(90, 90, 90)), np.uint8
    )


@pytest.mark.parametrize("taper", [0.3, -0.3])
def test_a_line_seen_from_aside_is_rectified_to_one_height(taper: float) -> None:
    pixels = seen_from_aside(taper)
    plate = find(pixels)[0]

    seen, level = (unevenness(rectify(pixels, each, 0.5, 0.5)[0]) for each in (replace(plate, taper=0.0), plate))

    assert level < 0.6 * seen


def unevenness(crop: Pixels) -> float:
    """How far the heights of the ink in the first and the last fifth of a line are apart, as a logarithm."""
    ink = crop[:, :, 0] > 150
    first, *_, last = (float(np.ptp(np.nonzero(ink[:, columns])[0])) for columns in np.array_split(np.arange(crop.shape[1]), 5))
    return abs(float(np.log(last / first)))


def test_a_close_up_that_was_squeezed_to_a_square_is_searched_as_wide_as_it_was() -> None:
    wide, text = with_text(yard(480, 256), VIN, 11, 3.0)
    square = np.asarray(cv2.resize(wide, (256, 256), interpolation=cv2.INTER_AREA), np.uint8)

    squeezed = find(square)[0].box

    assert squeezed.center == pytest.approx((128, 128), abs=4)
    assert squeezed.width == pytest.approx(text.width * 256 / 480, rel=0.25)
