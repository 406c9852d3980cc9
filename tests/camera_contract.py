"""What the driver of a Pi's camera may rely on: the same checks for the small picamera2 of the unit tests and, in a tree, for the real one.

`python -m tests.camera_contract` runs them all on whatever picamera2 there is.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from agent import config, config_picamera
from agent.camera.picamera import PiCamera
from agent.clock import Clock
from agent.domain import Frame, Pixels
from agent.errors import AgentError, NeedsOperator, RetryLater

WIDTH, HEIGHT = 1280, 720
SMALL = (480, 270)
SHOWN = 4  # frames for which the virtual camera shows each picture


@dataclass(frozen=True, slots=True)
class World:
    """The switches of a virtual camera: files in a folder."""

    knobs: Path

    def turn(self, knob: str, value: str | None) -> None:
        """Set a switch, or with None take it away."""
        file = self.knobs / knob
        if value is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(value)

    def camera(self, picamera2: dict[str, Any] | None = None, **settings: Any) -> PiCamera:
        asked = {"width": WIDTH, "height": HEIGHT, "fps": 30.0, "read_timeout_s": 1.5, **settings}
        return PiCamera(config.Camera(**asked, picamera2=config_picamera.PiCamera(**(picamera2 or {}))), Clock())


def pictures() -> list[Pixels]:
    """Four pictures that differ in light and colour everywhere, so that a wrong one, and a wrong order of colours, shows."""
    across, down = np.meshgrid(np.linspace(0, 60, WIDTH), np.linspace(0, 60, HEIGHT))
    return [np.dstack([30 + 30 * count + across, 50 + 20 * count + down, 120 - 20 * count + across]).astype(np.uint8) for count in range(4)]


def which(frame: Frame) -> tuple[int, float]:
    """The picture that a frame shows, and how far off its pixels are in the mean."""
    off = [float(np.mean(cv2.absdiff(frame.pixels, picture))) for picture in pictures()]
    return int(np.argmin(off)), min(off)


def refused(act: Callable[[], object], kind: type[AgentError]) -> str:
    try:
        act()
    except kind as exc:
        return str(exc)
    raise AssertionError(f"no {kind.__name__}")


def frames_are_the_pictures_in_their_colours(world: World) -> None:
    seen, ends = set[int](), time.monotonic() + 20
    with world.camera() as camera:
        while len(seen) < 3:
            frame = camera.read()
            assert frame.size == (WIDTH, HEIGHT), frame.size
            shown, off = which(frame)
            assert off < 2.5, f"picture {shown} is {off:.1f} grey levels off"
            assert time.monotonic() < ends, f"of four pictures only {seen} came"
            seen.add(shown)


def the_gate_gets_a_small_grey_picture_of_the_same_view(world: World) -> None:
    with world.camera() as camera:
        frame = camera.read()
        assert frame.grey is not None, "no grey picture"
        assert frame.grey.shape == SMALL[::-1], frame.grey.shape
        same = cv2.resize(cv2.cvtColor(frame.pixels, cv2.COLOR_BGR2GRAY), SMALL, interpolation=cv2.INTER_AREA)
        off = float(np.mean(cv2.absdiff(frame.grey, np.asarray(same, np.uint8))))
        assert off < 2.5, f"{off:.1f} grey levels off"


def the_time_of_a_frame_is_that_of_its_light(world: World) -> None:
    with world.camera() as camera:
        before = time.monotonic()
        stamps = [camera.read().taken_at.seconds for _ in range(5)]
        assert stamps == sorted(set(stamps)), stamps
        assert before - 1 < stamps[-1] <= time.monotonic() + 0.002, (before, stamps)


def a_picture_is_had_until_the_next_frame_and_stays_when_it_was_made(world: World) -> None:
    with world.camera() as camera:
        made, unmade = camera.read(), camera.read()
        refused(lambda: made.pixels, RetryLater)
        pixels = unmade.pixels
        camera.read()
        assert unmade.pixels is pixels


def more_frames_than_buffers_come_whether_their_pixels_are_wanted_or_not(world: World) -> None:
    world.turn("fps", "200")
    with world.camera(fps=100.0) as camera:
        for count in range(40):
            frame = camera.read()
            if count % 3 == 0:
                assert frame.pixels.shape == (HEIGHT, WIDTH, 3)


def a_size_that_is_not_to_be_had_becomes_another_one(world: World) -> None:
    with world.camera({"small_width": 200}, width=1000, height=600) as camera:
        frame = camera.read()
        assert frame.size == (WIDTH, HEIGHT), frame.size
        assert which(frame)[1] < 2.5
        assert frame.grey is not None


def a_camera_with_one_stream_is_looked_at_whole(world: World) -> None:
    world.turn("single", "")
    with world.camera() as camera:
        frame = camera.read()
        assert frame.grey is not None, "no grey picture"
        assert frame.grey.shape == (HEIGHT, WIDTH), frame.grey.shape
        assert which(frame)[1] < 2.5


def a_camera_that_stalls_is_closed_and_can_be_opened_again(world: World) -> None:
    camera = world.camera()
    with camera:
        camera.read()
        world.turn("freeze", "")
        began = time.monotonic()
        said = refused(lambda: [camera.read() for _ in range(5)], RetryLater)
        assert "sent no frame for 1.5 s" in said, said
        assert time.monotonic() - began < 10
        assert "not open" in refused(camera.read, RetryLater)
    world.turn("freeze", None)
    with world.camera() as again:
        assert which(again.read())[1] < 2.5


def a_slow_camera_is_waited_for(world: World) -> None:
    world.turn("fps", "1")
    with world.camera(read_timeout_s=5.0) as camera:
        first, second = camera.read(), camera.read()
        assert second.taken_at.seconds - first.taken_at.seconds > 0.5


def a_camera_that_is_not_there_is_named(world: World) -> None:
    said = refused(world.camera(source="7").__enter__, NeedsOperator)
    assert "no camera 7" in said, said


def a_camera_that_is_held_is_refused_with_the_reason(world: World) -> None:
    with world.camera():
        said = refused(world.camera().__enter__, RetryLater)
        assert "Device or resource busy" in said, said
        assert "holds it" in said, said


def too_little_contiguous_memory_is_named(world: World) -> None:
    world.turn("full", "")
    said = refused(world.camera().__enter__, RetryLater)
    assert "contiguous memory" in said, said
    assert "camera.picamera2.buffers" in said, said
    world.turn("full", None)
    with world.camera() as camera:
        camera.read()


def what_a_camera_cannot_follow_does_not_stop_it(world: World) -> None:
    asked = {
        "longest_exposure_ms": 2.0,
        "awb": "daylight",
        "focus": "manual",
        "lens_position": 2.0,
        "roi": (0.1, 0.1, 0.5, 0.5),
        "hdr": "sensor",
    }
    with world.camera({**asked, "sensor_width": 2304, "sensor_height": 1296}) as camera:
        frame = camera.read()
        assert (frame.exposure_ms, frame.gain, frame.lens_position) == (None, None, None)


CHECKS: tuple[Callable[[World], None], ...] = (
    frames_are_the_pictures_in_their_colours,
    the_gate_gets_a_small_grey_picture_of_the_same_view,
    the_time_of_a_frame_is_that_of_its_light,
    a_picture_is_had_until_the_next_frame_and_stays_when_it_was_made,
    more_frames_than_buffers_come_whether_their_pixels_are_wanted_or_not,
    a_size_that_is_not_to_be_had_becomes_another_one,
    a_camera_with_one_stream_is_looked_at_whole,
    a_camera_that_stalls_is_closed_and_can_be_opened_again,
    a_slow_camera_is_waited_for,
    a_camera_that_is_not_there_is_named,
    a_camera_that_is_held_is_refused_with_the_reason,
    too_little_contiguous_memory_is_named,
    what_a_camera_cannot_follow_does_not_stop_it,
)
KNOBS = ("fps", "freeze", "single", "full")


def main() -> None:
    world = World(Path(os.environ["VCAM_DIR"]))
    for check in CHECKS:
        for knob in KNOBS:
            world.turn(knob, None)
        check(world)
        print(f"holds: {check.__name__}", flush=True)


if __name__ == "__main__":
    main()
