"""The accuracy program counts what it says it counts, shows what went wrong, and says in one sentence what is missing."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from agent import config
from agent.domain import Box, Decision, Outcome, Pixels, Plate
from agent.vin import describe
from tests.bench import accuracy, accuracy_page, clips, cover, looking
from tests.bench.calibration import Read, characters, passes_in, reliability, whole
from tests.bench.clips import Showing, Shown, Told
from tests.bench.findings import Findings
from tests.bench.looking import Alarm
from tests.bench.photos import Photo, edits, part_of
from tests.bench.scores import Score, covered, figures, height_bin, is_line, likely
from tests.bench.variations import Variation

VIN, OTHER = "1M8GDM9AXKP042788", "1M8GDM9AXKP042787"
UNREAD = Decision("unread", None, "no_plate", 0.0, (), "", (), 0)
LINE = Box(100, 100, 200, 20)
AT_LINE, ELSEWHERE = Plate(LINE, 0.0, 0.9, 1.0), Plate(Box(100, 400, 200, 20), 0.0, 0.5, 1.0)


def lettered(text: str = VIN) -> tuple[Pixels, Box]:
    """A picture of a VIN that anybody can read, and where it stands."""
    image = Image.new("L", (480, 240), 200)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(32)
    draw.text((60, 100), text, fill=20, font=font)
    left, top, right, bottom = draw.textbbox((60, 100), text, font=font)
    return np.asarray(cv2.cvtColor(np.array(image), cv2.COLOR_GRAY2BGR), np.uint8), Box(left, top, right - left, bottom - top)


def clip(file: Path, picture: Pixels, frames: int = 24) -> None:
    """Twelve frames a second of a picture that moves a little."""
    video = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 12, picture.shape[1::-1])
    for number in range(frames):
        video.write(np.roll(picture, 3 * (number % 4), 1))
    video.release()


def folder(where: Path) -> Path:
    """A photograph that can be read, one of each part; one with a wrong label; a picture and a clip without a VIN."""
    for name in ("positive", "negative", "video"):
        (where / name).mkdir()
    pixels, line = lettered()
    for name in ("ks_1", "kt_0015", "kt_0017"):
        cv2.imwrite(str(where / "positive" / f"{name}.png"), pixels)
    cv2.imwrite(str(where / "negative" / "wall.png"), np.full((120, 160), 90, np.uint8))
    clip(where / "video" / "road.mp4", np.full((120, 160, 3), 90, np.uint8))
    box = f"{line.x},{line.y},{line.width},{line.height}"
    rows = ["file,kind,vin,x,y,w,h,notes", f"positive/ks_1.png,plate,{VIN},{box},", f"positive/kt_0015.png,door-label,,{box},",
            f"positive/kt_0017.png,stamped <b>,{OTHER},0,0,100,20,", "negative/wall.png,negative,,,,,,"]  # fmt: skip
    (where / "labels.csv").write_text("\n".join(rows))
    return where


class Page(HTMLParser):
    """The texts of a page, the addresses in it, and the tags that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts, self.addresses, self.tags = [""], [""], [""]
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What the program writes about a folder."""
    where = tmp_path_factory.mktemp("photographs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        accuracy.main([str(folder(where)), "--seeds", "2", "--processes", "1"])
    return json.loads((where / accuracy.JSON).read_text()), (where / accuracy.PAGE).read_text()


def test_a_folder_is_counted_by_part_and_kind_and_written_down(written: tuple[dict[str, Any], str]) -> None:
    result, _ = written
    assert {key: result["split"][key] for key in ("judged", "tuning", "everything")} == {"judged": 2, "tuning": 1, "everything": 3}
    everything = result["figures"]["everything"]["all"]
    assert (everything["n"], everything["found"], everything["transcribed"], everything["exact"]) == (3, 2, 2, 1)
    assert (everything["wrong_accepted"], everything["needs_review"], everything["outcomes"]) == (1, 0, {"accepted": 3})
    assert everything["char_accuracy"] == pytest.approx(1 - 1 / 34, abs=1e-4)
    assert everything["find_ms"]["n"] == 3
    assert everything["find_ms"]["median"] > 0
    assert result["figures"]["tuning"]["by_kind"]["door-label"]["transcribed"] == 0
    assert list(result["figures"]["judged"]["by_kind"]) == ["plate", "stamped <b>"]
    assert sum(row["n"] for row in result["figures"]["everything"]["by_height"].values()) == 3


def test_pictures_and_clips_without_a_vin_are_looked_at_again_with_other_crops_and_noise(written: tuple[dict[str, Any], str]) -> None:
    result, _ = written
    assert result["negatives"]["pictures"] == {"n": 1, "accepted": 0, "needs_review": 0, "unread": 1}
    assert result["negatives"]["variations"]["n"] == 2
    assert [(each["file"], each["seed"], each["frames"], each["paid_calls"]) for each in result["clips"]] == [
        ("road.mp4", 0, 24, 0),
        ("road.mp4", 1, 24, 0),
    ]


def test_a_failure_is_written_down_and_shown_with_what_was_read_and_what_is_true(written: tuple[dict[str, Any], str]) -> None:
    result, text = written
    told = result["failures"]
    assert [(each["file"], each["failure"], each["truth"], each["read"]) for each in told] == [
        ("kt_0017.png", "wrong VIN accepted", OTHER, VIN)
    ]
    shown = text[text.index("Photographs that went wrong") : text.index("Pictures without a VIN in which")]
    assert shown.count("<figure>") == 1
    assert f"<code>{OTHER}</code>" in shown
    assert f"<code>{VIN[:-1]}<mark>8</mark></code>" in shown
    assert 'class="label" x="0.0" y="0.0" width="100.0" height="20.0"' in shown
    assert 'class="found"' in shown
    assert shown.count("data:image/jpeg;base64,") == 2, "the photograph, and the crop that was read"


def test_the_page_stands_alone_and_lets_no_label_in_as_markup(written: tuple[dict[str, Any], str]) -> None:
    page = Page(written[1])
    assert all(each.startswith("data:image/") for each in page.addresses[1:])
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert any("stamped <b>" in each for each in page.texts)
    assert "@import" not in written[1]
    assert "url(" not in written[1]
    for word in ("prefers-color-scheme: dark", "decisions on photographs: 2", "Finder, judged", "Finder, tuning"):
        assert word in written[1], word


def test_the_reliability_of_what_was_sure_and_wrong_is_written_down_and_drawn(written: tuple[dict[str, Any], str]) -> None:
    result, text = written
    told = result["reliability"]["decisions on photographs"]
    assert (told["n"], told["right"]) == (2, 1)
    assert told["error"] == pytest.approx(0.5, abs=0.1)
    assert result["reliability"]["characters on photographs"]["right"] == 33
    assert len(re.findall(r'<svg role="img".*?</svg>', text)) == 2


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


def test_passes_that_are_none_are_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "passes.json").write_text('{"rows": [{"truth": "A"}]}')
    with pytest.raises(SystemExit) as stopped:
        accuracy.main([str(tmp_path), "--passes", str(tmp_path / "passes.json")])
    assert stopped.value.code == 2
    assert "expected JSON with a list `rows`" in capsys.readouterr().err


def test_passes_without_a_vin_have_no_confidence_to_be_held_to(tmp_path: Path) -> None:
    rows = [{"truth": VIN, "vin": vin, "confidence": 0.9, "char_confidence": [0.9] * len(vin)} for vin in (VIN, "")]
    (tmp_path / "passes.json").write_text(json.dumps({"seed": 1, "rows": rows}))
    assert passes_in(tmp_path / "passes.json") == [Read(VIN, VIN, 0.9, (0.9,) * 17)]


@pytest.mark.parametrize(
    ("read", "meant", "count"), [("", "ABC", 3), ("ABC", "ABC", 0), ("AXC", "ABC", 1), ("BC", "ABC", 1), ("ABCD", "ABC", 1)]
)
def test_edits_count_what_has_to_change(read: str, meant: str, count: int) -> None:
    assert edits(read, meant) == count


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("ks_010", "judged"),
        ("kt_0006", "tuning"),
        ("kt_0010", "tuning"),
        ("kt_0007", "judged"),
        ("kt_0019", "judged"),
        ("gate_1", "judged"),
    ],
)
def test_only_what_is_named_for_it_is_ever_learnt_from(name: str, part: str) -> None:
    assert part_of(Path(f"positive/{name}.jpg")) == part


def test_a_line_is_covered_by_the_picture_with_its_margins() -> None:
    assert covered(Box(70, 90, 260, 40), AT_LINE) == pytest.approx(1.0)
    beside = config.Vision().margin_x * 20  # pixels of the margin, in letters of 20
    assert covered(Box(300, 100, 200, 20), AT_LINE) == pytest.approx(beside / 200)
    assert covered(Box(100, 400, 200, 20), AT_LINE) == 0


def test_a_candidate_is_the_line_only_where_its_own_box_is() -> None:
    assert is_line(LINE, AT_LINE)
    assert not is_line(LINE, Plate(Box(100, 100, 90, 20), 0.0, 0.9, 1.0)), "half a VIN"
    assert not is_line(LINE, ELSEWHERE)


@pytest.mark.parametrize("angle", [0.0, 2.0, -8.0, 25.0, 90.0, 97.0, -174.0])
def test_the_height_of_tilted_text_is_taken_out_of_its_upright_label(angle: float) -> None:
    xs, ys = zip(*LINE.corners(angle), strict=True)
    label = Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
    assert cover.text(label, angle).height == pytest.approx(20, abs=0.01)


def score(vin: str = "", read: str = "", outcome: Outcome = "unread", plates: tuple[Plate, ...] = (AT_LINE,)) -> Score:
    decision = replace(UNREAD, outcome=outcome, vin=describe(read) if read else None, confidence=0.9, char_confidence=(0.9,) * len(read))
    return Score(Photo(Path("ks_1.png"), "a", vin, LINE), plates, plates[0] if plates else None, decision, 1.0, 2.0)


def test_only_transcribed_photographs_count_for_characters() -> None:
    right, wrong = score(VIN, VIN, "accepted"), score(VIN, OTHER, "accepted")
    nothing, unknown = score(VIN), score(read=OTHER, outcome="needs_review")
    assert figures([right, unknown]).char_accuracy == 1
    assert figures([right, nothing]).char_accuracy == 0.5
    told = figures([right, wrong, nothing, unknown])
    assert (told.transcribed, told.exact, told.wrong_accepted, told.needs_review) == (3, 1, 1, 1)
    assert [each.failure for each in (right, wrong, nothing, unknown)] == ["", "wrong VIN accepted", "misread", ""]


def test_a_check_digit_tells_of_sure_vins_that_nobody_transcribed_how_many_are_wrong() -> None:
    right, wrong, unbinding = score(read=VIN), score(read=OTHER), score(read="WVWZZZ3BZ4E001120")
    doubtful = replace(wrong, decision=replace(wrong.decision, confidence=0.5))
    told = figures(
        [score(), *(replace(each, decision=replace(each.decision, confidence=1.0)) for each in (right, wrong, unbinding)), doubtful]
    )
    assert (told.sure, told.contradicted) == (2, 1)


def test_the_line_may_stand_second_or_third_but_that_is_not_found() -> None:
    second = figures([score(plates=(ELSEWHERE, AT_LINE)), score(plates=(ELSEWHERE, ELSEWHERE, ELSEWHERE, AT_LINE)), score(plates=())])
    assert (second.found, second.found_in_3) == (0, 1)
    assert (second.offered, second.right) == (6, 2)
    assert score(plates=()).failure == "line not found"


def test_heights_begin_a_new_class_where_they_say() -> None:
    heights = [replace(score(), photo=replace(score().photo, line=Box(0, 0, 99, height))) for height in (11, 12, 19, 20, 32)]
    assert [height_bin(each) for each in heights] == ["< 12 px", "12-16 px", "16-20 px", "20-24 px", ">= 32 px"]


def test_confidence_is_held_to_the_share_that_was_right() -> None:
    sure_and_right, sure_and_wrong = [(0.8, True)] * 8, [(0.8, False)] * 2
    assert reliability(sure_and_right + sure_and_wrong).error == 0
    assert reliability(sure_and_wrong).error == 0.8
    assert reliability([(1.0, True), (0.2, False)]).error == pytest.approx(0.1)
    assert reliability([]).error == 0
    read = Read(VIN, OTHER, 0.7, (1.0,) * 16 + (0.7,))
    assert (whole([read]).right, characters([read]).right) == (0, 16)
    assert characters([read]).error == pytest.approx(0.7 / 17, abs=1e-4)


def test_a_share_of_few_says_little() -> None:
    low, high = likely(9, 10)
    assert low == pytest.approx(0.596, abs=0.001)
    assert high == pytest.approx(0.982, abs=0.001)
    assert likely(0, 0) == (0.0, 0.0)


def test_a_variation_is_the_same_for_the_same_seed_and_another_for_another_frame() -> None:
    pixels = np.full((100, 200, 3), 128, np.uint8)
    one = Variation.of(4)
    assert np.array_equal(one.seen(pixels, 1), Variation.of(4).seen(pixels, 1))
    assert not np.array_equal(one.seen(pixels, 1), one.seen(pixels, 2))
    for seed in range(10):
        seen = Variation.of(seed).seen(pixels)
        assert 95 <= seen.shape[0] <= 100
        assert 190 <= seen.shape[1] <= 200
        assert 0.8 < seen.std() < 4.3


def test_a_clip_with_a_vin_is_one_pass_that_a_paid_reader_is_asked_about_once(tmp_path: Path) -> None:
    """What the clips without one are counted with has to see a vehicle where there is one."""
    picture = np.asarray(cv2.copyMakeBorder(lettered()[0], 60, 60, 80, 80, cv2.BORDER_REPLICATE), np.uint8)
    clip(tmp_path / "gate.mp4", picture)
    shown = clips.played(Showing(tmp_path / "gate.mp4", Variation.of(1)))
    assert [(told.outcome, told.text) for told in shown.passes] == [("accepted", VIN)]
    assert (shown.frames, shown.paid_calls) == (24, 1)
    assert clips.played(Showing(tmp_path / "gate.mp4", Variation.of(1), most=1)).frames == 1


def test_false_alarms_are_counted_against_what_is_asked_and_shown(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), lettered()[0])
    crop = (tmp_path / "wall.png").read_bytes()
    accepted = score("", VIN, "accepted").decision
    alarm = Alarm(tmp_path / "wall.png", None, (480, 240), (AT_LINE,), accepted, 1.0, crop)
    varied = [replace(alarm, seed=3), replace(alarm, seed=4, decision=UNREAD, plates=())]
    shown = Shown(tmp_path / "road.mp4", 7, 90, (Told("accepted", VIN, crop), Told("unread: no_plate", "", crop)), 4)
    findings = Findings((score(VIN, VIN, "accepted"),), (alarm,), tuple(varied), (shown,), (Read(VIN, VIN, 0.9, (0.9,) * 17),))
    answers = findings.answers()
    assert (answers.accepted, answers.offered, answers.passes, answers.most_paid) == (3, 1, 2, 4)
    page = accuracy_page.page(findings, 10)
    assert page.count('class="missed"') == 2
    assert page[page.index("Pictures without a VIN in which") :].count("<figure>") == 4
    assert "decisions on passes: 1" in page


def test_the_watch_on_the_reader_counts_what_it_was_asked() -> None:
    sight, read_ms = looking.seen(lettered()[0], "one")
    assert sight.decision.outcome == "accepted"
    assert read_ms > 1
