"""A picamera2 and a libcamera for machines that have neither, as small as the driver's use of them and as strict as the real ones.

The switches are those of the virtual camera of the device tests, and both have to pass `tests/camera_contract.py`.
"""

import errno
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from agent.domain import Pixels
from tests.camera_contract import SHOWN, SMALL

SIZES = ((1280, 720), SMALL)
Size = tuple[int, int]


@dataclass
class Wall:
    """All there is of the world: the pictures, the switches, and what the cameras that were opened did."""

    knobs: Path
    pictures: list[Pixels]
    controls: Mapping[str, tuple[Any, Any, Any]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    model: str = "gate"
    opened: list["Picamera2"] = field(default_factory=list)

    def has(self, knob: str) -> bool:
        return (self.knobs / knob).exists()

    def rate(self) -> float:
        try:
            return float((self.knobs / "fps").read_text())
        except OSError:
            return 30.0


def put(monkeypatch: pytest.MonkeyPatch, wall: Wall) -> None:
    """From now on `import picamera2` and `import libcamera` find these."""
    picamera2, libcamera = ModuleType("picamera2"), ModuleType("libcamera")
    picamera2.Picamera2 = type("Camera", (Picamera2,), {"wall": wall})  # type: ignore[attr-defined]
    libcamera.ColorSpace = ColorSpace  # type: ignore[attr-defined]
    libcamera.Transform = lambda **turned: {name for name, on in turned.items() if on}  # type: ignore[attr-defined]
    libcamera.StreamRole = SimpleNamespace(Viewfinder="viewfinder")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", picamera2)
    monkeypatch.setitem(sys.modules, "libcamera", libcamera)


class ColorSpace:
    """The one that is asked for, whose levels are all of 0…255."""

    Range = SimpleNamespace(Full="full")

    def __init__(self, range_: str) -> None:
        self.range = range_

    @classmethod
    def Sycc(cls) -> "ColorSpace":  # noqa: N802  # as libcamera spells it
        return cls("full")


def nv12(picture: Pixels, size: Size) -> Pixels:
    """The bytes of a picture as the virtual camera gives them: light, then both colours in turns at half the size."""
    ycc = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2YCrCb)
    half = cv2.resize(ycc, (size[0] // 2, size[1] // 2), interpolation=cv2.INTER_AREA)
    return np.concatenate([ycc[..., 0].ravel(), np.ascontiguousarray(half[..., [2, 1]]).ravel()])


class Request:
    """One exposure that the camera cannot overwrite until it is released."""

    def __init__(self, camera: "Picamera2", number: int) -> None:
        self._camera, self._number, self._taken = camera, number, time.monotonic_ns()
        self.released = False

    def make_buffer(self, name: str) -> Pixels:
        assert not self.released, "a buffer was read after it had gone back to the camera"
        pictures = self._camera.wall.pictures
        return nv12(pictures[self._number // SHOWN % len(pictures)], self._camera.camera_config[name]["size"])

    def get_metadata(self) -> dict[str, Any]:
        return {"SensorTimestamp": self._taken, **self._camera.wall.metadata}

    def release(self) -> None:
        assert not self.released, "released twice"
        self.released = True


class Picamera2:
    """As much of the class as the driver uses."""

    wall: Wall
    is_open = False

    def __init__(self, number: int) -> None:
        if any(other.is_open for other in self.wall.opened):
            raise RuntimeError("Camera __init__ sequence did not complete.") from RuntimeError("Device or resource busy")
        assert number == 0
        self.is_open, self._stuck, self._started = True, False, False
        self._requests: list[Request] = []
        self._count, self._due = 0, 0.0
        self.controls: dict[str, Any] = {}
        self.camera_config: dict[str, Any] = {}
        self.camera_controls = dict(self.wall.controls)
        self.camera = SimpleNamespace(
            generate_configuration=lambda roles: SimpleNamespace(size=1 if self.wall.has("single") else len(roles))
        )
        self._waiting = threading.Event()
        self.wall.opened.append(self)

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        return [{"Model": cls.wall.model, "Num": 0, "Id": "Virtual0"}]

    def create_video_configuration(self, **asked: Any) -> dict[str, Any]:
        return asked

    def configure(self, asked: dict[str, Any]) -> None:
        assert not (asked["lores"] and self.wall.has("single")), "the real one aborts the process here"
        if self.wall.has("full"):
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        self.camera_config = {**asked, "sensor": None}
        for name in ("main", "lores"):
            if asked[name]:
                width, height = asked[name]["size"] if asked[name]["size"] in SIZES else SIZES[0]
                self.camera_config[name] = {"format": "NV12", "size": (width, height), "stride": width}

    def set_controls(self, controls: dict[str, Any]) -> None:
        for name in controls:
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self.controls |= controls

    def start(self) -> None:
        self._started = True

    def capture_request(self, wait: float) -> Request:
        assert self._started
        assert not isinstance(wait, bool), "True waits for ever"
        self._requests = [each for each in self._requests if not each.released]
        starved = len(self._requests) >= self.camera_config["buffer_count"] - 1
        pause = max(0.0, self._due - time.monotonic())
        if starved or self.wall.has("freeze") or pause > wait:
            self._waiting.wait(wait)
            self._stuck = True
            raise TimeoutError
        self._waiting.wait(pause)
        self._due, self._count = time.monotonic() + 1 / self.wall.rate(), self._count + 1
        self._requests.append(Request(self, self._count - 1))
        return self._requests[-1]

    def cancel_all_and_flush(self) -> None:
        self._stuck = False

    def close(self) -> None:
        assert not self._stuck, "the real one waits for ever behind the request that timed out"
        assert all(each.released for each in self._requests), "closed over a request that was never released"
        self.is_open = False
