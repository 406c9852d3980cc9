"""The Pi's camera, as far as it goes without one: what is missing is named, and every buffer layout becomes BGR."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent import config
from agent.camera import open_camera
from agent.camera.pi_layout import Layout, layout_of
from agent.camera.pi_open import contiguous_mb
from agent.clock import Clock
from agent.domain import Pixels
from agent.errors import NeedsOperator
from tests.camera_contract import CHECKS, World, pictures
from tests.picamera_fake import Wall, put

WIDTH, HEIGHT = 64, 32


def coloured() -> Pixels:
    """Blue growing to the right, green downwards, red in one half: a swap of any two shows."""
    across, down = np.meshgrid(np.linspace(40, 200, WIDTH), np.linspace(60, 180, HEIGHT))
    red = np.where(np.arange(WIDTH) < WIDTH // 2, 70.0, 150.0)
    return np.dstack([across, down, np.broadcast_to(red, across.shape)]).astype(np.uint8)


def padded(rows: Pixels, stride: int) -> Pixels:
    """Rows of bytes as a buffer: each padded to the stride, and a page's rest at the end, all of it 255."""
    full = np.full((len(rows), stride), 255, np.uint8)
    full[:, : rows.shape[1]] = rows
    return np.concatenate([full.ravel(), np.full(100, 255, np.uint8)])


