"""Makes the picture at the top of README, plate, crop and event: `python -m tests.bench.picture FILE [SEED]`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agent import config, events
from agent.camera.scene import Scene
from agent.clock import Clock
from agent.domain import Capture, EncodedImage, Frame, Pixels, Plate, Reading
from agent.ocr import common_bounds
from agent.ocr.embedded import Embedded
from agent.vin import judge
from agent.vision import plate
from agent.vision.best import FinishedPass, Passes
from agent.watch import assemble
from agent.wire import Job

WIDTH, MARGIN, LINE = 1280, 24, 21
PAPER, INK, GREEN = (250, 250, 247), (40, 40, 40), (60, 170, 30)  # the last in BGR, as OpenCV draws


def passed(scene: Scene) -> tuple[Frame, FinishedPass]:
    """The vehicle's pass, and the frame its best picture was cut from."""
    settings, clock = config.Vision(), Clock()
    passes, frames = Passes(settings), dict[int, Frame]()
    for count, view in enumerate(scene):
        frame = Frame(view.pixels, clock.at(count / scene.fps))
        frames[frame.taken_at.monotonic_ms] = frame
        for finished in passes.offer(frame, plate.find(frame.pixels)):
            return frames[finished.pictures[0].taken_at.monotonic_ms], finished
    raise SystemExit("no vehicle was found in the scene: choose another seed")


def told(finished: FinishedPass) -> tuple[EncodedImage, dict[str, object]]:
    """The picture that is read, and the event that is published."""
    job = Job(config.Camera(gate="north-in", direction="in"), config.Vision(), common_bounds(("embedded",)), "info")
    capture = assemble(finished, job.camera, job.bounds)
    if not isinstance(capture, Capture):
        raise SystemExit("no picture of the vehicle fits the bounds")
    with Embedded(config.Settings()) as reader:
        readings: list[Reading] = [reader.read(capture.images[0])]
    facts = events.Facts(site="hamburg", agent="gate-3-pi", version="0.1.0", config="9f3ab2")
    event = events.final(capture, judge(readings, config.Reading()), readings, facts=facts, now=Clock().now())
    return capture.images[0], events.delivered(event.payload, 48211, replay=False, attempt=1, queued_ms=1538)


def marked(frame: Frame) -> Pixels:
    """The frame with the plates that were found, the best one in a thick line."""
    drawn = frame.pixels.copy()
    found: list[Plate] = plate.find(frame.pixels)
    for rank, each in reversed(list(enumerate(found))):
        corners = np.array(each.corners(), np.int32).reshape(-1, 1, 2)
        cv2.polylines(drawn, [corners], True, GREEN, 3 if rank == 0 else 1, cv2.LINE_AA)
    return drawn


def lines_of(event: dict[str, object]) -> Iterator[str]:
    """The event as JSON, one line for each part of `data`, without the seventeen confidences."""
    for key, value in event.items():
        if key == "data" and isinstance(value, dict):
            yield '"data": {'
            yield from (f'    "{name}": {json.dumps(part)}' for name, part in value.items() if name != "char_confidence")
            yield "}"
        else:
            yield f'"{key}": {json.dumps(value)}'


def page(frame: Pixels, crop: Pixels, lines: list[str]) -> Image.Image:
    height = round(frame.shape[0] * WIDTH / frame.shape[1])
    strip = round(crop.shape[0] * min(1.5, (WIDTH - 2 * MARGIN) / crop.shape[1]))
    sheet = Image.new("RGB", (WIDTH, height + strip + (len(lines) + 4) * LINE), PAPER)
    draw, font, y = ImageDraw.Draw(sheet), ImageFont.load_default(15), height + MARGIN // 2
    sheet.paste(_image(frame).resize((WIDTH, height)), (0, 0))
    draw.text((MARGIN, y), "the crop that is read", INK, font)
    sheet.paste(_image(crop).resize((round(crop.shape[1] * strip / crop.shape[0]), strip)), (MARGIN, y + LINE))
    for count, line in enumerate(["the event on vinagent/v1/hamburg/gate-3-pi/gate/north-in/vin", *lines]):
        draw.text((MARGIN, y + strip + (count + 2) * LINE - LINE // 2), line, INK, font)
    return sheet


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def main(file: Path, seed: int) -> None:
    frame, finished = passed(Scene(seed, 1, 1280, 720))
    image, event = told(finished)
    crop = cv2.imdecode(np.frombuffer(image.jpeg, np.uint8), cv2.IMREAD_COLOR)
    file.parent.mkdir(parents=True, exist_ok=True)
    page(marked(frame), np.asarray(crop, np.uint8), list(lines_of(event))).save(file, quality=88)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
