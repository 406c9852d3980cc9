"""What the audit of the lock says of an answer, and of none."""

from pathlib import Path

import pytest

from tests import audit

ANSWER = """{"dependencies": [{"name": "h11", "version": "0.15.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["0.16.0"]}]},
{"name": "idna", "version": "3.20", "vulns": []}, {"name": "own", "skip_reason": "not found"}], "fixes": []}"""


def program(folder: Path, answer: str, code: int) -> str:
    """Stands in for pip-audit."""
    file = folder / "pip-audit"
    file.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\nexit {code}\n", "utf-8")
    file.chmod(0o755)
    return str(file)


def test_a_known_flaw_is_named_with_the_release_that_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main([program(tmp_path, ANSWER, 1)]) == 1
    said = capsys.readouterr().out
    assert "h11 0.15.0: PYSEC-1, mended in 0.16.0" in said
    assert "2 pinned packages asked of pypi, 1 known flaws; 1 are not in it: own" in said


def test_no_known_flaw_is_a_success(tmp_path: Path) -> None:
    assert audit.main([program(tmp_path, ANSWER.replace('{"id": "PYSEC-1", "fix_versions": ["0.16.0"]}', ""), 0)]) == 0


@pytest.mark.parametrize("answer", ["", '{"dependencies": [{"name": "h11", "skip_reason": "not found"}]}'])
def test_a_database_that_cannot_be_reached_is_no_success(tmp_path: Path, answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Behind a proxy without advice every package is `not found`, and the program ends well."""
    assert audit.main([program(tmp_path, answer, 0)]) == 75
    assert "NOT DONE" in capsys.readouterr().out


def test_every_package_of_the_lock_is_asked_about_at_its_pin() -> None:
    pins = [line for line in audit.LOCK.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert all(line.count("==") == 1 for line in pins)
    assert len(pins) > 50
