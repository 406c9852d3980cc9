"""Whether every package of the lock can be installed on a Raspberry Pi: `python -m tests.device.wheels`, exit code 1 if one cannot.

The index is asked for the wheel that pip would choose there, by the Python and the C library of each release; what is published as
sources alone is built here, and has to come out as a wheel for any machine.
"""

import json
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BUILD = runpy.run_path(str(ROOT / "systemd/deb/build.py"))
RELEASES = {"bookworm": ("3.11", 36), "trixie": ("3.13", 41)}
MACHINE = "aarch64"
NOT_THERE = {"atheris"}  # of the extra `fuzz`, which is for x86-64
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def main() -> int:
    pins = [f"{name}=={pin}" for name, pin in BUILD["pins"](ROOT).items() if name not in NOT_THERE]
    found = {release: chosen(pins, release) for release in RELEASES}
    missing = [pin for pin in pins if any(pin not in wheels for wheels in found.values())]
    built = {pin: from_sources(pin) for pin in missing}
    for pin in pins:
        columns = [built[pin] or "none"] * len(RELEASES) if pin in built else [tag(found[release][pin]) for release in RELEASES]
        print(f"{pin:<42}", *(f"{column:<46}" for column in columns))
    lost = [pin for pin, wheel in built.items() if not wheel.endswith("none-any.whl")]
    sources = f"{len(built) - len(lost)} of them from sources that are pure Python"
    print(f"wheels: {len(pins) - len(lost)} of {len(pins)} pins for {MACHINE} on {' and '.join(RELEASES)}, {sources}", end="")
    print(f"; without: {', '.join(lost)}" if lost else "")
    return 1 if lost else 0


def chosen(pins: Sequence[str], release: str) -> dict[str, str]:
    """The wheel's file name for each pin that has one there; halved where the index refuses, until what it lacks is alone."""
    answer = asked(pins, release)
    if answer is None and len(pins) == 1:
        return {}
    if answer is None:
        middle = len(pins) // 2
        return chosen(pins[:middle], release) | chosen(pins[middle:], release)
    return dict(zip(pins, answer, strict=True))


def asked(pins: Sequence[str], release: str) -> list[str] | None:
    """What pip would install, in the order of the pins; None where one of them has no wheel."""
    python, glibc = RELEASES[release]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        only = ("install", "--dry-run", "--ignore-installed", "--no-deps", "--report", str(report), "--target", folder)
        if run((*only, *BUILD["target"](python, MACHINE, glibc), *pins)).returncode:
            return None
        installed = json.loads(report.read_text("utf-8"))["install"]
        names = {each["metadata"]["name"].lower().replace("_", "-"): each["download_info"]["url"].rpartition("/")[2] for each in installed}
    return [str(names[pin.partition("==")[0].lower().replace("_", "-")]) for pin in pins]


def from_sources(pin: str) -> str:
    """The wheel that comes out of the sources, empty where none does."""
    with tempfile.TemporaryDirectory() as folder:
        run(("wheel", "--no-deps", "--no-cache-dir", "--wheel-dir", folder, pin))
        return next((file.name for file in Path(folder).glob("*.whl")), "")


def run(arguments: Iterable[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*PIP, *arguments], capture_output=True, text=True, check=False)


def tag(file: str) -> str:
    """`cp311-cp311-manylinux_2_28_aarch64` of a wheel's file name; of several platforms the first."""
    *_, python, abi, platform = file.removesuffix(".whl").split("-")
    return f"{python}-{abi}-{platform.partition('.')[0]}"


if __name__ == "__main__":
    sys.exit(main())
