"""The short form of each fault; the long one is `make chaos`, which writes the table of the README."""

from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.row import Row
from tests.chaos.table import BEGIN, END, README, into_readme, table


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_its_short_form_loses_nothing(name: str, tmp_path: Path) -> None:
    row = FAULTS[name](tmp_path, False)
    assert row.good, row


def test_the_table_names_every_fault_that_failed(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    rows = {"R1": Row(fault="power cut", times="3 cuts", lost=0, ok=False, worst_s=1.25)}

    into_readme(rows, readme)

    assert readme.read_text("utf-8") == f"before\n{BEGIN}\n{table(rows)}\n{END}\nafter\n"
    assert "| R1 | power cut (**failed**) | 3 cuts | 0 | 0 | 1.2 s |" in readme.read_text("utf-8")


def test_a_fault_that_lost_a_vehicle_has_not_passed() -> None:
    assert not Row(fault="power cut", times="3 cuts", lost=1, ok=True).good


def test_the_readme_has_a_row_for_every_fault() -> None:
    text = README.read_text("utf-8")
    published = text.partition(BEGIN)[2].partition(END)[0]
    assert [name for name in FAULTS if f"| {name} |" not in published] == []
