"""The records a vehicle is made of, in the order they travel: frame, plate, picture, capture, reading, VIN, decision, event.

Pixels are `uint8` arrays, (height, width, 3) in BGR order or (height, width) in grey. Times end in `_ms` and are integers.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Trust = Literal["synced", "coarse", "unknown"]
Outcome = Literal["accepted", "needs_review", "unread"]
CheckDigit = Literal["pass", "fail", "not_applicable"]
Reason = Literal[
    "no_plate", "too_small", "blurred", "glare", "dark", "occluded",
    "provider_down", "budget", "check_digit", "disagreement",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something happened: wall time, how far to believe it, and the monotonic time that outlives a corrected clock."""

    utc_ms: int
    monotonic_ms: int
    boot_id: str
    trust: Trust

    @property
    def seconds(self) -> float:
        """Monotonic seconds: what deadlines and gaps are measured in."""
        return self.monotonic_ms / 1000


# eq=False: comparing pixels is never what a caller means by `==`.
@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a camera, with the time its light was taken."""

    pixels: Pixels
    taken_at: Stamp
    exposure_ms: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; x and y are its top left corner before any turning."""

    x: float
    y: float
    width: float
    height: float

    @property
    def center(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    def grown(self, across: float, up: float) -> "Box":
        """The same box with `across` pixels more on the left and right, `up` more above and below."""
        return Box(self.x - across, self.y - up, self.width + 2 * across, self.height + 2 * up)

    def corners(self, angle: float = 0.0) -> tuple[tuple[float, float], ...]:
        """Top left, top right, bottom right, bottom left after turning the box by `angle` degrees clockwise about its centre."""
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        (cx, cy), w, h = self.center, self.width / 2, self.height / 2
        return tuple((cx + dx * cos - dy * sin, cy + dx * sin + dy * cos) for dx, dy in ((-w, -h), (w, -h), (w, h), (-w, h)))


@dataclass(frozen=True, slots=True)
class Plate:
    """A line of text that may be a VIN: `box` is the line itself, tight, turned by `angle` degrees clockwise about its centre.

    `score` ranks the plates of one frame; `sharpness` ranks the same plate over frames. Both are greater for better.
    """

    box: Box
    angle: float
    score: float
    sharpness: float

    def corners(self) -> tuple[tuple[float, float], ...]:
        return self.box.corners(self.angle)


@dataclass(frozen=True, slots=True)
class Quality:
    """What is known about how good a picture is; `plate_px` is the width and height of the text line in the frame."""

    sharpness: float
    plate_px: tuple[int, int]
    glare: float
    exposure_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a provider takes: both sides in pixels, and bytes of the picture as it is counted there (raw, or after base64).

    The defaults hold for every known provider: sides 15 to 4096 px, 7 MB after base64, a JPEG. A provider may be stricter.
    """

    min_side: int = 15
    max_side: int = 4096
    max_bytes: int = 7_000_000
    counted: Literal["raw", "base64"] = "base64"

    def tightened(self, other: "Bounds") -> "Bounds":
        """Bounds that satisfy both: what a picture must meet when either provider may have to read it."""
        room = min(self.raw_bytes, other.raw_bytes)
        return Bounds(max(self.min_side, other.min_side), min(self.max_side, other.max_side), room, "raw")

    @property
    def raw_bytes(self) -> int:
        """The most bytes a file may have: base64 turns every three, or the rest of three, into four (RFC 4648)."""
        return self.max_bytes if self.counted == "raw" else self.max_bytes // 4 * 3


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """A picture of a plate, upright, fitted to a provider's bounds; `line` is where the text line lies in it, in its own pixels."""

    read_id: str
    number: int
    taken_at: Stamp
    jpeg: bytes
    width: int
    height: int
    line: Box
    quality: Quality


@dataclass(frozen=True, slots=True)
class Capture:
    """One vehicle's pass over a gate, best picture first: what the spool holds and every event is about."""

    read_id: str
    camera: str
    gate: str
    lane: str | None
    direction: str | None
    trigger: str
    taken_at: Stamp
    frames_seen: int
    images: tuple[EncodedImage, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a provider saw in one picture: raw text, and where it tells, one confidence in 0…1 per character of that text."""

    text: str
    confidence: tuple[float, ...] | None
    provider: str
    image: int
    request_id: str | None
    latency_ms: int


@dataclass(frozen=True, slots=True)
class Vin:
    """Seventeen characters that follow ISO 3779, and what they say."""

    value: str
    check_digit: CheckDigit
    expected_check_digit: str
    wmi_known: bool
    region: str
    country: str
    manufacturer: str
    years: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A VIN that some reading supports, with its share of the vote and the number of readings behind it."""

    vin: str
    score: float
    votes: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What the readings of one pass add up to; `vin` is None exactly when the outcome is `unread`."""

    outcome: Outcome
    vin: Vin | None
    reason: Reason | None
    confidence: float
    char_confidence: tuple[float, ...]
    raw: str
    candidates: tuple[Candidate, ...]
    agreeing: int


@dataclass(frozen=True, slots=True)
class Event:
    """A message that must reach the yard: `id` never changes, `topic` is relative to the agent's own, `payload` is JSON."""

    id: str
    topic: str
    payload: dict[str, Any]


def rfc3339(utc_ms: int) -> str:
    """`2026-03-14T06:12:09.482Z` (RFC 3339, UTC, milliseconds)."""
    seconds, millis = divmod(utc_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"
