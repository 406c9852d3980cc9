"""Builds what is installed: one program tree for Python 3.11 and 3.13, laid out in a folder (`make install`) or as a .deb (`make deb`).

The tree is a virtual environment that both Pythons accept, made of the wheels of config/device.txt as they are. It needs pip, a
connection to the package index, and dpkg-deb for a package; no pip runs on the device. The same sources give the same bytes.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
# Raspberry Pi OS bookworm and trixie: their Python, and the C library both have (trixie's is 2.41).
PYTHONS, GLIBC = ("3.11", "3.13"), 36
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
PREFIX = "/opt/vin-agent"
# What a wheel says about itself differs from Python to Python, and stubs, which no program reads; all else has to be the same to share a
# folder.
OWN = re.compile(r"[^/]+\.dist-info/(RECORD|WHEEL)|.+\.pyi")


def main() -> None:
    """See the Makefile for how it is called."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--project", type=Path, default=PROJECT, help="sources to build (default: these)")
    ways = parser.add_subparsers(required=True, metavar="deb|install")
    deb = ways.add_parser("deb", help="a package for every architecture named")
    deb.add_argument("--arch", nargs="+", choices=sorted(MACHINES), default=sorted(MACHINES))
    deb.add_argument("--out", type=Path, default=PROJECT / "dist")
    deb.add_argument("--compress", default="xz", choices=("xz", "zstd", "gzip", "none"), help="default: xz, the smallest")
    deb.set_defaults(do=lambda given: [print(package(given.project, arch, given.out, given.compress)) for arch in given.arch])
    install = ways.add_parser("install", help="the same files without a package, for this machine or below DESTDIR")
    install.add_argument("--arch", choices=sorted(MACHINES), default=_said("dpkg", "--print-architecture"))
    install.add_argument("--destdir", type=Path, default=Path("/"))
    install.add_argument("--prefix", default=PREFIX)
    install.set_defaults(do=lambda given: lay_out(given.project, given.arch, given.destdir, given.prefix, "usr/local/bin"))
    given = parser.parse_args()
    os.environ.setdefault("SOURCE_DATE_EPOCH", _said("git", "-C", str(PROJECT), "log", "-1", "--format=%ct") or "1700000000")
    given.do(given)


def package(project: Path, arch: str, out: Path, compress: str) -> Path:
    """Builds vin-agent_<version>_<arch>.deb in `out`."""
    with tempfile.TemporaryDirectory(prefix="vin-agent-deb-") as folder:
        root = Path(folder, "root")
        lay_out(project, arch, root, PREFIX, "usr/bin")
        licence = root / "usr/share/doc/vin-agent/copyright"
        licence.parent.mkdir(parents=True)
        licence.write_text(f"{(HERE / 'copyright').read_text('utf-8')}\n{(project / 'LICENSE').read_text('utf-8')}", "utf-8")
        size = sum(file.lstat().st_size for file in root.rglob("*") if not file.is_dir()) // 1024
        control = root / "DEBIAN"
        control.mkdir()
        filled = (HERE / "control").read_text("utf-8").format(version=version(project), arch=arch, size=size)
        (control / "control").write_text(filled, "utf-8")
        for script in ("postinst", "prerm", "postrm"):
            shutil.copy(HERE / script, control)
        made = out / f"vin-agent_{version(project)}_{arch}.deb"
        out.mkdir(parents=True, exist_ok=True)
        _settle(root)
        _run("dpkg-deb", "--root-owner-group", f"-Z{compress}", "--build", str(root), str(made))
    return made


def lay_out(project: Path, arch: str, root: Path, prefix: str, commands: str) -> None:
    """Writes every file but the package's own below `root`: the program tree with its units, the launcher, the switch, the command."""
    place = root / prefix.lstrip("/")
    shutil.rmtree(place / "package", ignore_errors=True)
    program(project, arch, place / "package")
    for name in ("vin-agent", "switch"):
        _copy(HERE / name, place / "bin" / name, 0o755)
    command = root / commands / "vin-agent"
    command.parent.mkdir(parents=True, exist_ok=True)
    command.unlink(missing_ok=True)
    command.symlink_to(f"{prefix}/bin/vin-agent")
    _copy(project / "README.md", place / "README.md", 0o644)
    for unit in (place / "package/systemd").glob("*.service") if prefix != PREFIX else ():
        unit.write_text(unit.read_text("utf-8").replace(PREFIX, prefix), "utf-8")


