"""The loop of a camera's process, where the camera is a slow one."""

import multiprocessing
import threading
import time

import numpy as np

from agent import config
from agent.clock import Clock
from agent.domain import Bounds, Frame
from agent.watch import Outgoing, Watch
from agent.wire import Job, Progress


class Slow:
    """A camera with a picture every 1/fps seconds, as a driver is: it waits inside `read` until one is due."""

    def __init__(self, fps: float) -> None:
        self._period, self._due, self.reads = 1 / fps, 0.0, 0

    def __enter__(self) -> "Slow":
        return self

    def __exit__(self, *_: object) -> None: ...

    def pace(self, fps: float) -> None:
        self._period = 1 / fps

    def read(self) -> Frame:
        time.sleep(max(0.0, self._due - time.monotonic()))
        self._due, self.reads = time.monotonic() + self._period, self.reads + 1
        return Frame(np.full((48, 64, 3), 90, np.uint8), Clock().now())


def test_a_camera_with_a_picture_a_minute_is_heard_of_in_between_and_stops_when_it_is_told_to() -> None:
    settings = config.Camera(driver="snapshot", source="http://camera/picture", fps=1 / 60)
    ours, theirs = multiprocessing.Pipe()
    stop, camera = threading.Event(), Slow(settings.fps)
    watch = Watch(Job(settings, config.Vision(), Bounds(), "info"), Outgoing(theirs))
    loop = threading.Thread(target=watch.run, args=(camera, stop.is_set), daemon=True)
    loop.start()
    heard: list[Progress] = []
    while len(heard) < 4:
        assert ours.poll(20)
        heard.append(ours.recv())
    stop.set()
    loop.join(20)
    assert not loop.is_alive()
    assert camera.reads == 1
    assert [word.frames for word in heard] == [1, 1, 1, 1]
    ages = [word.age_s for word in heard]
    assert ages == sorted(ages), "the picture grows old, and the parent knows how old"
    assert ages[3] - ages[0] > 2
