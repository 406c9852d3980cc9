"""Each part of the agent made to hang, or to end, in turn: the watchdog acts in time, the part is named, and the next run knows why."""

import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from agent.failpoint import IN_SERVICE, VARIABLE
from tests.broker import Received
from tests.chaos import watchdog
from tests.chaos.busy import ROOT, Busy, Told
from tests.chaos.row import Row

WATCHDOG_S, GRACE_S = 3.0, 5.0
TICK_S = 1.0  # of a machine that has much to do
RESTART_S = 2.0  # the unit's RestartSec=, which is added and not waited for
VEHICLES = 5
STACK = "most recent call first"


@dataclass(frozen=True, slots=True)
class Part:
    """What hangs where; `named` is how the agent calls it, empty for the loop that would do the naming."""

    point: str
    named: str = ""


WORKERS = {"take": 5, "read": 5, "send": 10, "power": 1, "command": 2}
PARTS = (
    Part("take.step=hang@5", "the take worker is stuck"),
    Part("read.answered=hang@2", "the read worker is stuck"),
    Part("send.acknowledged=hang@2", "the send worker is stuck"),
    Part("command.step=hang@2", "the command worker is stuck"),
    Part("supervisor.loop=hang@10"),
)
BORNE = "camera.frame=hang@15; power.step=hang"
STALL_S = 1.5
DEAD = tuple(Part(f"{name}.step=exit@{passing}", f"the {name} worker has ended") for name, passing in WORKERS.items())


@dataclass(slots=True)
class Manager:
    """What systemd hears of a service, and when."""

    sock: socket.socket
    heard: list[tuple[float, str]] = field(default_factory=list)

    def listen(self) -> None:
        while words := self.sock.recv(4096).decode():  # nothing: it was shut, and nobody asks any more
            self.heard.append((time.monotonic(), words))

    def acts_at(self) -> float:
        """When systemd would end the service: where it asks for that, else when no ping has come for long enough."""
        for at, words in self.heard:
            if "WATCHDOG=trigger" in words:
                return at
        return max((at for at, words in self.heard if "WATCHDOG=1" in words), default=float("inf")) + WATCHDOG_S

    def last_status(self) -> str:
        """What stands in the journal beside the end: the last STATUS= that was there when systemd acted."""
        until = self.acts_at()
        said = [line for at, words in self.heard if at <= until for line in words.splitlines() if line.startswith("STATUS=")]
        return said[-1].removeprefix("STATUS=") if said else ""


@contextmanager
def managed(folder: Path) -> Iterator[tuple[Manager, str]]:
    """A service manager's ear, and the address it has."""
    address = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(address)
        manager = Manager(sock)
        ear = threading.Thread(target=manager.listen, daemon=True)
        ear.start()
        yield manager, address
        sock.shutdown(socket.SHUT_RDWR)
        ear.join(5)


@dataclass(frozen=True, slots=True)
class Ended:
    """How one part's end went: seconds until somebody acted, or the process had left, and until the next run was ready; what was wrong."""

    acted_s: float
    back_s: float
    told: Told
    wrong: tuple[str, ...]


def hung(folder: Path, part: Part) -> Ended:
    """Hang it, do as systemd does, and start anew."""
    point = part.point.partition("=")[0]
    with Busy(folder) as busy, managed(folder) as (manager, address):
        busy.preload(VEHICLES)
        busy.write()
        service = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": f"{WATCHDOG_S * 1e6:.0f}", IN_SERVICE: "yes"}
        busy.gateway.start({**service, "INVOCATION_ID": "first", VARIABLE: part.point})
        busy.gateway.wait_for(lambda: busy.said(f"fail point {point}: hang") > 0)
        began = time.monotonic()
        busy.gateway.wait_for(lambda: time.monotonic() >= manager.acts_at(), 3 * WATCHDOG_S + 30)
        acted_s = manager.acts_at() - began
        wrong = [] if part.named in manager.last_status() else [f"{point}: the journal says {manager.last_status()!r}"]
        busy.gateway.process.send_signal(signal.SIGABRT)
        if busy.gateway.process.wait(10) != -signal.SIGABRT or busy.said(STACK) == 0:
            wrong.append(f"{point}: no stack of what hung")
        # The unit's ExecStopPost=.
        (busy.gateway.state / "result").write_text("watchdog first\n", "ascii")
        busy.start({**service, "INVOCATION_ID": "second"})
        back_s = time.monotonic() - began + RESTART_S
        return _ended(busy, (acted_s, back_s), "watchdog", wrong)


def dead(folder: Path, part: Part) -> Ended:
    """A worker that has ended takes the process with it, by itself: sent is what can be sent, and nothing else is waited for."""
    with Busy(folder) as busy:
        busy.preload(VEHICLES)
        busy.write()
        busy.gateway.start({VARIABLE: part.point, IN_SERVICE: "yes"})
        busy.gateway.wait_for(lambda: busy.said(f"fail point {part.point.partition('=')[0]}: exit") > 0)
        began = time.monotonic()
        code = busy.gateway.process.wait(30)
        left_s = time.monotonic() - began
        wrong = [] if code == 1 and busy.said(part.named) else [f"{part.point}: left with {code}"]
        busy.start()
        return _ended(busy, (left_s, time.monotonic() - began + RESTART_S), "crash", wrong)


