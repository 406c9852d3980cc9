"""Debian trees for the tests: built once by mmdebstrap from this machine's own apt sources, kept, and never written to again.

A tree is known by a hash of all that went into it, is built in a folder of its own and renamed when it is whole.
What is mounted is mounted in mount namespaces that die with their process: a killed test leaves nothing on the machine.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

RECIPE: Final = "1"  # one more whenever a tree built before would no longer do
LIMIT_S: Final = 1_200.0
NEW_MOUNTS: Final = 0x0002_0000  # CLONE_NEWNS
KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")

# $1 is the tree, $2 says whether it may be written to, then pairs of outside and inside up to "--", then the command.
ENTER: Final = """
set -e
root=$1
if [ "$2" = kept ]; then
    view=$(dirname "$1")/.view
    mkdir -p "$view" && mount -t tmpfs tmpfs "$view" && mkdir "$view/upper" "$view/work" "$view/root"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$view/upper,workdir=$view/work" "$view/root"
    root=$view/root
fi
shift 2
mount -t proc proc "$root/proc"; mount --rbind /sys "$root/sys"; mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$root$2"; else mkdir -p "$(dirname "$root$2")"; [ -e "$root$2" ] || touch "$root$2"; fi
    mount --rbind "$1" "$root$2"; shift 2
done
shift
exec chroot "$root" "$@"
"""


def tree(suite: str, packages: tuple[str, ...], setup: tuple[str, ...] = (), files: Mapping[str, Path] | None = None) -> Path:
    """The Debian tree of `suite` with `packages`; `files` (path inside: file outside) copied in, then each shell command of `setup` run.

    Trees with a set-up grow from the tree without it. Never write into the answer: take a `scratch` of it.
    """
    sources = dict(sorted((files or {}).items()))
    named = hashlib.sha256("\0".join((RECIPE, suite, *sorted(packages), "setup", *setup)).encode())
    for inside, outside in sources.items():
        named.update(inside.encode() + b"\0" + outside.read_bytes())
    place = _kept() / f"{suite}-{named.hexdigest()[:16]}"
    with _alone(place):
        if not place.exists():
            base = tree(suite, packages) if setup or sources else None
            with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=_kept(), ignore_cleanup_errors=True) as folder:
                unfinished = Path(folder, "tree")
                if base is None:
                    _bootstrap(suite, packages, unfinished)
                else:
                    _grow(base, unfinished, setup, sources)
                unfinished.rename(place)
    return place


@contextmanager
def scratch(base: Path) -> Iterator[Path]:
    """A tree like `base` to write into, seen by this process and those it starts alone; gone afterwards, a kill included."""
    _mounts_of_our_own()
    with tempfile.TemporaryDirectory(prefix="vin-tree-") as folder:
        place = Path(folder)
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(place))
        try:
            root = place / "root"
            for name in ("upper", "work", "root"):
                (place / name).mkdir()
            lower = f"lowerdir={base},upperdir={place / 'upper'},workdir={place / 'work'}"
            _run("mount", "-t", "overlay", "overlay", "-o", lower, str(root))
            try:
                yield root
            finally:
                _run("umount", "--lazy", str(root))
        finally:
            _run("umount", "--lazy", str(place))


def run_in(
    root: Path,
    *command: str,
    env: Mapping[str, str] | None = None,
    binds: Mapping[Path, str] | None = None,
    timeout_s: float = LIMIT_S,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """What `command` said inside the tree; see `entered`. With `check` a failure is an AssertionError that shows both outputs."""
    said = subprocess.run(
        entered(root, *command, binds=binds), env=surroundings(env), capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert not check or said.returncode == 0, f"{' '.join(command)} ended with {said.returncode}:\n{said.stdout}\n{said.stderr}"
    return said


def entered(root: Path, *command: str, binds: Mapping[Path, str] | None = None) -> list[str]:
    """`command` inside the tree, for Popen: its pid is the command's own, /proc, /sys and /dev are there, `binds` (outside: inside) too.

    What is written into a kept tree is forgotten with the command; what is written into a scratch tree stays as long as that.
    """
    seen: dict[Path, str] = {Path("/etc/resolv.conf"): "/etc/resolv.conf", Path("/etc/hosts"): "/etc/hosts"}
    seen |= {CERTIFICATES: str(CERTIFICATES), Path("/etc/pip.conf"): "/etc/pip.conf", _wheels(): "/root/.cache/pip"}
    pairs = [name for outside, inside in {**seen, **(binds or {})}.items() if outside.exists() for name in (str(outside), inside)]
    kept = "kept" if root.parent == _kept() else "scratch"
    return ["unshare", "--mount", "sh", "-c", ENTER, "enter", str(root), kept, *pairs, "--", *command]


def surroundings(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a command inside a tree: nothing of this process but how its network is to be used."""
    plain = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    network = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy") or key in {"PIP_INDEX_URL", "PIP_CERT"}}
    return {**plain, **network, "DEBIAN_FRONTEND": "noninteractive", **(env or {})}


def installed(program: str, package: str) -> str:
    """Where this machine's `program` is; its Debian package is installed when it is not there."""
    found = shutil.which(program)
    if found is None:
        _run("apt-get", "update")
        _run("apt-get", "install", "--yes", "--no-install-recommends", package)
        found = shutil.which(program)
    assert found is not None, f"{program}: not found after Debian's package {package} was installed"
    return found


def _bootstrap(suite: str, packages: tuple[str, ...], place: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".sources") as sources:
        sources.write(f"Types: deb\nURIs: {_mirror()}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYRING}\n")
        sources.flush()
        program = installed("mmdebstrap", "mmdebstrap")
        _run(program, "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}", suite, str(place), sources.name)


def _grow(base: Path, place: Path, setup: tuple[str, ...], files: Mapping[str, Path]) -> None:
    _run("cp", "--archive", "--reflink=auto", str(base), str(place))
    for inside, outside in files.items():
        target = place / inside.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(outside, target)
    for command in setup:
        run_in(place, "sh", "-ec", command)


@cache
def _mirror() -> str:
    """Where this machine gets its own Debian from."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    asked = ("apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages")
    for _ in range(2):
        for codename, uri in (line.split() for line in _run(*asked).splitlines()):
            if codename == release["VERSION_CODENAME"]:
                return uri
        _run("apt-get", "update")  # a machine that never asked its archives knows none by name
    raise AssertionError(f"apt: no archive for {release['VERSION_CODENAME']} among this machine's sources")


def _run(*command: str) -> str:
    said = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert said.returncode == 0, f"{' '.join(command)} ended with {said.returncode}:\n{said.stdout}\n{said.stderr}"
    return said.stdout


def _kept() -> Path:
    place = Path(os.environ.get("VIN_AGENT_TREES") or Path.home() / ".cache/vin-agent/trees")
    place.mkdir(parents=True, exist_ok=True)
    return place.resolve()


def _wheels() -> Path:
    place = _kept() / ".pip"
    place.mkdir(exist_ok=True)
    return place


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Two runs that want the same tree build it once."""
    with place.with_name(f".{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def _mounts_of_our_own() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(NEW_MOUNTS) == 0, f"unshare: {os.strerror(ctypes.get_errno())}: device tests need root"
    _run("mount", "--make-rprivate", "/")
