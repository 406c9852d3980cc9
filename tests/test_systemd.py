"""What the service says to systemd."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent import cli, systemd


def listening(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.settimeout(2)
    sock.bind(address)
    return sock


def test_words_reach_the_socket_systemd_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(str(tmp_path / "notify")) as sock:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert systemd.notify("READY=1", "STATUS=watching")
        assert sock.recv(100) == b"READY=1\nSTATUS=watching"


def test_an_abstract_socket_is_reached_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(f"\0vin-agent-test-{os.getpid()}") as sock:
        monkeypatch.setenv("NOTIFY_SOCKET", f"@vin-agent-test-{os.getpid()}")
        assert systemd.notify("WATCHDOG=1")
        assert sock.recv(100) == b"WATCHDOG=1"


def test_without_systemd_nothing_is_said_and_nothing_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not systemd.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert not systemd.notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", "", 15.0),
        ("30000000", "our own", 15.0),
        ("30000000", "1", None),
        ("", "", None),
        ("0", "", None),
        ("x", "", None),
    ],
)
def test_the_watchdog_is_fed_at_half_its_time_and_only_when_it_watches_us(
    usec: str, pid: str, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "our own" else pid)
    assert systemd.watchdog_s() == seconds


def test_a_reload_says_when_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(str(tmp_path / "notify")) as sock:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert systemd.reloading("STATUS=reading")
        words = dict(line.split("=") for line in sock.recv(200).decode().splitlines())
        assert words["RELOADING"] == "1"
        assert words["STATUS"] == "reading"
        assert before <= int(words["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_the_watchdog_is_asked_to_act_on_a_worker_that_is_stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(str(tmp_path / "notify")) as sock:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert systemd.stuck("the read worker is stuck")
        assert sock.recv(200) == b"STATUS=the read worker is stuck\nWATCHDOG=trigger"


def test_a_service_that_leaves_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(str(tmp_path / "notify")) as sock:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert cli.main(["run", "--config", str(tmp_path / "nothing.toml")]) == 78
        assert (
            sock.recv(300).decode()
            == f"STATUS={tmp_path}/nothing.toml: there is no such file; name another with --config or run from where it is\nERRNO=22"
        )


def test_a_status_is_one_word_to_the_manager_whatever_stands_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a file could speak for the agent otherwise; and half a character would end the main thread."""
    with listening(str(tmp_path / "notify")) as sock:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert systemd.notify("STATUS=cam1: a\nMAINPID=1\r\u2028b\udc80", "WATCHDOG=1")
        assert sock.recv(200).decode().splitlines() == ["STATUS=cam1: a MAINPID=1  b\\udc80", "WATCHDOG=1"]


SAID = """
import logging, os, sys
stream = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{stream.st_dev}:{stream.st_ino + int(sys.argv[1])}"
from agent import logs
logs.complain("vin-agent: no")
logs.to_stderr("info", "cam1")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("x").exception("worst\\nof all")
logging.getLogger("x").debug("unheard")
logs.at("debug")
for level in (10, 20, 30, 40, 50):
    logging.getLogger("x").log(level, "level %d", level)
"""


def said(offset: int) -> list[str]:
    return subprocess.run([sys.executable, "-c", SAID, str(offset)], capture_output=True, text=True, check=True).stderr.splitlines()


def test_every_line_in_the_journal_carries_its_priority() -> None:
    lines = said(0)
    assert lines[:3] == ["<3>vin-agent: no", "<3>cam1: worst\\nof all", "<3>Traceback (most recent call last):"]
    assert [line for line in lines if not line.startswith("<")] == []
    assert lines[-5:] == ["<7>cam1: level 10", "<6>cam1: level 20", "<4>cam1: level 30", "<3>cam1: level 40", "<2>cam1: level 50"]
    assert not [line for line in lines if "unheard" in line]


def test_a_person_at_a_terminal_sees_no_priorities_although_the_journal_is_near() -> None:
    lines = said(1)
    assert lines[0] == "vin-agent: no"
    assert not [line for line in lines if line.startswith("<")]
    assert lines[-1].endswith("CRITICAL cam1: level 50")
