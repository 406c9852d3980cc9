"""A Debian tree as a machine: its own systemd as first process, in a container that ends with the test whatever happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from tests.device.trees import installed

BOOT_S: Final = 90.0
INIT: Final = ("systemd", "init")
REBOOT: Final = 133  # how systemd-nspawn says that it wants to be started again

# The machine may have the control groups of the year 2015: the unified tree is mounted where nobody else sees it, and what machines
# that are gone have left in it is taken away.
GROUPS: Final = """
set -e
umount -R /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
for old in /sys/fs/cgroup/vin-machine-*; do
    if [ -e "$old" ] && [ ! -e "/proc/${old##*-}" ]; then
        echo 1 > "$old/cgroup.kill" || true
        for wait in $(seq 100); do grep -qs "populated 1" "$old/cgroup.events" || break; sleep 0.05; done
        find "$old" -depth -type d -exec rmdir {} + || true
    fi 2>/dev/null
done
"""
# A control group of its own: in a common one each systemd would end the services of the other, which have the same names.
# Processes of its own: when the test dies, unshare does, then the first of them, and with it everything inside.
START: Final = """
mkdir /sys/fs/cgroup/vin-machine-$$
echo $$ > /sys/fs/cgroup/vin-machine-$$/cgroup.procs
exec unshare --mount --cgroup --pid --fork --kill-child --mount-proc sh -ec '
    umount /sys/fs/cgroup
    mount -t cgroup2 none /sys/fs/cgroup
    mkdir -p /run/systemd
    export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
    exec systemd-nspawn --quiet --register=no --keep-unit --kill-signal=SIGRTMIN+3 --boot --console=pipe "$@"
' boot "$@"
"""


def parents() -> dict[int, tuple[str, int]]:
    """Pid → name and parent of everything that runs."""
    found: dict[int, tuple[str, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                name, _, rest = (entry / "stat").read_text("utf-8").partition(" (")[2].rpartition(") ")
                found[int(entry.name)] = name, int(rest.split()[1])
    return found


class Machine:
    """A booted tree, in `with`: commands run inside it, and it shares the network of the machine it runs on."""

    def __init__(self, root: Path, *options: str) -> None:
        """`options` are those of systemd-nspawn."""
        self.root, self._options = root, options
        self.boot_s = 0.0
        self.since = 0.0  # journals begin here, in seconds of the clock

    def __enter__(self) -> Self:
        began = time.monotonic()
        installed("systemd-nspawn", "systemd-container")
        self._console = (self.root / "var/log/console").open("ab")
        self._switch_on()
        try:
            self.wait_up()
        except BaseException:
            self.__exit__()
            raise
        self.boot_s = time.monotonic() - began
        return self

    def _switch_on(self) -> None:
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", GROUPS + START, "boot"]
        command += [f"--directory={self.root}", *self._options]
        self._container = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._console, stderr=self._console)

    def __exit__(self, *_: object) -> None:
        """Pull the plug: a container has no disk that minds."""
        inside = [pid for pid, (_, parent) in parents().items() if parent == self._container.pid]
        for pid in inside:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # the first of its processes: unshare looks on, and leaves no zombie
        if not inside:
            self._container.kill()
        self._container.wait(30)
        self._console.close()
        subprocess.run(("unshare", "--mount", "sh", "-c", GROUPS), check=True)

    def wait_up(self, other_than: int = 0) -> int:
        """Until systemd says that it has started everything; the pid, as seen from outside, of the first process inside."""
        deadline = time.monotonic() + BOOT_S
        while time.monotonic() < deadline:
            if (code := self._container.poll()) is not None:
                assert code == REBOOT, f"the container has ended with {code}:\n{self.console()}"
                self._switch_on()
            self.init = self._first()
            if self.init not in (0, other_than) and self.run("systemctl", "is-system-running", check=False) in ("running", "degraded"):
                return self.init
            time.sleep(0.05)
        raise AssertionError(f"not up within {BOOT_S:.0f} s:\n{self.console()}")

    def console(self) -> str:
        return (self.root / "var/log/console").read_text("utf-8", "replace")

    def _first(self) -> int:
        """The first process inside: systemd, whose parent is the container's guard, which unshare has started."""
        known = parents()
        for pid, (name, parent) in known.items():
            if name in INIT and known.get(parent, ("", 0))[1] == self._container.pid:
                return pid
        return 0

    def entered(self, *command: str) -> list[str]:
        """`command` inside, for Popen."""
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
        return ["nsenter", "--target", str(self.init), *spaces, "--", *command]

    def run(self, *command: str, check: bool = True, timeout_s: float = 90.0, env: Mapping[str, str] | None = None) -> str:
        """What `command` said inside; standard error too where it is only looked at, not checked."""
        plain = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "", **(env or {})}
        said = subprocess.run(self.entered(*command), env=plain, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert not check or said.returncode == 0, (
            f"{' '.join(command)} ended with {said.returncode}:\n{said.stdout}\n{said.stderr}{self._told_of(*command)}"
        )
        return (said.stdout if check else said.stdout + said.stderr).strip()

    def _told_of(self, program: str, *words: str) -> str:
        """What systemd knows of the unit that would not do it: it may be running again by the time anybody looks."""
        if program != "systemctl" or len(words) < 2:
            return ""
        return "\n" + self.run(program, "status", words[-1], "--no-pager", "--full", "--lines=60", check=False)

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit, as systemd has them now."""
        said = self.run("systemctl", "show", unit, f"--property={','.join(names)}")
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    def main_pid(self, unit: str) -> int:
        """The pid outside of a unit's main process, 0 where it has none."""
        inside = self.show(unit, "MainPID")["MainPID"]
        return int(inside) and self.outside(int(inside))

    def outside(self, inside: int) -> int:
        """The pid, outside, of a process of this machine; 0 where there is none."""
        space = Path(f"/proc/{self.init}/ns/pid").readlink()
        for pid in parents():
            with suppress(OSError):
                if Path(f"/proc/{pid}/ns/pid").readlink() == space:
                    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
                    if any(line.startswith("NSpid:") and int(line.split()[-1]) == inside for line in lines):
                        return pid
        return 0

    def journal(self, unit: str, *options: str) -> str:
        self.run("journalctl", "--sync")
        return self.run("journalctl", f"--unit={unit}", f"--since=@{self.since:.3f}", "--no-pager", "--quiet", *options)

    def wait(self, true: Callable[[], object], what: str, seconds: float = 60.0, unit: str = "") -> float:
        """Seconds until `true` held; fails with the unit's journal when it does not in time."""
        began = time.monotonic()
        while not true():
            if time.monotonic() - began > seconds:
                raise AssertionError(f"{what}: not within {seconds:.0f} s\n{self.journal(unit, '--lines=60') if unit else self.console()}")
            time.sleep(0.05)
        return time.monotonic() - began
