"""The short form of each fault injection; the long one is `make chaos`."""

from pathlib import Path

from tests.chaos import kills


def test_kill_9_at_random_moments_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    outcome = kills.run(6, tmp_path, seed=2)
    assert (outcome.lost, outcome.differing) == (0, 0), outcome
    assert outcome.committed >= 1, "a run in which nothing was committed proves nothing"
