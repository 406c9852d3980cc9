"""Disks that break on demand: a small one in memory, one of ext4 in a file, and errors put into the calls of a process that runs."""

import os
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LET_GO_S = 30.0
# As `.ci/tools` does: whoever is not root has sudo where programs are installed by it.
_AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


def root(*command: str | Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Runs a command as root; what it says is part of the failure."""
    done = subprocess.run([*_AS_ROOT, *map(str, command)], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stderr}")
    return done


class Disk(ABC):
    """A file system at a place of its own while in `with`; whatever happens, nothing stays mounted."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __enter__(self) -> "Disk":
        self.place.mkdir(parents=True)
        self.mount()
        return self

    def __exit__(self, *_: object) -> None:
        for _try in range(50):
            if root("umount", self.place, check=False).returncode == 0 or not self.place.is_mount():
                return
            time.sleep(0.1)  # a process that was killed may take a moment to let go of its files
        root("umount", "--lazy", self.place)

    @abstractmethod
    def mount(self, *options: str) -> None:
        """With options of mount(8); where it is mounted already, with other ones."""

    def fill(self, leave: int = 0) -> None:
        """Somebody else takes all there is, but for some bytes."""
        with (self.place / "somebody else's").open("ab", buffering=0) as file, suppress(OSError):
            while (free := os.statvfs(self.place)).f_bavail * free.f_frsize > leave or leave == 0:
                file.write(bytes(4096))

    def clear(self) -> None:
        (self.place / "somebody else's").unlink()


class Memory(Disk):
    """A few megabytes of memory."""

    def __init__(self, place: Path, mb: int = 4) -> None:
        super().__init__(place)
        self.mb = mb

    def mount(self, *options: str) -> None:
        owner = (f"size={self.mb}m", f"uid={os.geteuid()}", f"gid={os.getegid()}")
        root("mount", "-t", "tmpfs", "-o", ",".join((*owner, *options)), "none", self.place)


class Ext4(Disk):
    """A card in a file beside the place, which becomes read-only when an error is met, as the system's own is."""

    def __init__(self, place: Path, mb: int = 24) -> None:
        super().__init__(place)
        self.image = place.with_suffix(".img")
        self.mb = mb

    def __enter__(self) -> "Ext4":
        with self.image.open("wb") as file:
            file.truncate(self.mb * 1_000_000)
        root("mkfs.ext4", "-q", "-F", "-E", f"root_owner={os.geteuid()}:{os.getegid()}", self.image)
        super().__enter__()
        return self

    def mount(self, *options: str) -> None:
        root("mount", "-o", ",".join(("loop", "errors=remount-ro", *options)), self.image, self.place)

    def spoil(self) -> None:
        """The kernel meets an error of the card, and writes nothing more."""
        device = Path(root("findmnt", "--noheadings", "--output", "SOURCE", self.place).stdout.strip()).name
        root("sh", "-c", f"echo 1 >/sys/fs/ext4/{device}/trigger_fs_error")

    def mend(self) -> None:
        """Unmounted, looked over and mounted again, as a start of the machine does it. The agent must have let go of it."""
        root("umount", self.place)
        self._wait_let_go()
        checked = root("e2fsck", "-f", "-y", self.image, check=False)
        assert checked.returncode in (0, 1), checked.stdout
        self.mount()

    def _wait_let_go(self) -> None:
        """A container that was started meanwhile has a copy of every mount: as long as it lives the file system does, spoilt as it is."""
        end = time.monotonic() + LET_GO_S
        while root("losetup", "--associated", self.image).stdout.strip():
            assert time.monotonic() < end, f"{self.image} is unmounted, but still mounted for a container; run this beside none"
            time.sleep(0.1)


@contextmanager
def refusing(pid: int, error: str, *calls: str) -> Iterator[None]:
    """As long as this lasts, these calls of all threads of a process come back with an error."""
    inject = ",".join(calls)
    command = [*_AS_ROOT, "strace", "-qq", "-f", "-o", "/dev/null", "-p", str(pid), "-e", f"trace={inject}"]
    tracer = subprocess.Popen([*command, "-e", f"inject={inject}:error={error}"], stderr=subprocess.PIPE, text=True)
    try:
        _wait_traced(pid, tracer)
        yield
    finally:
        # Its end lets go of the process, which goes on as if nothing had been.
        root("kill", str(tracer.pid), check=False)
        tracer.wait(10)


def _wait_traced(pid: int, tracer: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 10
    while any("TracerPid:\t0\n" in (task / "status").read_text("ascii") for task in Path(f"/proc/{pid}/task").iterdir()):
        if tracer.poll() is not None:
            raise AssertionError(f"strace: {tracer.stderr.read() if tracer.stderr else ''}")
        assert time.monotonic() < end, "strace did not take hold of every thread"
        time.sleep(0.02)
