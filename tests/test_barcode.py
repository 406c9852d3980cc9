"""Barcodes of door labels are read where a VIN stands in them, and all others are none of the agent's business."""

import sys
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import Box, Pixels, Plate
from agent.vin_code import PROVEN, bare
from agent.vision import barcode, zxing
from tests.labels import LINEAR, MATRIX, code, seen

VIN, EUROPEAN = "1HGCM82633A004352", "WVWZZZ1JZXW000123"


def words(pixels: Pixels) -> list[str]:
    return [reading.text for reading in barcode.read(pixels)]


@pytest.mark.parametrize("kind", [*MATRIX, *LINEAR])
def test_every_kind_of_code_that_labels_carry_is_read_for_nothing(kind: str) -> None:
    (reading,) = barcode.read(code(VIN, kind), 2)
    assert (reading.text, reading.provider, reading.image, reading.request_id) == (VIN, "barcode", 2, None)
    assert reading.confidence == (PROVEN if kind in MATRIX else 0.9,) * 17


def test_a_qr_code_that_another_hand_encoded_is_read() -> None:
    drawn = np.pad(cv2.QRCodeEncoder.create().encode(VIN), 4, constant_values=255)
    assert words(np.kron(drawn, np.ones((4, 4), np.uint8)).astype(np.uint8)) == [VIN]


@pytest.mark.parametrize(("coded", "kind"), [(f"I{VIN}", "Code39"), (f"I{VIN}I", "Code39"), (f"I{EUROPEAN}", "DataMatrix")])
def test_the_import_mark_is_kept_as_it_is_coded_and_is_no_part_of_the_vin(coded: str, kind: str) -> None:
    assert words(code(coded, kind)) == [coded]
    assert bare(coded) in (VIN, EUROPEAN)


@pytest.mark.parametrize("kind", ["Code39", "DataMatrix", "QRCode"])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_label_that_stands_on_its_side_or_its_head_is_read(kind: str, quarters: int) -> None:
    assert words(np.rot90(code(VIN, kind), quarters).copy()) == [VIN]


@pytest.mark.parametrize("kind", ["Code39", "DataMatrix", "QRCode"])
def test_a_label_is_read_that_is_blurred_noisy_tilted_and_seen_from_the_side(kind: str) -> None:
    assert words(seen(code(VIN, kind, 2.5), blur=0.8, noise=6.0, tilt=3.0, slant=0.1)) == [VIN]


def test_a_label_that_was_burnt_light_into_dark_is_read() -> None:
    assert words((255 - code(VIN, "DataMatrix")).astype(np.uint8)) == [VIN]


def test_small_bars_are_read_once_the_picture_is_enlarged() -> None:
    small = seen(code(VIN, "Code39", 1.5), blur=0.6, noise=3.0)
    assert [reading.text for reading in barcode.read(small)] == [VIN]
    assert not barcode.read(small, enlarged=0)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("4006381333931", "EAN13"),
        ("8K0 941 597 E", "Code39"),
        ("HTTPS://EXAMPLE.ORG/LABEL?ID=7", "QRCode"),
        ("12345678901234567", "Code128"),
        ("ABCDEFGH12345678X", "Code128"),
        ("1HGCM82633AO04352", "Code39"),
        ("1HGCM82633A00435", "Code39"),
        ("1HGCM82633A0043521", "Code39"),
        ("X1HGCM82633A004352", "Code39"),
        ("1HGCM826 33A004352", "Code39"),
        ("1hgcm82633a004352", "QRCode"),
        ("aB1HGCM82633A004352Cd", "QRCode"),
        ("[)>\x1e06\x1dY7320000000000X\x1dP31187045\x1dTC2232713B8SX0201\x1e\x04", "DataMatrix"),
        (f"{VIN} " + "and much more " * 40, "QRCode"),
    ],
    ids=lambda each: each[:24],
)
def test_a_barcode_about_something_else_is_none_of_our_business(content: str, kind: str) -> None:
    assert words(code(content, kind, height=80)) == []


@pytest.mark.parametrize(
    "content",
    [
        f"VIN:{VIN}",
        f"VIN{VIN}",
        f'{{"vin":"{VIN}","colour":"red","part":"8K0941597E"}}',
        f"https://example.org/v/{VIN}?q=1",
        f"[)>\x1e06\x1dI{VIN}\x1dP8K0941597E\x1e\x04",
    ],
)
def test_a_vin_is_found_where_it_is_a_word_of_a_longer_text_and_the_rest_is_not_kept(content: str) -> None:
    (word,) = words(code(content, "QRCode"))
    assert bare(word) == VIN
    assert len(word) <= 20


