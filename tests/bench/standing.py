"""What tells one standing text from another, and what fixed text costs: letters exchanged in place, and clips without a VIN.

python -m tests.bench.standing [--pairs N] [--clips FOLDER [--seeds N]]
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from agent import config, reasons
from agent.bounds import Bounds
from agent.camera.lettering import text
from agent.domain import Box, Frame, Pixels, Plate, Reading, Stamp
from agent.ocr.embedded import Embedded
from agent.vision import plate as finder
from agent.vision.best import FinishedPass, Passes
from agent.vision.gate import Gate
from agent.vision.patch import again, compared, cut
from agent.vision.standing import Standing
from agent.watch import assemble

Rng = np.random.Generator
Floats = npt.NDArray[np.float32]

ALPHABET = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
LOOKALIKES = (
    "8B",
    "0D",
    "5S",
    "6G",
    "2Z",
    "CG",
    "EF",
    "PR",
    "UV",
    "XY",
    "MN",
    "VY",
    "38",
    "68",
    "98",
    "08",
    "06",
    "B3",
    "RB",
    "KX",
    "HM",
    "1T",
    "17",
)
FINE = 4  # times as large as they are seen plates are drawn
FPS = 8.0


def drawn(vin: str, capital: float, *, stamped: bool) -> tuple[Floats, Plate]:
    """A plate's ink, 0…1 and `FINE` times too large, every letter in a cell of its own: another letter moves none of the others."""
    cap = round(capital * FINE)
    pitch = round(cap * 0.85)
    ink = np.zeros((round(cap * 1.6), pitch * 17 + cap), np.uint8)
    for place, letter in enumerate(vin):
        glyph = text(letter, cap, stamped=stamped)
        x, y = cap // 2 + place * pitch + (pitch - glyph.shape[1]) // 2, max(0, round(cap * 0.3) + cap - glyph.shape[0])
        ink[y : y + glyph.shape[0], x : x + glyph.shape[1]] |= glyph
    soft = cv2.GaussianBlur(ink, (0, 0), FINE * 0.5).astype(np.float32) / 255
    return np.asarray(soft, np.float32), Plate(Box(cap / 2, cap * 0.3, pitch * 17, cap), 0.0, 0.9, 1.0)


def laid(ink: Floats, line: Plate, ground: float, contrast: float, angle: float, shift: tuple[float, float]) -> tuple[Floats, Plate]:
    """The plate in a plain grey frame, and where its line lies there."""
    width, height = 560, 200
    turn = cv2.getRotationMatrix2D((ink.shape[1] / 2, ink.shape[0] / 2), -angle, 1 / FINE)
    turn[:, 2] += np.array([width / 2 + shift[0] - ink.shape[1] / 2, height / 2 + shift[1] - ink.shape[0] / 2])
    there = cv2.warpAffine(np.ones_like(ink), turn, (width, height))
    seen = cv2.warpAffine(ink, turn, (width, height))
    x, y = turn @ (*line.box.center, 1.0)
    box = Box(x - line.box.width / FINE / 2, y - line.box.height / FINE / 2, line.box.width / FINE, line.box.height / FINE)
    return np.asarray(110 * (1 - there) + there * ground + seen * contrast, np.float32), replace(line, box=box, angle=angle)


def sensed(scene: Floats, rng: Rng, blur: float, noise: float, light: float = 1.0, quality: int = 0) -> Pixels:
    """The scene through a lens and a sensor, and where a quality is given through a JPEG."""
    picture = cv2.GaussianBlur(scene, (0, 0), blur) * light + rng.normal(0, noise, scene.shape)
    pixels = np.clip(picture, 0, 255).astype(np.uint8)
    if quality:
        coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        pixels = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return pixels


def pair(seed: int) -> tuple[bool, bool]:
    """Whether the same plate is known again in other light, and whether one with another letter is taken for it."""
    rng = np.random.default_rng(seed)
    letters, place = list(rng.choice(list(ALPHABET), 17)), int(rng.integers(17))
    alike = LOOKALIKES[seed % len(LOOKALIKES)]
    vin, twin = ("".join((*letters[:place], each, *letters[place + 1 :])) for each in tuple(alike))
    capital, stamped = float(rng.uniform(9, 26)), bool(seed % 2)
    ground, contrast = (
        (float(rng.uniform(20, 90)), float(rng.uniform(40, 130))) if rng.random() < 0.5 else (200.0, -float(rng.uniform(40, 110)))
    )
    blur, noise, angle = float(rng.uniform(0.3, 1.3)), float(rng.uniform(1, 6)), float(rng.uniform(-6, 6))
    quality, light = int(rng.choice([0, 75, 90])), float(rng.uniform(0.7, 1.25))
    x, y = rng.uniform(-2, 2, 2)
    scene, line = laid(*drawn(vin, capital, stamped=stamped), ground, contrast, angle, (0.0, 0.0))
    patch = cut(sensed(scene, rng, blur, noise, quality=quality), line)
    answers = []
    for each in (vin, twin):
        scene, line = laid(*drawn(each, capital, stamped=stamped), ground, contrast, angle, (float(x), float(y)))
        match = compared(patch, again(patch, sensed(scene, rng, blur, noise, light, quality)), line)
        answers.append(match is not None and match.same)
    return answers[0], answers[1]


