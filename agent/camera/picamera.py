"""Frames from a Raspberry Pi's own camera through picamera2 and libcamera: small and grey for the gate, whole when the finder asks."""

import logging
import time
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import cv2

from agent import config
from agent.camera import pi_controls, pi_exposure
from agent.camera.pi_layout import Layout
from agent.camera.pi_open import configured, opened, trouble
from agent.clock import Clock
from agent.domain import Frame, Pixels, Unmade
from agent.errors import NeedsOperator, RetryLater

log = logging.getLogger(__name__)


class Held:
    """One picture that the camera may not overwrite yet: read while it is held, and at most once of each kind."""

    def __init__(self, request: Any, main: Layout, small: Layout | None) -> None:
        self.told: dict[str, Any] = request.get_metadata()
        self._request, self._main, self._small = request, main, small
        self._buffer: Pixels | None = None
        self._pixels: Pixels | None = None

    def grey(self) -> Pixels | None:
        """Grey levels for the gate, of the small picture or else of the large one; None where the format has none apart from colour."""
        if self._small is not None:
            return self._small.grey(self._request.make_buffer("lores"))
        return self._main.grey(self._whole()) if self._main.has_grey else None

    def pixels(self) -> Pixels:
        """The large picture in BGR. Raises `RetryLater` where the camera no longer has it."""
        if self._pixels is None:
            self._pixels, self._buffer = self._main.to_bgr(self._whole()), None
        return self._pixels

    def let_go(self) -> None:
        """Give the buffers back to the camera, which soon stands still without them."""
        request, self._request = self._request, None
        if request is not None:
            request.release()

    def _whole(self) -> Pixels:
        if self._buffer is None:
            if self._request is None:
                raise RetryLater("the picture has gone back to the camera; it can be had until the next frame is asked for")
            self._buffer = self._request.make_buffer("main")
        return self._buffer


class PiCamera:
    """A camera on the Pi's ribbon cable; entering it opens and starts the camera, leaving it gives the camera back.

    It is opened once: after trouble it is closed, and reading goes on in another process. Opened again and again, libcamera and the
    kernel lose contiguous memory until there is none.
    """

    def __init__(self, settings: config.Camera, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._camera: Any = None
        self._main = Layout("", 0, 0, 0)
        self._small: Layout | None = None
        self._exposure: pi_exposure.Exposure | None = None
        self._held: Held | None = None
        self._due = 0.0

    def __enter__(self) -> Self:
        """Raises `NeedsOperator` where package, camera or format are missing, `RetryLater` where it is held or does not start."""
        self._camera = opened(self._settings)
        try:
            self._start()
        except (RuntimeError, OSError) as exc:
            self._close()
            raise RetryLater(f"camera {self._settings.source} does not start: {trouble(exc)}") from exc
        except NeedsOperator:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def pace(self, fps: float) -> None:
        self._settings = replace(self._settings, fps=fps)

    def read(self) -> Frame:
        """The newest frame with the time its exposure began; its pixels can be had until the next call.

        Raises `RetryLater` when none comes within `read_timeout_s`; the camera is closed then.
        """
        if self._camera is None:
            raise RetryLater(f"camera {self._settings.source} is not open")
        self._let_go()
        time.sleep(max(0.0, self._due - time.monotonic()))
        try:
            frame = self._frame(self._captured())
        except (RuntimeError, OSError) as exc:
            self._close()
            raise RetryLater(f"camera {self._settings.source} broke off: {exc}") from exc
        self._due = time.monotonic() + 1 / self._settings.fps
        return frame

    def _captured(self) -> Held:
        try:
            # Always a number: without one a camera that stalls blocks for ever.
            request = self._camera.capture_request(wait=float(self._settings.read_timeout_s))
        except TimeoutError:
            waited = f"{self._settings.read_timeout_s:g} s"
            # Said before closing, which a camera that hangs in the kernel may never come back from: then this process is killed.
            log.warning("camera %s sent no frame for %s and is closed", self._settings.source, waited)
            self._close()
            raise RetryLater(f"camera {self._settings.source} sent no frame for {waited}; check its cable and the power supply") from None
        self._held = Held(request, self._main, self._small)
        return self._held

    def _frame(self, held: Held) -> Frame:
        told, grey = held.told, held.grey()
        if self._exposure is not None:
            self._camera.set_controls(self._exposure.next(cv2.mean(held.pixels() if grey is None else grey)[0], told))
        # libcamera counts nanoseconds on the clock that time.monotonic() reads. A Pi tells the rest too, other cameras may not.
        taken_at = told["SensorTimestamp"] / 1e9 if "SensorTimestamp" in told else time.monotonic()
        exposure_ms = told["ExposureTime"] / 1000 if "ExposureTime" in told else None
        picture = Unmade(self._main.width, self._main.height, held.pixels)
        return Frame(picture, self._clock.at(taken_at), exposure_ms, told.get("AnalogueGain"), told.get("LensPosition"), grey)

    def _start(self) -> None:
        self._main, self._small = configured(self._camera, self._settings)
        pi, advertised = self._settings.picamera2, self._camera.camera_controls
        self._exposure = pi_exposure.Exposure.within(pi, advertised)
        size = (self._main.width, self._main.height)
        values, lacking = pi_controls.granted(
            [*pi_controls.wishes(pi, self._settings.fps, size, advertised), *pi_exposure.wishes(pi)], advertised
        )
        if lacking:
            log.warning("camera %s cannot follow camera.picamera2.%s: it has no control for it", self._settings.source, ", ".join(lacking))
        self._camera.set_controls(values | (self._exposure.controls() if self._exposure else {}))
        self._camera.start()

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.let_go()

    def _close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is None:
            return
        self._let_go()
        # A request that waits in vain would take a buffer with it, and stop() and close() would wait behind it for ever.
        camera.cancel_all_and_flush()
        try:
            camera.close()
        except (RuntimeError, OSError) as exc:
            log.warning("camera %s does not close: %s", self._settings.source, exc)
