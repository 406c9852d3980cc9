"""Live cameras: the newest frame, and an end within the time-outs whatever the other side does."""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from agent import config
from agent.camera.opencv import LiveCamera
from agent.camera.pump import Pump
from agent.clock import Clock
from agent.domain import Pixels
from agent.errors import NeedsOperator, RetryLater
from tests.servers import CameraServer, Mood, refusing_port, until

LIMIT_S = 2.0  # the time-outs that are set: enough for a slow machine to open what is well
END_S = 5.0  # every opening and every reading has to be over by then


def live(source: str, fps: float = 30) -> LiveCamera:
    settings = config.Camera(driver="opencv", source=source, fps=fps, open_timeout_s=LIMIT_S, read_timeout_s=LIMIT_S)
    return LiveCamera(settings, Clock())


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def read_on(camera: LiveCamera) -> None:
    while camera.read():
        pass


def tasks() -> int:
    """Threads of this process as the kernel counts them, those of FFmpeg included."""
    return len(list(Path("/proc/self/task").iterdir()))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_slow_reader_gets_the_newest_frame_and_not_the_next_in_the_queue() -> None:
    with CameraServer(fps=25) as server, live(server.url, fps=2) as camera:
        for _ in range(4):
            frame = camera.read()
            behind = server.sent - round(float(frame.pixels.mean()) / 3)
        assert server.sent > 30
        assert -1 <= behind <= 12, "in a queue it would be 40 behind"


def test_frames_come_no_faster_than_asked_and_carry_the_time_of_their_grabbing() -> None:
    with CameraServer(fps=25) as server, live(server.url, fps=5) as camera:
        times = [(camera.read().taken_at.seconds, time.monotonic()) for _ in range(6)]
    assert times[-1][1] - times[0][1] > 0.6, "five intervals of 0.2 s; unhindered it would be five of 0.04 s"
    assert all(-0.001 <= after - taken < 1 for taken, after in times)
    assert len({taken for taken, _ in times}) == len(times)


def test_a_frame_belongs_to_its_reader_and_is_not_drawn_over_by_the_next() -> None:
    with CameraServer(fps=25) as server, live(server.url) as camera:
        first = camera.read().pixels
        kept = first.copy()
        for _ in range(5):
            camera.read()
    assert first.shape == (120, 160, 3)
    assert (first == kept).all()


@pytest.mark.parametrize("mood", ["silent", "noise"])
def test_a_camera_that_answers_with_no_video_is_given_up_within_the_time_out(mood: Mood) -> None:
    with CameraServer(mood) as server:
        camera = live(server.url)
        with ends_within(END_S), pytest.raises(RetryLater, match="gave no video within 2 s"), camera:
            pass


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_camera_that_is_switched_off_is_given_up_at_once(scheme: str) -> None:
    with (
        ends_within(END_S),
        pytest.raises(RetryLater, match="refuses the connection"),
        live(f"{scheme}://127.0.0.1:{refusing_port()}/video"),
    ):
        pass


@pytest.mark.parametrize("mood", ["stalls", "garbage", "hangs up"])
def test_a_stream_that_breaks_is_noticed_within_the_time_out_and_stays_broken(mood: Mood) -> None:
    with CameraServer(mood) as server, live(server.url) as camera:
        with pytest.raises(RetryLater):
            read_on(camera)
        assert server.sent_at > 0
        assert time.monotonic() - server.sent_at < END_S
        with ends_within(END_S), pytest.raises(RetryLater):
            camera.read()


class HeldBack:
    """A capture as FFmpeg is after a stall: it lets go of a frame from before the stall when the time-out is over."""

    def grab(self) -> bool:
        time.sleep(0.2)
        return True

    def retrieve(self) -> tuple[bool, Pixels]:
        return True, np.zeros((4, 4, 3), np.uint8)

    def release(self) -> None: ...


def test_a_frame_that_the_decoder_held_back_until_the_time_out_is_not_taken_for_a_new_one() -> None:
    pump = Pump(HeldBack(), "camera", timeout_s=0.1)  # type: ignore[arg-type]  # what the pump needs of a capture
    with pytest.raises(RetryLater):
        pump.newest()
    time.sleep(0.2)
    with pytest.raises(RetryLater, match="has stopped sending"):
        pump.newest()


def test_a_stalled_camera_can_be_closed_at_once() -> None:
    with CameraServer("stalls", good=3) as server, live(server.url) as camera:
        camera.read()
        began = time.monotonic()
    assert time.monotonic() - began < END_S


def test_a_camera_that_breaks_again_and_again_leaves_no_thread_and_no_file_behind() -> None:
    def round_() -> None:
        with CameraServer("hangs up", good=6) as server, pytest.raises(RetryLater), live(server.url) as camera:
            read_on(camera)

    round_()
    before, files = tasks(), open_files()
    for _ in range(5):
        round_()
    assert until(lambda: tasks() <= before and open_files() <= files, 20)


def test_a_camera_that_came_back_is_read_again_by_the_same_object() -> None:
    with CameraServer("hangs up", good=8) as server:
        camera = live(server.url)
        for _ in range(2):
            with camera:
                assert camera.read().size == (160, 120)


def test_a_usb_camera_that_is_not_there_is_named() -> None:
    for source in ("99", "/dev/video99"):
        with pytest.raises(RetryLater, match=r"^/dev/video99 is not there; plug the camera in"), live(source):
            pass


def test_a_device_that_is_no_camera_is_refused() -> None:
    with pytest.raises(RetryLater, match="/dev/null cannot be opened as a camera"), live("/dev/null"):
        pass


@pytest.mark.parametrize("source", ["ftp://camera/video", "clip.mp4", ""])
def test_a_source_that_is_no_live_camera_is_the_operators_business(source: str) -> None:
    with pytest.raises(NeedsOperator, match=re.escape("camera.source must be")), live(source):
        pass


def test_reading_before_opening_is_refused() -> None:
    with pytest.raises(RetryLater, match="is not open"):
        live("0").read()


def test_a_password_reaches_neither_error_nor_log_nor_stderr(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    host = f"127.0.0.1:{refusing_port()}"
    with pytest.raises(RetryLater) as refused, live(f"rtsp://admin:s3cret@{host}/ch1"):
        pass
    with CameraServer("hangs up") as server:
        camera = live(server.url.replace("http://", "http://admin:s3cret@"))
        with pytest.raises(RetryLater) as broken, camera:
            read_on(camera)
    assert host in str(refused.value)
    assert "s3cret" not in f"{refused.value} {broken.value} {caplog.text} {capfd.readouterr().err}"
