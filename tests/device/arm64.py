"""The arm64 package on a clean arm64 trixie, under emulation: installed by its own scripts, and its programs run. For `make arm64`."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import cv2

from agent.camera.scene import Scene
from tests.device import trees
from tests.device.packages import package

PACKAGES: Final = ("adduser", "python3", "python3-numpy")
LIMIT_S: Final = 1_800.0


def foreign(*command: str) -> str:
    """What a command said that is, or starts, a program of arm64."""
    run = (sys.executable, "-m", "tests.device.foreign", *command)
    said = subprocess.run(run, env=trees.surroundings(), capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert said.returncode == 0, f"{' '.join(command)} ended with {said.returncode}:\n{said.stdout}\n{said.stderr}"
    return said.stdout


def base() -> Path:
    """A clean arm64 trixie with what the package depends on: five minutes the first time."""
    place = trees._kept() / f"trixie-arm64-{trees.RECIPE}"
    with trees._alone(place), tempfile.NamedTemporaryFile("w", suffix=".sources") as sources:
        if not place.exists():
            unfinished = place.with_name(f".{place.name}.part")
            shutil.rmtree(unfinished, ignore_errors=True)
            sources.write(f"Types: deb\nURIs: {trees._mirror()}\nSuites: trixie\nComponents: main\nSigned-By: {trees.KEYRING}\n")
            sources.flush()
            options = (
                "--quiet",
                "--mode=root",
                "--arch=arm64",
                "--variant=minbase",
                "--skip=check/qemu",
                f"--include={','.join(PACKAGES)}",
            )
            foreign(trees.installed("mmdebstrap", "mmdebstrap"), *options, "trixie", str(unfinished), sources.name)
            unfinished.rename(place)
    return place


def test_the_arm64_package_installs_and_reads_a_vehicle_under_emulation() -> None:
    trees.installed("qemu-aarch64-static", "qemu-user-static")
    took: dict[str, float] = {}
    scene = Scene(1, 1)
    picture = max((view.pixels for view in scene), key=lambda pixels: cv2.Laplacian(pixels, cv2.CV_64F).var())
    with tempfile.TemporaryDirectory(prefix="vin-arm64-") as folder:
        root = Path(folder, "root")
        subprocess.run(["cp", "--archive", "--reflink=auto", str(base()), str(root)], check=True)
        (root / "dev/null").unlink(missing_ok=True)
        os.mknod(root / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))  # whoever only emulates may make none
        shutil.copy(package("arm64"), root / "root/vin-agent.deb")
        cv2.imwrite(str(root / "root/vehicle.jpg"), picture)

        def inside(*command: str) -> str:
            began = time.monotonic()
            said = foreign("chroot", str(root), *command)
            took[" ".join(command[:2]).removeprefix("vin-agent ")] = time.monotonic() - began
            return said

        assert "sudo vin-agent setup" in inside("dpkg", "--install", "/root/vin-agent.deb")
        version = inside("vin-agent", "version")
        assert "Python 3.13" in version
        assert "aarch64" in version
        assert "numpy 2.2" in version
        assert json.loads(inside("vin-agent", "decode", "1HGCM82633A004352", "--json"))["valid"] is True
        assert scene.truth[0] in inside("vin-agent", "read", "/root/vehicle.jpg")
    figures = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in took.items())
    print(f"arm64: {version.splitlines()[0]} under emulation read {scene.truth[0]}; {figures}")
