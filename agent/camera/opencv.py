"""Frames from a USB camera (V4L2) or a network camera (RTSP, HTTP) through OpenCV: the newest one, never a queue of old ones."""

import os
import time
from dataclasses import replace
from types import TracebackType
from typing import Self

import cv2

from agent import config
from agent.camera import stream, usb
from agent.camera.pump import Pump
from agent.clock import Clock
from agent.config_network import parted, unclear
from agent.domain import Frame
from agent.errors import NeedsOperator, RetryLater
from agent.settings import masked

_FRESH_S = 0.2  # how long before it is due a frame is looked out for: the rest of a long interval costs no conversion


def quiet() -> None:
    """Keep what OpenCV and FFmpeg print on stderr, addresses with passwords included, out of the journal of this process."""
    # Read when FFmpeg is first used, so it still counts after `import cv2`; -8 is AV_LOG_QUIET.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


class LiveCamera:
    """A camera that keeps sending; entering it opens the stream, leaving it closes the stream whatever state it is in."""

    def __init__(self, settings: config.Camera, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._name = masked(parted(settings.source)[0])
        self._pump: Pump | None = None
        self._due = 0.0

    def __enter__(self) -> Self:
        """Raises `RetryLater` where nothing answers within `open_timeout_s`, `NeedsOperator` where a person has to change something."""
        quiet()
        self._pump = Pump(self._opened(), self._name, self._settings.read_timeout_s)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pump:
            self._pump.stop()
            self._pump = None

    def pace(self, fps: float) -> None:
        self._settings = replace(self._settings, fps=fps)

    def read(self) -> Frame:
        """The newest frame that was not handed out yet; raises `RetryLater` after `read_timeout_s` without one, or at the end."""
        if self._pump is None:
            raise RetryLater(f"{self._name} is not open")
        time.sleep(max(0.0, self._due - time.monotonic()))
        taken_at, pixels = self._pump.newest()
        period = 1 / self._settings.fps
        self._due = time.monotonic() + period
        self._pump.idle_until = self._due - min(period / 2, _FRESH_S)
        return Frame(pixels, self._clock.at(taken_at))

    def _opened(self) -> cv2.VideoCapture:
        source = self._settings.source
        if source.startswith(stream.SCHEMES) and not unclear(source):
            return stream.opened(self._settings, self._name)
        if source.isdecimal() or source.startswith("/dev/"):
            return usb.opened(self._settings)
        raise NeedsOperator(
            f"{self._name or 'nothing'}: camera.source must be a device such as /dev/v4l/by-id/…, a number, or an address that begins with "
            "rtsp://, rtsps://, http:// or https://"
        )
