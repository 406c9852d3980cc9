"""Opens the video of a network camera (RTSP, HTTP) within its time-out, and finds out why where there is none."""

import os
import time
from urllib.parse import urlsplit

import cv2

from agent import config
from agent.camera import knock
from agent.config_network import joined, parted
from agent.errors import Rejected, RetryLater
from agent.vision.decode import refuse_giant

SCHEMES = ("rtsp://", "rtsps://", "http://", "https://")
_LEAST_S = 0.3  # too little for a camera to say anything in


def opened(settings: config.Camera, name: str) -> cv2.VideoCapture:
    """A capture that delivers; raises `RetryLater`, or `NeedsOperator` where the log-in is refused, within `open_timeout_s`."""
    ends = time.monotonic() + settings.open_timeout_s
    knock.reach(settings.source, name, settings.open_timeout_s)
    capture = _capture(settings, max(_LEAST_S, ends - time.monotonic()))
    if capture.isOpened():
        return _checked(capture, name)
    if (left := ends - time.monotonic()) > _LEAST_S:
        # FFmpeg tells its reasons to its log alone, together with the password.
        knock.ask(settings, name, left)
    seconds = f"{settings.open_timeout_s:g} s"
    raise RetryLater(
        f"{name} gave no video within {seconds}; check that the camera is on, its address, and that it streams H.264, H.265 or JPEG"
    )


def _checked(capture: cv2.VideoCapture, name: str) -> cv2.VideoCapture:
    """The same, if its frames are of a size: OpenCV knows it before it decodes one, and gives all that follow the size of the first."""
    try:
        refuse_giant(capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    except Rejected as refusal:
        capture.release()
        raise RetryLater(f"{name} sends video that {refusal}; lower it in the camera") from None
    return capture


def _capture(settings: config.Camera, seconds: float) -> cv2.VideoCapture:
    source, user, password = parted(settings.source)
    address = joined(source, settings.user.reveal() or user, settings.password.reveal() or password)
    # As with single pictures: a proxy is for what is far away, and would be shown the camera's password.
    os.environ.pop("http_proxy", None)
    # FFmpeg takes these from the environment alone; a camera's process opens one camera.
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "|".join(f"{key};{value}" for key, value in _options(settings).items())
    # Only when given together with the backend do the time-outs count (30 s otherwise). Each further decoding thread holds back
    # one more frame, which comes out late when the stream stalls.
    limits = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(seconds * 1000)),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(settings.read_timeout_s * 1000)),
        *(cv2.CAP_PROP_N_THREADS, 1),
    ]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)


def _options(settings: config.Camera) -> dict[str, str]:
    options = {"rtsp_transport": settings.stream.transport}
    if urlsplit(settings.source).scheme == "https" and settings.stream.verify:
        options["tls_verify"] = "1"
        options["ca_file"] = settings.stream.ca_file or knock.authorities()
    return options
