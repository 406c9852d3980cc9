"""The accuracy program counts what it says it counts, and says in one sentence what is missing."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from agent import config
from agent.domain import Box, Plate
from tests.bench import accuracy
from tests.bench.accuracy import Score, covered, figures
from tests.bench.photos import edits

VIN = "1M8GDM9AXKP042788"


def folder(where: Path) -> Path:
    """A photograph with a VIN that can be read, one whose label is wrong, and one picture without a VIN."""
    (where / "positive").mkdir()
    (where / "negative").mkdir()
    image = Image.new("L", (480, 240), 200)
    ImageDraw.Draw(image).text((60, 100), VIN, fill=20, font=ImageFont.load_default(32))
    cv2.imwrite(str(where / "positive" / "one.png"), np.array(image))
    cv2.imwrite(str(where / "negative" / "wall.png"), np.full((120, 160), 90, np.uint8))
    left, top, right, bottom = ImageDraw.Draw(image).textbbox((60, 100), VIN, font=ImageFont.load_default(32))
    box = f"{left},{top},{right - left},{bottom - top}"
    rows = ["file,kind,vin,x,y,w,h,notes", f"positive/one.png,plate,{VIN},{box},", f"positive/one.png,door-label,,{box},",
            f"positive/one.png,stamped,{VIN[:-1]}7,0,0,100,20,", "negative/wall.png,negative,,,,,,"]  # fmt: skip
    (where / "labels.csv").write_text("\n".join(rows))
    return where


def test_a_folder_is_counted_by_kind_and_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    accuracy.main([str(photos)])
    result = json.loads((tmp_path / "build" / "accuracy.json").read_text())
    assert list(result) == ["photos", "by_kind", "negatives"]
    whole = {"n": 3, "found": 2, "transcribed": 2, "exact": 1, "wrong_accepted": 1, "needs_review": 0}
    assert result["photos"] == {**whole, "char_accuracy": pytest.approx(1 - 1 / 34, abs=1e-4)}
    assert result["by_kind"]["door-label"] == {
        **whole,
        "n": 1,
        "found": 1,
        "transcribed": 0,
        "exact": 0,
        "wrong_accepted": 0,
        "char_accuracy": 0,
    }
    assert result["negatives"] == {"n": 1, "accepted": 0, "needs_review": 0}


@pytest.mark.parametrize("missing", ["nowhere", "."])
def test_a_folder_without_labels_is_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        accuracy.main([str(tmp_path / missing)])
    assert stopped.value.code == 2
    assert "labels.csv: there is no such file" in capsys.readouterr().err


def test_labels_without_numbers_are_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labels.csv").write_text("file,kind,vin,x,y,w,h\na.jpg,plate,,1,2,wide,4\n")
    with pytest.raises(SystemExit) as stopped:
        accuracy.main([str(tmp_path)])
    assert stopped.value.code == 2
    assert "expected the columns" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("read", "meant", "count"), [("", "ABC", 3), ("ABC", "ABC", 0), ("AXC", "ABC", 1), ("BC", "ABC", 1), ("ABCD", "ABC", 1)]
)
def test_edits_count_what_has_to_change(read: str, meant: str, count: int) -> None:
    assert edits(read, meant) == count


def test_a_line_is_covered_by_the_picture_with_its_margins() -> None:
    plate = Plate(Box(100, 100, 200, 20), 0.0, 1.0, 1.0)
    assert covered(Box(70, 90, 260, 40), plate) == pytest.approx(1.0)
    beside = config.Vision().margin_x * 20  # pixels of the margin, in letters of 20
    assert covered(Box(300, 100, 200, 20), plate) == pytest.approx(beside / 200)
    assert covered(Box(100, 400, 200, 20), plate) == 0


def test_only_transcribed_photographs_count_for_characters() -> None:
    right, unknown = Score("a", True, True, True, 0, False, False), Score("a", False, False, False, 0, False, True)
    wrong = Score("a", True, True, False, 17, True, False)
    assert figures([right, wrong, unknown]).char_accuracy == 0.5
    assert (figures([right, wrong, unknown]).found, figures([right, wrong, unknown]).needs_review) == (2, 1)
