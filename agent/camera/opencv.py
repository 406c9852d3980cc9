"""Frames from a USB camera (V4L2) or a network camera (RTSP, HTTP) through OpenCV: the newest one, never a queue of old ones."""

import logging
import os
import re
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from agent import config
from agent.clock import Clock
from agent.domain import Frame, Pixels
from agent.errors import NeedsOperator, RetryLater

log = logging.getLogger(__name__)
JOIN_S = 1.0


def shown(source: str) -> str:
    """A source as it may appear in a log: user and password before the host and every `=value` in the address are masked."""
    return re.sub(r"=[^&]*", "=***", re.sub(r"(?<=://).*@", "***@", source))


def quiet() -> None:
    """Keep what OpenCV and FFmpeg print on stderr, addresses with passwords included, out of the journal of this process."""
    # Read when FFmpeg is first used, so it still counts after `import cv2`; -8 is AV_LOG_QUIET.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


class LiveCamera:
    """A camera that keeps sending; entering it opens the stream, leaving it closes the stream whatever state it is in."""

    def __init__(self, settings: config.Camera, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._name = shown(settings.source)
        self._pump: _Pump | None = None
        self._due = 0.0

    def __enter__(self) -> Self:
        """Raises `RetryLater` where nothing answers within `open_timeout_s`, `NeedsOperator` where the source cannot be one."""
        quiet()
        capture = _stream(self._settings) if "://" in self._settings.source else _device(self._settings)
        self._pump = _Pump(capture, self._name, self._settings.read_timeout_s)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pump:
            self._pump.stop()
            self._pump = None

    def read(self) -> Frame:
        """The newest frame that was not handed out yet; raises `RetryLater` after `read_timeout_s` without one, or at the end."""
        if self._pump is None:
            raise RetryLater(f"{self._name} is not open")
        time.sleep(max(0.0, self._due - time.monotonic()))
        taken_at, pixels = self._pump.newest()
        period = 1 / self._settings.fps
        self._due = time.monotonic() + period
        self._pump.idle_until = self._due - period / 2
        return Frame(pixels, self._clock.at(taken_at))


class _Pump:
    """Takes every frame off a capture in a thread of its own and keeps the last.

    What OpenCV queues is not dropped: read at 1 fps, a stream of 25 fps was 16 s behind after 17 s. And a signal is not
    handled while the main thread sits in `read()`, which may be for the whole read time-out.
    """

    def __init__(self, capture: cv2.VideoCapture, name: str, timeout_s: float) -> None:
        self.idle_until = 0.0  # frames before this moment would be replaced before anyone asks: they are not decoded to BGR
        self._capture, self._name, self._timeout_s = capture, name, timeout_s
        self._news = threading.Condition()
        self._latest: tuple[float, Pixels] | None = None
        self._running = True
        self._thread = threading.Thread(target=self._run, name="grab", daemon=True)
        self._thread.start()

    def newest(self) -> tuple[float, Pixels]:
        """The last frame and the monotonic time of its grabbing, each one once."""
        with self._news:
            self._news.wait_for(lambda: self._latest or not self._running, self._timeout_s)
            latest, self._latest, running = self._latest, None, self._running
        if latest:
            return latest
        if running:
            raise RetryLater(f"{self._name} sent no frame for {self._timeout_s:g} s; the camera or the way to it is stuck")
        raise RetryLater(f"{self._name} has stopped sending; the camera, its cable or the network has gone")

    def stop(self) -> None:
        self._running = False
        self._thread.join(JOIN_S)
        if self._thread.is_alive():
            # It sits in native code and cannot be interrupted: it lets go after the read time-out, or with the process.
            log.debug("%s does not let go yet", self._name)

    def _run(self) -> None:
        try:
            while self._running and (taken_at := self._grabbed_at()) is not None:
                if taken_at >= self.idle_until:
                    self._keep(taken_at)
        except cv2.error as exc:
            log.warning("%s: OpenCV gave up: %s", self._name, exc.err)
        finally:
            # Here and nowhere else: releasing a capture that another thread is reading crashes the process.
            self._capture.release()
            with self._news:
                self._running = False
                self._news.notify()

    def _grabbed_at(self) -> float | None:
        """When the next frame was grabbed; None at the end, which is the first failure: a dead capture fails at once, for ever."""
        began = time.monotonic()
        ok = self._capture.grab()
        now = time.monotonic()
        # After its time-out FFmpeg lets go of the frame the H.264 decoder had held back, as if it were new: that is the end, too.
        return now if ok and now - began < self._timeout_s else None

    def _keep(self, taken_at: float) -> None:
        ok, pixels = self._capture.retrieve()
        if ok:
            with self._news:
                self._latest = taken_at, np.asarray(pixels, np.uint8)
                self._news.notify()


def _stream(settings: config.Camera) -> cv2.VideoCapture:
    name, seconds = shown(settings.source), settings.open_timeout_s
    if not settings.source.startswith(("rtsp://", "rtsps://", "http://", "https://")):
        raise NeedsOperator(f"{name}: camera.source must begin with rtsp://, http:// or https://, or be a device such as /dev/video0")
    # Only when given together with the backend do the time-outs count (30 s otherwise). Each further decoding thread holds back
    # one more frame, which comes out late when the stream stalls.
    limits = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(seconds * 1000)),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(settings.read_timeout_s * 1000)),
        *(cv2.CAP_PROP_N_THREADS, 1),
    ]
    capture = cv2.VideoCapture(settings.source, cv2.CAP_FFMPEG, limits)
    if not capture.isOpened():
        raise RetryLater(f"{name} gave no video within {seconds:g} s; check that the camera is on, its address, user and password")
    return capture


def _device(settings: config.Camera) -> cv2.VideoCapture:
    source = f"/dev/video{settings.source}" if settings.source.isdecimal() else settings.source
    if not source.startswith("/dev/"):
        raise NeedsOperator(f"{source}: camera.source must be a number, a device such as /dev/video0, or an rtsp:// or http:// address")
    if not Path(source).exists():
        raise RetryLater(f"{source} is not there; plug the camera in, or set camera.source to one of /dev/v4l/by-id")
    if not os.access(source, os.R_OK | os.W_OK):
        raise NeedsOperator(f"{source} may not be opened by this user; add it to the group that owns the device: usermod -aG video …")
    capture = cv2.VideoCapture(source, cv2.CAP_V4L2)
    if not capture.isOpened():
        raise RetryLater(f"{source} cannot be opened as a camera; another program may hold it, or it is no capture device")
    # Over USB 2 only MJPEG reaches 1080p at more than a few frames a second. A camera that refuses keeps what it has.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
    return capture
