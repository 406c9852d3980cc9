"""Starts, freezes and kills the RTSP camera of these tests, and opens it as the agent does."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Literal, Self

from agent import config
from agent.camera import Camera, open_camera
from agent.clock import Clock
from agent.domain import Frame
from agent.errors import AgentError
from agent.settings import Secret
from tests.broker import free_port
from tests.device import stamp

Codec = Literal["h264", "h265"]
ROOT = Path(__file__).parents[2]


class RtspCamera:
    """gst-rtsp-server in a process of its own; keeps its port when it is started again. `login` is kind:user:password."""

    def __init__(self, codec: Codec = "h264", login: str = "") -> None:
        self.port = free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/gate"
        # Debian's own Python: the bindings of GStreamer belong to it.
        self._command = ["/usr/bin/python3", "-m", "tests.device.rtsp_server", "--port", str(self.port), "--codec", codec, "--login", login]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        self._process = subprocess.Popen(self._command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout
        assert self._process.stdout.readline() == "READY\n", "gst-rtsp-server and its encoders are in the packages .ci/run names"

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(10)
            assert self._process.stdout
            self._process.stdout.close()
            self._process = None

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process
        self._process.send_signal(number)


def live(source: str, login: tuple[str, str] = ("", ""), **more: Any) -> Camera:
    """The agent's driver for a source, with the time-outs it has by default unless others are given."""
    user, password = map(Secret, login)
    return open_camera(config.Camera(driver="opencv", source=source, user=user, password=password, **{"fps": 25.0, **more}), Clock())


def age_s(frame: Frame) -> float | None:
    """How long ago the picture was painted; None where its stamp was damaged on the way."""
    painted_ms = stamp.read(frame.pixels)
    return None if painted_ms is None else time.monotonic() - painted_ms / 1000


def recovered_after_s(camera: Camera, began: float, limit_s: float = 30.0) -> float:
    """Seconds from `began` until a frame comes, reopened once a second as the agent's parent does."""
    while time.monotonic() < began + limit_s:
        try:
            with camera:
                camera.read()
        except AgentError:
            time.sleep(1.0)
            continue
        return time.monotonic() - began
    raise AssertionError(f"no frame within {limit_s:g} s")
