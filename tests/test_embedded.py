"""The reader on the device reads rendered plates without a network, says how sure it is, and never guesses what it cannot see."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from agent import config
from agent.domain import Box, EncodedImage, Pixels, Plate, Quality, Stamp
from agent.errors import NeedsOperator, Rejected
from agent.ocr.embedded import Embedded
from agent.ocr.textline import Columns, Floats, level, slope, strips, tensor
from agent.ocr.textmap import detector_input, lines, rows, whole
from agent.vin_text import ALPHABET, candidates_in

AMERICAN, GERMAN = "1M8GDM9AXKP042788", "WVWZZZ9NZ6Y195541"
TAKEN = Stamp(1_773_468_729_482, 88_123_441, "boot", "synced")


@pytest.fixture(scope="module")
def reader() -> Iterator[Embedded]:
    with Embedded(config.Settings()) as reader:
        yield reader


def plate(text: str, *, height: int = 40, size: tuple[int, int] = (640, 200), at: tuple[int, int] = (40, 80)) -> tuple[Pixels, Box]:
    """Dark print on a light plate, as BGR, and the box of the line."""
    image = Image.new("L", size, 215)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(height)
    draw.text(at, text, fill=35, font=font)
    left, top, right, bottom = draw.textbbox(at, text, font=font)
    return cv2.cvtColor(np.array(image), cv2.COLOR_GRAY2BGR).astype(np.uint8), Box(left, top, right - left, bottom - top)


def encoded(pixels: Pixels, line: Box) -> EncodedImage:
    jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
    return EncodedImage("01J8Z6Q4N7T0V9K3M2R5X8B1CD", 2, TAKEN, jpeg, pixels.shape[1], pixels.shape[0], line, Quality(1.0, (1, 1), 0.0))


def read(reader: Embedded, pixels: Pixels, line: Box) -> str | None:
    """The VIN that stands first in the reading."""
    reading = reader.read(encoded(pixels, line))
    spellings = candidates_in(reading.text, reading.confidence)
    return spellings[0].value if spellings else None


def test_a_printed_vin_is_read_with_a_confidence_for_every_character(reader: Embedded) -> None:
    reading = reader.read(encoded(*plate(AMERICAN)))
    assert (reading.text, reading.provider, reading.image, reading.request_id) == (AMERICAN, "embedded", 2, None)
    assert reading.confidence is not None
    assert len(reading.confidence) == 17
    assert all(0.5 < value <= 1 for value in reading.confidence)
    assert reading.latency_ms > 0


@pytest.mark.parametrize("height", [14, 24, 48])
def test_small_and_large_print_is_read(reader: Embedded, height: int) -> None:
    assert read(reader, *plate(GERMAN, height=height)) == GERMAN


def test_light_print_on_dark_is_read(reader: Embedded) -> None:
    pixels, line = plate(GERMAN)
    assert read(reader, 255 - pixels, line) == GERMAN


def test_groups_are_read_with_the_gaps_between_them(reader: Embedded) -> None:
    pixels, line = plate("WVW   ZZZ9NZ   6Y195541", height=36)
    assert " " in reader.read(encoded(pixels, line)).text
    assert read(reader, pixels, line) == GERMAN


def test_a_picture_squeezed_to_a_square_is_read(reader: Embedded) -> None:
    pixels, line = plate(GERMAN, size=(560, 160), at=(40, 60))
    squeezed = cv2.resize(pixels, (256, 160), interpolation=cv2.INTER_AREA).astype(np.uint8)
    assert read(reader, squeezed, Box(line.x * 256 / 560, line.y, line.width * 256 / 560, line.height)) == GERMAN


@pytest.mark.parametrize("degrees", [-5, 5])
def test_tilted_print_in_an_upright_box_is_read(reader: Embedded, degrees: float) -> None:
    pixels, line = tilted(degrees)
    assert read(reader, pixels, line) == GERMAN


def tilted(degrees: float) -> tuple[Pixels, Box]:
    pixels, line = plate(GERMAN)
    turn = cv2.getRotationMatrix2D(line.center, -degrees, 1.0)
    turned = cv2.warpAffine(pixels, turn, (640, 200), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)
    corners = np.array(line.corners(degrees))
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
    return turned, Box(left, top, right - left, bottom - top)


def test_the_whole_picture_is_read_where_the_line_shows_no_vin(reader: Embedded) -> None:
    pixels, _ = plate(f"MADE IN GERMANY\n{GERMAN}\nGVWR 1680 KG", height=30, size=(640, 240), at=(60, 40))
    reading = reader.read(encoded(pixels, Box(500, 180, 120, 30)))
    assert GERMAN in reading.text.splitlines()[0]
    assert len(reading.text.splitlines()) > 1
    assert reading.confidence is not None
    assert len(reading.confidence) == len(reading.text)


def test_a_picture_without_text_gives_no_text(reader: Embedded) -> None:
    empty = np.full((120, 400, 3), 128, np.uint8)
    reading = reader.read(encoded(empty, Box(20, 40, 360, 40)))
    assert (reading.text, reading.confidence) == ("", ())


@pytest.mark.parametrize("line", [Box(900, 900, 100, 20), Box(-50, -50, 20, 10), Box(10, 10, 0.5, 0.5), Box(0, 0, 0, 0)])
def test_a_line_outside_the_picture_costs_nothing_but_the_search(reader: Embedded, line: Box) -> None:
    pixels, _ = plate(GERMAN)
    assert read(reader, pixels, line) == GERMAN


def test_other_text_is_not_made_into_a_vin(reader: Embedded) -> None:
    pixels, line = plate("SPEED LIMIT 25")
    assert read(reader, pixels, line) is None


@pytest.mark.parametrize("jpeg", [b"", b"\xff\xd8 no picture"])
def test_bytes_that_are_no_picture_are_rejected(reader: Embedded, jpeg: bytes) -> None:
    image = EncodedImage("id", 1, TAKEN, jpeg, 10, 10, Box(0, 0, 10, 10), Quality(1.0, (1, 1), 0.0))
    with pytest.raises(Rejected, match="no JPEG"):
        reader.read(image)


def test_the_detector_finds_the_line_where_it_is(reader: Embedded) -> None:
    pixels, line = plate(GERMAN)
    found = reader.locate(pixels)[0]
    assert abs(found.angle) < 1
    assert found.sharpness > 0
    assert found.sharpness > reader.locate(cv2.GaussianBlur(pixels, (0, 0), 3).astype(np.uint8))[0].sharpness
    assert found.box.x <= line.x + 4
    assert found.box.x + found.box.width >= line.x + line.width - 4
    assert line.height * 0.8 < found.box.height < line.height * 2


def test_reading_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the embedded reader opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with Embedded(config.Settings()) as reader:
        assert read(reader, *plate(AMERICAN)) == AMERICAN


@pytest.mark.parametrize("missing", ["onnxruntime", "rapidocr"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(NeedsOperator, match=rf"{missing}.*pip install 'vin-capture-agent\[embedded\]'"), Embedded(config.Settings()):
        pass


def test_the_models_are_given_back_at_the_end() -> None:
    reader = Embedded(config.Settings())
    with reader:
        pass
    with pytest.raises(RuntimeError, match="outside its with block"):
        reader.read(encoded(*plate(AMERICAN)))


# --- From outputs to characters ----------------------------------------------------------------------------------------

COLUMNS = Columns(["A", "1", "I", "|", "*", "0", "O", "B", "b", "中", "É"])  # output 0 is the pause, the last the blank
PAUSE, BLANK = 0, 12


def outputs(*steps: dict[int, float]) -> Floats:
    table = np.zeros((len(steps), 13), np.float32)
    for row, step in enumerate(steps):
        for column, share in step.items():
            table[row, column] = share
    return table


def test_repeats_are_merged_and_a_pause_keeps_doubles_apart() -> None:
    line = COLUMNS.look(outputs({1: 0.9}, {1: 0.8}, {PAUSE: 1}, {1: 0.7})).line
    assert line.text == "AA"
    assert line.confidence == pytest.approx((1.0, 1.0))


def test_a_digit_and_the_letter_it_is_taken_for_answer_together() -> None:
    line = COLUMNS.look(outputs({2: 0.3, 3: 0.1, 4: 0.1, 8: 0.4, PAUSE: 0.1})).line
    assert line.text == "1"
    assert line.confidence == pytest.approx((0.5,))


def test_the_letter_stays_visible_where_it_was_likelier() -> None:
    assert COLUMNS.look(outputs({3: 0.6, 2: 0.4}, {PAUSE: 1}, {7: 0.6, 6: 0.4})).line.text == "IO"


def test_punctuation_and_blanks_part_tokens_once() -> None:
    line = COLUMNS.look(outputs({5: 1}, {1: 1}, {5: 1}, {BLANK: 1}, {8: 1}, {BLANK: 1})).line
    assert (line.text, line.confidence) == ("A B", (1.0, 1.0, 1.0))


def test_small_and_accented_letters_stand_for_their_capitals_and_foreign_ones_for_nothing() -> None:
    assert COLUMNS.look(outputs({9: 1}, {10: 1}, {PAUSE: 1}, {8: 1})).line.text == "BB"


def test_a_zero_with_a_stroke_is_a_zero_that_stays_visible() -> None:
    assert Columns(["Ø"]).look(np.array([[0, 1, 0]], np.float32)).line.text == "O"


@given(st.integers(1, 30), st.integers(0, 2**31))
def test_any_outputs_give_one_confidence_per_character(steps: int, seed: int) -> None:
    table = np.random.default_rng(seed).dirichlet(np.full(13, 0.2), steps).astype(np.float32)
    look = COLUMNS.look(table)
    line = look.line
    assert [first <= last < steps for first, last in look.places] == [True] * len(line.text)
    assert look.shares.sum(1) == pytest.approx(1, abs=0.01)
    assert len(line.text) == len(line.confidence)
    assert set(line.text) <= set(ALPHABET + "IOQ ")
    assert all(0 <= value <= 1 for value in line.confidence)


# --- Geometry ----------------------------------------------------------------------------------------------------------


def test_the_recogniser_gets_forty_eight_rows_and_no_squeezed_text() -> None:
    assert tensor(np.zeros((24, 100, 3), np.uint8)).shape == (1, 3, 48, 408)
    assert tensor(np.zeros((48, 480, 3), np.uint8)).shape == (1, 3, 48, 480)
    assert tensor(np.zeros((10, 900, 3), np.uint8)).shape == (1, 3, 48, 960)


def test_a_tilted_line_is_measured_and_laid_flat() -> None:
    pixels, line = tilted(4)
    rise = slope(pixels, line)
    assert rise == pytest.approx(line.width * np.tan(np.radians(4)), rel=0.2)
    flat, box = level(pixels, line)
    assert abs(slope(flat, box)) < 0.1 * rise + 3
    assert box.height < line.height


def test_a_flat_line_is_left_alone() -> None:
    pixels, line = plate(GERMAN)
    flat, box = level(pixels, line)
    assert flat is pixels
    assert box == line


@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(0, 600), st.floats(0, 300))
def test_any_line_can_be_cut_from_any_picture(x: float, y: float, width: float, height: float) -> None:
    pixels = np.zeros((120, 200, 3), np.uint8)
    for strip in strips(pixels, Box(x, y, width, height)):
        assert min(strip.shape[:2]) >= 4


def test_the_detector_gets_multiples_of_thirty_two_at_most_six_hundred_and_forty() -> None:
    assert detector_input(np.zeros((1080, 1920, 3), np.uint8)).shape == (1, 3, 352, 640)
    assert detector_input(np.zeros((100, 200, 3), np.uint8)).shape == (1, 3, 192, 384)
    assert detector_input(np.zeros((3, 500, 3), np.uint8)).shape == (1, 3, 32, 640)


def test_a_tilted_core_in_the_map_becomes_a_tilted_box() -> None:
    drawn = np.zeros((200, 400), np.uint8)
    cv2.fillConvexPoly(drawn, cv2.boxPoints(((200, 100), (240, 12), 10)).astype(np.int32), 255)
    (found,) = lines((drawn / 255).astype(np.float32), (800, 400))
    assert found.angle == pytest.approx(10, abs=1)
    assert found.box.center == pytest.approx((400, 200), abs=4)
    assert found.box.width > 480
    assert found.box.height > 24


def test_specks_and_faint_regions_are_no_lines() -> None:
    map_ = np.zeros((64, 64), np.float32)
    map_[10, 10] = 1.0
    map_[30:40, 5:60] = 0.4
    assert lines(map_, (64, 64)) == []


def test_groups_beside_each_other_are_one_row_and_lines_below_are_not() -> None:
    one, two, below = (Plate(Box(x, y, 100, 20), 0.0, 0.9, 0.0) for x, y in ((150, 12), (20, 10), (30, 50)))
    assert rows([one, two, below]) == [[two, one], [below]]


def test_the_groups_of_a_row_are_one_plate_turned_as_they_are() -> None:
    corners = Box(0, 0, 300, 20).corners(15)
    left, right = (Plate(Box(x, y, 100, 20), 15.0, score, 0.0) for x, y, score in around(corners))
    found = whole([left, right])
    assert (found.angle, found.score) == (15.0, 0.7)
    assert np.array(found.corners()) == pytest.approx(np.array(corners), abs=0.01)


def around(corners: tuple[tuple[float, float], ...]) -> Iterator[tuple[float, float, float]]:
    """Where the first and last third of a turned line lie, each as the corner of its box before turning, and a score."""
    start, end = np.add(corners[0], corners[3]) / 2, np.add(corners[1], corners[2]) / 2
    for share, score in ((1 / 6, 0.7), (5 / 6, 0.9)):
        x, y = start + (end - start) * share
        yield float(x) - 50, float(y) - 10, score


def test_nothing_is_kept_in_the_home_folder_and_nobody_is_told_what_is_read(tmp_path: Path) -> None:
    code = "from agent import config; from agent.ocr.embedded import Embedded\nwith Embedded(config.Settings()): pass"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": ""}, check=True)
    assert list(tmp_path.rglob("*")) == []
