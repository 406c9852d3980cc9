"""Frames from a Raspberry Pi's own camera through picamera2 and libcamera."""

import logging
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from agent import config
from agent.clock import Clock
from agent.domain import Frame, Pixels
from agent.errors import NeedsOperator, RetryLater

log = logging.getLogger(__name__)
# RGB888 is B, G, R in memory: what a Frame wants without converting. A camera may answer with any other of the list below.
WANTED = "RGB888"
BUFFERS = 4  # two are with the sensor and one is kept as the newest; each more costs contiguous memory, which is scarce on a Pi
FASTEST_BY_ITSELF = 30.0  # frames a second of picamera2's video configuration

_BY_ROWS = {"RGB888": 3, "BGR888": 3, "XRGB8888": 4, "XBGR8888": 4, "YUYV": 2}  # bytes per pixel
_PLANES = {
    "NV12": cv2.COLOR_YUV2BGR_NV12,
    "NV21": cv2.COLOR_YUV2BGR_NV21,
    "YUV420": cv2.COLOR_YUV2BGR_I420,
    "YVU420": cv2.COLOR_YUV2BGR_YV12,
}
_ORDER = {
    "BGR888": cv2.COLOR_RGB2BGR,
    "XRGB8888": cv2.COLOR_BGRA2BGR,
    "XBGR8888": cv2.COLOR_RGBA2BGR,
    "YUYV": cv2.COLOR_YUV2BGR_YUYV,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the bytes of a buffer are pixels: libcamera's name of the format, size in pixels, bytes from row to row."""

    format: str
    width: int
    height: int
    stride: int

    def to_bgr(self, buffer: Pixels) -> Pixels:
        """The flat bytes of one buffer as (height, width, 3) BGR; what pads rows and end is left out."""
        if self.format in _PLANES:
            # Rows stay padded until they are colours: the chroma rows that follow are padded alike.
            planes = buffer[: self.height * 3 // 2 * self.stride].reshape(self.height * 3 // 2, self.stride)
            bgr = cv2.cvtColor(planes, _PLANES[self.format])[:, : self.width]
            return np.ascontiguousarray(bgr, np.uint8)
        depth = _BY_ROWS[self.format]
        rows = buffer[: self.height * self.stride].reshape(self.height, self.stride)[:, : self.width * depth]
        pixels = np.ascontiguousarray(rows).reshape(self.height, self.width, depth)
        return np.asarray(cv2.cvtColor(pixels, _ORDER[self.format]), np.uint8) if self.format in _ORDER else pixels


def layout_of(main: dict[str, Any]) -> Layout:
    """The layout after `configure()`, which may have changed format, size and stride; raises `NeedsOperator` on an unknown format."""
    if main["format"] not in _PLANES and main["format"] not in _BY_ROWS:
        known = ", ".join([*_BY_ROWS, *_PLANES])
        raise NeedsOperator(f"the camera delivers {main['format']}, which is none of {known}; use the opencv driver for it")
    width, height = main["size"]
    return Layout(main["format"], width, height, main["stride"])


class PiCamera:
    """A camera on the Pi's ribbon cable; entering it opens and starts the camera, leaving it gives the camera back."""

    def __init__(self, settings: config.Camera, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._camera: Any = None
        self._layout = Layout(WANTED, 0, 0, 0)
        self._due = 0.0

    def __enter__(self) -> Self:
        self._camera = opened(self._settings.source)
        try:
            self._layout = self._started()
        except RuntimeError as exc:
            self._close()
            raise RetryLater(f"camera {self._settings.source} does not start: {exc}") from exc
        except NeedsOperator:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def read(self) -> Frame:
        """The newest frame with the time its exposure began; raises `RetryLater` when none comes within `read_timeout_s`."""
        if self._camera is None:
            raise RetryLater(f"camera {self._settings.source} is not open")
        time.sleep(max(0.0, self._due - time.monotonic()))
        buffer, told = self._captured()
        self._due = time.monotonic() + 1 / self._settings.fps
        # libcamera counts nanoseconds on the clock that time.monotonic() reads. A Pi tells the exposure, other cameras may not.
        taken_at = told["SensorTimestamp"] / 1e9 if "SensorTimestamp" in told else time.monotonic()
        exposure_ms = told["ExposureTime"] / 1000 if "ExposureTime" in told else None
        return Frame(self._layout.to_bgr(buffer), self._clock.at(taken_at), exposure_ms)

    def _captured(self) -> tuple[Pixels, dict[str, Any]]:
        try:
            # Always a number: without one a camera that stalls blocks for ever.
            request = self._camera.capture_request(wait=float(self._settings.read_timeout_s))
        except TimeoutError:
            # The request that waits in vain would take a buffer with it, and stop() and close() would wait behind it for ever.
            self._camera.cancel_all_and_flush()
            waited = f"{self._settings.read_timeout_s:g} s"
            raise RetryLater(f"camera {self._settings.source} sent no frame for {waited}; check its cable and the power supply") from None
        except RuntimeError as exc:
            raise RetryLater(f"camera {self._settings.source} broke off: {exc}") from exc
        try:
            return request.make_buffer("main"), request.get_metadata()
        finally:
            request.release()

    def _started(self) -> Layout:
        size = (self._settings.width // 2 * 2, self._settings.height // 2 * 2)  # libcamera takes even sizes alone
        self._camera.configure(self._camera.create_video_configuration(main={"size": size, "format": WANTED}, buffer_count=BUFFERS))
        layout = layout_of(self._camera.camera_config["main"])
        if (layout.width, layout.height) != size:
            log.warning("camera %s gives %d × %d instead of %d × %d", self._settings.source, layout.width, layout.height, *size)
        self._camera.set_controls(controls_for(self._camera.camera_controls, self._settings.fps))
        self._camera.start()
        return layout

    def _close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


def controls_for(advertised: dict[str, Any], fps: float) -> dict[str, Any]:
    """What suits a gate among the controls this camera has; setting one it lacks would be an error.

    The numbers are libcamera's enumerations: AfMode 2 is Continuous, AeExposureMode 1 is Short, which blurs what moves the least.
    """
    wanted: dict[str, Any] = {"AfMode": 2, "AeExposureMode": 1}
    if fps > FASTEST_BY_ITSELF:
        wanted["FrameDurationLimits"] = (round(1e6 / fps),) * 2
    return {name: value for name, value in wanted.items() if name in advertised}


def opened(source: str) -> Any:
    """The `Picamera2` of camera number `source`, open and not yet configured.

    Raises `NeedsOperator` where package or camera is missing, `RetryLater` where another program holds the camera.
    """
    if not source.isdecimal():
        raise NeedsOperator(f"{source}: with the picamera2 driver camera.source is the number of the camera, 0 for the first one")
    try:
        from picamera2 import Picamera2
    except (ImportError, ValueError) as exc:  # a NumPy that does not fit Debian's modules is reported as a ValueError
        raise NeedsOperator(
            f"picamera2 cannot be used ({exc}): sudo apt install python3-picamera2, "
            "and install the agent in a virtual environment made with --system-site-packages"
        ) from exc
    found = len(Picamera2.global_camera_info())
    if int(source) >= found:
        raise NeedsOperator(f"there is no camera {source}, libcamera sees {found}; power off, check the ribbon cable, start again")
    try:
        return Picamera2(int(source))
    except RuntimeError as exc:
        raise RetryLater(f"camera {source} cannot be opened ({exc.__cause__ or exc}); end the program that holds it") from exc
