"""The loop of a camera's process, where the camera is a slow one."""

import contextlib
import multiprocessing
import threading
import time
from multiprocessing.connection import Connection

import numpy as np

from agent import config
from agent.bounds import Bounds
from agent.camera.scene import Scene
from agent.clock import Clock
from agent.domain import Frame, Pixels, Stamp
from agent.outgoing import Outgoing
from agent.watch import Watch
from agent.wire import Captured, Job, Look, Looked, Progress, Rate
from tests.labels import label


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


def heard_from(settings: config.Camera, camera: Slow, *asked: Rate) -> list[Progress]:
    """The first four words of a watch over `camera` that the parent has asked for something; it ends when it is told to."""
    ours, theirs = multiprocessing.Pipe()
    stop = threading.Event()
    watch = Watch(Job(settings, config.Vision(), Bounds(), "info"), Outgoing(theirs))
    loop = threading.Thread(target=watch.run, args=(camera, stop.is_set), daemon=True)
    for word in asked:
        ours.send(word)
    loop.start()
    heard: list[Progress] = []
    while len(heard) < 4:
        assert ours.poll(20)
        heard.append(ours.recv())
    stop.set()
    loop.join(20)
    assert not loop.is_alive()
    return heard


def test_a_camera_with_a_picture_a_minute_is_heard_of_in_between_and_stops_when_it_is_told_to() -> None:
    settings = config.Camera(driver="snapshot", source="http://camera/picture", fps=1 / 60)
    camera = Slow(settings.fps)
    heard = heard_from(settings, camera)
    assert camera.reads == 1
    assert [word.frames for word in heard] == [1, 1, 1, 1]
    ages = [word.age_s for word in heard]
    assert ages == sorted(ages), "the picture grows old, and the parent knows how old"
    assert ages[3] - ages[0] > 2


def test_a_camera_is_slowed_down_when_the_parent_says_so() -> None:
    settings = config.Camera(driver="opencv", source="0", fps=50.0)
    camera = Slow(settings.fps)
    heard_from(settings, camera, Rate(1.0))
    assert camera.reads <= 20, "one a second, not the fifty that were set"


def test_a_picture_that_froze_with_a_vehicle_in_it_is_told_once_and_not_searched_again() -> None:
    """Minutes pass in an instant: frames carry their own time."""
    ours, theirs = multiprocessing.Pipe()
    said: list[object] = []
    listener = threading.Thread(target=listen, args=(ours, said), daemon=True)
    listener.start()
    watch = Watch(Job(config.Camera(driver="opencv", source="0"), config.Vision(), Bounds(), "info"), Outgoing(theirs))
    views = list(Scene(3, 1, fps=8.0))
    stands = next(number for number, view in enumerate(views) if view.stands)
    for number, view in enumerate(views[:stands]):
        watch.look(Frame(view.pixels, at(number * 125)))
    for number in range(150):
        watch.look(Frame(views[stands].pixels, at(stands * 125 + number * 500)))
    searched = watch._looked
    assert [alarm.name for alarm in watch._alarms.all if alarm.on] == ["frozen"]
    for number in range(150, 170):
        watch.look(Frame(views[stands].pixels, at(stands * 125 + number * 500)))
    theirs.close()
    listener.join(20)
    assert watch._looked == searched
    assert len([word for word in said if isinstance(word, Captured)]) <= 1, "the vehicle that stood there, once"


def at(milliseconds: int) -> Stamp:
    return Stamp(milliseconds, milliseconds, "boot", "synced")


def listen(pipe: "Connection[object, object]", said: list[object]) -> None:
    with contextlib.suppress(EOFError):
        while True:
            said.append(pipe.recv())


