"""Lines of photographs whose text the embedded reader is sure of: what the agent's own recogniser is trained on beside drawn lines.

    python -m tests.bench.train.known PHOTOS FILE

Photographs for tuning alone; those whose number ends in 6 are kept to tell how far the training is. Some faces have a D like a 0 and a
B like an 8: what its check digit proves wrong would teach just that. Such a text is taught with look-alikes exchanged where that makes
it right and one of a model that other photographs show, and left out elsewhere: a teacher may do what no reader may.
"""

import argparse
import pickle
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from agent import config
from agent.domain import Box, CheckDigit, Pixels, Plate
from agent.ocr.beam import Floats, likelihood
from agent.ocr.both import together
from agent.ocr.embedded import Embedded
from agent.vin import CHECKED, verdict
from agent.vin_text import candidates_in
from agent.vision import plate
from tests.bench.photos import Photo, photos_in
from tests.bench.train.drawn import Quad
from tests.bench.train.letters import Cutting
from tests.bench.train.windows import line_of

# How sure of its least sure character, by what the check digit says: of those it says nothing of nine in ten are right, and the drawn
# lines outvote the tenth.
SURE: dict[CheckDigit, float] = {"pass": 0.4, "not_applicable": 0.7, "fail": 2.0}
LOOKALIKES = {
    "0": "DU",
    "D": "0",
    "U": "0",
    "8": "B",
    "B": "8",
    "5": "S",
    "S": "5",
    "2": "Z",
    "Z": "2",
    "6": "G",
    "G": "6",
    "V": "W",
    "W": "V",
}
EXCHANGED = 3  # characters of a text at most
MODEL = 11  # characters before the serial number
SIMILAR = 2  # VINs with a right check digit that make a model known
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


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A line, the text read there with its least sure character, and the columns of both recognisers it was read from."""

    photo: Photo
    corners: Quad
    vin: str
    sure: float
    columns: Sequence[Floats]

    def taught(self, models: Counter[str]) -> str:
        """What the line is taken to say; empty where nobody can tell."""
        if self.sure >= SURE[verdict(self.vin)]:
            return self.vin
        if verdict(self.vin) != "fail":
            return ""
        right = [text for text in exchanged(self.vin) if verdict(text) == "pass" and models[model(text)] >= SIMILAR]
        return max(right, key=lambda text: sum(likelihood(each, text) for each in self.columns), default="")


def model(vin: str) -> str:
    """All but the check digit and the serial number (ISO 3779)."""
    return vin[:8] + vin[9:MODEL]


def exchanged(vin: str) -> Iterator[str]:
    """The text with a few characters of its model replaced by what looks like them."""
    others = [(at, other) for at, char in enumerate(vin[:MODEL]) for other in LOOKALIKES.get(char, "")]
    for count in range(1, EXCHANGED + 1):
        for chosen in combinations(others, count):
            text = list(vin)
            for at, other in chosen:
                text[at] = other
            yield "".join(text)


def heard(reader: Embedded, photo: Photo) -> Heard | None:
    pixels = photo.pixels()
    corners = line_of(plate.grey(pixels), photo.line)
    line, looks, views = reader.heard(*plate.rectify(pixels, plate_of(corners), 2.0, 1.0))
    own = list(views)
    read = together(line, looks, own)
    spelled = candidates_in(read.text, read.confidence)
    if not spelled:
        return None
    general = [view for look in looks if (view := look.of_vin()) is not None]
    return Heard(photo, corners, spelled[0].value, spelled[0].lowest or 0.0, general + own)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with Embedded(config.Settings()) as reader:
        photos = [photo for photo in photos_in(arguments.photos) if photo.part == "tuning"]
        lines = [line for line in (heard(reader, photo) for photo in photos) if line]
    models = Counter(model(line.vin) for line in lines if line.vin[0] in CHECKED and verdict(line.vin) == "pass")
    found, mended = [], 0
    for line in lines:
        vin = line.taught(models)
        if vin:
            found.append((cut(plate.grey(line.photo.pixels()), line.corners, vin), line.photo.file.stem[-1] in KEPT))
            mended += vin != line.vin
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    arguments.file.write_bytes(pickle.dumps(found))
    print(f"{len(found)} lines, {sum(is_kept for _, is_kept in found)} of them kept, {mended} with look-alikes exchanged")


if __name__ == "__main__":
    main()
