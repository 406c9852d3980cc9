"""One picture on its own, without a gate: find the plate, read the likeliest lines, decide; and `vin-agent read` around it."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from agent import config, logs, page
from agent.books import Books, opened
from agent.byhand import Purse
from agent.camera.file import opened as opened_picture
from agent.clock import Clock
from agent.domain import Decision, EncodedImage, Pixels, Plate, Quality, Reading, Stamp
from agent.errors import BadConfig, NeedsOperator, Rejected, RetryLater
from agent.ocr import DOCUMENTS, DocumentProvider, Provider, provider_class
from agent.ocr.embedded import Embedded
from agent.vin import judge
from agent.vin_text import printable
from agent.vision import barcode, encode, plate
from agent.vision.sharpness import glare

_READ = 3  # likeliest lines of each finder that are read before the picture is given up
_SUFFIXES = {".jpg", ".jpeg", ".png"}
_BETTER = ("unread", "needs_review", "accepted")
_CHOSEN, _OTHER = (0, 200, 0), (0, 140, 255)  # BGR

Finder = Callable[[Pixels], Sequence[Plate]]


@dataclass(frozen=True, slots=True)
class Sight:
    """What one picture came to: the lines that were read, the pictures made of them and their readings, in the same order.

    `chosen` is the place of the line that the decision is about, None where there was no line to read; `refusals` is why others
    were not read; `codes` are the barcodes that hold a VIN, wherever in the picture.
    """

    plates: tuple[Plate, ...]
    images: tuple[EncodedImage, ...]
    readings: tuple[Reading, ...]
    decision: Decision
    chosen: int | None
    refusals: tuple[str, ...] = ()
    codes: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class _Attempt:
    plate: Plate
    image: EncodedImage
    reading: Reading
    decision: Decision

    @property
    def worth(self) -> tuple[int, float]:
        return _BETTER.index(self.decision.outcome), self.decision.confidence


def look(
    pixels: Pixels,
    name: str,
    taken_at: Stamp,
    provider: Provider,
    settings: config.Settings,
    second: Finder | None = None,
    pay: Callable[[], None] = lambda: None,
) -> Sight:
    """Reads the likeliest lines of a BGR picture, one by one until a VIN is accepted; each is judged by itself, beside the barcodes.

    `second` is asked for more lines where those of the first finder give no accepted VIN. A reader that is paid is spared where a
    barcode settles it; else it gets as many as a vehicle at the gate would, and the whole picture where there is no line, or where it
    reads documents; `pay` is called before each.
    """
    attempts: list[_Attempt] = []
    refusals: list[str] = []
    codes = tuple(barcode.read(pixels)) if settings.vision.barcodes else ()
    if provider.metered and judge(codes, settings.reading).outcome == "accepted":
        return _sight([], (), codes)
    lines = _paid(pixels, provider, settings) if provider.metered else _lines(pixels, settings.vision.min_text_px, second)
    for line in lines:
        # A line that fits no bounds cannot be read; the next one may.
        try:
            image = _cut(pixels, line, settings.vision, provider, name, len(attempts), taken_at)
            pay()
            reading = provider.read(image)
        except Rejected as refusal:
            refusals.append(str(refusal))
            continue
        attempts.append(_Attempt(line, image, reading, judge([reading, *codes], settings.reading)))
        # A line that is sure of another VIN than the barcode speaks against it: no other line takes that back.
        if judge([reading], settings.reading).outcome == "accepted" or attempts[-1].decision.outcome == "accepted":
            break
    return _sight(attempts, tuple(refusals), codes)


def _paid(pixels: Pixels, provider: Provider, settings: config.Settings) -> Iterator[Plate]:
    lines = [] if provider.name in DOCUMENTS else plate.find(pixels, settings.vision.min_text_px)[:_READ]
    yield from islice(lines or [page.plate(pixels)], settings.reading.calls_per_vehicle)


def _cut(pixels: Pixels, line: Plate, vision: config.Vision, provider: Provider, name: str, number: int, taken_at: Stamp) -> EncodedImage:
    if line == page.plate(pixels):
        return page.picture(pixels, provider.bounds, name, number, taken_at)
    return picture(pixels, line, vision, provider, name, number, taken_at)


def _lines(pixels: Pixels, min_text_px: int, second: Finder | None) -> Iterator[Plate]:
    first = plate.find(pixels, min_text_px)[:_READ]
    yield from first
    if second:
        yield from [line for line in second(pixels) if not any(_same(line, known) for known in first)][:_READ]


def _same(line: Plate, known: Plate) -> bool:
    """True where both finders drew the same line: reading it again would tell the same."""
    apart = math.dist(line.box.center, known.box.center)
    return apart < known.box.height / 2 and 0.8 < line.box.width / known.box.width < 1.25


def picture(
    pixels: Pixels, line: Plate, vision: config.Vision, provider: Provider, name: str, number: int, taken_at: Stamp
) -> EncodedImage:
    """The line with its surroundings, upright and within the provider's bounds; raises `Rejected` where that cannot be."""
    crop, place = plate.rectify(pixels, line, vision.margin_x, vision.margin_y)
    fitted = encode.fit(crop, place, provider.bounds)
    size = round(line.box.width), round(line.box.height)
    quality = Quality(line.sharpness, size, glare(plate.rectify(pixels, line, 0.0, 0.0)[0]))
    return EncodedImage(name, number, taken_at, fitted.jpeg, fitted.width, fitted.height, fitted.line, quality)


