"""Frames from a folder of pictures, a video file or the rendered scene, in order and none left out."""

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from agent import config
from agent.camera.file import opened
from agent.camera.opencv import quiet
from agent.clock import Clock
from agent.domain import Frame, Pixels
from agent.errors import NeedsOperator, Rejected
from agent.vision.decode import refuse_giant

log = logging.getLogger(__name__)
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


class ReplayCamera:
    """Hands out frames no faster than `fps`, stamped when handed out; a slower consumer gets every frame, only later."""

    def __init__(self, settings: config.Camera, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._frames: Iterator[Pixels] = iter(())
        self._due = 0.0

    def __enter__(self) -> Self:
        self._frames = frames(self._settings)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._frames = iter(())  # an unfinished video is closed with its generator

    def pace(self, fps: float) -> None:
        self._settings = replace(self._settings, fps=fps)

    def read(self) -> Frame | None:
        """The next frame, or None after the last; raises `NeedsOperator` when nothing in the source can be shown."""
        pixels = next(self._frames, None)
        if pixels is None:
            return None
        time.sleep(max(0.0, self._due - time.monotonic()))
        self._due = time.monotonic() + 1 / self._settings.fps
        return Frame(pixels, self._clock.now())


def frames(settings: config.Camera) -> Iterator[Pixels]:
    """The pixels of a `replay` source as fast as they are asked for; endless with `loop`, where a scene goes on with new vehicles.

    Raises `NeedsOperator` at once for a source that is not there, later for one that holds nothing to show.
    """
    once = _source(settings)
    return _rounds(once, settings) if settings.loop else _some(once(0), settings.source)


def _source(settings: config.Camera) -> Callable[[int], Iterator[Pixels]]:
    """What one round of the source gives, by the number of the round."""
    if settings.source == "scene":
        return lambda turn: _scene(settings, turn)
    try:
        path = Path(settings.source).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError):  # longer than any path, or the home of somebody who is not there
        path, is_folder, is_file = Path(settings.source), False, False
    if is_folder:
        return lambda _turn: _folder(path)
    if is_file:
        return lambda _turn: _video(path)
    raise NeedsOperator(f'{path}: there is no such folder or video; set camera.source to one, or to "scene" for the rendered gate')


def _rounds(once: Callable[[int], Iterator[Pixels]], settings: config.Camera) -> Iterator[Pixels]:
    for turn in itertools.count():
        yield from _some(once(turn), settings.source)


def _some(round_: Iterator[Pixels], source: str) -> Iterator[Pixels]:
    """The same frames; without a single one there is nothing to go on with, and a loop would spin."""
    first = next(round_, None)
    if first is None:
        raise NeedsOperator(f"{source}: nothing in it can be shown; it has to hold pictures (JPEG, PNG …) or be a video OpenCV can read")
    yield first
    yield from round_


def _scene(settings: config.Camera, turn: int) -> Iterator[Pixels]:
    from agent.camera.scene import Scene  # needs Pillow, which only the demo installs

    scene = Scene(settings.seed, settings.vehicles, settings.width, settings.height, settings.fps, turn * settings.vehicles)
    return (view.pixels for view in scene)


def _folder(folder: Path) -> Iterator[Pixels]:
    try:
        files = sorted(folder.iterdir())
    except OSError as exc:
        raise NeedsOperator(f"{folder}: {exc.strerror}; camera.source has to be a folder that the agent's user may list") from exc
    for file in files:
        if file.suffix.lower() in PICTURES and (pixels := _picture(file)) is not None:
            yield pixels


def _picture(file: Path) -> Pixels | None:
    """One picture in BGR, or None with a warning where it is none."""
    try:
        return opened(file)
    except Rejected as refusal:
        log.warning("%s is left out: it %s", file, refusal)
        return None


def _video(file: Path) -> Iterator[Pixels]:
    quiet()
    # One decoding thread: more of them hold frames back and cost memory for no gain at gate speed.
    capture = cv2.VideoCapture(str(file), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        refuse_giant(capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        while (answer := capture.read())[0]:
            yield np.asarray(answer[1], np.uint8)
    except Rejected as refusal:
        raise NeedsOperator(f"{file}: this video {refusal}; name another as camera.source") from None
    finally:
        capture.release()