def program(project: Path, arch: str, place: Path) -> None:
    """The program tree: each Python finds its virtual environment here, and both the same packages."""
    site = place / "lib/python3/site-packages"
    site.mkdir(parents=True)
    for python in PYTHONS:
        (place / f"lib/python{python}").symlink_to("python3")
    (place / "bin").mkdir()
    (place / "bin/python3").symlink_to("/usr/bin/python3")
    (place / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = true\n", "ascii")
    shutil.copytree(project / "systemd", place / "systemd", ignore=shutil.ignore_patterns("deb"))
    (place / "VERSION").write_text(f"{version(project)}\n", "ascii")
    with tempfile.TemporaryDirectory(prefix="vin-agent-wheels-") as folder:
        fetch(project, arch, Path(folder))
        for wheel in sorted(Path(folder).rglob("*.whl")):
            _unpack(wheel, site)


def fetch(project: Path, arch: str, folder: Path) -> None:
    """The wheels of the agent and of everything in config/device.txt, for every Python, in folders of their own."""
    wanted = dict(device_pins(project))
    # Published as sources alone, in pure Python: the wheel made here runs everywhere.
    sources = [f"{name}=={wanted.pop(name)}" for name in ("sqlitedict",)]
    _run(*PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder / "pure"), str(project), *sources)
    for python in PYTHONS:
        pins = [f"{name}=={pin}" for name, pin in wanted.items()]
        _run(*PIP, "download", "--quiet", "--no-deps", "--dest", str(folder / python), *target(python, MACHINES[arch]), *pins)


PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def target(python: str, machine: str, glibc: int = GLIBC) -> Iterator[str]:
    """What pip has to be told to choose wheels for another machine."""
    digits = python.replace(".", "")
    yield from ("--only-binary", ":all:", "--implementation", "cp", "--python-version", python)
    for abi in (f"cp{digits}", "abi3", "none"):
        yield from ("--abi", abi)
    for platform in (f"manylinux2014_{machine}", f"linux_{machine}", *(f"manylinux_2_{minor}_{machine}" for minor in range(17, glibc + 1))):
        yield from ("--platform", platform)


def device_pins(project: Path) -> Iterator[tuple[str, str]]:
    """Name and version of each package of config/device.txt, as config/constraints.txt pins it."""
    pinned = pins(project)
    for name in _lines(project / "config/device.txt"):
        yield name, pinned[name]


def pins(project: Path) -> Mapping[str, str]:
    """The lock: each package of config/constraints.txt and its version."""
    return dict(line.split("==") for line in _lines(project / "config/constraints.txt"))


def version(project: Path) -> str:
    found = re.search(r'__version__ = "([^"]+)"', (project / "agent/__init__.py").read_text("utf-8"))
    assert found, "agent/__init__.py names no __version__"
    return found[1]


def _unpack(wheel: Path, site: Path) -> None:
    """Lays a wheel over what is there; a file that is there already has to be the same."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(("/", ".dist-info/entry_points.txt")) or ".data/scripts/" in name:
                continue
            assert ".data/" not in name, f"{wheel.name}: {name} belongs outside of site-packages, which nobody has prepared"
            file, content = site / name, archive.read(name)
            if file.exists() and file.read_bytes() != content and not OWN.fullmatch(name):
                raise SystemExit(f"{wheel.name}: {name} differs from the same file for another Python; the two cannot share a folder")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def _settle(root: Path) -> None:
    """Rights and times that depend on nobody's umask or clock."""
    at = int(os.environ["SOURCE_DATE_EPOCH"])
    for file in (root, *root.rglob("*")):
        if not file.is_symlink():
            file.chmod(0o755 if file.is_dir() or file.stat().st_mode & 0o100 else 0o644)
        os.utime(file, (at, at), follow_symlinks=False)


def _copy(source: Path, place: Path, mode: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    # Beside it and renamed: an interrupted copy must not be what is started next.
    beside = place.with_name(f".{place.name}.new")
    shutil.copyfile(source, beside)
    beside.chmod(mode)
    beside.replace(place)


def _lines(file: Path) -> Iterator[str]:
    for line in file.read_text("utf-8").splitlines():
        if words := line.partition("#")[0].strip():
            yield words


def _run(*command: str) -> None:
    if code := subprocess.run(command, check=False).returncode:
        raise SystemExit(f"{' '.join(command[:6])} … ended with {code}")


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
