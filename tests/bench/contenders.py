"""Ways to find and read a VIN in a whole frame, this agent's and those somebody would try first, all on one thread."""

import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from agent import config
from agent.clock import Clock
from agent.domain import Box, Pixels, Plate
from agent.errors import Rejected
from agent.ocr.embedded import Embedded
from agent.still import picture
from agent.vin import judge
from agent.vin_text import candidates_in
from agent.vision import plate
from tests.bench.cover import Corners
from tests.bench.photos import stop
from tests.bench.scores import OFFERED

LONGEST = 960  # pixels of the longer side where a frame is shrunk for a detector
_STEP = 32  # pixels; the sides a detector's model takes are multiples of it
_TEXT, _SURE, _UNCLIP = 0.3, 0.5, 1.6  # of its answer, as the package sets them: what is text, on average in one place, how far it goes

Quad = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answer:
    """The places where text was found, those that count as the VIN's, and the VINs in it."""

    places: tuple[Corners, ...]
    vins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contender:
    """`find` is finding alone, where it is apart: at a gate one process finds in frame after frame, and another one reads."""

    name: str
    look: Callable[[Pixels], Answer]
    find: Callable[[Pixels], object] | None = None


def spent_ms() -> float:
    """Processor time of this process and of the programs that it has waited for."""
    times = os.times()
    return 1000 * (time.process_time() + times.children_user + times.children_system)


def contenders() -> list[Contender]:
    """Models are loaded here, once; ends the program where one cannot be had."""
    whole, shrunk = _rapid(), _rapid({"Det.limit_type": "max", "Det.limit_side_len": LONGEST})
    agent, opened = Agent(), Opened()
    return [
        Contender("this agent", agent.look, agent.find),
        Contender("RapidOCR, whole frame", lambda pixels: _recognised(whole(pixels))),
        Contender(f"RapidOCR, frame at {LONGEST}", lambda pixels: _recognised(shrunk(pixels))),
        Contender(f"OpenCV DB at {LONGEST} + recogniser", opened.look, opened.find),
        Contender("Tesseract, psm 11", tesseract),
    ]


class Agent:
    """As at the gate: what the finder holds for a plate is cut out and read, and nothing else is."""

    def __init__(self) -> None:
        self._settings = config.Settings()
        self._reader = Embedded(self._settings).__enter__()

    def look(self, pixels: Pixels) -> Answer:
        vision = self._settings.vision
        lines = [line for line in self.find(pixels) if line.score >= OFFERED][:1]
        sent = [line.box.grown(vision.margin_x * line.box.height, vision.margin_y * line.box.height).corners(line.angle) for line in lines]
        try:
            images = [picture(pixels, line, vision, self._reader, "frame", 0, Clock().now()) for line in lines]
            readings = [self._reader.read(image) for image in images]
        except Rejected:
            readings = []
        vin = judge(readings, self._settings.reading).vin
        return Answer(tuple(sent), (vin.value,) if vin else ())

    def find(self, pixels: Pixels) -> list[Plate]:
        return plate.find(pixels, self._settings.vision.min_text_px)


def _rapid(more: dict[str, Any] | None = None) -> Any:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from rapidocr import RapidOCR  # heavy, and wanted by these measurements alone

    threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    return RapidOCR(params={"Global.log_level": "critical", **threads, **(more or {})})


def _recognised(result: Any) -> Answer:
    places = [_corners(box) for box in (result.boxes if result.boxes is not None else ())]
    return Answer(tuple(places), _vins(result.txts or ()))


def _corners(points: Iterable[Iterable[float]]) -> Corners:
    return tuple((float(x), float(y)) for x, y in points)


