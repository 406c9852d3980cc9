"""What the machine tells in files and by programs: its boot, its name, its supply, its heat, its disk."""

import tempfile
from functools import cache
from pathlib import Path
from unittest import mock

from agent import clock, identity, power
from agent.errors import BadConfig
from tests.fuzz.sentence import is_a_sentence

_SPLIT = b"\xff\x00"  # parts one file from the next


@cache
def _root() -> Path:
    shared = Path("/dev/shm")  # noqa: S108  # in memory: thousands of files a second
    root = Path(tempfile.mkdtemp(prefix="vin-agent-fuzz-", dir=shared if shared.is_dir() else None))
    for folder in ("sys/class/thermal/thermal_zone0", "sys/class/hwmon/hwmon0", "sys/devices/platform/soc/firmware", "disk/device", "proc"):
        (root / folder).mkdir(parents=True)
    return root


def hardware(data: bytes) -> None:
    """Every file the kernel or the firmware shows, with anything in it; what cannot be read is None, never a crash."""
    root = _root()
    places = (
        "sys/class/thermal/thermal_zone0/type", "sys/class/thermal/thermal_zone0/temp", "sys/class/hwmon/hwmon0/name",
        "sys/class/hwmon/hwmon0/in0_lcrit_alarm", "sys/devices/platform/soc/firmware/get_throttled", "disk/stat",
        "disk/device/life_time", "disk/device/pre_eol_info", "proc/uptime",
    )  # fmt: skip
    for place, content in zip(places, data.split(_SPLIT), strict=False):
        (root / place).write_bytes(content)
    told = power.power(root)
    assert told.temperature_c is None or -40 < told.temperature_c < 150
    with mock.patch.object(power.DiskWatch, "_disk", return_value=root / "disk"):
        watch = power.DiskWatch(root, root)
        for utc_ms in (0, 5, power.DAY_MS):
            disk = watch.look(utc_ms)
            assert disk.written_today_bytes is None or 0 <= disk.written_today_bytes < 2**80


def firmware(data: bytes) -> None:
    """The answer of vcgencmd."""
    said = mock.Mock(stdout=data)
    with mock.patch("subprocess.run", return_value=said), mock.patch("os.access", return_value=True):
        word = power._vcgencmd(_root())
    assert word is None or isinstance(word, int)


def names(data: bytes) -> None:
    """The kernel's name for the boot and the machine's own id."""
    file = _root() / "id"
    file.write_bytes(data)
    clock.boot_id.cache_clear()
    with mock.patch.object(clock, "_BOOT_ID", file):
        assert clock.boot_id().isprintable()
        assert len(clock.boot_id()) <= 64
    clock.boot_id.cache_clear()
    with mock.patch.object(identity, "_MACHINE_ID", file):
        try:
            assert identity.machine_name().isascii()
        except BadConfig as wrong:
            is_a_sentence(wrong)
