"""Replay: every picture of the source, in order, no faster than asked, and a clear word about a source that is none."""

import dataclasses
import itertools
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent import config
from agent.camera import CAMERAS, open_camera, replay
from agent.camera.scene import Scene
from agent.clock import Clock
from agent.domain import Pixels
from agent.errors import NeedsOperator
from agent.settings import Rule


def settings(source: Path | str, **more: object) -> config.Camera:
    start = config.Camera(driver="replay", source=str(source), fps=120, width=320, height=180, vehicles=1)
    return dataclasses.replace(start, **more)  # type: ignore[arg-type]  # keys of the section


def grey(level: int) -> Pixels:
    return np.full((48, 64, 3), level, np.uint8)


def levels(source: config.Camera, most: int = 100) -> list[int]:
    """The brightness of the frames that the opened camera hands out until it ends, at most so many."""
    with open_camera(source, Clock()) as camera:
        return [round(float(frame.pixels.mean())) for frame in itertools.islice(iter(camera.read, None), most) if frame]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, level in (("b.png", 20), ("a.png", 10), ("C.PNG", 5), ("d.jpg", 30)):
        cv2.imwrite(str(tmp_path / name), grey(level))
    (tmp_path / "labels.csv").write_text("a.png,1HGCM82633A004352\n")
    return tmp_path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    file = tmp_path / "gate.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for level in range(0, 200, 10):
        writer.write(grey(level))
    writer.release()
    return file


def test_a_folder_is_shown_in_the_order_of_its_names_and_then_ends(folder: Path) -> None:
    assert levels(settings(folder)) == [5, 10, 20, 30]


def test_a_loop_begins_again(folder: Path) -> None:
    assert levels(settings(folder, loop=True), 10) == [5, 10, 20, 30, 5, 10, 20, 30, 5, 10]


def test_a_folder_that_goes_away_between_two_rounds_is_named(folder: Path) -> None:
    with open_camera(settings(folder, loop=True), Clock()) as camera:
        assert all(camera.read() for _ in range(4))
        shutil.rmtree(folder)
        with pytest.raises(NeedsOperator, match="may list"):
            camera.read()


def test_pictures_that_cannot_be_read_are_left_out_with_a_warning_each(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "aa.jpg").write_bytes(b"no picture")
    (folder / "ab.jpg").write_bytes(b"")
    (folder / "ac.jpg").mkdir()
    assert levels(settings(folder)) == [5, 10, 20, 30]
    assert len(caplog.records) == 3
    assert all(name in caplog.text for name in ("aa.jpg", "ab.jpg", "ac.jpg"))


def test_a_video_gives_every_frame_even_to_a_slow_reader(video: Path) -> None:
    with open_camera(settings(video), Clock()) as camera:
        seen = []
        while (frame := camera.read()) is not None:
            seen.append(round(float(frame.pixels.mean()) / 10) * 10)
            time.sleep(0.02)
    assert seen == list(range(0, 200, 10))


def test_a_video_loops_from_its_beginning(video: Path) -> None:
    assert len(levels(settings(video, loop=True), 45)) == 45


def test_frames_are_handed_out_no_faster_than_asked_and_stamped_then(folder: Path) -> None:
    with open_camera(settings(folder, fps=20.0), Clock()) as camera:
        frames = [camera.read() for _ in range(4)]
        now = time.monotonic()
    times = [frame.taken_at.seconds for frame in frames if frame]
    assert all(later - earlier >= 0.048 for earlier, later in itertools.pairwise(times))
    assert now - times[-1] < 0.05


@pytest.mark.parametrize("loop", [False, True])
def test_a_source_with_nothing_to_show_says_so_and_does_not_spin(tmp_path: Path, *, loop: bool) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"no picture")
    (tmp_path / "text.avi").write_text("no video")
    for name in ("empty", "broken", "text.avi"):
        source = settings(tmp_path / name, loop=loop)
        with open_camera(source, Clock()) as camera, pytest.raises(NeedsOperator, match=f"{name}: nothing in it can be shown"):
            camera.read()


def test_a_source_that_does_not_exist_is_named_when_it_is_opened(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    expected = re.escape(f"{missing}: there is no such folder or video")
    with pytest.raises(NeedsOperator, match=expected), open_camera(settings(missing), Clock()):
        pass


def test_the_rendered_gate_is_a_source() -> None:
    source = settings("scene", seed=4)
    shown = list(replay.frames(source))
    drawn = [view.pixels for view in Scene(4, 1, 320, 180, source.fps)]
    assert len(shown) == len(drawn)
    assert all((one == other).all() for one, other in zip(shown, drawn, strict=True))


def test_a_looping_gate_goes_on_with_new_vehicles() -> None:
    source = settings("scene", loop=True, fps=8.0)
    drawn = [view.pixels for view in Scene(source.seed, 2, 320, 180, 8.0)]
    shown = list(itertools.islice(replay.frames(source), len(drawn)))
    assert all((one == other).all() for one, other in zip(shown, drawn, strict=True))


def test_every_driver_the_settings_allow_is_in_the_registry() -> None:
    rule: Rule = next(field for field in dataclasses.fields(config.Camera) if field.name == "driver").metadata["rule"]
    assert set(rule.choices) == set(CAMERAS)


def test_the_registry_loads_no_driver_before_it_is_used() -> None:
    code = "import sys, agent.camera; print([name for name in ('cv2', 'PIL', 'picamera2') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