def _ended(busy: Busy, seconds: tuple[float, float], reason: str, wrong: list[str]) -> Ended:
    """What the yard is told of it, and whether everything was told in the end."""
    try:
        busy.yard.wait_for(lambda seen: reason in [each.get("last_exit") for each in _online(seen)], 5)
    except AssertionError:
        wrong.append(f"the yard was told {[each['last_exit'] for each in _online(busy.yard.collect())]}, not {reason}")
    busy.emptied()
    return Ended(*seconds, busy.told(), tuple(wrong))


def borne(folder: Path, point: str) -> Ended:
    """A camera's process that hangs is started again, firmware that does not answer is let be: the parent goes on through both."""
    with Busy(folder) as busy, managed(folder) as (manager, address):
        busy.write(f"cam1\nstall_s = {STALL_S}")
        began = time.monotonic()
        busy.start({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": f"{WATCHDOG_S * 1e6:.0f}", IN_SERVICE: "yes", VARIABLE: point})
        busy.gateway.wait_for(lambda: busy.said("camera.frame: hang") > 0 and busy.said("power.step: hang") > 0)
        hung_at = time.monotonic()
        busy.gateway.wait_for(lambda: busy.said("cam1: camera is online") > 1)
        back_s = time.monotonic() - hung_at
        busy.gateway.wait_for(lambda: time.monotonic() > began + 2 * WATCHDOG_S)
        wrong = [] if manager.acts_at() > time.monotonic() else ["the watchdog would have acted for a camera or the firmware"]
        wrong += [] if busy.said("made no progress and is killed") else ["the camera's process was not killed for hanging"]
        # It hangs again by now: a stop would wait four seconds for it. With its parent it ends at once.
        busy.gateway.kill()
        busy.drain()
        return Ended(0.0, back_s, busy.told(), tuple(wrong))


def _online(messages: list[Received]) -> list[dict[str, str]]:
    told = [json.loads(each.payload) for each in messages if each.topic == f"{ROOT}/status"]
    return [each for each in told if each["state"] == "online"]


def fault(folder: Path, full: bool) -> Row:
    """Every part at the same time, each in an agent of its own; full: under systemd too, five times each, with the unit's own watchdog."""
    ends = _at_once(folder, [*(partial(hung, part=part) for part in PARTS), partial(borne, point=BORNE)])
    wrong = [sentence for each in ends for sentence in each.wrong]
    worst_s = max(each.back_s for each in ends)
    booted = watchdog.run(_folder(folder, "systemd"), 5) if full else watchdog.Watchdog()
    # Five starts at once take longer than one: that the way back is short enough too is for systemd to show.
    ok = max(each.acted_s for each in ends) <= WATCHDOG_S + TICK_S and worst_s <= WATCHDOG_S + 2 * GRACE_S
    ok = ok and not wrong and not booted.wrong and booted.worst_s <= watchdog.WATCHDOG_S + watchdog.GRACE_S
    return Row(
        fault="each worker, the main loop and a camera's process made to hang",
        times=f"{len(ends) + booted.hangs} hangs, {sum(each.told.committed for each in ends) + booted.committed} vehicles",
        lost=sum(each.told.lost for each in ends) + booted.lost,
        twice=sum(each.told.twice for each in ends) + booted.twice,
        worst_s=booted.worst_s if full else worst_s,
        ok=ok,
        note="; ".join((*wrong, *booted.wrong)) or f"WatchdogSec={watchdog.WATCHDOG_S if full else WATCHDOG_S:g}, each stuck worker named",
    )


def fault_of_the_dead(folder: Path, full: bool) -> Row:
    """A worker that has ended, again and again, while the rest of the process is well."""
    ends = [
        end
        for turn in range(10 if full else 1)
        for end in _at_once(_folder(folder, f"turn{turn}"), [partial(dead, part=each) for each in DEAD])
    ]
    wrong = [sentence for each in ends for sentence in each.wrong]
    left_s, worst_s = max(each.acted_s for each in ends), max(each.back_s for each in ends)
    return Row(
        fault="each worker made to end while the rest goes on",
        times=f"{len(ends)} ends, {sum(each.told.committed for each in ends)} vehicles",
        lost=sum(each.told.lost for each in ends),
        twice=sum(each.told.twice for each in ends),
        worst_s=worst_s,
        ok=not wrong and left_s <= GRACE_S and worst_s <= RESTART_S + 2 * GRACE_S,
        note="; ".join(wrong) or f"the process leaves with 1 within {left_s:.1f} s",
    )


def _at_once(folder: Path, ways: Sequence[Callable[[Path], Ended]]) -> list[Ended]:
    with ThreadPoolExecutor(len(ways)) as pool:
        return list(pool.map(lambda each: each[1](_folder(folder, f"agent{each[0]}")), enumerate(ways)))


def _folder(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made