def passing(shown: Pixels, vision: config.Vision) -> list[Captured]:
    """What a camera's process hands over when this comes into view of an empty yard, stays for two seconds and leaves."""
    ours, theirs = multiprocessing.Pipe()
    said: list[object] = []
    listener = threading.Thread(target=listen, args=(ours, said), daemon=True)
    listener.start()
    watch = Watch(Job(config.Camera(driver="opencv", source="0"), vision, Bounds(), "info"), Outgoing(theirs))
    empty = np.full(shown.shape, 90, np.uint8)
    for number in range(40):
        picture = shown if 8 <= number < 24 else empty
        watch.look(Frame(picture + np.uint8(number % 2), at(number * 125)))
    watch.finish()
    theirs.close()
    listener.join(20)
    return [word for word in said if isinstance(word, Captured)]


def test_the_barcode_beside_a_vin_comes_with_the_vehicle() -> None:
    (word,) = passing(label("WVWZZZ1JZXW000123", "IWVWZZZ1JZXW000123", "Code39"), config.Vision())
    assert {reading.text for reading in word.readings} == {"IWVWZZZ1JZXW000123"}
    numbers = [reading.image for reading in word.readings]
    assert len(numbers) > 1, "bars alone prove nothing: every picture is looked at"
    assert numbers == [image.number for image in word.capture.images][: len(numbers)]


def test_a_barcode_about_something_else_does_not_come_with_the_vehicle() -> None:
    (word,) = passing(label("WVWZZZ1JZXW000123", "8K0 941 597 E", "Code39"), config.Vision())
    assert word.readings == ()


def test_barcodes_that_are_not_wanted_are_not_looked_for() -> None:
    (word,) = passing(label("WVWZZZ1JZXW000123", "WVWZZZ1JZXW000123", "DataMatrix", 5.0), config.Vision(barcodes=False))
    assert word.readings == ()


def asked(shown: Pixels, ask_at: int, frames: int = 60, leaves_at: int = 1000) -> tuple[list[Captured], list[Looked]]:
    """What is handed over of a view that comes at the eighth frame, where somebody asks at one frame for what is in view."""
    ours, theirs = multiprocessing.Pipe()
    said: list[object] = []
    listener = threading.Thread(target=listen, args=(ours, said), daemon=True)
    listener.start()
    watch = Watch(Job(config.Camera(driver="opencv", source="0"), config.Vision(), Bounds(), "info"), outgoing := Outgoing(theirs))
    empty = np.full(shown.shape, 90, np.uint8)
    for number in range(frames):
        if number == ask_at:
            outgoing.looks.append(Look("asked"))
        picture = shown if 8 <= number < leaves_at else empty
        watch.look(Frame(picture + np.uint8(number % 2), at(number * 125)))
    watch.finish()
    theirs.close()
    listener.join(20)
    return [word for word in said if isinstance(word, Captured)], [word for word in said if isinstance(word, Looked)]


PLATE = label("WVWZZZ1JZXW000123", "8K0 941 597 E", "Code39")


def test_a_vehicle_that_was_told_and_stands_is_told_again_for_who_asks() -> None:
    captured, (looked,) = asked(PLATE, 55)
    assert [each.capture.trigger for each in captured] == ["motion", "command"]
    assert looked == Looked("asked", captured[1].capture.read_id)


def test_a_vehicle_that_has_just_come_is_told_at_once_for_who_asks_and_not_a_second_time() -> None:
    captured, (looked,) = asked(PLATE, 10, leaves_at=40)
    assert [each.capture.trigger for each in captured] == ["command"]
    assert looked == Looked("asked", captured[0].capture.read_id)


def test_who_asks_before_an_empty_gate_is_told_that_nothing_is_there() -> None:
    captured, (looked,) = asked(PLATE, 4, frames=8)
    assert (captured, looked) == ([], Looked("asked", None, "nothing that looks like a VIN is in view"))


def test_who_asks_in_the_dark_is_told_that_it_is_dark() -> None:
    captured, (looked,) = asked(np.zeros_like(PLATE), 20)
    assert (captured, looked) == ([], Looked("asked", None, "the picture is dark"))
