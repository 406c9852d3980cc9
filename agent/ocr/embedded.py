"""The reader on the device: PP-OCR models from the rapidocr package, run by onnxruntime; nothing is ever downloaded."""

import importlib.util
import os
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from agent import config
from agent.bounds import Bounds
from agent.domain import Box, EncodedImage, Pixels, Plate, Reading
from agent.errors import NeedsOperator, Rejected, RetryLater
from agent.ocr import letters
from agent.ocr.both import agree, together
from agent.ocr.textline import Columns, Floats, Line, Look, longer, strips, tensor
from agent.ocr.textmap import detector_input, lines, rows, whole
from agent.vin_text import LENGTH, Spelling, candidates_in
from agent.vision import sharpness
from agent.vision.plate import rectify

_INSTALL = "pip install 'vin-capture-agent[embedded]'"
_SURE = 0.95  # no other cut can add anything
_SHORT, _NEARLY = 6, 12  # characters: no other cut makes a VIN of this few; this many may be one without its ends
_WEAK = 0.5  # below this the line may not be where the picture says


class Embedded:
    """Reads the text line of a picture, or the whole picture where no VIN stands on that line."""

    name = "embedded"
    bounds = Bounds()
    price = 0.0
    metered = False
    per_s = 0.0
    url = ""

    def __init__(self, settings: config.Settings) -> None:
        self._threads = settings.reading.threads
        self._models: _Models | None = None

    def __enter__(self) -> Self:
        self._models = _Models(self._threads)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._models = None

    def read(self, image: EncodedImage) -> Reading:
        """The text and one confidence per character; raises `Rejected` where the bytes are no picture."""
        started = time.monotonic()
        line = self.read_line(_decoded(image), image.line)
        latency_ms = round((time.monotonic() - started) * 1000)
        return Reading(line.text, line.confidence, self.name, image.number, None, latency_ms)

    def check(self, call: bool = False) -> tuple[str, ...]:  # reading costs nothing here: `call` changes nothing
        """Whether the models load; raises `NeedsOperator` where they do not."""
        with self:
            return ("the embedded reader's models load",)

    def knows_time(self) -> bool:
        return True

    def read_line(self, pixels: Pixels, line: Box) -> Line:
        """The text of the line in a BGR picture, or of the whole picture, best VIN first, where that shows a surer one."""
        first = self._line(pixels, line)
        if _surety(first) < _WEAK:
            first = max(first, self._line(*_upside_down(pixels, line)), key=_surety)
        if _surety(first) >= _WEAK:
            return first
        other = self._read_whole(pixels)
        return other if other.text and _surety(other) >= _surety(first) else first

    def locate(self, pixels: Pixels) -> list[Plate]:
        """Every line of text in a BGR picture that may be long enough, groups taken together, the surest first (`score`)."""
        found = sorted(map(whole, rows(self._lines(pixels))), key=lambda line: -line.score)
        return [replace(line, sharpness=sharpness.sharpness(rectify(pixels, line, 0.0, 0.0)[0])) for line in found]

    def _lines(self, pixels: Pixels) -> list[Plate]:
        text = self._run.detect(detector_input(pixels))
        return lines(text, (pixels.shape[1], pixels.shape[0]))

    @property
    def _run(self) -> "_Models":
        if self._models is None:
            raise RuntimeError("the embedded reader is used outside its with block")
        return self._models

    def _line(self, pixels: Pixels, box: Box, shortest: int = 0) -> Line:
        return together(*self.heard(pixels, box, shortest))

    def heard(self, pixels: Pixels, box: Box, shortest: int = 0) -> tuple[Line, list[Look], Iterable[Floats]]:
        """What both recognisers say of one line: the best text and all looks of the general one, the views of the one for VINs.

        What looks shorter than `shortest` gets one look only. A first view that says the same saves further looks; a text that is
        nearly long enough is looked at once more beyond its ends.
        """
        cuts = strips(pixels, box)
        looks = self._looks(islice(cuts, 1))
        if not looks or len(looks[0].line.text) < shortest:
            return looks[0].line if looks else Line("", ()), looks, ()
        own = map(self._run.letters, letters.cuts(pixels, box))
        first = list(islice(own, 1))
        if _surety(looks[0].line) < _SURE and not any(agree(looks[0].line, view) for view in first):
            looks += self._looks(cuts)
            if _NEARLY <= len(_best(looks).text) < LENGTH:
                looks += self._looks(longer(pixels, box))
        return _best(looks), looks, chain(first, own)

    def _looks(self, cuts: Iterable[Pixels]) -> list[Look]:
        """What is seen of each cut, up to one that nothing can add to."""
        looks: list[Look] = []
        for cut in cuts:
            looks.append(self._run.recognise(tensor(cut)))
            if _surety(looks[-1].line) >= _SURE:
                break
        return looks

    def _read_whole(self, pixels: Pixels) -> Line:
        read = [self._read_row(pixels, row) for row in rows(self._lines(pixels))]
        return _joined(sorted((line for line in read if line.text), key=_rank, reverse=True), "\n")

    def _read_row(self, pixels: Pixels, row: list[Plate]) -> Line:
        # Most lines of a picture are other text: one look is enough for those. The cuts need some surroundings for their margins.
        return _joined([self._line(*rectify(pixels, group, 1.5, 0.5), _SHORT) for group in row], " ")


