"""The settings of a Pi's camera as libcamera's controls: what is set, and what a camera is left alone with."""

from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.camera.pi_controls import Wish, granted, seen, wishes
from agent.config_picamera import PiCamera
from agent.errors import BadConfig

# As a Camera Module 3 tells them, in its mode of 2304 × 1296.
MODULE_3: dict[str, Any] = {
    "AfMode": (0, 2, 0),
    "AfMetering": (0, 1, 0),
    "AfTrigger": (0, 1, 0),
    "AfWindows": ((0, 0, 0, 0), (65535, 65535, 65535, 65535), (0, 0, 0, 0)),
    "AwbMode": (0, 7, 0),
    "FrameDurationLimits": (17_849, 220_416_802, 33_333),
    "HdrMode": (0, 4, 0),
    "LensPosition": (0.0, 32.0, 1.0),
    "ScalerCrop": ((0, 0, 64, 64), (0, 0, 4608, 2592), (0, 0, 4608, 2592)),
}
FULL_HD = (1920, 1080)


def asked(advertised: dict[str, Any] = MODULE_3, fps: float = 8.0, **settings: Any) -> dict[str, Any]:
    """What is set on a camera with these controls."""
    return granted(wishes(PiCamera(**settings), fps, FULL_HD, advertised), advertised)[0]


def test_a_camera_without_wishes_focuses_by_itself_and_sees_all_there_is() -> None:
    assert asked() == {"AwbMode": 0, "AfMode": 2}


def test_controls_that_a_camera_lacks_are_left_out_and_their_keys_told() -> None:
    values, lacking = granted([Wish("AwbMode", 0), Wish("AfMode", 2, ("focus",)), Wish("HdrMode", 2)], {"AwbMode": (0, 7, 0)})
    assert values == {"AwbMode": 0}
    assert lacking == ["focus"]


def test_a_lens_is_set_by_hand_or_focuses_once() -> None:
    manual = asked(focus="manual", lens_position=0.5)
    assert (manual["AfMode"], manual["LensPosition"]) == (0, 0.5)
    once = asked(focus="auto")
    assert (once["AfMode"], once["AfTrigger"]) == (1, 0)


def test_a_focus_window_is_a_part_of_the_picture_that_is_seen() -> None:
    assert asked(focus_window=(0.25, 0.5, 0.5, 0.25))["AfWindows"] == [(1152, 1296, 2304, 648)]
    inside = asked(roi=(0.5, 0.5, 0.5, 0.5), focus_window=(0.5, 0.5, 0.5, 0.5))
    assert inside["AfMetering"] == 1
    assert inside["AfWindows"] == [(3456, 1944, 1152, 648)]


def test_a_part_of_the_view_keeps_the_shape_of_the_picture() -> None:
    assert asked(roi=(0.25, 0.25, 0.5, 0.5))["ScalerCrop"] == (1152, 648, 2304, 1296)
    assert seen((0.0, 0.5, 1.0, 0.25), FULL_HD, MODULE_3) == (1728, 1296, 1152, 648), "as wide as it may be, in the middle"
    tall = seen((0.4, 0.0, 0.2, 1.0), FULL_HD, MODULE_3)
    assert tall is not None
    assert abs(tall[2] / tall[3] - 16 / 9) < 0.01


def test_a_camera_with_a_crop_for_each_stream_gets_both() -> None:
    both = asked({**MODULE_3, "ScalerCrops": ((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0))}, roi=(0.25, 0.25, 0.5, 0.5))
    assert both["ScalerCrops"] == [(1152, 648, 2304, 1296)] * 2
    assert "ScalerCrop" not in both


def test_frames_last_as_long_as_the_longest_exposure_and_come_as_often_as_they_are_wanted() -> None:
    assert asked(longest_exposure_ms=100.0)["FrameDurationLimits"] == (33_333, 100_000)
    assert asked(exposure_ms=2.0).get("FrameDurationLimits") is None
    assert asked(fps=60.0)["FrameDurationLimits"] == (16_667, 16_667)


def test_light_and_hdr_are_named_as_libcamera_numbers_them() -> None:
    assert asked(awb="daylight")["AwbMode"] == 5
    assert asked(hdr="multi")["HdrMode"] == 2
    assert "HdrMode" not in asked(hdr="sensor"), "that one is a switch of the sensor"


@pytest.mark.parametrize(
    ("keys", "line", "expected"),
    [
        ('focus = "close"', 7, 'camera[1].picamera2.focus must be "continuous" or "auto" or "manual", not \'close\''),
        ("roi = [0.5, 0.5, 0.6, 0.5]", 7, "camera[1].picamera2.roi must be [] or [left, top, width, height] in fractions of the picture"),
        ("roi = [0, 0, 1]", 7, "camera[1].picamera2.roi must be [] or [left,"),
        ('roi = ["left", 0, 1, 1]', 7, "camera[1].picamera2.roi must be [] or [left,"),
        ("roi = 0.5", 7, "camera[1].picamera2.roi must be [] or [left,"),
        ("buffers = 2", 7, "camera[1].picamera2.buffers must be a number from 3 to 16, not 2"),
        ("sensor_width = 2304", 6, "camera[1].picamera2.sensor_height must be set together with its other half"),
        (
            "exposure_ms = 2.0\nlongest_exposure_ms = 4.0",
            8,
            "camera[1].picamera2.longest_exposure_ms must be 0 as long as exposure_ms fixes",
        ),
        ("gain = 2.0\nhighest_gain = 4.0", 8, "camera[1].picamera2.highest_gain must be 0 as long as gain fixes the gain"),
        ("lens_position = 1.0", 7, 'camera[1].picamera2.lens_position must be set together with focus = "manual"'),
        ('focus_window = [0, 0, 1, 1]\nfocus = "manual"', 7, 'camera[1].picamera2.focus_window must be empty as long as focus is "manual"'),
        ("shutter = 2", 7, "unknown key camera[1].picamera2.shutter"),
    ],
)
def test_what_is_wrong_with_a_camera_is_told_with_the_line_it_stands_on(tmp_path: Path, keys: str, line: int, expected: str) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(f'[[camera]]\nname = "a"\n[camera.picamera2]\n[[camera]]\nname = "b"\n[camera.picamera2]\n{keys}\n')
    with pytest.raises(BadConfig) as wrong:
        config.load(file, {})
    assert str(wrong.value).startswith(f"{file}:{line}: {expected}")
    assert "\n" not in str(wrong.value)