def test_two_labels_in_one_picture_are_both_read() -> None:
    both = cv2.vconcat([cv2.resize(code(vin, "DataMatrix", 6), (240, 240)) for vin in (VIN, EUROPEAN)])
    assert sorted(words(np.asarray(both, np.uint8))) == [VIN, EUROPEAN]


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    zxing._library.cache_clear()
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    yield
    zxing._library.cache_clear()


@pytest.mark.usefixtures("nothing_installed")
def test_a_device_without_the_library_reads_no_barcodes_and_says_what_to_install() -> None:
    assert words(code_made_before) == []
    assert "zxing-cpp" in zxing.trouble()
    assert "pip install zxing-cpp" in zxing.trouble()


code_made_before = code(VIN, "DataMatrix")


def test_a_device_with_the_library_has_no_trouble() -> None:
    assert zxing.trouble() == ""


def on_a_frame(kind: str, *, below: bool, tilt: float) -> tuple[Pixels, Plate]:
    """A large frame with a label in it, whose line of text is only an outline: where the code is looked for follows from that alone."""
    frame = np.full((1080, 1920, 3), 235, np.uint8)
    bars = cv2.cvtColor(code(VIN, kind, 2.0, height=45), cv2.COLOR_GRAY2BGR)
    line = Box(700, 500, 500, 30)
    top = 545 if below else 485 - bars.shape[0]
    frame[top : top + bars.shape[0], 700 : 700 + bars.shape[1]] = bars
    turn = cv2.getRotationMatrix2D(line.center, -tilt, 1.0)
    return np.asarray(cv2.warpAffine(frame, turn, (1920, 1080), flags=cv2.INTER_CUBIC), np.uint8), Plate(line, tilt, 0.9, 1.0)


@pytest.mark.parametrize("tilt", [-12.0, 0.0, 1.0, 12.0])
@pytest.mark.parametrize("below", [True, False])
def test_the_code_above_or_below_a_line_is_in_what_is_kept_of_the_frame(below: bool, tilt: float) -> None:
    frame, plate = on_a_frame("Code39", below=below, tilt=tilt)
    view = barcode.around(frame, plate)
    assert words(view.level()) == [VIN]
    assert view.pixels.ndim == 2
    assert view.pixels.base is None or view.pixels.base.size <= view.pixels.size


def test_the_dots_in_the_far_corner_of_a_label_are_in_what_is_kept_of_the_frame() -> None:
    """As the makers' labels have it: a line of 200 pixels on a label three times as wide."""
    frame = np.full((1080, 1920, 3), 235, np.uint8)
    dots = cv2.cvtColor(code(VIN, "DataMatrix", 3.0), cv2.COLOR_GRAY2BGR)
    frame[400 : 400 + dots.shape[0], 1030 : 1030 + dots.shape[1]] = dots
    view = barcode.around(frame, Plate(Box(700, 500, 200, 16), 0.0, 0.9, 1.0))
    assert words(view.level()) == [VIN]
    assert view.pixels.size < frame.size / 16


@given(st.floats(-300, 2000), st.floats(-300, 1200), st.floats(1, 1500), st.floats(1, 200), st.floats(-40, 40))
def test_what_surrounds_a_plate_never_reaches_beyond_the_frame(x: float, y: float, width: float, height: float, angle: float) -> None:
    frame = np.full((120, 160), 90, np.uint8)
    view = barcode.around(frame, Plate(Box(x, y, width, height), angle, 0.5, 1.0))
    assert view.pixels.shape[0] <= 120
    assert view.pixels.shape[1] <= 160
    assert barcode.near([(0, view)]) == ()


def test_the_pictures_of_a_pass_are_looked_at_until_a_code_proves_itself() -> None:
    bars, dots, blank = code(VIN, "Code39"), code(VIN, "DataMatrix"), np.full((90, 90), 200, np.uint8)
    looked: list[int] = []

    def views(*pictures: Pixels) -> Iterator[tuple[int, barcode.Around]]:
        for number, picture in enumerate(pictures):
            looked.append(number)
            yield number, barcode.Around(picture, (0.0, 0.0), 0.0)

    assert [each.image for each in barcode.near(views(blank, bars, dots, dots))] == [1, 2]
    assert looked == [0, 1, 2]
    assert [each.image for each in barcode.near(views(bars, bars, bars))] == [0, 1, 2]
    assert barcode.near(views(blank, blank)) == ()
