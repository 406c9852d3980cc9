"""Lines of photographs whose text the packaged recogniser is sure of: what the agent's own one is trained on beside drawn lines.

    python -m tests.bench.train.known PHOTOS FILE

Photographs for tuning alone; those whose number ends in 6 are kept to tell how far the training is.
"""

import argparse
import pickle
from pathlib import Path

import cv2
import numpy as np

from agent import config
from agent.domain import Box, CheckDigit, Pixels, Plate
from agent.ocr.embedded import Embedded
from agent.vin import verdict
from agent.vin_text import candidates_in
from agent.vision import plate
from tests.bench.photos import photos_in
from tests.bench.train.drawn import Quad
from tests.bench.train.letters import Cutting
from tests.bench.train.windows import line_of

# How sure of its least sure character, by what the check digit says. Where it says nothing nine in ten of these are right, and
# the drawn lines outvote the tenth. Some faces have a D like a 0 and a B like an 8: what it proves wrong would teach just that.
SURE: dict[CheckDigit, float] = {"pass": 0.4, "not_applicable": 0.7, "fail": 2.0}
AROUND = 1.5  # text heights around the line that are kept with it
KEPT = "6"


def cut(grey: Pixels, corners: Quad, vin: str) -> Cutting:
    """The line out of its photograph. Labels leave some two pixels of air above and below it, which are taken off."""
    down = corners[3] - corners[0]
    high = float(np.linalg.norm(down))
    air = down * min(2.0, 0.12 * high) / high
    tight = corners + np.array([air, air, -air, -air])
    low = np.maximum(np.floor(tight.min(0) - AROUND * high), 0).astype(int)
    left, top = low.tolist()
    right, bottom = np.ceil(tight.max(0) + AROUND * high).astype(int).tolist()
    return Cutting(np.ascontiguousarray(grey[top:bottom, left:right]), np.asarray(tight - low, np.float32), vin)


def plate_of(corners: Quad) -> Plate:
    along, down = corners[1] - corners[0], corners[3] - corners[0]
    width, height = float(np.linalg.norm(along)), float(np.linalg.norm(down))
    x, y = corners.mean(0).tolist()
    return Plate(Box(x - width / 2, y - height / 2, width, height), float(np.degrees(np.arctan2(along[1], along[0]))), 1.0, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    found = []
    with Embedded(config.Settings()) as reader:
        for photo in (each for each in photos_in(arguments.photos) if each.part == "tuning"):
            pixels = photo.pixels()
            corners = line_of(plate.grey(pixels), photo.line)
            line = reader.read_line(*plate.rectify(pixels, plate_of(corners), 2.0, 1.0))
            spelled = candidates_in(line.text, line.confidence)
            if spelled and (spelled[0].lowest or 0.0) >= SURE[verdict(spelled[0].value)]:
                found.append((cut(plate.grey(pixels), corners, spelled[0].value), photo.file.stem[-1] in KEPT))
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    arguments.file.write_bytes(pickle.dumps(found))
    print(f"{len(found)} lines, {sum(is_kept for _, is_kept in found)} of them kept")


if __name__ == "__main__":
    main()
