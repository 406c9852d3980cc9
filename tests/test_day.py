"""A day at the gate in a few seconds: every vehicle is told once, and the bill holds nothing that is not on the books."""

from pathlib import Path

from tests.chaos.day import SHORT, Day


def test_a_bad_hour_with_three_kills_tells_every_vehicle_and_pays_for_nothing_it_need_not(tmp_path: Path) -> None:
    outcome = Day(tmp_path, SHORT, kills=3, seed=2, faults=0.3).run()

    assert outcome.good(), outcome
    assert outcome.faults >= 10, "nearly every third call met one"
    assert outcome.right >= 0.9 * SHORT.vehicles
    assert outcome.billed < 1.5 * SHORT.vehicles
