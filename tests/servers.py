"""Servers on the loopback interface that behave as badly as the real ones do, on demand."""

import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

import cv2
import numpy as np

from tests.loopback import Loopback

Mood = Literal["healthy", "silent", "stalls", "garbage", "noise", "hangs up"]
HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"


def refusing_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class CameraServer:
    """An HTTP camera (MJPEG): healthy, or silent after connecting, or it stalls, hangs up or sends garbage after `good` frames.

    Each frame is grey, of the brightness `shade(number)`, so that a reader can tell which one it got.
    """

    def __init__(self, mood: Mood = "healthy", *, fps: float = 25, good: int = 15) -> None:
        self.mood, self.fps, self.good = mood, fps, good
        self.sent = 0
        self.sent_at = 0.0  # monotonic seconds of the last good frame
        self._loopback = Loopback(self._serve)

    def __enter__(self) -> Self:
        self.url = f"http://127.0.0.1:{self._loopback.start()}/video"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loopback.stop()

    def _serve(self, caller: socket.socket) -> None:
        caller.settimeout(1)
        try:
            with caller:
                caller.recv(4096)
                self._talk(caller)
        except OSError:
            return  # the reader has gone, as the tests want it to

    def _talk(self, caller: socket.socket) -> None:
        rng = np.random.default_rng(1)
        if self.mood == "noise":
            while not self._loopback.stopping.wait(0.02):
                caller.sendall(rng.bytes(5000))
        if self.mood != "silent":
            caller.sendall(HEAD)
        for number in range(1_000_000):
            if self._loopback.stopping.wait(1 / self.fps):
                return
            if number >= self.good and self.mood == "hangs up":
                return
            if self.mood == "silent" or (number >= self.good and self.mood == "stalls"):
                continue
            garbage = number >= self.good and self.mood == "garbage"
            body = rng.bytes(3000) if garbage else picture(number)
            caller.sendall(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body) + body + b"\r\n")
            if not garbage:
                self.sent, self.sent_at = number, time.monotonic()


def shade(number: int) -> int:
    return number * 3 % 250


def picture(number: int) -> bytes:
    ok, data = cv2.imencode(".jpg", np.full((120, 160, 3), shade(number), np.uint8))
    assert ok
    return data.tobytes()


def until(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Wait until the callable says True."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