def _vins(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(spelling.value for spelling in candidates_in("\n".join(lines), None))


class Opened:
    """The package's text detector run by OpenCV alone; its recogniser, which OpenCV cannot load, reads what was found.

    OpenCV's own `TextDetectionModel_DB` finds nothing in what this model answers, four dimensions where it wants two.
    """

    def __init__(self) -> None:
        # An engine of its own: the package keeps what one call leaves out for the next one.
        self._rapid, self._net = _rapid(), cv2.dnn.readNetFromONNX(_detector())

    def look(self, pixels: Pixels) -> Answer:
        places = self.find(pixels)
        lines = [self._rapid(_cut(pixels, place), use_det=False, use_cls=False, use_rec=True).txts for place in places]
        return Answer(tuple(map(_corners, places)), _vins(line for each in lines for line in each or ()))

    def find(self, pixels: Pixels) -> list[Quad]:
        scale = min(1.0, LONGEST / max(pixels.shape[:2]))
        height, width = (max(_STEP, round(side * scale / _STEP) * _STEP) for side in pixels.shape[:2])
        self._net.setInput(cv2.dnn.blobFromImage(pixels, 1 / 127.5, (width, height), (127.5, 127.5, 127.5)))
        text = np.asarray(self._net.forward()[0, 0], np.float32)
        back = np.array((pixels.shape[1] / width, pixels.shape[0] / height), np.float32)
        contours, _ = cv2.findContours((text > _TEXT).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        return [_turned(_unclipped(contour) * back) for contour in contours if _is_text(text, contour)]


def _is_text(text: Quad, contour: cv2.typing.MatLike) -> bool:
    """Whether the blob is large enough, and on the whole held for text."""
    x, y, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), np.uint8)
    cv2.drawContours(inside, [contour], -1, 1, -1, offset=(-x, -y))
    return min(width, height) >= 3 and cv2.mean(text[y : y + height, x : x + width], inside)[0] >= _SURE


def _unclipped(contour: cv2.typing.MatLike) -> Quad:
    """The blob's rectangle grown back to the text: the model is taught to shrink it by its area over its outline."""
    middle, (width, height), angle = cv2.minAreaRect(contour)
    more = 2 * _UNCLIP * width * height / max(1.0, 2 * (width + height))
    return np.asarray(cv2.boxPoints((middle, (width + more, height + more), angle)), np.float32)


def _detector() -> str:
    """The newest text detector in the package; OpenCV 4.10 and later can run it, though not the recogniser beside it."""
    package = importlib.util.find_spec("rapidocr")
    files = [
        file for place in (package.submodule_search_locations or () if package else ()) for file in Path(place, "models").glob("*det*.onnx")
    ]
    return str(max(files, default=None) or stop("rapidocr: there is no text detector in the package; install the extra `embedded`"))


def _turned(points: Quad) -> Quad:
    """The four corners from the top left one on, clockwise, whichever OpenCV begins with."""
    ordered = points[np.argsort(points[:, 0], kind="stable")]
    (top_left, bottom_left), (top_right, bottom_right) = (side[np.argsort(side[:, 1])] for side in (ordered[:2], ordered[2:]))
    return np.array([top_left, top_right, bottom_right, bottom_left], np.float32)


def _cut(pixels: Pixels, corners: Quad) -> Pixels:
    width = max(8, round(float(np.linalg.norm(corners[1] - corners[0]))))
    height = max(8, round(float(np.linalg.norm(corners[3] - corners[0]))))
    target = np.array(Box(0, 0, width, height).corners(), np.float32)
    turn = cv2.getPerspectiveTransform(corners, target)
    return np.asarray(cv2.warpPerspective(pixels, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def tesseract(pixels: Pixels) -> Answer:
    """The whole frame, sparse text; its time is that of the program, which loads its models for every frame (0.1 s)."""
    program = shutil.which("tesseract") or stop("tesseract: there is no such program; install the package tesseract-ocr")
    frame = cv2.imencode(".ppm", pixels)[1].tobytes()
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    table = subprocess.run(
        [program, "stdin", "stdout", "--psm", "11", "tsv"], input=frame, env=environment, capture_output=True, check=True
    )
    words = [row.split("\t") for row in table.stdout.decode("utf-8").splitlines()[1:]]
    # Columns: level, page, block, paragraph, line, word, left, top, width, height, confidence, text.
    words = [word for word in words if len(word) == 12 and word[11].strip()]
    places = [Box(*map(float, word[6:10])).corners() for word in words]
    lines = [" ".join(word[11] for word in line) for _, line in groupby(words, lambda word: word[1:5])]
    return Answer(tuple(places), _vins(lines))
