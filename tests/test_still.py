"""One picture is looked at without a gate: its plate is found, read and decided on, and told in one line."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from agent import config
from agent.bounds import Bounds
from agent.clock import Clock
from agent.domain import EncodedImage, Pixels, Plate, Reading
from agent.errors import NeedsOperator
from agent.ocr.embedded import Embedded
from agent.still import look, pictures_in, read_all
from tests.labels import code, label
from tests.test_bundle import closed

SETTINGS = config.Settings()
VIN = "1M8GDM9AXKP042788"


@pytest.fixture(scope="module")
def reader() -> Iterator[Embedded]:
    with Embedded(SETTINGS) as reader:
        yield reader


def photograph(text: str) -> Pixels:
    """A plate on a car's dashboard, more or less: light letters on a dark strip in a grey picture with some noise, as BGR."""
    image = Image.new("L", (960, 540), 120)
    draw = ImageDraw.Draw(image)
    draw.rectangle((200, 300, 760, 360), fill=25)
    draw.text((240, 312), text, fill=215, font=ImageFont.load_default(36))
    noisy = np.array(image) + np.random.default_rng(1).normal(0, 3, (540, 960))
    return cv2.cvtColor(np.clip(noisy, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR).astype(np.uint8)


def saved(pixels: Pixels, file: Path) -> Path:
    file.write_bytes(cv2.imencode(file.suffix, pixels)[1].tobytes())
    return file


def test_the_vin_of_a_photograph_is_found_and_accepted(reader: Embedded) -> None:
    sight = look(photograph(VIN), "photo", Clock().now(), reader, SETTINGS)
    assert sight.decision.outcome == "accepted"
    assert sight.decision.vin is not None
    assert sight.decision.vin.value == VIN
    assert sight.chosen is not None
    assert len(sight.plates) == len(sight.images) == len(sight.readings)
    chosen = sight.plates[sight.chosen]
    assert 200 < chosen.box.center[0] < 760
    assert 300 < chosen.box.center[1] < 360


def test_a_picture_without_a_line_shows_no_plate(reader: Embedded) -> None:
    sight = look(np.full((240, 320, 3), 90, np.uint8), "blank", Clock().now(), reader, SETTINGS, reader.locate)
    assert (sight.decision.outcome, sight.decision.reason) == ("unread", "no_plate")
    assert (sight.plates, sight.chosen) == ((), None)


class Unsure:
    """A reader that sees a VIN it is not sure of everywhere."""

    name, bounds, price, metered, per_s, url = "unsure", Bounds(), 0.0, False, 0.0, ""

    def __init__(self) -> None:
        self.asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def check(self, call: bool = False) -> tuple[str, ...]:
        return ()

    def knows_time(self) -> bool:
        return True

    def read(self, image: EncodedImage) -> Reading:
        self.asked += 1
        return Reading(VIN, (0.5 + self.asked / 100,) * 17, self.name, image.number, None, 1)


def test_lines_that_convince_nobody_are_read_up_to_a_limit_and_the_surest_counts() -> None:
    unsure = Unsure()
    sight = look(photograph(VIN), "photo", Clock().now(), unsure, SETTINGS, lambda pixels: [])
    assert 1 <= unsure.asked <= 3
    assert sight.decision.outcome == "needs_review"
    assert sight.chosen == unsure.asked - 1


def test_a_second_finder_is_asked_for_other_lines_only_and_its_own_are_read_too() -> None:
    known = look(photograph(VIN), "photo", Clock().now(), Unsure(), SETTINGS).plates
    other = replace(known[0], box=replace(known[0].box, y=60.0))
    sight = look(photograph(VIN), "photo", Clock().now(), Unsure(), SETTINGS, lambda pixels: [*known, other])
    assert sight.plates == (*known, other)


def test_a_second_finder_is_not_asked_where_the_first_line_is_accepted(reader: Embedded) -> None:
    def never(pixels: Pixels) -> list[Plate]:
        raise AssertionError("the second finder was asked")

    assert look(photograph(VIN), "photo", Clock().now(), reader, SETTINGS, never).decision.outcome == "accepted"


def test_folders_are_searched_for_pictures_and_other_files_left_alone(tmp_path: Path) -> None:
    pixels = np.zeros((20, 20, 3), np.uint8)
    second, first = saved(pixels, tmp_path / "b.png"), saved(pixels, tmp_path / "a.jpg")
    (tmp_path / "notes.txt").write_text("no picture")
    assert pictures_in([tmp_path]) == [first, second]
    assert pictures_in([second]) == [second]
    assert pictures_in([tmp_path / "missing.jpg"]) == []


def test_a_folder_that_is_closed_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    with closed(tmp_path / "closed"), pytest.raises(NeedsOperator, match="closed cannot be looked into: Permission denied"):
        pictures_in([tmp_path / "closed"])


def test_a_picture_is_told_in_one_line_of_json_and_saved_with_its_box(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(photograph(VIN), tmp_path / "gate.png")
    assert read_all([file], as_json=True, save=tmp_path / "out" / "here")
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["vin"]["value"], told["file"]) == ("accepted", VIN, str(file))
    assert told["plates"][told["chosen"]]["width"] > 300
    marked = cv2.imread(str(tmp_path / "out" / "here" / "gate.marked.jpg"))
    assert marked is not None
    assert marked.shape == (540, 960, 3)
    assert (tmp_path / "out" / "here" / "gate.1.jpg").is_file()


def test_a_person_sees_vin_outcome_and_maker_on_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_all([saved(photograph("WVWZZZ9NZ6Y195541"), tmp_path / "gate.png")], as_json=False)
    line = capsys.readouterr().out
    assert line.startswith("WVWZZZ9NZ6Y195541  accepted")
    assert line.endswith("gate.png  Volkswagen\n")


def test_a_file_that_is_no_picture_is_named_and_the_others_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"")
    assert not read_all([broken, saved(photograph(VIN), tmp_path / "gate.png")], as_json=False)
    output = capsys.readouterr()
    assert "broken.jpg: is no picture" in output.err
    assert VIN in output.out


