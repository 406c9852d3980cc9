"""The records a vehicle is made of, in the order they travel: frame, plate, picture, capture, reading, VIN, decision, event.

Pixels are `uint8` arrays, (height, width, 3) in BGR order or (height, width) in grey. Times end in `_ms` and are integers.
"""

import math
from collections.abc import Callable
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
AlarmName = Literal["black", "white", "dark", "frozen", "covered", "blurred", "moved"]
ALARMS: tuple[AlarmName, ...] = ("black", "white", "dark", "frozen", "covered", "blurred", "moved")


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

    def apart_s(self, other: "Stamp") -> float | None:
        """Seconds between the two, over a restart by the wall clock; None where that was not right for one of them."""
        if self.boot_id == other.boot_id:
            return abs(self.monotonic_ms - other.monotonic_ms) / 1000
        return None if "unknown" in (self.trust, other.trust) else abs(self.utc_ms - other.utc_ms) / 1000


# eq=False: comparing pixels is never what a caller means by `==`.
@dataclass(frozen=True, slots=True, eq=False)
class Unmade:
    """Pixels that are made when somebody asks for them: width and height, and how, which may be asked more than once."""

    width: int
    height: int
    make: Callable[[], Pixels]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a camera, with the time its light was taken, and what the camera tells of how it was.

    `grey` is the same view in grey, (height, width), of any smaller size or the same, where a camera makes one beside the picture.
    `lens_position` is in dioptres, 0 for far away.
    """

    picture: Pixels | Unmade
    taken_at: Stamp
    exposure_ms: float | None = None
    gain: float | None = None
    lens_position: float | None = None
    grey: Pixels | None = None

    @property
    def pixels(self) -> Pixels:
        """The picture itself; one that is still unmade can be had until the camera is asked for its next frame."""
        return self.picture.make() if isinstance(self.picture, Unmade) else self.picture

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        if isinstance(self.picture, Unmade):
            return self.picture.width, self.picture.height
        return self.picture.shape[1], self.picture.shape[0]


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that may be wrong with a camera's picture; `since_ms` is when it last began, or ended, None before the first time."""

    name: AlarmName
    on: bool
    since_ms: int | None = None


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

    `score` ranks the plates of one frame; `sharpness` ranks the same plate over frames. Both are greater for better. `taper` is how
    much higher the line is at its end than at its beginning, in its mean height: seen from aside, one of them is nearer.
    """

    box: Box
    angle: float
    score: float
    sharpness: float
    taper: float = 0.0

    def corners(self) -> tuple[tuple[float, float], ...]:
        return self.box.corners(self.angle)


@dataclass(frozen=True, slots=True)
class Quality:
    """What is known about how good a picture is; `plate_px` is the width and height of the text line in the frame.

    `contrast` and `light` are grey levels of the line, from its darkest to its lightest and its lightest, where somebody measured
    them; `cut_off` where it ends at the edge of the frame. `gain` is how many times the sensor amplified the light,
    `lens_position` the focus in dioptres, both where the camera tells.
    """

    sharpness: float
    plate_px: tuple[int, int]
    glare: float
    exposure_ms: float | None = None
    gain: float | None = None
    lens_position: float | None = None
    contrast: float | None = None
    light: float | None = None
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """A picture of a plate, upright, fitted to a provider's bounds; `line` is where the text line lies in it, in its own pixels.

    Pictures of one vehicle with the same `still`, where it is not None, show the same view: the vehicle stood.
    """

    read_id: str
    number: int
    taken_at: Stamp
    jpeg: bytes
    width: int
    height: int
    line: Box
    quality: Quality
    still: int | None = None


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
    """What a provider saw in one picture: raw text, and where it tells, one confidence in 0…1 per character of that text.

    `fields` is what else stood in a document and may be told: (name, text) of those fields the operator named, and no other.
    """

    text: str
    confidence: tuple[float, ...] | None
    provider: str
    image: int
    request_id: str | None
    latency_ms: int
    fields: tuple[tuple[str, str], ...] = ()


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
class Before:
    """The pass of the same VIN before this one: the event that told of it, and how many seconds ago it was seen, where clocks tell."""

    read_id: str
    ago_s: float | None
    accepted: bool
    same_way: bool  # in the same lane and direction

    def is_this(self, decision: Decision, again_s: float) -> bool:
        """Whether this pass belongs to that arrival: read beyond doubt both times, or it may be the vehicle that comes next."""
        near = self.ago_s is not None and self.ago_s <= again_s
        return near and again_s > 0 and self.same_way and self.accepted and decision.outcome == "accepted"


@dataclass(frozen=True, slots=True)
class Event:
    """A message that must reach the yard: `id` never changes, `topic` is relative to the agent's own, `payload` is JSON."""

    id: str
    topic: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """An event about a vehicle that was told while nobody vouched for the clock: whose, at which gate, and the stamp it had."""

    read_id: str
    gate: str
    stamp: Stamp


def rfc3339(utc_ms: int) -> str:
    """`2026-03-14T06:12:09.482Z` (RFC 3339, UTC, milliseconds)."""
    seconds, millis = divmod(utc_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"
