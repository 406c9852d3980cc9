"""What libcamera's virtual camera lacks beside a Pi's, added to its Python bindings when they are imported; picamera2 stays as it is.

* picamera2 asks every camera for its raw formats, which the virtual one refuses: it answers with its ordinary ones, as USB cameras do.
* picamera2 hands over each buffer as one plane, the virtual camera expects light and colour apart: both are shown in the same memory.
* The virtual camera fills a buffer at once, also before anybody listens. Here a sensor takes one every `fps`th part of a second.
* A camera is one process's at a time; the kernel sees to that for real ones, a lock on a file here.

Files in the folder $VCAM_DIR, looked at for every frame: `fps` holds a number (30 without it); while `freeze` exists no frame comes, and
nobody is told; while `hang` exists the camera cannot be stopped; with `single` it has one stream alone, as a USB camera has.
"""

import fcntl
import importlib.abc
import importlib.machinery
import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any

KNOBS = Path(os.environ.get("VCAM_DIR", "/nonexistent"))
SENSORS: dict[str, "Sensor"] = {}
LOCKS: dict[str, IO[str]] = {}


class Sensor:
    """Hands the requests that are queued to the camera, one a frame."""

    def __init__(self, queue_now: Any) -> None:
        self.waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._queue_now, self._stopped = queue_now, threading.Event()
        self._thread = threading.Thread(target=self._run, name="sensor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic() + 1 / rate()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1 / rate(), time.monotonic())
            if not (KNOBS / "freeze").exists() and not self.waiting.empty():
                self._queue_now(self.waiting.get())


def rate() -> float:
    try:
        return float((KNOBS / "fps").read_text())
    except (OSError, ValueError):
        return 30.0


def complete(libcamera: Any) -> None:
    """Make the virtual camera of the bindings behave as picamera2 expects of one."""
    role, camera = libcamera.StreamRole, libcamera.Camera
    generate, start, stop, queue_request = camera.generate_configuration, camera.start, camera.stop, camera.queue_request
    take, give_back = camera.acquire, camera.release

    def generate_configuration(self: Any, roles: Sequence[Any]) -> Any:
        shown = [role.Viewfinder if each == role.Raw else each for each in roles]
        return generate(self, shown[:1] if (KNOBS / "single").exists() else shown)

    def begin(self: Any, *controls: Any) -> None:
        start(self, *controls)
        SENSORS[self.id] = Sensor(lambda request: queue_request(self, request))

    def end(self: Any) -> None:
        while (KNOBS / "hang").exists():
            time.sleep(0.05)
        if self.id in SENSORS:
            SENSORS.pop(self.id).stop()
        stop(self)

    def acquire(self: Any) -> None:
        lock = (KNOBS / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            take(self)
        except OSError:
            lock.close()
            raise RuntimeError("Device or resource busy") from None
        LOCKS[self.id] = lock

    def release(self: Any) -> None:
        give_back(self)
        LOCKS.pop(self.id).close()

    camera.acquire, camera.release = acquire, release
    camera.generate_configuration, camera.start, camera.stop = generate_configuration, begin, end
    camera.queue_request = lambda self, request: SENSORS[self.id].waiting.put(request)
    libcamera.FrameBuffer = two_planes(libcamera.FrameBuffer)


def two_planes(kind: Any) -> Any:
    """A class of buffers like `kind` that shows its one plane as NV12 has it: two thirds light, one third colour."""

    class FrameBuffer(kind):  # type: ignore[misc]  # a class of the bindings
        def __init__(self, planes: Sequence[Any], *more: Any) -> None:
            (light,) = planes
            colour = kind.Plane()
            colour.fd, colour.length = light.fd, light.length // 3
            light.length -= colour.length
            colour.offset = light.offset + light.length
            super().__init__([light, colour], *more)

    return FrameBuffer


class Bindings(importlib.abc.MetaPathFinder):
    """Finds libcamera where it is and completes it once it is loaded."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if name != "libcamera":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_complete(module: ModuleType) -> None:
                load(module)
                complete(module)

            spec.loader.exec_module = load_and_complete  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Bindings())
