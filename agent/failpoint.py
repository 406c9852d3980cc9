"""Named places in the code where a test has the process killed, hung, slowed or failed; off unless the environment asks for it.

`VIN_AGENT_FAILPOINT="take.committed=kill@3; read.answered=hang"`: at the third passing, or at every one without a number. A name that
begins with `camera.` belongs to the cameras' processes, `camera.frame[north]` to that one's; every other one to the parent. Each process
counts its own passings.
"""

import logging
import os
import re
import signal
import sys
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Literal, NoReturn

from agent.errors import BadConfig, RetryLater

log = logging.getLogger(__name__)

VARIABLE, IN_SERVICE = "VIN_AGENT_FAILPOINT", "VIN_AGENT_FAILPOINT_IN_SERVICE"
CAMERA = "camera."
NAME = r"[a-z0-9_-]+"  # of one camera
# In the order in which a vehicle passes them; then those that no vehicle passes.
POINTS = (
    "camera.frame",  # a frame is about to be taken
    "camera.captured",  # a vehicle is whole, and nobody knows of it
    "camera.sent",  # it was handed to the parent, which has not acknowledged it
    "take.step",
    "take.heard",  # the parent has it in memory alone
    "take.committed",  # it is on the disk, and the camera does not know
    "take.acknowledged",
    "read.step",
    "read.booking",  # a paid call is about to be written down
    "read.booked",  # it is written down, and not made
    "read.answered",  # it was answered, and may be on the bill; the answer is in memory alone
    "read.noted",  # the answer is on the disk
    "read.finishing",  # the event is written, and not committed
    "read.finished",  # the event is on the disk
    "send.step",
    "send.publishing",  # an event is about to leave
    "send.published",  # it was handed to the connection
    "send.acknowledged",  # the broker has it, and the disk does not know
    "send.marked",  # the disk knows
    "power.step",
    "command.step",
    "supervisor.loop",
    "start.opened",  # the store is open, and nothing else
    "start.ready",  # the workers run, and systemd does not know
    "stop.begun",
    "stop.drained",  # the workers have ended, and nobody has written down that this end was in order
)

Kind = Literal["kill", "hang", "exit", "slow", "error"]
_KINDS: tuple[Kind, ...] = ("kill", "hang", "exit", "slow", "error")


@dataclass(slots=True)
class Deed:
    """What happens at a point: at its passing number `at`, or at every one where that is 0."""

    kind: Kind
    at: int = 0
    seconds: float = 0.0
    passings: int = 0

    def do(self, name: str) -> None:
        self.passings += 1
        if self.at not in (0, self.passings):
            return
        log.warning("fail point %s: %s at passing %d", name, self.kind, self.passings)
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.kind == "hang":
            _hang()
        elif self.kind == "exit":
            sys.exit(1)  # of this thread: a worker is dead then, and the rest goes on
        elif self.kind == "slow":
            time.sleep(self.seconds)
        else:
            raise RetryLater(f"fail point {name}")


def _hang() -> NoReturn:
    while True:
        time.sleep(3600)


_armed: dict[str, Deed] = {}


def passed(name: str) -> None:
    """To be called where a vehicle, or the process, passes a point of the list."""
    if _armed and (deed := _armed.get(name)):
        deed.do(name)


def arm(environ: MutableMapping[str, str] = os.environ, *, camera: str = "") -> None:
    """Take over what the environment asks of this process, the parent or that of `camera`; raises `BadConfig` where that makes no sense.

    A service never does: whatever puts the variable there must not be able to stop a gate. The tests of the service say so twice.
    """
    _armed.clear()
    asked = environ.get(VARIABLE, "")
    if not asked:
        return
    if environ.get("INVOCATION_ID") and not environ.get(IN_SERVICE):
        log.warning("%s is ignored: fail points are for tests, and this is a service", VARIABLE)
        del environ[VARIABLE]  # so that no camera's process takes it over
        return
    for whole, deed in parse(asked).items():
        name, _, only = whole.rstrip("]").partition("[")
        if name.startswith(CAMERA) == bool(camera) and only in ("", camera):
            _armed[name] = deed
    if not camera:
        log.warning("FAIL POINTS ARE ON, this is a test and no gate: %s", asked)


def parse(text: str) -> dict[str, Deed]:
    """The points and deeds of `NAME=DEED[@N]; …`; raises `BadConfig` in one sentence."""
    found: dict[str, Deed] = {}
    for each in filter(None, map(str.strip, text.split(";"))):
        name, _, deed = each.partition("=")
        if re.sub(rf"^({re.escape(CAMERA)}\w+)\[{NAME}\]$", r"\1", name) not in POINTS:
            raise BadConfig(f"{VARIABLE}: there is no fail point {name!r}; known: {', '.join(POINTS)}")
        if name in found:
            raise BadConfig(f"{VARIABLE}: {name} is named twice")
        found[name] = _deed(deed, each)
    return found


def _deed(text: str, whole: str) -> Deed:
    word, _, at = text.partition("@")
    name, _, seconds = word.partition(":")
    kind = next((kind for kind in _KINDS if kind == name), None)
    try:
        if kind is None or bool(seconds) != (kind == "slow") or ("@" in text and int(at) < 1):
            raise ValueError
        return Deed(kind, int(at or 0), float(seconds or 0))
    except ValueError:
        raise BadConfig(f"{VARIABLE}: {whole!r} is none of kill, hang, exit, error or slow:SECONDS, with @N for the N-th passing") from None
