"""Pictures and videos that come from a camera, a folder or a person."""

import tempfile
from functools import cache
from itertools import islice
from pathlib import Path

from agent import config
from agent.bounds import Bounds
from agent.camera import replay
from agent.camera.snapshot import SnapshotCamera
from agent.clock import Clock
from agent.domain import Box, Pixels
from agent.errors import AgentError, Rejected
from agent.ocr import jpeg
from agent.vision import encode, header
from agent.vision.decode import decode
from tests import clouds
from tests.fuzz.sentence import is_a_sentence

MOST = 1_000_000  # pixels here: it is the limit that is tried, not the machine's memory


def picture(data: bytes) -> None:
    """Decoded within the limit, or refused in one sentence; what was decoded can be fitted for a vendor, and is a whole JPEG then."""
    try:
        pixels = decode(data, MOST)
    except Rejected as refusal:
        is_a_sentence(refusal)
        return
    _sound(pixels)
    found = header.read(data)
    assert found is not None
    assert pixels.shape[0] * pixels.shape[1] <= found.pixels, (pixels.shape, found)
    try:
        fitted = encode.fit(pixels, _line(pixels), Bounds(min_side=15, max_side=640))
    except Rejected:
        return
    assert jpeg.size(fitted.jpeg) == (fitted.width, fitted.height)


def _line(pixels: Pixels) -> Box:
    height, width = pixels.shape[:2]
    return Box(0.0, 0.0, float(width), float(height))


def _sound(pixels: Pixels) -> None:
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.size <= 3 * MOST


def whole(data: bytes) -> None:
    """Whether a picture may be sent, and whether a camera's answer is one."""
    try:
        sides = jpeg.size(data)
        assert all(sides)
    except ValueError as wrong:
        is_a_sentence(wrong)
    try:
        jpeg.checked(clouds.image(data or b"\0"), Bounds(), "tencent")
    except Rejected as refusal:
        is_a_sentence(refusal)


@cache
def _camera() -> SnapshotCamera:
    return SnapshotCamera(config.Camera(driver="snapshot", source="http://camera/picture"), Clock())


def snapshot(data: bytes) -> None:
    """The bytes a network camera calls a picture; one that claims more than a million pixels is left to the other target."""
    found = header.read(data)
    if found and found.pixels > MOST:
        return
    try:
        _sound(_camera()._decoded(data))
    except AgentError as trouble:
        is_a_sentence(trouble)


@cache
def _file() -> Path:
    shared = Path("/dev/shm")  # noqa: S108  # in memory: thousands of files a second
    return Path(tempfile.mkdtemp(prefix="vin-agent-fuzz-", dir=shared if shared.is_dir() else None)) / "video"


def video(data: bytes) -> None:
    """A stream of pictures (multipart, as cameras send it) or a video file: ten frames of it, or none."""
    _file().write_bytes(data)
    try:
        for pixels in islice(replay._video(_file()), 10):
            assert pixels.ndim == 3
    except AgentError as trouble:
        is_a_sentence(trouble)
