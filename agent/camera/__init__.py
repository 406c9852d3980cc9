"""Where frames come from: what a camera has to do, and the list of the ones there are."""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from agent import config
from agent.clock import Clock
from agent.domain import Frame


class Camera(Protocol):
    """A source of frames, open inside its `with` block; leaving the block and entering a new one is the one recovery."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def read(self) -> Frame | None:
        """The newest frame, at most `fps` times a second; None: there will be no more.

        Raises `RetryLater` when the source stalls or breaks, `NeedsOperator` when something has to be installed or set.
        """

    def pace(self, fps: float) -> None:
        """Hand out at most so many frames a second from now on, and do no more work than that takes."""


# A driver is imported when it is used: each one needs packages that the others do not.
def _picamera2(settings: config.Camera, clock: Clock) -> Camera:
    from agent.camera.picamera import PiCamera

    return PiCamera(settings, clock)


def _opencv(settings: config.Camera, clock: Clock) -> Camera:
    from agent.camera.opencv import LiveCamera

    return LiveCamera(settings, clock)


def _snapshot(settings: config.Camera, clock: Clock) -> Camera:
    from agent.camera.snapshot import SnapshotCamera

    return SnapshotCamera(settings, clock)


def _replay(settings: config.Camera, clock: Clock) -> Camera:
    from agent.camera.replay import ReplayCamera

    return ReplayCamera(settings, clock)


CAMERAS: dict[str, Callable[[config.Camera, Clock], Camera]] = {
    "picamera2": _picamera2,
    "opencv": _opencv,
    "snapshot": _snapshot,
    "replay": _replay,
}


def open_camera(settings: config.Camera, clock: Clock) -> Camera:
    """The camera that a `[[camera]]` section describes; entering it opens the device."""
    return CAMERAS[settings.driver](settings, clock)
