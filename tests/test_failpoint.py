"""Fail points: each one stands in the code, they do what they are asked to, and on a gateway they are off."""

import ast
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import failpoint
from agent.errors import BadConfig, RetryLater
from agent.failpoint import IN_SERVICE, POINTS, VARIABLE
from agent.shipped import shipped
from tests.gateway import COMMAND

PROJECT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def off(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("INVOCATION_ID", raising=False)
    yield
    failpoint.arm({})


def passed_in(file: Path) -> list[ast.expr]:
    """What is handed to `failpoint.passed` in a module."""
    calls = (node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call))
    return [call.args[0] for call in calls if ast.unparse(call.func) == "failpoint.passed"]


def test_every_point_of_the_list_is_passed_in_the_code_at_one_place_and_no_other_is() -> None:
    found = Counter(ast.literal_eval(name) for file in (PROJECT / "agent").rglob("*.py") for name in passed_in(file))
    assert found == Counter(POINTS)


def test_the_points_of_a_cameras_process_stand_in_its_code_and_the_others_do_not() -> None:
    assert {ast.literal_eval(name) for name in passed_in(PROJECT / "agent/watch.py")} == {
        name for name in POINTS if name.startswith("camera.")
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("take.comitted=kill", "there is no fail point 'take.comitted'; known: camera.frame, camera.captured"),
        ("take.committed[north]=kill", "there is no fail point 'take.committed[north]'"),
        ("take.committed", "'take.committed' is none of kill, hang, exit, error or slow:SECONDS"),
        ("take.committed=maim", "'take.committed=maim' is none of kill"),
        ("take.committed=kill@0", "'take.committed=kill@0' is none of kill"),
        ("take.committed=kill@", "'take.committed=kill@' is none of kill"),
        ("take.committed=slow", "'take.committed=slow' is none of kill"),
        ("take.committed=kill:3", "'take.committed=kill:3' is none of kill"),
        ("take.committed=slow:soon", "'take.committed=slow:soon' is none of kill"),
        ("take.committed=kill; take.committed=hang", "take.committed is named twice"),
    ],
)
def test_a_variable_that_makes_no_sense_stops_the_start_with_one_sentence(text: str, words: str) -> None:
    with pytest.raises(BadConfig, match=f"^{VARIABLE}: ") as wrong:
        failpoint.arm({VARIABLE: text})
    assert words in str(wrong.value)


def test_the_command_leaves_with_78_for_a_point_that_does_not_exist() -> None:
    command = [COMMAND, "run", "--config", str(shipped("demo.toml"))]
    done = subprocess.run(command, env={**os.environ, VARIABLE: "nothing=kill"}, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "there is no fail point 'nothing'" in done.stderr


def test_a_deed_is_done_at_its_passing_and_at_no_other() -> None:
    failpoint.arm({VARIABLE: "read.booked=error@2 ; send.marked=slow:0.05;"})
    failpoint.passed("read.booked")
    with pytest.raises(RetryLater, match=r"fail point read\.booked"):
        failpoint.passed("read.booked")
    failpoint.passed("read.booked")
    for _ in range(2):  # without a number it is every one
        began = time.monotonic()
        failpoint.passed("send.marked")
        assert time.monotonic() - began >= 0.05


def test_parent_and_camera_each_take_their_own_points_alone() -> None:
    both = {VARIABLE: "camera.frame=error; take.heard=error"}
    failpoint.arm(both)
    failpoint.passed("camera.frame")
    with pytest.raises(RetryLater):
        failpoint.passed("take.heard")
    failpoint.arm(both, camera="north")
    failpoint.passed("take.heard")
    with pytest.raises(RetryLater):
        failpoint.passed("camera.frame")


def test_one_camera_of_several_may_be_meant() -> None:
    asked = {VARIABLE: "camera.frame[north]=error"}
    for not_meant in ("south", ""):
        failpoint.arm(asked, camera=not_meant)
        failpoint.passed("camera.frame")
    failpoint.arm(asked, camera="north")
    with pytest.raises(RetryLater):
        failpoint.passed("camera.frame")


PROGRAM = """
import threading, time
from agent import failpoint
failpoint.arm()
worker = threading.Thread(target=failpoint.passed, args=("read.step",), daemon=True)
worker.start()
worker.join(0.5)
print("alive" if worker.is_alive() else "dead")
"""


@pytest.mark.parametrize(("deed", "code", "said"), [("kill", -signal.SIGKILL, ""), ("hang", 0, "alive"), ("exit", 0, "dead")])
def test_a_process_is_killed_whole_and_a_thread_hangs_or_ends_alone(deed: str, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, VARIABLE: f"read.step={deed}"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (code, said)


def test_a_service_takes_no_notice_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    environ = {VARIABLE: "read.step=error", "INVOCATION_ID": "of systemd"}
    failpoint.arm(environ)
    failpoint.passed("read.step")
    assert VARIABLE not in environ, "no camera's process may inherit it"
    assert "is ignored" in caplog.text
    failpoint.arm({**environ, VARIABLE: "read.step=error", IN_SERVICE: "yes"})
    with pytest.raises(RetryLater):
        failpoint.passed("read.step")


def test_fail_points_that_are_on_are_told_loudly(caplog: pytest.LogCaptureFixture) -> None:
    failpoint.arm({VARIABLE: "read.step=slow:0"})
    failpoint.passed("read.step")
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "FAIL POINTS ARE ON" in caplog.text


def test_nothing_that_is_installed_names_the_variable() -> None:
    files = [file for folder in ("systemd", "config") for file in (PROJECT / folder).rglob("*") if file.is_file()]
    assert len(files) > 20
    assert [file for file in (*files, PROJECT / "Makefile", PROJECT / "pyproject.toml") if b"FAILPOINT" in file.read_bytes()] == []


def test_without_the_variable_a_point_does_nothing_and_costs_next_to_nothing() -> None:
    failpoint.arm({})
    began = time.perf_counter()
    for _ in range(100_000):
        failpoint.passed("camera.frame")
    each_us = (time.perf_counter() - began) * 10
    print(f"a fail point that is off costs {each_us:.3f} µs")
    assert each_us < 2  # a frame takes thousands of them
