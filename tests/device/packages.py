"""Packages for the tests: built once from what they are made of, and releases after it, made by changing what is in one."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
BUILD: Final = ROOT / "systemd/deb/build.py"
MADE_OF: Final = ("agent", "config", "systemd", "README.md", "LICENSE", "pyproject.toml")
PROGRAM: Final = "opt/vin-agent/package"
SITE: Final = f"{PROGRAM}/lib/python3/site-packages"


@cache
def package(arch: str = "amd64") -> Path:
    """vin-agent_<version>_<arch>.deb of these sources, built unless they have not changed since the last one."""
    kept = Path(os.environ.get("VIN_AGENT_TREES") or Path.home() / ".cache/vin-agent/trees").parent / "packages"
    kept.mkdir(parents=True, exist_ok=True)
    place = kept / f"{arch}-{_content()}"
    with (kept / f".{arch}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            unfinished = kept / f".{arch}.part"
            shutil.rmtree(unfinished, ignore_errors=True)
            _run(sys.executable, str(BUILD), "deb", "--arch", arch, "--out", str(unfinished), "--compress", "zstd")
            unfinished.rename(place)
            # The one before stays: another run, of other sources, may still be at it.
            for old in sorted(kept.glob(f"{arch}-*"), key=lambda each: each.stat().st_mtime)[:-2]:
                shutil.rmtree(old)
    (found,) = place.glob("*.deb")
    return found


def release(
    base: Path, place: Path, version: str, changes: Mapping[str, tuple[str, str]] | None = None, unit: tuple[str, str] | None = None
) -> Path:
    """A later release: `base` with another version, and in some files below site-packages a text that stands for another.

    In place of an empty text it is put at the end.
    """
    root = place / f"vin-agent-{version}"
    _run("dpkg-deb", "--raw-extract", str(base), str(root))
    before = (root / PROGRAM / "VERSION").read_text("ascii").strip()
    _change(root / "DEBIAN/control", f"Version: {before}", f"Version: {version}")
    _change(root / PROGRAM / "VERSION", before, version)
    _change(root / SITE / "agent/__init__.py", before, version)
    for file, (old, new) in (changes or {}).items():
        _change(root / SITE / file, old, new)
    if unit:
        _change(root / PROGRAM / "systemd/vin-agent.service", *unit)
    made = place / f"vin-agent_{version}.deb"
    _run("dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(made))
    shutil.rmtree(root)
    return made


def _change(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text, f"{file} does not say {old!r}"
    file.write_text(text.replace(old, new, 1) if old else text + new, "utf-8")


def _content() -> str:
    found = hashlib.sha256()
    for name in MADE_OF:
        files = sorted(file for file in (ROOT / name).rglob("*") if file.is_file()) if (ROOT / name).is_dir() else [ROOT / name]
        for file in files:
            if "__pycache__" not in file.parts:
                found.update(f"{file.relative_to(ROOT)}\0{file.stat().st_mode & 0o100}\0".encode() + file.read_bytes())
    return found.hexdigest()[:16]


def _run(*command: str) -> None:
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, f"{' '.join(command)} ended with {said.returncode}:\n{said.stdout}\n{said.stderr}"
