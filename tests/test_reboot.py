"""A machine is rebooted for a camera that stays dead, when that was asked for, after everything else, and at most once a day."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import config, reboot
from agent.child import View
from agent.domain import Stamp, Trust
from agent.errors import NeedsOperator, RetryLater
from agent.reboot import Ladder, Reboot, allowed, of_this_machine

DAY_MS = 86_400_000


def at(seconds: float, *, boot: str = "a", trust: Trust = "synced", utc_ms: int | None = None) -> Stamp:
    return Stamp(round(1_800_000_000_000 + seconds * 1000) if utc_ms is None else utc_ms, round(seconds * 1000), boot, trust)


def dead(restarts: int, name: str = "one") -> View:
    return View(name, "gate", "offline", reason="no frames", restarts=restarts)


class Machine:
    """Counts what is asked of it."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.steps: list[str] = []
        self._trouble = trouble

    def noted(self, reboot: Reboot) -> None:
        self.steps.append(reboot.why)

    def ask(self) -> None:
        self.steps.append("asked")
        if self._trouble:
            raise self._trouble


def lived(ladder: Ladder, minutes: int, after_min: float = 10.0, view: Callable[[int], View] = dead, boot: str = "a") -> None:
    """One look a minute at a camera whose process is started again every minute."""
    for minute in range(minutes):
        ladder.look([view(minute)], after_min, at(600 + minute * 60, boot=boot))


def test_off_is_the_default_and_nothing_happens_for_a_week() -> None:
    machine = Machine()
    assert config.Power().reboot_after_min == 0
    lived(Ladder(None, machine.noted, machine.ask), 7 * 24 * 60, after_min=0.0)
    assert machine.steps == []


def test_it_is_written_down_before_it_is_asked_for() -> None:
    machine = Machine()
    lived(Ladder(None, machine.noted, machine.ask), 12)
    assert machine.steps == ["camera one was dead for 10 min, through 10 restarts: no frames", "asked"]


def test_a_reboot_that_was_refused_is_not_asked_for_again_before_a_day_has_passed() -> None:
    machine = Machine(NeedsOperator("may not"))
    ladder = Ladder(None, machine.noted, machine.ask)
    lived(ladder, 24 * 60)
    assert machine.steps.count("asked") == 1
    lived(ladder, 24 * 60 + 30)
    assert machine.steps.count("asked") == 2


def test_a_disk_that_cannot_keep_it_keeps_the_machine_up() -> None:
    machine = Machine()

    def full(_: Reboot) -> None:
        raise RetryLater("the disk is full")

    lived(Ladder(None, full, machine.ask), 60)
    assert machine.steps == []


def test_a_camera_that_comes_back_for_one_look_starts_the_count_anew() -> None:
    machine = Machine()
    ladder = Ladder(None, machine.noted, machine.ask)
    lived(ladder, 60, view=lambda minute: View("one", "gate", "online" if minute % 8 == 7 else "offline", restarts=minute))
    assert machine.steps == []


def test_a_camera_that_was_not_started_again_has_not_been_given_its_chance() -> None:
    machine = Machine()
    lived(Ladder(None, machine.noted, machine.ask), 60, view=lambda _minute: dead(2))
    assert machine.steps == []


def test_one_dead_camera_of_two_is_enough() -> None:
    machine = Machine()
    ladder = Ladder(None, machine.noted, machine.ask)
    for minute in range(12):
        ladder.look([View("two", "gate", "online"), dead(minute)], 10.0, at(600 + minute * 60))
    assert machine.steps[-1] == "asked"


BEFORE = Reboot("why", at(0).utc_ms, 0, "a", "synced")


@pytest.mark.parametrize(
    ("now", "may"),
    [
        (at(86_399), False),
        (at(86_400), True),
        (at(100, boot="b", utc_ms=BEFORE.utc_ms + DAY_MS - 1), False),
        (at(100, boot="b", utc_ms=BEFORE.utc_ms + DAY_MS), True),
        (at(100, boot="b", utc_ms=BEFORE.utc_ms + DAY_MS, trust="coarse"), False),
        (at(100, boot="b", utc_ms=BEFORE.utc_ms - 40 * DAY_MS), False),
        (at(86_400, boot="b", utc_ms=0, trust="unknown"), True),
    ],
)
def test_a_day_is_a_day_whatever_the_clock_says(now: Stamp, may: bool) -> None:
    assert allowed(BEFORE, now) is may


def test_a_clock_that_was_wrong_when_it_was_noted_is_not_counted_from() -> None:
    wrong = Reboot("why", 0, 0, "a", "unknown")
    assert not allowed(wrong, at(100, boot="b"))
    assert allowed(None, at(0, trust="unknown"))


def test_a_machine_that_boots_again_and_again_reboots_itself_once() -> None:
    machine, noted = Machine(), list[Reboot]()
    for boot in range(20):
        ladder = Ladder(noted[-1] if noted else None, noted.append, machine.ask)
        lived(ladder, 30, boot=f"boot {boot}")
    assert machine.steps == ["asked"]


@pytest.mark.parametrize(
    ("driver", "source", "helps"),
    [("picamera2", "0", True), ("opencv", "/dev/v4l/by-id/usb-x", True), ("opencv", "rtsp://camera/", False), ("replay", "scene", False)],
)
def test_only_a_camera_of_this_machine_has_it_rebooted(driver: str, source: str, helps: bool) -> None:
    assert of_this_machine(config.Camera(driver=driver, source=source)) is helps


def command(folder: Path, text: str) -> None:
    file = folder / "systemctl"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_systemctl_is_asked_without_asking_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path, f'echo "$@" > {tmp_path}/asked')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    reboot.ask()
    assert (tmp_path / "asked").read_text() == "--no-ask-password --no-wall reboot\n"


def test_a_refusal_is_one_sentence_that_says_what_allows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path, "echo Call to Reboot failed: Interactive >&2; echo authentication required. >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(NeedsOperator, match=r"Interactive authentication required\.; allow it as systemd/examples/reboot\.rules shows$"):
        reboot.ask()
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(NeedsOperator, match="cannot be rebooted"):
        reboot.ask()


def test_names_come_and_go_without_being_remembered() -> None:
    machine = Machine()
    ladder = Ladder(None, machine.noted, machine.ask)
    names = itertools.cycle(["one", "two"])
    for minute in range(60):
        ladder.look([dead(minute, next(names))], 10.0, at(600 + minute * 60))
    assert machine.steps == []
