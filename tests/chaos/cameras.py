"""Of three cameras one is stopped and killed and one is slow: the first comes back by itself, its topic says how it is, and the third
misses nothing.
"""

import itertools
import json
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from agent.failpoint import VARIABLE
from tests.broker import Received
from tests.chaos.busy import ROOT, Busy
from tests.chaos.row import Row

VICTIM, SLOW, STEADY = NAMES = ("north", "east", "south")
GRACE_S = 5.0
LONGEST_GAP_S = 5.0  # between two vehicles of the steady gate, where one comes each second


@dataclass(slots=True)
class Watched:
    """The longest way back of the victim, and every sentence that should not have had to be written."""

    busy: Busy
    stall_s: float
    worst_s: float = 0.0
    done: int = 0
    wrong: list[str] = field(default_factory=list)

    def back(self, number: signal.Signals, reason: str) -> None:
        """Send it to the victim's process, and wait until that was `offline` for the reason and is `online` again."""
        known, began = len(states(self.busy.yard.collect(), VICTIM)), time.monotonic()
        os.kill(self._process(), number)
        seen = self.busy.yard.wait_for(lambda seen: _went_and_came(states(seen, VICTIM)[known:]), self.stall_s + 8 * GRACE_S)
        took_s = time.monotonic() - began
        self.worst_s, self.done = max(self.worst_s, took_s), self.done + 1
        if took_s > self.stall_s + GRACE_S:
            self.wrong.append(f"{number.name}: back after {took_s:.1f} s")
        if not any(state == "offline" and reason in why for state, why in states(seen, VICTIM)[known:]):
            self.wrong.append(f"{number.name}: never offline because of {reason!r}")

    def _process(self) -> int:
        """The victim's: the first that was started, and the newest once it has been started again."""
        self.busy.gateway.wait_for(lambda: len(self.busy.gateway.children()) == len(NAMES))
        return sorted(self.busy.gateway.children(), key=_started)[-1 if self.done else 0]

    def others(self) -> None:
        """The slow one is no dead one, and the steady one was never held up."""
        seen, log = self.busy.yard.collect(), self.busy.gateway.log()
        for name in (SLOW, STEADY):
            if f"{name}: camera process" in log or "offline" in [state for state, _ in states(seen, name)]:
                self.wrong.append(f"{name} was started again")
            if states(seen, name)[-1:] != [("online", "")]:
                self.wrong.append(f"{name} ends as {states(seen, name)[-1:]}")
        if [state for state, _ in states(seen, STEADY)] not in (["starting", "online"], ["online"]):
            self.wrong.append(f"{STEADY} was disturbed: {states(seen, STEADY)}")
        told = [each.at for each in seen if each.topic.startswith(f"{ROOT}/gate/{STEADY}/") and not each.topic.endswith("/last")]
        gap_s = max((later - earlier for earlier, later in itertools.pairwise(told)), default=float("inf"))
        if gap_s > LONGEST_GAP_S:
            self.wrong.append(f"no vehicle from {STEADY} for {gap_s:.1f} s")


def _started(pid: int) -> tuple[int, int]:
    """When the kernel started a process, in ticks since the boot."""
    return int(Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[19]), pid


def _went_and_came(told: list[tuple[str, str]]) -> bool:
    return "offline" in [state for state, _ in told] and told[-1] == ("online", "")


def states(messages: list[Received], name: str) -> list[tuple[str, str]]:
    """What a camera's topic said, with the reasons."""
    told = [json.loads(each.payload) for each in messages if each.topic == f"{ROOT}/camera/{name}/status"]
    return [(each["state"], each.get("reason", "")) for each in told]


def fault(folder: Path, full: bool) -> Row:
    """Full: the deadline of a gateway, a frame in ten seconds, ten rounds. Short: two seconds, and a frame in a little less."""
    stall_s, slow_s, rounds = (10.0, 10.0, 10) if full else (2.0, 1.6, 1)
    keys = f"stall_s = {stall_s}\nfps = 10.0"
    with Busy(folder) as busy:
        watched = Watched(busy, stall_s)
        busy.write(*(f"{name}\n{keys}" for name in NAMES))
        busy.start({VARIABLE: f"camera.frame[{SLOW}]=slow:{slow_s}"})
        busy.yard.wait_for(lambda seen: all(states(seen, name)[-1:] == [("online", "")] for name in NAMES), 4 * stall_s + 30)
        busy.gateway.wait_for(lambda: busy.said(f"{SLOW}: fail point camera.frame") >= 3, 4 * stall_s)
        for _ in range(rounds):
            watched.back(signal.SIGSTOP, "no_progress")
            watched.back(signal.SIGKILL, "ended with code -9")
        watched.others()
        code, _ = busy.gateway.stop()
        busy.drain()
        told = busy.told()
    return Row(
        fault="a camera's process stopped, killed; a camera with a frame in ten seconds; a third beside them",
        times=f"{watched.done} signals, {told.committed} vehicles",
        lost=told.lost,
        twice=told.twice,
        worst_s=watched.worst_s,
        ok=not watched.wrong and code == 0,
        note="; ".join(watched.wrong) or f"deadline {stall_s:g} s; neither of the others was held up",
    )
