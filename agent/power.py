"""What the machine tells about its supply, its heat and its disk; whatever it does not tell is None. Nothing here needs root."""

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path("/")
DAY_MS, SECTOR = 86_400_000, 512  # the kernel counts in sectors of 512 bytes whatever the disk has
_COLDEST, _HOTTEST = -40.0, 150.0  # °C; what a broken sensor says lies outside
_ASK_S = 2.0  # vcgencmd asks the firmware, which may be busy
# Bits of the firmware's answer (Raspberry Pi documentation, get_throttled); 16 and 18 remember 0 and 2 since the boot.
_UNDER_VOLTAGE, _CAPPED, _THROTTLED, _SOFT_LIMIT, _WAS_UNDER, _WAS_THROTTLED = (1 << bit for bit in (0, 1, 2, 3, 16, 18))
_WORN = {1: "normal", 2: "warning", 3: "urgent"}  # pre_eol_info (JEDEC eMMC 5.0): spare blocks used up by less than 80 %, by 80, by 90


@dataclass(frozen=True, slots=True)
class Power:
    """Flags of the supply, now and since the boot, and the processor's temperature in °C."""

    under_voltage: bool | None = None
    under_voltage_since_boot: bool | None = None
    throttled: bool | None = None
    throttled_since_boot: bool | None = None
    temperature_c: float | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that holds the store: bytes written since midnight UTC, by all programs, and how worn it says it is.

    `life_used_percent` is in steps of ten, rounded up, above 100 beyond what the maker promises; `spare` is normal, warning or urgent.
    """

    written_today_bytes: int | None = None
    life_used_percent: int | None = None
    spare: str | None = None


def power(root: Path = ROOT) -> Power:
    """Flags from the firmware's file, else from vcgencmd, else the supply's alone from hwmon; temperature from the thermal zones."""
    word = _firmware(root)
    if word is None:
        word = _vcgencmd(root)
    heat = temperature(root)
    if word is None:
        low = _low_supply(root)
        return Power(low, temperature_c=heat)
    return Power(
        under_voltage=bool(word & _UNDER_VOLTAGE),
        under_voltage_since_boot=bool(word & (_UNDER_VOLTAGE | _WAS_UNDER)),
        throttled=bool(word & (_CAPPED | _THROTTLED | _SOFT_LIMIT)),
        throttled_since_boot=bool(word & (_CAPPED | _THROTTLED | _SOFT_LIMIT | _WAS_THROTTLED)),
        temperature_c=heat,
    )


def temperature(root: Path = ROOT) -> float | None:
    """Of the processor where a zone says that it is its own, else of the hottest zone; None without a believable one."""
    zones = [(_text(zone / "type") or "", _number(zone / "temp")) for zone in sorted(root.glob("sys/class/thermal/thermal_zone*"))]
    known = [(name, degrees / 1000) for name, degrees in zones if degrees is not None and _COLDEST < degrees / 1000 < _HOTTEST]
    own = [degrees for name, degrees in known if name.startswith(("cpu", "soc", "x86_pkg"))]
    return max(own or [degrees for _, degrees in known], default=None)


def _firmware(root: Path) -> int | None:
    """The flags as the kernel shows them, in hexadecimal without a prefix; the folder is named otherwise on each generation."""
    found = sorted(root.glob("sys/devices/platform/soc*/*firmware/get_throttled"))
    return _number(found[0], 16) if found else None


def _vcgencmd(root: Path) -> int | None:
    """The flags as the firmware's own program tells them: `throttled=0x50005`."""
    program = root / "usr/bin/vcgencmd"
    if not os.access(program, os.X_OK):
        return None
    try:
        said = subprocess.run([program, "get_throttled"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_S, check=True).stdout
        return int(said.decode("ascii").partition("=")[2], 16)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _low_supply(root: Path) -> bool | None:
    for sensor in sorted(root.glob("sys/class/hwmon/hwmon*")):
        if _text(sensor / "name") == "rpi_volt" and (alarm := _number(sensor / "in0_lcrit_alarm")) is not None:
            return alarm != 0
    return None


class DiskWatch:
    """Asks the disk under a folder, and counts what is written to it from midnight (UTC) to midnight."""

    def __init__(self, folder: Path, root: Path = ROOT) -> None:
        self._folder, self._root = folder, root
        self._day: int | None = None
        self._before = self._written = 0

    def look(self, utc_ms: int) -> Disk:
        """Where the machine was started today, the count begins with its start, else with the agent's first look."""
        disk = self._disk()
        if disk is None:
            return Disk()
        worn = _wear(disk / "device")
        sectors = _sectors_written(disk / "stat")
        return worn if sectors is None else replace(worn, written_today_bytes=self._today(sectors, utc_ms) * SECTOR)

    def _today(self, sectors: int, utc_ms: int) -> int:
        day = utc_ms // DAY_MS
        if self._day is None:
            up_ms = (_number_of((_text(self._root / "proc/uptime") or "").partition(" ")[0]) or 0.0) * 1000
            self._written = sectors if 0 < up_ms <= utc_ms % DAY_MS else 0
        elif day != self._day:
            self._written = 0
        else:
            self._written += max(0, sectors - self._before)  # the count starts again when a disk was unplugged
        self._day, self._before = day, sectors
        return self._written

    def _disk(self) -> Path | None:
        """The whole disk that the folder's partition lies on; None for what lies in memory or on no disk of its own."""
        try:
            device = self._folder.stat().st_dev
        except OSError:
            return None
        part = (self._root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
        whole = part.parent if (part / "partition").exists() else part
        return whole if (whole / "stat").exists() else None


def _wear(device: Path) -> Disk:
    """`life_time` holds two figures, for the two kinds of cells: 1 is up to a tenth, 11 beyond the promised life, 0 unknown."""
    figures = [_number_of(word, 16) for word in (_text(device / "life_time") or "").split()]
    tenths = max((int(each) for each in figures if each is not None and 1 <= each <= 11), default=None)
    spare = _number(device / "pre_eol_info", 16)
    return Disk(None, None if tenths is None else 10 * tenths, None if spare is None else _WORN.get(int(spare)))


def _sectors_written(stat: Path) -> int | None:
    """The seventh figure of a disk's statistics (kernel documentation, block/stat)."""
    figures = (_text(stat) or "").split()
    written = _number_of(figures[6]) if len(figures) > 6 else None
    return None if written is None else int(written)


def _text(file: Path) -> str | None:
    """What a file of the kernel says; such a read may fail in many ways, and none of them is worth a word each time."""
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _number(file: Path, base: int = 10) -> int | None:
    number = _number_of(_text(file) or "", base)
    return None if number is None else int(number)


def _number_of(word: str, base: int = 10) -> float | None:
    """None also for `nan` and `inf`, which Python takes for numbers and the kernel never says."""
    try:
        number = float(word) if base == 10 else int(word, base)
    except ValueError:
        return None
    return number if abs(number) < 2.0**64 else None
