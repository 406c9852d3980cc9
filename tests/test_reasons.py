"""What the yard is told of a vehicle that could not be read: the true reason."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from agent import config
from agent.bounds import Bounds
from agent.domain import Capture, Decision, Frame, Pixels, Plate, Quality, Reading, Reason, Stamp
from agent.ocr.embedded import Embedded
from agent.reasons import explained, is_other_text, says_nothing_like_it, says_other
from agent.vin import judge
from agent.vision.best import Passes
from agent.vision.plate import rectify
from agent.vision.sharpness import sharpness
from agent.watch import assemble
from tests.bench.standing import drawn, laid
from tests.samples import CAPTURE, IMAGE

VIN = "WVWZZZ1JZ3W386752"
CLEAR = Quality(0.5, (400, 24), 0.0, contrast=120.0, light=200.0)


def reading(text: str, confidence: float | None = 0.95) -> Reading:
    return Reading(text, None if confidence is None else (confidence,) * len(text), "embedded", 0, None, 1)


def vehicle(quality: Quality = CLEAR) -> Capture:
    return replace(CAPTURE, images=(replace(IMAGE, quality=quality),))


def reason(quality: Quality, *readings: Reading) -> Reason | None:
    return explained(judge(readings, config.Reading()), vehicle(quality), readings).reason


def plate_in(scene: Pixels, line: Plate) -> Capture:
    """The capture of a vehicle whose plate was found in two frames."""
    passes = Passes(config.Vision())
    frames = [Frame(scene, Stamp(0, ms, "boot", "synced")) for ms in (0, 125)]
    for frame in frames:
        assert passes.offer(frame, [line]) == []
    (finished,) = passes.flush()
    capture = assemble(finished, config.Camera(driver="replay", source="yard"), Bounds())
    assert capture is not None
    return capture


def seen(cause: str) -> tuple[Pixels, Plate]:
    """A rendered plate that nobody can read, for one reason."""
    rng = np.random.default_rng(5)
    capital = 7.0 if cause == "too_small" else 20.0
    scene, line = laid(*drawn(VIN, capital, stamped=False), 40.0, 130.0, 0.0, (-320.0 if cause == "cut off" else 0.0, 0.0))
    box = line.box
    if cause == "too_small":
        scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), 2.0), np.float32)
    elif cause == "blurred":
        scene = np.asarray(cv2.blur(scene, (35, 1)), np.float32)
    elif cause == "dark":
        scene = scene * 0.02 + 12
    elif cause == "glare":
        spot = np.exp(-(((np.arange(560) - box.center[0]) / 90) ** 2)) * 400
        scene = np.asarray(scene + spot[None, :], np.float32)
    elif cause == "occluded":
        scene[:, int(box.x + box.width * 0.62) :] = 90
    if cause == "cut off":
        line = replace(line, box=replace(box, x=0.5, width=box.x + box.width - 0.5))
    pixels = np.clip(scene + rng.normal(0, 2.0, scene.shape), 0, 255).astype(np.uint8)
    colour = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return colour, replace(line, sharpness=sharpness(rectify(colour, line, 0.0, 0.0)[0]))


@pytest.fixture(scope="module")
def reader() -> Embedded:
    embedded = Embedded(config.Settings())
    embedded.__enter__()
    return embedded


@pytest.mark.parametrize("cause", ["too_small", "blurred", "dark", "glare", "occluded", "cut off"])
def test_the_reason_is_what_was_wrong_with_the_plate(reader: Embedded, cause: str) -> None:
    capture = plate_in(*seen(cause))
    readings = [reader.read(image) for image in capture.images]
    decision = explained(judge(readings, config.Reading()), capture, readings)
    assert decision.outcome == "unread", decision
    assert decision.reason == ("occluded" if cause == "cut off" else cause), (decision.raw, capture.images[0].quality)
    assert not is_other_text(capture, readings), "a vehicle was there"


@pytest.mark.parametrize(
    ("quality", "wanted"),
    [
        (replace(CLEAR, glare=0.4), "glare"),
        (replace(CLEAR, plate_px=(120, 8)), "too_small"),
        (replace(CLEAR, light=30.0, contrast=20.0), "dark"),
        (replace(CLEAR, contrast=9.0), "dark"),
        (replace(CLEAR, cut_off=True), "occluded"),
        (replace(CLEAR, sharpness=0.01), "blurred"),
        (CLEAR, "no_plate"),
        (Quality(0.5, (400, 24), 0.0), "no_plate"),
    ],
)
def test_without_any_text_the_picture_tells_why(quality: Quality, wanted: Reason) -> None:
    assert reason(quality, reading("")) == wanted


def test_most_of_a_vin_means_that_something_hides_the_rest() -> None:
    assert reason(CLEAR, reading("WVWZZZ1JZ3W")) == "occluded"
    assert reason(replace(CLEAR, glare=0.4), reading("WVWZZZ1JZ3W")) == "glare", "and here it is known what"
    assert reason(CLEAR, reading("WVWZZZ1JZ3W", 0.4)) == "blurred", "but these letters are guesses"
    assert reason(CLEAR, reading("WV-1J Z3")) == "blurred"


def test_a_guess_at_a_whole_vin_is_blurred_and_nothing_hides_it() -> None:
    guess = replace(reading(VIN), confidence=(0.95,) * 16 + (0.05,))
    decision = explained(judge([guess], config.Reading()), vehicle(), [guess])
    assert (decision.outcome, decision.reason, decision.candidates[0].vin) == ("unread", "blurred", VIN)


def test_a_doubtful_vin_is_doubtful_for_the_same_reasons() -> None:
    assert reason(CLEAR, reading(VIN, 0.5)) == "blurred"
    assert reason(replace(CLEAR, glare=0.4), reading(VIN, 0.5)) == "glare"
    assert reason(replace(CLEAR, light=30.0), reading(VIN, 0.5)) == "dark"


@pytest.mark.parametrize("kept", ["provider_down", "budget", "check_digit", "disagreement", None])
def test_a_reason_that_is_not_the_picture_s_stays(kept: Reason | None) -> None:
    decision = Decision("needs_review" if kept else "accepted", None, kept, 0.5, (), "", (), 0)
    assert explained(decision, vehicle(replace(CLEAR, glare=0.9)), ()).reason == kept


@pytest.mark.parametrize(
    "text", ["STOP", "HH AB 1234", "2020-05-22 08:03:27", "PARKING ENTRANCE", "SPEED LIMIT 30", "京A12345", "TEL 040 123456"]
)
def test_signs_and_licence_plates_that_are_read_surely_are_no_vehicles_vin(text: str) -> None:
    assert says_other(reading(text))
    assert is_other_text(vehicle(), [reading(text)])


@pytest.mark.parametrize("text", ["", VIN, "WVWZZZ1J", "WVW ZZZ1JZ 3W386752", "XX 3W386752", "WVW1JZ\nZ3W386752"])
def test_what_may_be_part_of_a_vin_is_never_taken_for_a_sign(text: str) -> None:
    assert not says_other(reading(text))


def test_a_sign_is_one_only_where_it_was_read_surely_whole_and_in_every_picture() -> None:
    assert not says_other(reading("STOP", 0.6))
    assert not says_other(reading("STOP", None))
    assert not is_other_text(vehicle(), [reading("STOP"), reading("")])
    assert not is_other_text(vehicle(), [])
    assert not is_other_text(vehicle(replace(CLEAR, cut_off=True)), [reading("M82633A")]), "it may be the end of a VIN"


def test_a_text_without_the_length_of_a_vin_is_nothing_like_it() -> None:
    assert says_nothing_like_it(reading(""))
    assert says_nothing_like_it(reading("HH AB 1234"))
    assert says_nothing_like_it(reading("2020-05-22 08:03:27", 0.4))
    assert not says_nothing_like_it(reading("1HGCM82633A00", 0.1))
    assert not says_nothing_like_it(reading(f"STOP\nVIN {VIN}"))
