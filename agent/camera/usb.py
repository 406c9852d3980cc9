"""Opens a USB camera (V4L2): by the name that stays its own, with the pixel format, exposure and gain that were asked for."""

import logging
import os
from pathlib import Path

import cv2

from agent import config
from agent.errors import NeedsOperator, RetryLater

log = logging.getLogger(__name__)

_STABLE = (Path("/dev/v4l/by-id"), Path("/dev/v4l/by-path"))  # the camera itself where it has a serial number; else the socket it is in
_EXPOSURE_MS = 0.1  # the unit of V4L2_CID_EXPOSURE_ABSOLUTE
_MANUAL, _APERTURE_PRIORITY, _AUTOMATIC = 1, 3, 0  # V4L2_CID_EXPOSURE_AUTO; cameras of class UVC know 1 and 3


def opened(settings: config.Camera) -> cv2.VideoCapture:
    """A capture that delivers; raises `RetryLater` where the camera is not there or busy, `NeedsOperator` where this user may not."""
    source = f"/dev/video{settings.source}" if settings.source.isdecimal() else settings.source
    _allowed(source)
    capture = cv2.VideoCapture(source, cv2.CAP_V4L2)
    if not capture.isOpened():
        raise RetryLater(f"{source} cannot be opened as a camera; another program may hold it, or it is no capture device")
    _form(capture, settings, source)
    _light(capture, settings, source)
    _name_it(source)
    return capture


def _allowed(source: str) -> None:
    if not Path(source).exists():
        there = ", ".join(map(str, _links(_STABLE[0]))) or f"one of {_STABLE[0]}"
        raise RetryLater(f"{source} is not there; plug the camera in, or set camera.source to {there}")
    if not os.access(source, os.R_OK | os.W_OK):
        raise NeedsOperator(f"{source} may not be opened by this user; add it to the group that owns the device: usermod -aG video …")


def _form(capture: cv2.VideoCapture, settings: config.Camera, source: str) -> None:
    """Ask for a pixel format and a size; a camera that has another nearest to it delivers that, which is told."""
    wanted = settings.v4l2.pixel_format
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*wanted))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
    width, height = (round(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    form = round(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("latin-1")
    log.info("%s delivers %d × %d px as %s", source, width, height, form)
    if (width, height, form) != (settings.width, settings.height, wanted):
        log.warning("%s has no %d × %d px as %s: see v4l2-ctl --list-formats-ext", source, settings.width, settings.height, wanted)


def _light(capture: cv2.VideoCapture, settings: config.Camera, source: str) -> None:
    """Exposure and gain as asked; what the camera has instead is told where something was asked for."""
    v4l2 = settings.v4l2
    if v4l2.exposure_ms:
        # It counts only in manual mode.
        capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, _MANUAL)
        _set(capture, cv2.CAP_PROP_EXPOSURE, v4l2.exposure_ms / _EXPOSURE_MS, source, "camera.v4l2.exposure_ms")
    else:
        # A camera keeps what was set until it loses power: automatic has to be asked for, too.
        any(capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, mode) for mode in (_APERTURE_PRIORITY, _AUTOMATIC))
    if v4l2.gain >= 0:
        _set(capture, cv2.CAP_PROP_GAIN, v4l2.gain, source, "camera.v4l2.gain")


def _set(capture: cv2.VideoCapture, control: int, wanted: float, source: str, key: str) -> None:
    if not capture.set(control, wanted):
        log.warning("%s offers no control for %s, which has no effect: see v4l2-ctl --list-ctrls", source, key)
    elif abs((got := capture.get(control)) - wanted) >= 1:
        # Its limits, or an automatic of its own.
        unit = _EXPOSURE_MS if control == cv2.CAP_PROP_EXPOSURE else 1.0
        log.warning("%s has %g instead of %g for %s: see v4l2-ctl --list-ctrls", source, got * unit, wanted * unit, key)


def _name_it(source: str) -> None:
    """Say which name of the camera survives a reboot; a number goes to whichever camera is found first."""
    if Path(source).parent in _STABLE:
        return
    if stable := stable_name(source):
        log.warning("%s may be another camera after a reboot; set camera.source to %s", source, stable)


def stable_name(source: str, folders: tuple[Path, ...] = _STABLE) -> Path | None:
    """The link in /dev/v4l that leads to this device, the first of `folders` first; None where there is none."""
    device = Path(source).resolve()
    links = (link for folder in folders for link in _links(folder))
    return next((link for link in links if link.resolve() == device), None)


def _links(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in sorted(os.listdir(folder))]  # noqa: PTH208  # iterdir would only open it later
    except OSError:  # it goes with the last camera, and may do so at this moment
        return []
