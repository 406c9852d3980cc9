"""What the gate costs on idle frames: frames per second of one core, and how that compares with shrinking the frame to grey.

python tests/bench/gate.py [--frames N]
"""

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np

from agent.config import Vision
from agent.domain import Frame, Pixels, Stamp
from agent.vision.gate import Gate, shrink

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


if __name__ == "__main__":
    main()
