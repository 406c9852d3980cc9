"""From the bytes of a camera's buffer to pixels: grey without converting where the format allows, BGR for the finder."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from agent.domain import Pixels
from agent.errors import NeedsOperator

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
_SPREAD = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)  # television's 16…235 as 0…255


@dataclass(frozen=True, slots=True)
class Layout:
    """How the bytes of a buffer are pixels: libcamera's name of the format, size in pixels, bytes from row to row.

    `full`: levels of light and colour use all of 0…255, not 16…235 and 16…240 as in television.
    """

    format: str
    width: int
    height: int
    stride: int
    full: bool = False

    @property
    def has_grey(self) -> bool:
        """Whether grey levels lie apart from colour, so that they can be had without converting."""
        return self.format in _PLANES

    def grey(self, buffer: Pixels) -> Pixels | None:
        """The flat bytes of one buffer as (height, width) grey levels of 0…255, not copied where they are; None for a format in rows."""
        if not self.has_grey:
            return None
        light = self._light(buffer)
        return light if self.full else np.asarray(cv2.LUT(light, _SPREAD), np.uint8)

    def to_bgr(self, buffer: Pixels) -> Pixels:
        """The flat bytes of one buffer as (height, width, 3) BGR; what pads rows and end is left out."""
        if self.format in _PLANES:
            return self._full_to_bgr(buffer) if self.full else self._planes_to_bgr(buffer)
        depth = _BY_ROWS[self.format]
        rows = buffer[: self.height * self.stride].reshape(self.height, self.stride)[:, : self.width * depth]
        pixels = np.ascontiguousarray(rows).reshape(self.height, self.width, depth)
        return np.asarray(cv2.cvtColor(pixels, _ORDER[self.format]), np.uint8) if self.format in _ORDER else pixels

    def _planes_to_bgr(self, buffer: Pixels) -> Pixels:
        # Rows stay padded until they are colours: the chroma rows that follow are padded alike.
        planes = buffer[: self.height * 3 // 2 * self.stride].reshape(self.height * 3 // 2, self.stride)
        bgr = cv2.cvtColor(planes, _PLANES[self.format])[:, : self.width]
        return np.ascontiguousarray(bgr, np.uint8)

    def _full_to_bgr(self, buffer: Pixels) -> Pixels:
        """OpenCV takes planes for television's levels; those of all 0…255 go the way of JPEG: 2.0 ms for 1920 × 1080, not 0.3."""
        light = self._light(buffer)
        red, blue = (cv2.resize(each, light.shape[::-1], interpolation=cv2.INTER_LINEAR) for each in self._chroma(buffer))
        return np.asarray(cv2.cvtColor(cv2.merge([light, red, blue]), cv2.COLOR_YCrCb2BGR), np.uint8)

    def _light(self, buffer: Pixels) -> Pixels:
        return buffer[: self.height * self.stride].reshape(self.height, self.stride)[:, : self.width]

    def _chroma(self, buffer: Pixels) -> tuple[Pixels, Pixels]:
        """The planes of half the size in which red and blue differ from grey."""
        half, across = self.height // 2, self.width // 2
        rest = buffer[self.height * self.stride :]
        if self.format.startswith("NV"):
            pairs = rest[: half * self.stride].reshape(half, self.stride)[:, : 2 * across].reshape(half, across, 2)
            first, second = pairs[..., 0], pairs[..., 1]
        else:
            each = half * (self.stride // 2)
            first, second = (rest[at : at + each].reshape(half, self.stride // 2)[:, :across] for at in (0, each))
        red, blue = (second, first) if self.format in {"NV12", "YUV420"} else (first, second)
        return np.ascontiguousarray(red), np.ascontiguousarray(blue)


def layout_of(stream: dict[str, Any], full: bool) -> Layout:
    """The layout after `configure()`, which may have changed format, size and stride; raises `NeedsOperator` on an unknown format."""
    if stream["format"] not in _PLANES and stream["format"] not in _BY_ROWS:
        known = ", ".join([*_BY_ROWS, *_PLANES])
        raise NeedsOperator(f"the camera delivers {stream['format']}, which is none of {known}; use the opencv driver for it")
    width, height = stream["size"]
    return Layout(stream["format"], width, height, stream["stride"], full)