def _sight(attempts: Sequence[_Attempt], refusals: tuple[str, ...], codes: tuple[Reading, ...]) -> Sight:
    """The best attempt is what counts; of equals the first, which the finder held for likelier."""
    if not attempts:
        return Sight((), (), (), judge(codes, config.Reading()), None, refusals, codes)
    chosen = max(range(len(attempts)), key=lambda at: attempts[at].worth)
    return Sight(
        tuple(each.plate for each in attempts),
        tuple(each.image for each in attempts),
        tuple(each.reading for each in attempts),
        attempts[chosen].decision,
        chosen,
        refusals,
        codes,
    )


def pictures_in(paths: Iterable[Path]) -> list[Path]:
    """The JPEG and PNG files among files and folders, those of a folder in the order of their names."""
    files: list[Path] = []
    for path in paths:
        try:
            inside = sorted(path.iterdir()) if path.is_dir() else [path]
            files += [file for file in inside if file.suffix.lower() in _SUFFIXES and file.is_file()]
        except OSError as exc:
            raise NeedsOperator(f"{path} cannot be looked into: {exc.strerror}") from exc
    return files


def read_all(
    files: Sequence[Path], *, as_json: bool, save: Path | None = None, provider: str = "embedded", settings: config.Settings | None = None
) -> bool:
    """Reads pictures and prints one line for each; True where each of them gave an accepted VIN."""
    settings, clock = settings or config.Settings(), Clock()
    with provider_class(provider)(settings) as reader, _books(reader, settings) as books:
        second = reader.locate if isinstance(reader, Embedded) else None
        purse = Purse(reader, settings.reading, books, clock.now)

        def tell(file: Path, pixels: Pixels) -> bool:
            sight = look(pixels, file.stem, clock.now(), reader, settings, second, purse.pay)
            print(_as_json(file, sight) if as_json else _as_row(file, sight), flush=True)
            if save:
                _save(save, file, pixels, sight)
            if reader.metered and not (sight.readings or sight.codes):
                raise Rejected("; ".join(dict.fromkeys(sight.refusals)))
            return sight.decision.outcome == "accepted"

        return _each(files, tell)


def read_documents(files: Sequence[Path], *, as_json: bool, provider: str, settings: config.Settings) -> bool:
    """Reads licences and prints all that stands in them, personal data included; True where each of them was read."""
    if provider not in DOCUMENTS:
        raise BadConfig(f"{provider} reads no documents; those that do: {', '.join(DOCUMENTS)}")
    clock = Clock()
    with cast("DocumentProvider", provider_class(provider)(settings)) as reader, _books(reader, settings) as books:
        purse = Purse(reader, settings.reading, books, clock.now)

        def tell(file: Path, pixels: Pixels) -> bool:
            image = page.picture(pixels, reader.bounds, file.stem, 0, clock.now())
            purse.pay()
            reading, document = reader.read_document(image)
            print(page.as_json(file, reading, document) if as_json else page.as_rows(file, document), flush=True)
            return True

        return _each(files, tell)


def _books(reader: Provider, settings: config.Settings) -> AbstractContextManager[Books]:
    return opened(settings.agent.state_dir, settings.store) if reader.metered else nullcontext(Books(None))


def _each(files: Sequence[Path], tell: Callable[[Path, Pixels], bool]) -> bool:
    """Every file by itself: one that cannot be read is named, and the next one is looked at."""
    everything = True
    for file in files:
        try:
            everything &= tell(file, _opened(file))
        except Rejected as refusal:
            said = str(refusal)
            logs.complain(f"vin-agent: {said if said.startswith(str(file)) else f'{file}: {said}'}")
            everything = False
    return everything


def _opened(file: Path) -> Pixels:
    """(height, width, 3) BGR; raises `Rejected` where there is no picture."""
    try:
        return opened_picture(file)
    except Rejected as refusal:
        raise Rejected(f"{file}: {refusal}") from refusal


def _as_row(file: Path, sight: Sight) -> str:
    decision = sight.decision
    vin = decision.vin.value if decision.vin else "-" * 17
    says = decision.vin.manufacturer if decision.vin else printable(decision.raw)
    return f"{vin}  {decision.outcome:12}  {decision.confidence:.2f}  {decision.reason or '-':13}  {printable(file.name)}  {says}".rstrip()


def _as_json(file: Path, sight: Sight) -> str:
    plates = [{**asdict(each.box), "angle": each.angle, "score": each.score, "sharpness": each.sharpness} for each in sight.plates]
    codes = [code.text for code in sight.codes]
    return json.dumps({"file": str(file), **asdict(sight.decision), "chosen": sight.chosen, "plates": plates, "barcodes": codes})


def _save(folder: Path, file: Path, pixels: Pixels, sight: Sight) -> None:
    """The pictures as they were read, and the whole one with the lines drawn."""
    marked = pixels.copy()
    for at, line in enumerate(sight.plates):
        corners = np.array(line.corners(), np.int32)
        cv2.polylines(marked, [corners], True, _CHOSEN if at == sight.chosen else _OTHER, max(1, pixels.shape[1] // 400))
    jpeg = cv2.imencode(".jpg", marked)[1].tobytes()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{file.stem}.marked.jpg").write_bytes(jpeg)
        for image in sight.images:
            (folder / f"{file.stem}.{image.number + 1}.jpg").write_bytes(image.jpeg)
    except OSError as exc:
        raise RetryLater(f"{folder}: the pictures cannot be saved there: {exc.strerror}; choose another folder with --save") from exc