def planar(bgr: Pixels, stride: int, layout: str) -> Pixels:
    """BGR as a 4:2:0 buffer with padded rows."""
    i420 = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), np.uint8)
    light, u, v = i420[:HEIGHT], *i420[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
    if layout in {"NV12", "NV21"}:
        chroma = np.dstack([u, v] if layout == "NV12" else [v, u]).reshape(HEIGHT // 2, WIDTH)
        return padded(np.concatenate([light, chroma]), stride)
    halves = [u, v] if layout == "YUV420" else [v, u]
    return np.concatenate([padded(light, stride)[:-100], *(padded(half, stride // 2)[:-100] for half in halves), np.zeros(100, np.uint8)])


@pytest.mark.parametrize("stride", [WIDTH, WIDTH + 32])
@pytest.mark.parametrize("layout", ["NV12", "NV21", "YUV420", "YVU420"])
def test_a_buffer_in_planes_becomes_bgr_without_its_padding(layout: str, stride: int) -> None:
    picture = coloured()
    pixels = Layout(layout, WIDTH, HEIGHT, stride).to_bgr(planar(picture, stride, layout))
    assert pixels.shape == picture.shape
    assert pixels.flags.c_contiguous
    inner = np.abs(pixels.astype(int) - picture)[:, [*range(30), *range(34, WIDTH)]]  # the red edge shares its chroma
    assert inner.max() <= 6


@pytest.mark.parametrize("stride", [WIDTH, WIDTH + 32])
@pytest.mark.parametrize("layout", ["NV12", "NV21", "YUV420", "YVU420"])
def test_planes_with_all_levels_become_bgr_and_grey_as_they_were(layout: str, stride: int) -> None:
    picture = coloured()
    ycc = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb), np.uint8)
    red, blue = (np.ascontiguousarray(ycc[::2, ::2, plane]) for plane in (1, 2))
    first, second = (blue, red) if layout in {"NV12", "YUV420"} else (red, blue)
    if layout.startswith("NV"):
        chroma = padded(np.dstack([first, second]).reshape(HEIGHT // 2, WIDTH), stride)
    else:
        chroma = np.concatenate([padded(first, stride // 2)[:-100], padded(second, stride // 2)])
    buffer = np.concatenate([padded(ycc[..., 0], stride)[:-100], chroma])
    made = Layout(layout, WIDTH, HEIGHT, stride, full=True)
    inner = np.abs(made.to_bgr(buffer).astype(int) - picture)[1:-1, [*range(1, 30), *range(34, WIDTH - 1)]]
    assert inner.max() <= 4
    grey = made.grey(buffer)
    assert grey is not None
    assert (grey == ycc[..., 0]).all()


def test_levels_of_television_become_grey_of_all_levels() -> None:
    light = np.tile(np.array([16, 126, 235, 8], np.uint8), (HEIGHT, WIDTH // 4))
    grey = Layout("YUV420", WIDTH, HEIGHT, WIDTH).grey(np.concatenate([light.ravel(), np.full(WIDTH * HEIGHT // 2, 128, np.uint8)]))
    assert grey is not None
    assert grey[0, :4].tolist() == [0, 128, 255, 0]


def test_a_format_in_rows_has_no_grey_of_its_own() -> None:
    assert Layout("RGB888", WIDTH, HEIGHT, WIDTH * 3).grey(np.zeros(WIDTH * HEIGHT * 3, np.uint8)) is None


@pytest.mark.parametrize("padding", [0, 24])
@pytest.mark.parametrize(
    ("layout", "order"),
    [("RGB888", [0, 1, 2]), ("BGR888", [2, 1, 0]), ("XRGB8888", [0, 1, 2, 0]), ("XBGR8888", [2, 1, 0, 0])],
)
def test_a_buffer_in_rows_becomes_bgr_without_its_padding(layout: str, order: list[int], padding: int) -> None:
    picture = coloured()
    stride = WIDTH * len(order) + padding
    buffer = padded(picture[..., order].reshape(HEIGHT, -1), stride)
    pixels = Layout(layout, WIDTH, HEIGHT, stride).to_bgr(buffer)
    assert (pixels == picture).all()


def test_what_the_camera_made_of_the_configuration_is_what_counts() -> None:
    assert layout_of({"format": "NV12", "size": (1280, 720), "stride": 1344}, full=False) == Layout("NV12", 1280, 720, 1344)


def test_a_layout_nobody_can_convert_is_named() -> None:
    with pytest.raises(NeedsOperator, match="delivers SRGGB10_CSI2P"):
        layout_of({"format": "SRGGB10_CSI2P", "size": (1280, 720), "stride": 1600}, full=False)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_small_picamera2_keeps_the_contract(check: Callable[[World], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put(monkeypatch, Wall(tmp_path, pictures()))
    check(World(tmp_path))


def test_what_the_camera_tells_of_a_frame_travels_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = {"ExposureTime": 1987, "AnalogueGain": 2.5, "LensPosition": 0.75}
    put(monkeypatch, Wall(tmp_path, pictures(), metadata=told))
    with World(tmp_path).camera() as camera:
        frame = camera.read()
    assert (frame.exposure_ms, frame.gain, frame.lens_position) == (1.987, 2.5, 0.75)


def test_the_exposure_follows_the_light_of_the_frames(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    advertised = {"ExposureTime": (20, 60_000, 20_000), "AnalogueGain": (1.0, 16.0, 1.0), "AeEnable": (False, True, True)}
    dark = [np.full((720, 1280, 3), 20, np.uint8)]
    wall = Wall(tmp_path, dark, controls=advertised)
    put(monkeypatch, wall)
    with World(tmp_path).camera({"longest_exposure_ms": 2.0}) as camera:
        assert wall.opened[0].controls == {"AeEnable": False, "ExposureTime": 2000, "AnalogueGain": 1.0}
        camera.read()
        assert wall.opened[0].controls == {"AeEnable": False, "ExposureTime": 2000, "AnalogueGain": 4.0}


def test_what_the_camera_cannot_follow_is_named_once_by_its_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(monkeypatch, Wall(tmp_path, pictures()))
    with World(tmp_path).camera({"awb": "daylight", "gain": 2.0}):
        pass
    assert "cannot follow camera.picamera2.awb, gain: it has no control for it" in caplog.text
    caplog.clear()
    with World(tmp_path).camera():
        pass
    assert "cannot follow" not in caplog.text, "nobody asked"


def test_contiguous_memory_is_told_where_the_kernel_keeps_some(tmp_path: Path) -> None:
    (tmp_path / "pi4").write_text("MemFree:  1 kB\nCmaTotal:         524288 kB\nCmaFree:           10240 kB\n")
    (tmp_path / "pi5").write_text("CmaTotal:              0 kB\nCmaFree:               0 kB\n")
    assert contiguous_mb(tmp_path / "pi4") == (10, 512)
    assert contiguous_mb(tmp_path / "pi5") is None


def test_without_picamera2_the_operator_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    expected = re.escape("sudo apt install python3-picamera2") + ".*" + re.escape("--system-site-packages")
    with pytest.raises(NeedsOperator, match=expected), open_camera(config.Camera(), Clock()):
        pass


def test_a_camera_is_chosen_by_its_number() -> None:
    with pytest.raises(NeedsOperator, match="number of the camera"), open_camera(config.Camera(source="/dev/video0"), Clock()):
        pass