def test_a_picture_that_was_not_accepted_is_no_success(tmp_path: Path) -> None:
    assert not read_all([saved(np.full((240, 320, 3), 90, np.uint8), tmp_path / "blank.png")], as_json=False)


EUROPEAN = "WVWZZZ1JZXW000123"


class Paid(Unsure):
    """The same for money."""

    name, metered, price = "paid", True, 0.01


def far_from_any_line(vin: str) -> Pixels:
    """The photograph of a dashboard with a code in its corner."""
    pixels = photograph("no text that counts")
    dots = cv2.cvtColor(code(vin, "DataMatrix", 4.0), cv2.COLOR_GRAY2BGR)
    pixels[10 : 10 + dots.shape[0], 760 : 760 + dots.shape[1]] = dots
    return pixels


def test_a_barcode_anywhere_in_the_picture_is_read_and_no_money_is_spent() -> None:
    paid, spent = Paid(), []
    sight = look(far_from_any_line(f"I{EUROPEAN}"), "photo", Clock().now(), paid, SETTINGS, pay=lambda: spent.append(1))
    assert (sight.decision.outcome, sight.decision.raw) == ("accepted", f"I{EUROPEAN}")
    assert (paid.asked, spent, sight.plates, sight.chosen) == (0, [], (), None)


def test_a_barcode_settles_a_line_that_its_reader_is_unsure_of() -> None:
    unsure = Unsure()
    sight = look(label(VIN, VIN), "photo", Clock().now(), unsure, SETTINGS)
    assert (sight.decision.outcome, sight.decision.vin and sight.decision.vin.value, unsure.asked) == ("accepted", VIN, 1)
    assert sight.chosen == 0
    assert len(sight.plates) == 1


def test_a_barcode_that_contradicts_a_sure_line_makes_it_a_case_for_a_person(reader: Embedded) -> None:
    sight = look(label(VIN, EUROPEAN, "DataMatrix", 5.0), "photo", Clock().now(), reader, SETTINGS, reader.locate)
    assert (sight.decision.outcome, sight.decision.reason) == ("needs_review", "disagreement")
    assert {each.vin for each in sight.decision.candidates} == {VIN, EUROPEAN}


def test_barcodes_are_told_with_the_picture_and_can_be_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(label(VIN, f"I{VIN}"), tmp_path / "door.png")
    assert read_all([file], as_json=True)
    assert json.loads(capsys.readouterr().out)["barcodes"] == [f"I{VIN}"]
    assert read_all([file], as_json=True, settings=config.Settings(vision=config.Vision(barcodes=False)))
    assert json.loads(capsys.readouterr().out)["barcodes"] == []
