"""Takes every frame off an OpenCV capture in a thread of its own and keeps the newest."""

import logging
import threading
import time

import cv2
import numpy as np

from agent.domain import Pixels
from agent.errors import RetryLater

log = logging.getLogger(__name__)
JOIN_S = 0.8


class Pump:
    """What OpenCV queues is not dropped: read at 1 fps, a stream of 25 fps was 16 s behind after 17 s.

    And a signal is not handled while the main thread sits in `read()`, which may be for the whole read time-out.
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
        """The last frame, BGR, and the monotonic time of its grabbing, each one once; raises `RetryLater` where none comes any more."""
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
