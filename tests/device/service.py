"""The agent as an operator has it: in a virtual environment of a Debian tree, with its unit, a user and a configuration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from tests.device.boot import Machine
from tests.device.trees import run_in, scratch, tree

PROJECT: Final = Path(__file__).parents[2]
SUITES: Final = ("bookworm", "trixie")
PACKAGES: Final = (
    "dbus", "libpam-systemd", "polkitd", "procps", "python3", "python3-numpy", "python3-venv", "systemd", "systemd-sysv",
)  # fmt: skip
VENV: Final = "/opt/vin-agent"
SETUP: Final = (
    f"python3 -m venv --system-site-packages {VENV}",
    # Pillow draws what the cameras see.
    f"{VENV}/bin/pip install --quiet --no-deps --constraint /opt/constraints.txt --requirement /opt/device.txt pillow",
    "useradd --system --home-dir /var/lib/vin-agent --no-create-home --groups video vin-agent",
    # A tree that was booted once knows who it is.
    "systemd-machine-id-setup",
)
ROOT: Final = "vinagent/v1/yard/pole"
FINAL: Final = f"{ROOT}/gate/north-in/vin"


def base(suite: str) -> Path:
    """Debian with everything the agent needs, but without the agent, which changes too often to be kept."""
    files = {f"/opt/{name}": PROJECT / "config" / name for name in ("constraints.txt", "device.txt")}
    return tree(suite, PACKAGES, SETUP, files)


@cache
def wheel() -> Path:
    """The agent as pip installs it, built from the checkout."""
    folder = Path(mkdtemp(prefix="vin-wheel-"))
    command = (
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(PROJECT),
    )
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


@contextmanager
def installed_tree(suite: str) -> Iterator[Path]:
    """A tree with the agent, its unit and an empty folder for its configuration."""
    with scratch(base(suite)) as root:
        run_in(
            root, f"{VENV}/bin/pip", "install", "--quiet", "--no-deps", f"/opt/wheel/{wheel().name}", binds={wheel().parent: "/opt/wheel"}
        )
        unit = (PROJECT / "systemd/vin-agent.service").read_text("utf-8")
        (root / "etc/systemd/system/vin-agent.service").write_text(unit, "utf-8")
        (root / "etc/vin-agent").mkdir()
        yield root


def drop_in(machine: Machine, unit: str, name: str, text: str) -> None:
    """Write one beside the unit and have systemd read it; an empty text takes it away."""
    file = machine.root / f"etc/systemd/system/{unit}.d/{name}.conf"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, "utf-8") if text else file.unlink(missing_ok=True)
    machine.run("systemctl", "daemon-reload")


def example(name: str) -> str:
    return (PROJECT / "systemd/examples" / name).read_text("utf-8")


def configure(machine: Machine, port: int, *cameras: str, name: str = "agent", agent: str = "id = 'pole'", more: str = "") -> None:
    """A file as `vin-agent setup` would write it; each camera shows rendered vehicles unless it says otherwise."""
    text = f"[agent]\nsite = 'yard'\n{agent}\n"
    for each in cameras:
        driver = "" if "driver" in each else "driver = 'replay'\nsource = 'scene'\nwidth = 1280\nheight = 720\n"
        text += f"[[camera]]\ngate = 'north-in'\n{driver}{each}\n"
    text += f"[store]\nfree_mb = 1\n[mqtt]\nport = {port}\nuser = 'gate'\nreplay_per_s = 0\n{more}\n"
    (machine.root / f"etc/vin-agent/{name}.toml").write_text(text, "utf-8")
