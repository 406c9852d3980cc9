"""Too little memory: with half as much again as it needs the agent stays below; with less it is killed, starts again, loses nothing."""

import os
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.chaos.busy import Busy
from tests.chaos.row import Row

MB = 1_000_000
ROOM = 1.5  # times what it normally needs
BACKLOG = 40
LONGER_S = 0.3  # under the limit, after the first was killed
FOREVER = 1 << 40
GROUPS = Path("/sys/fs/cgroup")


class Limit(Protocol):
    """Holds a process and its children to so much memory; `killed` counts those that went beyond."""

    def add(self, pid: int) -> None: ...
    def allow(self, size: int) -> None: ...
    def used(self) -> int: ...
    def killed(self) -> int: ...


@dataclass(slots=True)
class Group:
    """A control group of the kernel, whose own killer chooses whom to end; version 2, or 1 where the memory belongs to that."""

    folder: Path
    most: str
    events: str
    own: str

    def add(self, pid: int) -> None:
        (self.folder / "cgroup.procs").write_text(str(pid), "ascii")

    def allow(self, size: int) -> None:
        (self.folder / self.most).write_text(str(size), "ascii")

    def used(self) -> int:
        """What programs have of their own: files in memory are given up when it is needed."""
        return self._figure("memory.stat", self.own)

    def killed(self) -> int:
        return self._figure(self.events, "oom_kill")

    def _figure(self, file: str, name: str) -> int:
        found = re.search(rf"(?m)^{name} (\d+)$", (self.folder / file).read_text("ascii"))
        assert found, f"{self.folder / file} has no {name}"
        return int(found[1])


@dataclass(slots=True)
class Killer:
    """The same where no control group may be made: looks every few milliseconds and ends the largest."""

    most: int = FOREVER
    pid: int = -1  # nobody's, and nobody's parent's
    kills: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def add(self, pid: int) -> None:
        self.pid = pid

    def allow(self, size: int) -> None:
        self.most = size

    def used(self) -> int:
        return sum(self._sizes().values())

    def killed(self) -> int:
        return self.kills

    def watch(self) -> None:
        while not self.over.wait(0.005):
            sizes = self._sizes()
            if sum(sizes.values()) > self.most:
                with suppress(ProcessLookupError):
                    os.kill(max(sizes, key=lambda pid: sizes[pid]), signal.SIGKILL)
                    self.kills += 1

    def _sizes(self) -> dict[int, int]:
        """Pid → bytes of its own, of the process and what it started."""
        found = {}
        for status in Path("/proc").glob("[0-9]*/status"):
            with suppress(OSError, AttributeError, TypeError):
                text = status.read_text("utf-8")
                parent, size = re.search(r"PPid:\s+(\d+)", text), re.search(r"RssAnon:\s+(\d+)", text)
                if parent and size and self.pid in (int(status.parent.name), int(parent[1])):
                    found[int(status.parent.name)] = 1024 * int(size[1])
        return found


@contextmanager
def limited() -> Iterator[Limit]:
    """The kernel's own limit where this user may set one."""
    for root, names in ((GROUPS / "memory", V1), (GROUPS, V2)):
        folder = root / f"vin-agent-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            if (folder / names[0]).exists():
                yield Group(folder, *names)
                return
        finally:
            _empty(folder)
    killer = Killer()
    eye = threading.Thread(target=killer.watch, daemon=True)
    eye.start()
    yield killer
    killer.over.set()
    eye.join(5)


V1 = ("memory.limit_in_bytes", "memory.oom_control", "total_rss")
V2 = ("memory.max", "memory.events", "anon")


def _empty(folder: Path) -> None:
    """A group can be taken away once its last process has been buried."""
    for _ in range(100):
        with suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.05)


@dataclass(slots=True)
class Squeezed:
    """Runs the agent under one limit after another, and starts it again when it was killed, as systemd does."""

    busy: Busy
    limit: Limit
    restarts: int = 0
    worst_s: float = 0.0

    def start(self) -> None:
        self.busy.gateway.start()
        self.limit.add(self.busy.gateway.process.pid)

    def under(self, size: int, seconds: float) -> int:
        """The most it has of its own under the limit, until every camera has shown a vehicle and so many seconds longer."""
        self.limit.allow(size)
        self.busy.preload(max(0, BACKLOG - self.busy.waiting()))
        known = {name: self.busy.said(f"{name}: vehicle seen") for name in self.busy.cameras}
        self.start()
        most, end = 0, float("inf")
        while time.monotonic() < end and self.busy.gateway.process.poll() is None:
            most = max(most, self.limit.used())
            if end == float("inf") and all(self.busy.said(f"{name}: vehicle seen") > known[name] for name in known):
                end = time.monotonic() + seconds
            time.sleep(0.02)
        self.limit.allow(FOREVER)
        self._back()
        return most

    def squeeze(self, size: int, seconds: float = 6.0) -> None:
        """Started under the limit until somebody was killed; then there is room again, and it has to come back by itself."""
        self.limit.allow(size)
        self.busy.preload(max(0, BACKLOG - self.busy.waiting()))
        before, end = self.limit.killed(), time.monotonic() + seconds
        self.start()
        while self.limit.killed() == before and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(LONGER_S)
        self.limit.allow(FOREVER)
        self._back()

    def _back(self) -> None:
        """Until everything runs that should, the agent started again where it was killed, as systemd does; then a stop in order."""
        gateway, began = self.busy.gateway, time.monotonic()
        if gateway.process.poll() is not None:
            assert gateway.process.returncode == -signal.SIGKILL, gateway.log()[-3000:]
            self.restarts += 1
            known = self.busy.said("connected to the broker")
            self.start()
            gateway.wait_for(lambda: self.busy.said("connected to the broker") > known)
        gateway.wait_for(lambda: len(gateway.children()) == len(self.busy.cameras))
        self.worst_s = max(self.worst_s, time.monotonic() - began)
        code, _ = gateway.stop()
        assert code == 0, gateway.log()[-3000:]


def fault(folder: Path, full: bool) -> Row:
    """Once with half as much again as it needs; then, in turn, with too little for two cameras and too little for the parent alone."""
    rounds, seconds, dice = (20, 120.0, random.Random(28)) if full else (1, 1.0, random.Random(1))
    with Busy(folder) as busy, limited() as limit:
        squeezed = Squeezed(busy, limit)
        busy.write("cam1", "cam2")
        needed = squeezed.under(FOREVER, min(seconds, 20.0))
        most, over = squeezed.under(round(ROOM * needed), seconds), limit.killed()
        for _ in range(rounds):
            squeezed.squeeze(round(needed * dice.uniform(0.5, 0.8)))
        busy.write()
        alone = squeezed.under(FOREVER, 1.5)
        for _ in range(rounds):
            squeezed.squeeze(round(alone * dice.uniform(0.8, 0.95)))
        killed = limit.killed() - over
        busy.drain()
        told = busy.told()
    return Row(
        fault="too little memory: a limit at 150 % of what it needs, and limits below",
        times=f"{2 * rounds} limits, {killed} processes killed, {told.committed} vehicles",
        lost=told.lost,
        twice=told.twice,
        worst_s=squeezed.worst_s,
        # Where the kernel kills nobody below the need, nothing was shown.
        ok=over == 0 and most <= ROOM * needed and killed >= rounds and squeezed.restarts > 0 and not told.differing,
        note=f"at 150 % of {needed / MB:.0f} MB at most {most / MB:.0f} MB, {over} killed; {squeezed.restarts} starts anew",
    )
