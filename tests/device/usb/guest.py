"""Runs inside the machine: plugs cameras in and out under the agent's driver, and says what happened, one `FACT name json` a line."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from agent import config
from agent.camera import Camera, open_camera
from agent.clock import Clock
from agent.errors import AgentError
from tests.device import stamp

BY_ID = Path("/dev/v4l/by-id")
NOTES = Path("/tmp/controls.json")  # noqa: S108  # the machine is ours alone
LIMIT_S = 2.0
said: list[str] = []


class Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        said.append(f"{record.levelname} {record.getMessage()}")


def fact(name: str, **values: Any) -> None:
    print(f"FACT {name} {json.dumps(values)}", flush=True)


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError("it never came")
        time.sleep(0.05)


class Plug:
    """The camera's program as a process: there it is plugged in, dead it is unplugged."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def put_in(self) -> Path:
        NOTES.unlink(missing_ok=True)
        self._process = subprocess.Popen([sys.executable, "-m", "tests.device.usb.webcam", str(NOTES)])
        until(lambda: links() and links()[0].exists())
        return links()[0]

    def pull(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()


def links() -> list[Path]:
    """What udev has named; the folder itself comes and goes with the cameras."""
    try:
        return sorted(BY_ID / name for name in os.listdir(BY_ID) if name.endswith("-index0"))  # noqa: PTH208
    except OSError:
        return []


def live(source: Path | str, **v4l2: Any) -> Camera:
    values = {"width": 640, "height": 480, "fps": 25.0, "open_timeout_s": LIMIT_S, "read_timeout_s": LIMIT_S}
    return open_camera(config.Camera(driver="opencv", source=str(source), v4l2=config.V4l2(**v4l2), **values), Clock())  # type: ignore[arg-type]


@contextmanager
def heard() -> Iterator[list[str]]:
    said.clear()
    words: list[str] = []
    yield words
    words.extend(said)


def ctl(device: Path | str, *arguments: str) -> str:
    done = subprocess.run(["v4l2-ctl", "-d", str(device), *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def ages(camera: Camera, count: int) -> list[float]:
    """How old each of the next frames is; None is no age, so that a damaged stamp shows."""
    found = []
    for _ in range(count):
        frame = camera.read()
        assert frame
        painted = stamp.read(frame.pixels)
        assert painted, "a frame with a damaged stamp"
        found.append(time.monotonic() - painted / 1000)
    return found


def opened(name: str, source: Path | str, **v4l2: Any) -> None:
    """Open, read, and say what the driver, the kernel and the camera make of the settings."""
    began = time.monotonic()
    with heard() as words, live(source, **v4l2) as camera:
        opened_s = time.monotonic() - began
        frame = camera.read()
        assert frame
        form = ctl(source, "--get-fmt-video")
        values = ctl(source, "-C", "gain")
    notes = json.loads(NOTES.read_text()) if NOTES.exists() else {}
    fact(name, opened_s=opened_s, size=frame.size, shape=frame.pixels.shape, form=form, gain=values, camera=notes, said=words)


def ends(camera: Camera, breaks: Callable[[], object]) -> dict[str, Any]:
    """Read until it breaks: how long that took once it was broken, and what was said; what is no trouble for five seconds is none."""
    try:
        with camera:
            for _ in range(5):
                camera.read()
            breaks()
            began = time.monotonic()
            while time.monotonic() < began + 5:
                camera.read()
    except AgentError as trouble:
        return {"read_s": time.monotonic() - began, "said": str(trouble)}
    return {"read_s": 5.0, "said": "nothing: it was read on"}


def back(source: Path | str) -> float:
    """Seconds until frames come again, opened anew once a second as the agent's parent does."""
    began = time.monotonic()
    while time.monotonic() < began + 60:
        try:
            with live(source) as camera:
                camera.read()
        except AgentError:
            time.sleep(1.0)
            continue
        return time.monotonic() - began
    return 999.0


def refused(camera: Camera) -> dict[str, Any]:
    began = time.monotonic()
    try:
        with camera:
            camera.read()
    except AgentError as trouble:
        return {"open_s": time.monotonic() - began, "said": str(trouble)}
    return {"open_s": 0.0, "said": "nothing: it was opened"}


def usb() -> None:
    plug = Plug()
    link = plug.put_in()
    fact("plugged", links=[str(each) for each in links()], device=str(link.resolve()))
    opened("fixed", link, pixel_format="MJPG", exposure_ms=2.0, gain=40.0)
    opened("automatic", link, pixel_format="YUYV")
    opened("another format", link, pixel_format="NV12")
    opened("beyond its limits", link, exposure_ms=5000.0)
    opened("by number", link.resolve().name.removeprefix("video"))
    with live(link) as camera:
        ages(camera, 10)
        fast = ages(camera, 20)
    slow = live(link)
    slow._settings = config.Camera(source=str(link), fps=1.0, read_timeout_s=LIMIT_S)  # type: ignore[attr-defined]
    with slow as camera:
        late = ages(camera, 5)
    fact("ages", fast=fast, slow=late)
    fact("unplugged", **ends(live(link), plug.pull))
    until(lambda: not links())
    fact("not there", **refused(live(link)))
    for round_ in range(3):
        plug.put_in()
        before = link.resolve()
        # Whoever holds the old device open keeps its number from the next one.
        held = os.open(before, os.O_RDWR)
        plug.pull()
        until(lambda: not links())
        plug.put_in()
        fact("back", round=round_, recovered_s=back(link), before=str(before), after=str(link.resolve()))
        os.close(held)
        plug.pull()
        until(lambda: not links())
    threads, files = counted()
    for _ in range(4):
        plug.put_in()
        ends(live(link), plug.pull)
        until(lambda: not links())
    now = counted()
    fact("rounds", threads=[threads, now[0]], files=[files, now[1]])


def counted() -> tuple[int, int]:
    return len(list(Path("/proc/self/task").iterdir())), len(list(Path("/proc/self/fd").iterdir()))


def errors() -> None:
    """The kernel's own test driver: a device of no UVC, with buttons for what goes wrong below it."""
    subprocess.run(["modprobe", "vivid", "n_devs=1", "node_types=0x1"], check=True)
    until(lambda: list(Path("/dev").glob("video*")))
    subprocess.run(["udevadm", "settle"], check=True)
    device = sorted(Path("/dev").glob("video*"))[0]
    # Its automatic gain is the seconds since the start: nothing near that is asked for.
    wanted = (int(time.monotonic()) + 128) % 256
    fact("automatic gain", wanted=wanted)
    opened("test driver YUYV", device, pixel_format="YUYV", gain=float(wanted), exposure_ms=3.0)
    ctl(device, "-c", "gain_automatic=0")
    for form in ("GREY", "NV12"):
        opened(f"test driver {form}", device, pixel_format=form, gain=77.0)
    for button in ("inject_vidioc_dqbuf_error=1", "inject_vidioc_qbuf_error=1"):
        told = ends(live(device, pixel_format="YUYV"), lambda button=button: ctl(device, "-c", button))  # type: ignore[misc]
        fact(button.partition("=")[0], **told, recovered_s=back(device))
    told = ends(live(device, pixel_format="YUYV"), lambda: ctl(device, "-c", "percentage_of_dropped_buffers=100"))
    ctl(device, "-c", "percentage_of_dropped_buffers=0")
    fact("every buffer lost", **told, recovered_s=back(device))
    told = ends(live(device, pixel_format="YUYV"), lambda: ctl(device, "-c", "disconnect=1"))
    fact("disconnected", **told, recovered_s=back(device))


def main() -> None:
    cv2.setNumThreads(1)
    logging.basicConfig(level="INFO", handlers=[Listener()])
    fact("machine", kernel=os.uname().release, up_s=float(Path("/proc/uptime").read_text().split()[0]))
    usb()
    errors()
    fact("end", up_s=float(Path("/proc/uptime").read_text().split()[0]))


if __name__ == "__main__":
    main()
