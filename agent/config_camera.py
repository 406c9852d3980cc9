"""A `[[camera]]` section: which camera it is, where it stands, and how it is opened."""

from dataclasses import dataclass, field

from agent.config_network import Stream, V4l2
from agent.config_picamera import PiCamera
from agent.settings import Secret, number, one_of, pattern, text

NAME = r"[a-z0-9][a-z0-9_-]{0,62}"
NAME_WORDS = "lower case letters, digits, - and _, at most 63"


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    name: str = pattern("cam1", NAME, NAME_WORDS)
    gate: str = pattern("gate", NAME, NAME_WORDS)
    lane: str = text("")
    direction: str = one_of("", "", "in", "out")
    driver: str = one_of("picamera2", "picamera2", "opencv", "snapshot", "replay")
    source: str = text("0")
    user: Secret = field(default=Secret(""))
    password: Secret = field(default=Secret(""))
    width: int = number(1920, 64, 8192)
    height: int = number(1080, 64, 8192)
    fps: float = number(8.0, 0.01, 120)
    open_timeout_s: float = number(4.0, 0.5, 60)
    read_timeout_s: float = number(4.0, 0.5, 60)
    loop: bool = False
    vehicles: int = number(3, 0, 1_000_000)
    seed: int = number(1, 0, 2**31)
    stall_s: float = number(10.0, 1, 600)
    start_s: float = number(30.0, 1, 600)
    picamera2: PiCamera = field(default_factory=PiCamera)
    v4l2: V4l2 = field(default_factory=V4l2)
    stream: Stream = field(default_factory=Stream)
