"""How small barcodes may be to be read, and what looking for them costs a vehicle: `python -m tests.bench.barcode [--labels N]`."""

import argparse
import time

import cv2
import numpy as np

from agent.camera.scene import Scene
from agent.domain import Box, Plate
from agent.vision import barcode
from tests.labels import LINEAR, MATRIX, code, seen

WIDTHS = (1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
VINS = ("1HGCM82633A004352", "WVWZZZ1JZXW000123", "1M8GDM9AXKP042788", "LSVAA4182E2123456")


def rates(labels: int) -> None:
    """Labels as a gate sees them, by the width of the narrowest bar; a text that was not encoded counts as wrong."""
    print("narrowest bar, px:", *(f"{width:>6}" for width in WIDTHS))
    wrong = 0
    for kind in (*LINEAR, *MATRIX):
        row = []
        for width in WIDTHS:
            dice, right = np.random.default_rng(round(width * 100)), 0
            for number in range(labels):
                vin, (blur, noise) = VINS[number % len(VINS)], dice.uniform((0.3, 2.0), (0.9, 6.0))
                picture = seen(code(vin, kind, width), blur=blur, noise=noise, tilt=dice.uniform(-3, 3), slant=dice.uniform(0, 0.1))
                read = [each.text for each in barcode.read(picture)]
                right, wrong = right + (vin in read), wrong + any(text != vin for text in read)
            row.append(f"{100 * right / labels:>4.0f} %")
        print(f"{kind:<18}", *row)
    print(f"wrong: {wrong} of {labels * len(WIDTHS) * len((*LINEAR, *MATRIX))}")


def cost(vehicles: int) -> None:
    """Processor time for vehicles without a barcode, which is the most: every picture is looked at, the best twice."""
    kept, looked = [], []
    for first in range(vehicles):
        views = [view for view in Scene(7, 1, 1920, 1080, first=first) if view.stands and view.plate is not None][:3]
        around = []
        for number, view in enumerate(views):
            assert view.plate is not None
            (x, y), (right, bottom) = view.plate.min(0), view.plate.max(0)
            began = time.process_time()
            around.append((number, barcode.around(view.pixels, Plate(Box(x, y, right - x, bottom - y), 0.0, 0.9, 1.0))))
            kept.append(time.process_time() - began)
        began = time.process_time()
        assert not barcode.near(around)
        looked.append(time.process_time() - began)
    print(f"1080p: {1000 * float(np.median(kept)):.1f} ms a picture, {1000 * float(np.median(looked)):.0f} ms a vehicle without a barcode")


def main(labels: int = 20) -> None:
    cv2.setNumThreads(1)
    rates(labels)
    cost(5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=20, help="of each kind and size (default: 20)")
    main(parser.parse_args().labels)
