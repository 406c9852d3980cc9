"""The comparison with other ways to read a frame gives each the same frames, and counts for each what it found."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from agent.domain import Box, Pixels
from tests.bench import contenders, peers
from tests.bench.contenders import Answer, Contender
from tests.bench.peers import Result, Shot, held, measured, ratio, rendered

VIN = "1M8GDM9AXKP042788"
HEAD = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"


def lettered() -> Shot:
    """A picture of a VIN that anybody can read."""
    image = Image.new("RGB", (640, 320), (200, 200, 200))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(36)
    draw.text((120, 140), VIN, fill=(20, 20, 20), font=font)
    left, top, right, bottom = draw.textbbox((120, 140), VIN, font=font)
    return Shot("plain", np.asarray(image, np.uint8)[:, :, ::-1].copy(), Box(left, top, right - left, bottom - top).corners(), VIN)


@pytest.fixture
def sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program `tesseract` that sees the VIN in two words, whatever it is shown, and leaves what it was asked."""
    rows = [HEAD, "1\t1\t0\t0\t0\t0\t0\t0\t640\t320\t-1\t", f"5\t1\t1\t1\t1\t1\t118\t140\t200\t40\t91\t{VIN[:9]}",
            f"5\t1\t1\t1\t1\t2\t315\t140\t260\t40\t90\t{VIN[9:]}", "5\t1\t2\t1\t1\t1\t9\t9\t50\t20\t90\tGATE"]  # fmt: skip
    program = tmp_path / "tesseract"
    (tmp_path / "table").write_text("\n".join(rows))
    program.write_text(
        f'#!/bin/sh\nhead -c 2 > "{tmp_path}/asked"; echo "$@" $OMP_THREAD_LIMIT >> "{tmp_path}/asked"; cat "{tmp_path}/table"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")


@pytest.mark.usefixtures("sees")
def test_every_contender_finds_and_reads_a_vin_that_anybody_can_read(tmp_path: Path) -> None:
    cv2.setNumThreads(1)
    shot = lettered()
    blank = Shot("plain", np.full((320, 640, 3), 200, np.uint8), None)
    ours, *others = contenders.contenders()
    for contender in (ours, *others):
        result = measured(contender, "plain", [shot])
        assert (result.lines, result.covered, result.known, result.exact) == (1, 1, 1, 1), result
        assert result.ms > 0
    assert measured(ours, "plain", [blank]).false_alarms == 0
    assert [each.name for each in (ours, *others) if measured(each, "plain", [blank]).false_alarms] == ["Tesseract, psm 11"], "it is a fake"
    assert (tmp_path / "asked").read_text() == "P6stdin stdout --psm 11 tsv 1\n"


def test_without_tesseract_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SystemExit):
        contenders.tesseract(lettered().pixels)
    assert "install the package tesseract-ocr" in capsys.readouterr().err


def test_a_line_that_was_found_in_pieces_was_found() -> None:
    line, size = Box(100, 100, 200, 20).corners(), (300, 500)
    left, right = Box(95, 95, 100, 30).corners(), Box(195, 95, 110, 30).corners()
    assert held(line, [left, right], size) == pytest.approx(1.0)
    assert held(line, [Box(95, 104, 210, 12).corners()], size) == pytest.approx(1.0), "labels leave air above and below"
    assert held(line, [Box(95, 112, 210, 12).corners()], size) < 0.5
    assert held(line, [left], size) == pytest.approx(0.475, abs=0.02)
    assert held(line, [left, left], size) == held(line, [left], size)
    assert held(line, [], size) == 0


def test_rendered_frames_know_where_the_vin_is_and_where_there_is_none() -> None:
    shots = list(rendered(1))
    assert [shot.kind for shot in shots] == ["standing", "driving", "busy", "empty"]
    standing, _, busy, empty = shots
    assert all(shot.pixels.shape == (1080, 1920, 3) for shot in shots)
    assert standing.vin == busy.vin != ""
    assert (empty.line, empty.vin) == (None, "")
    assert standing.line is not None
    around = cv2.boundingRect(np.array(standing.line, np.float32))
    x, y, width, height = around
    assert np.array_equal(standing.pixels[y : y + height, x : x + width], busy.pixels[y : y + height, x : x + width])
    assert np.count_nonzero(cv2.absdiff(standing.pixels, busy.pixels).max(2)) > 100_000


def look(pixels: Pixels) -> Answer:
    """Reads the same in every picture."""
    return Answer((Box(0, 0, pixels.shape[1], pixels.shape[0]).corners(),), (VIN,))


def test_the_figures_are_printed_and_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = lettered()
    shots = [Shot(kind, shot.pixels, shot.line, shot.vin) for kind in ("standing", "busy")] + [Shot("empty", shot.pixels, None)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(peers, "rendered", lambda _vehicles: iter(shots))
    monkeypatch.setattr(peers, "contenders", lambda: [Contender("one", look, look), Contender("other", look)])
    monkeypatch.setattr(os, "sched_setaffinity", lambda _process, cores: None)
    peers.main(["--vehicles", "1"])
    told = json.loads((tmp_path / peers.RESULT).read_text())
    assert [(each["contender"], each["kind"]) for each in told["results"]] == [
        (name, kind) for kind in ("standing", "busy", "empty") for name in ("one", "other")
    ]
    empty = told["results"][-1]
    assert (empty["empty"], empty["false_alarms"], empty["lines"], empty["known"]) == (1, 1, 0, 0)
    assert told["results"][0]["exact"] == 1
    assert "finder on a busy 1080p frame: 1/" in capsys.readouterr().out


def test_the_finder_is_held_against_the_whole_frame_read_by_the_first_of_the_others() -> None:
    def result(name: str, kind: str, ms: float, find_ms: float | None) -> Result:
        return Result(name, kind, 1, ms, find_ms, 1, 1, 1, 1, 0, 0)

    busy = [result("us", "busy", 90, 50), result("whole", "busy", 1500, None), result("shrunk", "busy", 600, None)]
    assert ratio([result("us", "standing", 1, 1), *busy]) == 30
    assert ratio(busy[:1]) == 0