def pairs(count: int) -> None:
    known, merged = zip(*map(pair, range(count)), strict=True)
    print(f"letters: {count} plates known again by one look in {sum(known) / count:.0%}; taken for one with another letter: {sum(merged)}")


def frames(file: Path, seed: int) -> Iterator[Frame]:
    """A clip at a gate's pace, cut and disturbed a little differently for every seed."""
    rng, clip = np.random.default_rng(seed), cv2.VideoCapture(str(file))
    share, sigma, (across, down) = rng.uniform(0.95, 1.0), rng.uniform(1, 4), rng.random(2)
    rate, due, number = clip.get(cv2.CAP_PROP_FPS), 0.0, 0
    while (answer := clip.read())[0]:
        at_s, number = number / rate, number + 1
        if at_s < due:
            continue
        due = at_s + 1 / FPS
        height, width = answer[1].shape[:2]
        top, left = round(height * (1 - share) * down), round(width * (1 - share) * across)
        seen = answer[1][top : top + round(height * share), left : left + round(width * share)]
        pixels = np.clip(seen + rng.normal(0, sigma, seen.shape), 0, 255).astype(np.uint8)
        yield Frame(pixels, Stamp(round(at_s * 1000), 1000 + round(at_s * 1000), "clip", "synced"))


def watched(file: Path, seed: int, *, memory: bool) -> list[FinishedPass]:
    """The passes of a clip that would be told, as a camera's process finds them."""
    vision = config.Vision()
    gate, passes, standing = Gate(vision), Passes(vision), Standing(vision.hidden_s)
    told: list[FinishedPass] = []
    for frame in frames(file, seed):
        view = gate.look(frame, busy=passes.busy)
        standing.look(frame)
        if not passes.busy:
            standing.glance(frame)
        if not view.open:
            continue
        plates = finder.find(frame.pixels, vision.min_text_px)
        fresh, sure = standing.sift(frame, plates) if memory else (plates, [])
        for finished in passes.offer(frame, fresh, sure):
            if not memory or not standing.is_repeat(finished):
                told.append(standing.sorted_out(finished) if memory else finished)
            if memory:
                standing.told(finished, frame)
        if memory:
            standing.rest(frame, passes.claimed)
    return told + passes.flush()


def calls(told: list[FinishedPass]) -> int:
    """What a paid reader that finds no VIN is asked: once for each still view."""
    return sum(len({picture.still for picture in finished.pictures}) for finished in told)


def vetoed_calls(told: list[FinishedPass], reader: Embedded) -> tuple[int, int]:
    """The calls that are left with `local_veto` "other" and "all"."""
    other = everything = 0
    for finished in told:
        capture = assemble(finished, config.Camera(driver="replay", source="clip"), Bounds())
        first = {image.still: image for image in reversed(capture.images)} if capture else {}
        readings: list[Reading] = [reader.read(image) for image in first.values()]
        other += sum(not reasons.says_other(each) for each in readings)
        everything += sum(not reasons.says_other(each) and not reasons.says_nothing_like_it(each) for each in readings)
    return other, everything


def clips(folder: Path, seeds: int) -> None:
    files = sorted(folder.glob("*.mp4"))
    if not files:
        raise SystemExit(f"{folder}: no clips (*.mp4) there")
    with Embedded(config.Settings()) as reader:
        for file in files:
            for seed in range(seeds):
                before, after = watched(file, seed, memory=False), watched(file, seed, memory=True)
                other, everything = vetoed_calls(after, reader)
                pictures = sum(len(finished.pictures) for finished in before)
                print(
                    f"{file.stem}, seed {seed}: {len(before)} passes, {pictures} calls; with what stands remembered {len(after)} passes, "
                    f'{calls(after)} calls, {other} with local_veto "other", {everything} with "all"',
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    pairs(given.pairs)
    if given.clips:
        clips(given.clips, given.seeds)


if __name__ == "__main__":
    main()