def _upside_down(pixels: Pixels, line: Box) -> tuple[Pixels, Box]:
    height, width = pixels.shape[:2]
    turned = Box(width - line.x - line.width, height - line.y - line.height, line.width, line.height)
    return np.ascontiguousarray(pixels[::-1, ::-1]), turned


def _joined(parts: list[Line], between: str) -> Line:
    """One line of several, with confidence 1 for what was put between them."""
    text = between.join(part.text for part in parts)
    confidence: list[float] = []
    for part in parts:
        confidence += [1.0] * bool(confidence) + list(part.confidence)
    return Line(text, tuple(confidence))


def _surety(line: Line) -> float:
    """The lowest confidence in the best VIN of the line, 0 where there is none."""
    spellings: list[Spelling] = candidates_in(line.text, line.confidence)
    return (spellings[0].lowest or 0.0) if spellings else 0.0


def _best(looks: Iterable[Look]) -> Line:
    return max((look.line for look in looks), key=_rank)


def _rank(line: Line) -> tuple[float, float]:
    return _surety(line), sum(line.confidence)


def _decoded(image: EncodedImage) -> Pixels:
    """(height, width, 3) BGR."""
    pixels = cv2.imdecode(np.frombuffer(image.jpeg, np.uint8), cv2.IMREAD_COLOR) if image.jpeg else None
    if pixels is None:
        raise Rejected(f"picture {image.number} of {image.read_id}: {len(image.jpeg)} bytes that are no JPEG; nothing can read it")
    return pixels.astype(np.uint8, copy=False)


class _Models:
    """The sessions, and the alphabet of the general recogniser."""

    def __init__(self, threads: int) -> None:
        # From 1.31 on it keeps a database in the home folder and sends what it does to its maker, from the import on.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        try:
            import onnxruntime  # optional: only where the device reads itself
        except ImportError as exc:
            raise NeedsOperator(f"the embedded reader needs onnxruntime ({exc}); install it with {_INSTALL}") from exc
        state = onnxruntime.capi.onnxruntime_pybind11_state
        self._failures = (state.RuntimeException, state.Fail, state.InvalidArgument)
        broken = (*self._failures, state.InvalidProtobuf, state.InvalidGraph, state.NoSuchFile, state.NotImplemented)
        options = _options(onnxruntime, threads)
        try:
            self._recogniser = onnxruntime.InferenceSession(_model("rec"), options, providers=["CPUExecutionProvider"])
            self._detector = onnxruntime.InferenceSession(_model("det"), options, providers=["CPUExecutionProvider"])
            self._letters = onnxruntime.InferenceSession(letters.WEIGHTS.read_bytes(), options, providers=["CPUExecutionProvider"])
        except broken as exc:
            raise NeedsOperator(f"the models of the embedded reader cannot be loaded ({exc}); install them again with {_INSTALL}") from exc
        self._columns = _alphabet(self._recogniser)

    def recognise(self, strip: Floats) -> Look:
        return self._columns.look(self._answer(self._recogniser, strip)[0])

    def letters(self, cut: Floats) -> Floats:
        """(80, 34) shares of the characters of a VIN in each column."""
        return np.asarray(self._answer(self._letters, cut)[0], np.float32)

    def detect(self, picture: Floats) -> Floats:
        """(height, width) values in 0…1: how much each pixel is text."""
        return np.asarray(self._answer(self._detector, picture)[0, 0], np.float32)

    def _answer(self, session: Any, values: Floats) -> Floats:
        try:
            answer: Floats = session.run(None, {session.get_inputs()[0].name: values})[0]
        except self._failures as exc:
            raise RetryLater(f"the embedded reader could not run its model ({exc}), most likely for want of memory") from exc
        return answer


def _options(runtime: Any, threads: int) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.enable_cpu_mem_arena = False  # the arena keeps the memory of the largest picture for ever
    options.log_severity_level = 3
    return options


def _alphabet(session: Any) -> Columns:
    characters = session.get_modelmeta().custom_metadata_map.get("character", "").splitlines()
    columns = Columns(characters)
    if session.get_outputs()[0].shape[-1] != columns.count:
        raise NeedsOperator(f"the recogniser's model lists {len(characters)} characters, which its outputs do not match; {_INSTALL}")
    return columns


def _model(kind: str) -> str:
    """The newest packaged model of a kind (`rec`, `det`); the package itself is not imported: it brings what is not needed here."""
    package = importlib.util.find_spec("rapidocr")
    places = (package.submodule_search_locations if package else None) or []
    files = [file for place in places for file in Path(place, "models").glob(f"*{kind}*.onnx")]
    if not files:
        raise NeedsOperator(f"the embedded reader finds no {kind} model of the rapidocr package; install it with {_INSTALL}")
    return str(max(files, key=lambda file: ([int(number) for number in re.findall(r"v(\d+)", file.name)], file.name)))
