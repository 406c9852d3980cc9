"""The bench of rendered passes draws one vehicle for one number, and counts what the yard was told of it, wrong VINs above all."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pytest

from agent import config
from agent.bounds import Bounds
from agent.domain import EncodedImage, Reading
from agent.ocr.embedded import Embedded
from agent.vin import check_digit
from tests.bench import passes
from tests.bench.rendered import tally
from tests.bench.rendered.frames import shots
from tests.bench.rendered.plan import CONDITIONS, Light, kind_of, plan, vehicles_in
from tests.bench.rendered.told import Agent, agent

SEED = 1
EASY = 0  # by day, 1280 × 720
SETTINGS = config.Settings()


class Sure:
    """A reader that answers the same to every picture, and is sure of it."""

    name = "sure"
    bounds = Bounds()
    price = 0.0
    metered = False
    per_s = 0.0
    url = ""

    def __init__(self, text: str) -> None:
        self.text = text

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def read(self, image: EncodedImage) -> Reading:
        return Reading(self.text, (1.0,) * len(self.text), self.name, image.number, None, 1)

    def check(self, call: bool = False) -> tuple[str, ...]:
        return ()

    def knows_time(self) -> bool:
        return True


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with agent(tmp_path_factory.mktemp("reader"), Embedded(SETTINGS), SETTINGS) as made:
        yield made


def by(folder: Path, text: str) -> tally.Result:
    """The easy pass as a reader tells it that always reads `text`."""
    with agent(folder, Sure(text), SETTINGS) as made:
        return passes.passed(made, SEED, EASY)


def misread(vin: str) -> str:
    """Another last digit, with a check digit that holds: nothing but the picture can tell that it is wrong."""
    other = vin[:-1] + str((int(vin[-1]) + 1) % 10)
    return other[:8] + check_digit(other) + other[9:]


def test_an_easy_vehicle_is_told_once_and_right_with_one_call(reader: Agent) -> None:
    lines = tally.figures([passes.passed(reader, SEED, EASY)])
    (_, row) = tally.table({"day": lines["day"]}).splitlines()
    counts = row.split()[:12]
    assert counts == ["day", "1", "1", "1", "0", "0", "0", "0", "0", "0", "0", "1.00"]
    assert lines["all"].good()
    assert tally.asks(lines["all"]).endswith("good")


def test_a_wrong_vin_that_was_accepted_is_counted_and_never_good(tmp_path: Path) -> None:
    lines = tally.figures([by(tmp_path, misread(plan(SEED, EASY).truth[0]))])
    assert lines["day"].outcomes == {"wrong_accepted": 1}
    assert not lines["all"].good()
    assert "wrong accepted 1" in tally.asks(lines["all"])


def test_a_reader_that_sees_nothing_is_asked_for_every_view_but_for_none_of_them_twice(tmp_path: Path) -> None:
    result = by(tmp_path, "")
    assert [(row.outcome, row.reason) for row in result.rows] == [("unread", "no_plate")]
    assert 1 <= result.rows[0].calls <= SETTINGS.reading.calls_per_vehicle


def test_an_event_about_no_vehicle_is_extra_and_wrong_where_it_was_accepted() -> None:
    row = tally.Row("day", "day", 0, 0, "right", False, "V", "V", 1.0, (), "", 30.0, 1, 1, 9)
    told_twice = replace(row, events=2, calls=4)
    lines = tally.figures([tally.Result(0, "day", (row,), 1, 1, 1, 1.0), tally.Result(7, "day", (told_twice,), 0, 0, 0, 1.0)])
    assert (lines["day"].extra, lines["day"].outcomes["wrong_accepted"], lines["day"].calls) == (2, 1, 6)
    assert lines["day"].right == 1.0
    assert not lines["day"].good()


def test_a_pass_follows_from_seed_and_number_alone() -> None:
    first, again = list(shots(plan(3, 4))), list(shots(plan(3, 4)))
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(first, again, strict=True))
    assert plan(3, 4) == plan(3, 4)
    assert plan(3, 4) != plan(4, 4)


def test_conditions_take_turns_and_so_do_the_kinds_of_the_rest() -> None:
    chosen = passes.numbers(1000, None)
    assert {name: sum(plan(1, number).condition == name for number in chosen) for name in CONDITIONS} == {
        name: 143 if at < 6 else 142 for at, name in enumerate(CONDITIONS)
    }
    assert len({kind_of(number) for number in chosen}) == 13
    assert passes.numbers(2, "night") == [1, 8]
    assert sum(map(vehicles_in, chosen)) == 1020


def test_a_plate_too_dark_for_its_noise_is_hopeless_before_anybody_reads_it() -> None:
    planned = plan(SEED, EASY)
    assert any(any(shot.legible) for shot in shots(planned))
    blind = replace(planned, light=Light(True, 0.05, 12.0, 0.01, 0.5))
    assert not any(any(shot.legible) for shot in shots(blind))


def test_the_program_writes_down_what_a_pass_really_came_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    night = passes.numbers(1, "night")[0]
    with agent(tmp_path / "agent", Sure(plan(SEED, night).truth[0]), SETTINGS) as made:
        passes.report(SEED, [passes.passed(made, SEED, night)])
    (row,) = json.loads((tmp_path / "build" / "passes.json").read_text())["rows"]
    assert (row["condition"], row["outcome"], row["hopeless"]) == ("night", "right", False)
    assert row["frames_legible"] > 5
    assert row["text_px"] > 18


def test_the_program_writes_a_row_for_each_vehicle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    row = tally.Row("day", "day", 0, 0, "right", False, "V", "V", 0.9, (0.9, 1.0), "", 30.0, 1, 1, 9)
    passes.report(5, [tally.Result(0, "day", (row,), 0, 0, 0, 1.0)])
    written = json.loads((tmp_path / "build" / "passes.json").read_text())
    assert written["seed"] == 5
    assert written["figures"]["all"]["outcomes"] == {"right": 1, "wrong_accepted": 0}
    told = {key: written["rows"][0][key] for key in ("condition", "number", "outcome", "vin", "truth", "text_px", "char_confidence")}
    assert told == {
        "condition": "day", "number": 0, "outcome": "right", "vin": "V", "truth": "V", "text_px": 30.0, "char_confidence": [0.9, 1.0],
    }  # fmt: skip
