"""What the gate costs on idle frames, how that compares with shrinking the frame to grey, and what the alarms add to it.

python tests/bench/gate.py [--frames N]
"""

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np

from agent.camera.pi_layout import Layout
from agent.config import Alarm, Vision
from agent.domain import Frame, Pixels, Stamp, Unmade
from agent.vision.alarm import Alarms
from agent.vision.gate import Gate, View, shrink

SIZES = {"1080p": (1920, 1080), "4K": (3840, 2160)}


def idle(width: int, height: int, colour: bool) -> list[Pixels]:
    """A few frames of the same scene with different noise."""
    rng = np.random.default_rng(0)
    shape = (height, width, 3) if colour else (height, width)
    return [np.clip(rng.normal(100, 4, shape), 0, 255).astype(np.uint8) for _ in range(4)]


def milliseconds(step: Callable[[int], object], frames: int) -> float:
    """The median, because other programs disturb the mean."""
    spent = []
    for number in range(frames + 5):
        began = time.perf_counter()
        step(number)
        spent.append(time.perf_counter() - began)
    return 1000 * float(np.median(spent[5:]))


def reference(pixels: Pixels) -> object:
    """The frame in grey at half its size, the usual way."""
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    return cv2.resize(grey, (pixels.shape[1] // 2, pixels.shape[0] // 2), interpolation=cv2.INTER_AREA)


def pi_camera(frames: int) -> None:
    """An idle frame of a Pi's camera, from its buffer to the gate's answer: the whole picture in BGR, and the small grey one."""
    whole, small = Layout("RGB888", 1920, 1080, 5760), Layout("YUV420", 480, 270, 480, full=True)
    large, little = (np.full(count, 100, np.uint8) for count in (1920 * 1080 * 3, 480 * 270 * 3 // 2))

    def coloured(number: int) -> Frame:
        return Frame(whole.to_bgr(large.copy()), Stamp(0, 60_000 + number, "boot", "synced"))

    def grey(number: int) -> Frame:
        picture = Unmade(1920, 1080, lambda: whole.to_bgr(large.copy()))
        return Frame(picture, Stamp(0, 60_000 + number, "boot", "synced"), grey=small.grey(little.copy()))

    gate = Gate(Vision())
    before, after = (milliseconds(lambda n, frame=frame: gate.look(frame(n)), frames) for frame in (coloured, grey))  # type: ignore[misc]
    print(f"Pi's camera, 1080p: an idle frame took {before:.2f} ms in colour, takes {after:.3f} ms in grey = 1/{before / after:.0f}")


def alarms(frames: int) -> None:
    """Each look at the small picture of 1080p, on an empty yard and with something in the way, and its share in a frame."""
    dice = np.random.default_rng(0)
    yard = cv2.resize(dice.integers(40, 200, (27, 48), np.uint8), (480, 270), interpolation=cv2.INTER_CUBIC)
    blocked = yard.copy()
    blocked[:, 60:420] = cv2.resize(dice.integers(40, 200, (20, 20), np.uint8), (360, 270), interpolation=cv2.INTER_CUBIC)
    settings, looked = Alarm(), Alarms(Alarm(), Vision(), live=True)
    at = 0

    def moment(number: int) -> Stamp:
        return Stamp(0, round(number * settings.every_s * 1000), "boot", "synced")

    for name, picture in (("empty", yard), ("with a vehicle in the way", blocked)):
        views = [
            View(False, "still", 100.0, 0.0, np.asarray(cv2.add(picture, dice.integers(0, 4, picture.shape, np.uint8)), np.uint8), 4)
            for _ in range(8)
        ]
        for _ in range(100 if name == "empty" else 0):
            at += 1
            looked.look(views[at % 8], moment(at))
        began = time.perf_counter()
        for _ in range(frames):
            at += 1
            looked.look(views[at % 8], moment(at))
        spent = 1000 * (time.perf_counter() - began) / frames
        idle_ms = milliseconds(lambda n, at=at, views=views: looked.look(views[n % 8], moment(at)), frames)  # type: ignore[misc]
        a_frame = spent / (8 * settings.every_s) + idle_ms
        print(f"alarms {name}: {spent:.2f} ms each {settings.every_s:g} s, {a_frame:.3f} ms a frame at 8 frames/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200)
    frames = parser.parse_args().frames
    cv2.setNumThreads(1)
    for name, (width, height) in SIZES.items():
        for colour in (True, False):
            pictures, gate = idle(width, height, colour), Gate(Vision())
            gate.look(Frame(pictures[0], Stamp(0, 0, "boot", "synced")))
            looked = [Frame(pixels, Stamp(0, 60_000 + index, "boot", "synced")) for index, pixels in enumerate(pictures)]
            if any(gate.look(each).open for each in looked):
                raise SystemExit("an idle frame opened the gate: this would measure something else")
            times = round(width / 480)
            cost = milliseconds(lambda n, gate=gate, looked=looked: gate.look(looked[n % 4]), frames)  # type: ignore[misc]
            same = milliseconds(lambda n, pictures=pictures, times=times: shrink(pictures[n % 4], times), frames)  # type: ignore[misc]
            usual = milliseconds(lambda n, pictures=pictures: reference(pictures[n % 4]), frames)  # type: ignore[misc]
            print(
                f"{name:5} {'BGR ' if colour else 'grey'}  {1000 / cost:6.0f} frames/s  gate {cost:.3f} ms  "
                f"= {cost / same:.2f} × its own shrinking ({same:.3f} ms)  = {cost / usual:.2f} × grey at half size ({usual:.3f} ms)"
            )
    pi_camera(frames)

    alarms(frames)


if __name__ == "__main__":
    main()
