"""What a camera's process and its parent say to each other over their pipe."""

from dataclasses import dataclass, field
from typing import Any

from agent import config
from agent.bounds import Bounds
from agent.domain import Alarm, Capture, Reading

COMMAND = "command"  # the trigger of a vehicle that somebody asked for


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a camera's process needs to know; it crosses the process boundary once."""

    camera: config.Camera
    vision: config.Vision
    bounds: Bounds
    log_level: str
    alarm: config.Alarm = field(default_factory=config.Alarm)


@dataclass(frozen=True, slots=True)
class Progress:
    """The child looked at frames: its only sign of life. `age_s` is that of the newest frame when this was said, `good_age_s` that of
    the newest one in which a plate could have been read, None before the first.
    """

    frames: int
    looked: int
    fps: float
    age_s: float
    sharpness: float | None
    view: str
    unacknowledged: int
    good_age_s: float | None = None
    alarms: tuple[Alarm, ...] = ()
    repeats: int = 0  # passes that turned out to be what stands there and was told of


@dataclass(frozen=True, slots=True)
class Captured:
    """A vehicle to be spooled, with what its barcodes say; said again until its read_id comes back as an `Ack`."""

    capture: Capture
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class Stands:
    """A plate that was told of and stands in view, as the next process of this camera has to know it; None where it has gone."""

    name: str
    kept: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The child leaves by itself: with the trouble that made it, or none where the camera has no more frames."""

    trouble: str | None
    operator: bool = False


@dataclass(frozen=True, slots=True)
class Ack:
    """The parent has committed this capture; the child may forget it."""

    read_id: str


@dataclass(frozen=True, slots=True)
class Rate:
    """The most frames in a second from now on: fewer than the camera's own while the processor is too hot."""

    fps: float


@dataclass(frozen=True, slots=True)
class Level:
    """How much the camera's process logs from now on."""

    name: str


@dataclass(frozen=True, slots=True)
class Look:
    """What is in view now is to be committed, told of or not; `token` comes back in the answer."""

    token: str


@dataclass(frozen=True, slots=True)
class Looked:
    """The vehicle that was committed for a `Look`, said before this; or why there was none."""

    token: str
    read_id: str | None
    why: str = ""


Kept = tuple[tuple[str, dict[str, Any]], ...]  # what was told as `Stands` by the process before
FromChild = Progress | Captured | Stands | Looked | Ended
FromParent = Ack | Rate | Level | Look
