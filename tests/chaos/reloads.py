"""SIGHUP again and again with another configuration each time, some of them wrong, while vehicles pass."""

import signal
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TypedDict

from tests.chaos.busy import Busy, figures
from tests.chaos.row import Row

STEADY, CHANGING, ANOTHER = "steady", "changing", "changing\nfps = 19.0"
TAKEN, REFUSED = "the configuration was read anew", "is refused, the one before it holds on"
FILES_MORE, THREADS_MORE, MB_MORE = 10, 5, 10.0  # what may be on its way at one moment and not at another
GAP_S = 0.3  # now and then, so that vehicles pass between reloads and not only during them


class Keys(TypedDict, total=False):
    """More lines of a section."""

    reading: str
    mqtt: str


# Reader and connection are opened anew by most of them, the second camera by two; two are refused.
TURNS: tuple[tuple[str, Keys], ...] = (
    (CHANGING, {"reading": "accept_alone = 0.9"}),
    (CHANGING, {"mqtt": "keepalive_s = 16"}),
    (CHANGING, {"reading": "chian = []"}),
    (CHANGING, {"reading": "accept_alone = 0.9", "mqtt": "keepalive_s = 17"}),
    (CHANGING, {}),
    (ANOTHER, {}),
    (ANOTHER, {"reading": "accept_alone = 0.91"}),
    (ANOTHER, {"reading": "chain = ['nobody']"}),
    (ANOTHER, {"mqtt": "keepalive_s = 16"}),
    (CHANGING, {"reading": "accept_alone = 0.92"}),
)


@dataclass(slots=True)
class Reloads:
    """Writes the next configuration, sends the signal, waits for the answer."""

    busy: Busy
    done: int = 0
    refused: int = 0

    def next(self, camera: str, keys: Keys) -> None:
        is_wrong = any(word in keys.get("reading", "") for word in ("chian", "nobody"))
        words = REFUSED if is_wrong else TAKEN
        before = self.busy.said(words)
        self.busy.write(STEADY, camera, **keys)
        self.busy.gateway.process.send_signal(signal.SIGHUP)
        self.busy.gateway.wait_for(lambda: self.busy.said(words) > before)
        self.done, self.refused = self.done + 1, self.refused + is_wrong

    def settled(self) -> tuple[int, int, float]:
        """What the parent holds while both cameras run."""
        self.busy.gateway.wait_for(lambda: len(self.busy.gateway.children()) == 2)
        time.sleep(1.5)
        return figures(self.busy.gateway.process.pid)


def fault(folder: Path, full: bool) -> Row:
    """What the agent holds is looked at after the first tenth, when everything is loaded that ever is, and at the end."""
    reloads = 1000 if full else 20
    with Busy(folder) as busy:
        busy.write(STEADY, CHANGING)
        busy.start()
        busy.gateway.wait_for(lambda: busy.said(f"{STEADY}: vehicle seen") > 0)
        turn, then = Reloads(busy), (0, 0, 0.0)
        for number, (camera, keys) in enumerate(islice(cycle(TURNS), reloads)):
            turn.next(camera, keys)
            time.sleep(GAP_S * (number % 4 == 0))
            if number + 1 == max(10, reloads // 10):
                then = turn.settled()
        now = turn.settled()
        code, _ = busy.gateway.stop()
        busy.drain()
        told = busy.told()
        wrong = [] if code == 0 else [f"left with {code}"]
        if busy.said(f"{STEADY}: camera is online") != 1 or busy.said(f"{STEADY}: camera process"):
            wrong.append("the camera that no reload changes was started again")
    wrong += [f"{name} grew from {was:.0f} to {is_:.0f}" for name, was, is_, more in _compared(then, now) if is_ > was + more]
    return Row(
        fault="SIGHUP under load, with settings of reader, connection and camera that change, and some that are wrong",
        times=f"{turn.done} reloads, {turn.refused} of them refused, {told.committed} vehicles",
        lost=told.lost,
        twice=told.twice,
        ok=not wrong and not told.differing and told.committed >= reloads // 20,
        note="; ".join(wrong) or ", ".join(f"{name} {was:.0f} → {is_:.0f}" for name, was, is_, _ in _compared(then, now)),
    )


def _compared(then: tuple[int, int, float], now: tuple[int, int, float]) -> list[tuple[str, float, float, float]]:
    names, allowed = ("files", "threads", "MB"), (FILES_MORE, THREADS_MORE, MB_MORE)
    return list(zip(names, then, now, allowed, strict=True))
