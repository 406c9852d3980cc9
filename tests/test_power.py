"""Supply, heat and disk as a Raspberry Pi tells them, and what the agent does about heat; the machine is a folder of stub files."""

import logging
import os
from pathlib import Path

import pytest

from agent import config
from agent.board import Board
from agent.bounds import Bounds
from agent.children import Children
from agent.clock import Clock
from agent.cooling import Cooling, heat
from agent.domain import Stamp
from agent.power import DAY_MS, Disk, DiskWatch, Power, power, temperature
from agent.state import Heat
from agent.wire import Job, Rate

FLAGS = "sys/devices/platform/soc/soc:firmware/get_throttled"
FLAGS_PI5 = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
DAY = 20_000 * DAY_MS


def put(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def zone(root: Path, number: int, kind: str, milli: str) -> None:
    put(root, f"sys/class/thermal/thermal_zone{number}/type", f"{kind}\n")
    put(root, f"sys/class/thermal/thermal_zone{number}/temp", f"{milli}\n")


def vcgencmd(root: Path, script: str) -> None:
    put(root, "usr/bin/vcgencmd", f"#!/bin/sh\n{script}\n")
    (root / "usr/bin/vcgencmd").chmod(0o755)


@pytest.mark.parametrize(
    ("word", "flags"),
    [
        pytest.param("0", (False, False, False, False), id="all is well"),
        pytest.param("50005", (True, True, True, True), id="too little voltage and throttled"),
        pytest.param("50000", (False, True, False, True), id="both earlier"),
        pytest.param("1", (True, True, False, False), id="voltage now"),
        pytest.param("2", (False, False, True, True), id="capped"),
        pytest.param("80008", (False, False, True, True), id="soft limit of the temperature"),
    ],
)
@pytest.mark.parametrize("file", [FLAGS, FLAGS_PI5])
def test_the_firmwares_flags_are_read_bit_by_bit(tmp_path: Path, file: str, word: str, flags: tuple[bool, ...]) -> None:
    put(tmp_path, file, f"{word}\n")

    assert power(tmp_path) == Power(*flags)


def test_where_the_kernel_shows_no_flags_the_firmwares_program_is_asked(tmp_path: Path) -> None:
    vcgencmd(tmp_path, '[ "$1" = get_throttled ] && echo throttled=0x50005')

    assert power(tmp_path) == Power(True, True, True, True)


@pytest.mark.parametrize("script", ["exit 1", "echo VCHI initialization failed", "echo throttled=", "printf '\\377'", "exec sleep 30"])
def test_a_program_that_fails_tells_nothing(tmp_path: Path, script: str) -> None:
    vcgencmd(tmp_path, script)

    assert power(tmp_path) == Power()


def test_at_least_the_supply_is_known_from_its_own_sensor(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    put(tmp_path, "sys/class/hwmon/hwmon3/name", "rpi_volt\n")
    put(tmp_path, "sys/class/hwmon/hwmon3/in0_lcrit_alarm", "1\n")

    assert power(tmp_path) == Power(under_voltage=True)


def test_a_machine_that_is_no_pi_tells_nothing(tmp_path: Path) -> None:
    assert power(tmp_path) == Power()
    assert DiskWatch(tmp_path, tmp_path).look(DAY) == Disk()


@pytest.mark.parametrize("rubbish", ["", "garbage", "0x", "-", "\xff\xfe", "1 2"])
def test_rubbish_is_the_same_as_nothing(tmp_path: Path, rubbish: str) -> None:
    put(tmp_path, FLAGS, rubbish)
    zone(tmp_path, 0, "cpu-thermal", rubbish)

    assert power(tmp_path) == Power()


def test_the_processors_own_temperature_counts_before_that_of_other_parts(tmp_path: Path) -> None:
    zone(tmp_path, 0, "battery", "91000")
    zone(tmp_path, 1, "cpu-thermal", "48312")
    zone(tmp_path, 2, "cpu-thermal", "-274000")

    assert temperature(tmp_path) == pytest.approx(48.312)


def test_of_parts_nobody_knows_the_hottest_counts(tmp_path: Path) -> None:
    zone(tmp_path, 0, "acpitz", "27800")
    zone(tmp_path, 1, "pch", "61000")
    zone(tmp_path, 2, "broken", "999000")

    assert temperature(tmp_path) == 61.0


def disk(root: Path, folder: Path, *, written: int, part: bool = True) -> Path:
    """The card under a folder, with so many sectors written."""
    device = folder.stat().st_dev
    card = root / "sys/devices/mmc/block/mmcblk0"
    put(card, "stat", f"100 0 800 10 50 0 {written} 20 0 30 30 0 0 0 0 0 0\n")
    place = card
    if part:
        put(card, "mmcblk0p2/partition", "2\n")
        place = card / "mmcblk0p2"
    link = root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(place)
    return card


@pytest.mark.parametrize("part", [True, False])
def test_what_a_day_writes_is_counted_from_midnight_to_midnight(tmp_path: Path, part: bool) -> None:
    noon = DAY + DAY_MS // 2
    put(tmp_path, "proc/uptime", "400000.00 100.00\n")  # started days ago: what was written before is not today's
    disk(tmp_path, tmp_path, written=1000, part=part)
    watch = DiskWatch(tmp_path, tmp_path)

    assert watch.look(noon).written_today_bytes == 0
    disk(tmp_path, tmp_path, written=1010, part=part)
    assert watch.look(noon + 1).written_today_bytes == 10 * 512
    disk(tmp_path, tmp_path, written=5, part=part)
    assert watch.look(noon + 2).written_today_bytes == 10 * 512, "a disk that was unplugged counts from nothing"
    disk(tmp_path, tmp_path, written=8, part=part)
    assert watch.look(noon + 3).written_today_bytes == 13 * 512
    assert watch.look(DAY + DAY_MS).written_today_bytes == 0


def test_what_was_written_since_a_start_today_counts_as_todays(tmp_path: Path) -> None:
    put(tmp_path, "proc/uptime", "3600.00 100.00\n")
    disk(tmp_path, tmp_path, written=7)

    assert DiskWatch(tmp_path, tmp_path).look(DAY + 2 * 3_600_000).written_today_bytes == 7 * 512
    assert DiskWatch(tmp_path, tmp_path).look(DAY + 1_800_000).written_today_bytes == 0


@pytest.mark.parametrize(
    ("life", "spare", "used", "word"),
    [
        ("0x01 0x01", "0x01", 10, "normal"),
        ("0x02 0x05", "0x02", 50, "warning"),
        ("0x0b 0x01", "0x03", 110, "urgent"),
        ("0x00 0x00", "0x00", None, None),
        ("0x05", "0x09", 50, None),
        ("rubbish", "rubbish", None, None),
    ],
)
def test_a_card_tells_how_worn_it_is(tmp_path: Path, life: str, spare: str, used: int | None, word: str | None) -> None:
    card = disk(tmp_path, tmp_path, written=1)
    put(card, "device/life_time", f"{life}\n")
    put(card, "device/pre_eol_info", f"{spare}\n")

    seen = DiskWatch(tmp_path, tmp_path).look(DAY)

    assert (seen.life_used_percent, seen.spare) == (used, word)


def test_heat_rises_step_by_step_and_falls_only_well_below_each_limit() -> None:
    steps: list[Heat] = []
    level: Heat = "normal"
    for degrees in (60, 69.9, 70, 66, 65, 64.9, 79, 80, 76, 75, 74.9, 66, 64, 90, 60):
        level = heat(level, Power(temperature_c=degrees), config.Power())
        steps.append(level)

    assert steps == [
        "normal", "normal", "hot", "hot", "hot", "normal", "hot", "too hot", "too hot", "too hot", "hot", "hot", "normal", "too hot",
        "normal",
    ]  # fmt: skip


def test_without_a_thermometer_the_firmwares_throttling_says_that_it_is_hot() -> None:
    assert heat("normal", Power(throttled=True), config.Power()) == "hot"
    assert heat("hot", Power(throttled=False), config.Power()) == "normal"
    assert heat("hot", Power(), config.Power()) == "normal"


def cooling(root: Path, *cameras: config.Camera) -> Cooling:
    children = Children([Job(camera, config.Vision(), Bounds(), "info") for camera in cameras])
    board = Board(Stamp(0, 0, "boot", "synced"), "session", "clean")
    return Cooling(config.Power(), children, board, Clock(), DiskWatch(root, root), root)


def test_cameras_slow_down_in_the_heat_and_recover_and_every_change_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage = cooling(tmp_path, config.Camera(name="fast", fps=8.0), config.Camera(name="slow", fps=0.5))
    fast, slow = stage.children.all
    caplog.set_level(logging.INFO)
    told: list[tuple[float | None, float]] = []
    for milli in ("50000", "71000", "72000", "83000", "84000", "60000", "59000"):
        zone(tmp_path, 0, "cpu-thermal", milli)
        stage.step()
        rate = fast.rate()
        told.append((rate.fps if rate else None, stage.board.rate))
        assert slow.rate() is None, "a frame every two seconds is slow enough"

    assert told == [(None, 1.0), (4.0, 0.5), (None, 0.5), (2.0, 0.25), (None, 0.25), (8.0, 1.0), (None, 1.0)]
    assert [record.getMessage() for record in caplog.records] == [
        "the temperature is hot (71 °C)",
        "the temperature is too hot (83 °C)",
        "the temperature is normal (60 °C)",
    ]


def test_flags_of_the_supply_are_told_once_when_they_come_and_once_when_they_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage = cooling(tmp_path)
    caplog.set_level(logging.INFO)
    for word in ("0", "50005", "50005", "50000", "rubbish"):
        put(tmp_path, FLAGS, word)
        stage.step()

    assert [record.getMessage() for record in caplog.records if "temperature" not in record.getMessage()] == [
        "the supply's voltage is too low",
        "the processor is throttled",
        "the supply's voltage is too low: no longer",
        "the processor is throttled: no longer",
    ]
    assert stage.board.power == Power()


def test_a_camera_that_joins_in_the_heat_is_slowed_down_too(tmp_path: Path) -> None:
    stage = cooling(tmp_path, config.Camera(name="one"))
    zone(tmp_path, 0, "cpu-thermal", "90000")
    stage.step()
    jobs = [Job(config.Camera(name=name), config.Vision(), Bounds(), "info") for name in ("one", "two")]

    stage.children.renew(jobs)

    assert [child.rate() for child in stage.children.all] == [Rate(2.0), Rate(2.0)]
