"""The trees the device tests stand on: kept as they were built, written to in copies alone, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.device.trees import entered, run_in, scratch, surroundings, tree

BASE = ("python3-minimal",)


def mounted() -> list[str]:
    """Mount points of the machine itself, as its first process sees them, that belong to a tree."""
    lines = Path("/proc/1/mounts").read_text().splitlines()
    return [line for line in lines if "vin-tree-" in line or "vin-agent/trees" in line]


def test_a_tree_is_of_the_release_that_was_asked_for() -> None:
    for suite, version in (("bookworm", "3.11"), ("trixie", "3.13")):
        assert f"Python {version}." in run_in(tree(suite, BASE), "python3", "--version").stdout


def test_a_tree_is_built_once() -> None:
    first = tree("bookworm", BASE)
    born = first.stat().st_ctime_ns
    assert tree("bookworm", BASE) == first
    assert first.stat().st_ctime_ns == born


def test_a_set_up_that_fails_leaves_no_tree(tmp_path: Path) -> None:
    for _ in range(2):
        try:
            tree("bookworm", BASE, setup=("exit 3",))
        except AssertionError as error:
            assert "ended with 3" in str(error)  # noqa: PT017 - asked twice: a half-built tree would be taken the second time
        else:
            raise AssertionError("taken")


def test_files_and_commands_of_a_set_up_are_in_the_tree(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("from outside\n")
    grown = tree("bookworm", BASE, setup=("tr a-z A-Z < /srv/words > /srv/loud",), files={"/srv/words": tmp_path / "words"})
    assert run_in(grown, "cat", "/srv/loud").stdout == "FROM OUTSIDE\n"


def test_what_a_command_writes_into_a_kept_tree_is_forgotten() -> None:
    base = tree("bookworm", BASE)
    assert run_in(base, "sh", "-c", "echo x > /srv/x && cat /srv/x").stdout == "x\n"
    assert not (base / "srv/x").exists()


def test_a_scratch_tree_keeps_what_is_written_until_it_is_given_up() -> None:
    base = tree("bookworm", BASE)
    with scratch(base) as root:
        run_in(root, "sh", "-c", "echo x > /srv/x")
        assert (root / "srv/x").read_text() == "x\n"
        assert not mounted()
    assert not root.exists()
    assert not (base / "srv/x").exists()


def test_a_folder_of_the_machine_is_seen_where_it_was_bound(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("seen")
    assert run_in(tree("bookworm", BASE), "cat", "/deep/inside/word", binds={tmp_path: "/deep/inside"}).stdout == "seen"


def test_a_killed_test_leaves_no_mount_on_the_machine(tmp_path: Path) -> None:
    base = tree("bookworm", BASE)
    code = (
        "import pathlib, time; from tests.device.trees import scratch\n"
        f"with scratch(pathlib.Path({str(base)!r})) as root:\n    print(root, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        root = Path(process.stdout.readline().strip())
        process.kill()
    assert not list(root.parent.iterdir())
    root.parent.rmdir()
    assert not mounted()


def test_a_signal_reaches_the_command_inside_itself() -> None:
    command = entered(tree("bookworm", BASE), "sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done")
    with subprocess.Popen(command, env=surroundings(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        began = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=20) == 7
    print(f"trees: a signal to a command inside took {(time.monotonic() - began) * 1000:.0f} ms")
