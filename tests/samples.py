"""Records of one vehicle for tests that only care that there is one."""

import base64
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from agent.domain import Box, Candidate, Capture, Decision, EncodedImage, Event, Quality, Reading, Stamp, Vin
from agent.events import Facts, final

FACTS = Facts(site="hamburg", agent="gate-3-pi", version="1.4.0", config="9f3ab2")
TAKEN = Stamp(1_773_468_729_482, 88_123_441, "7b0c1c1e-0000-4000-8000-000000000001", "synced")
NOW = replace(TAKEN, utc_ms=TAKEN.utc_ms + 1538, monotonic_ms=TAKEN.monotonic_ms + 1538)
READ_ID = "01J8Z6Q4N7T0V9K3M2R5X8B1CD"
HONDA = Vin("1HGCM82633A004352", "pass", "3", True, "North America", "United States", "Honda", (2003,))

IMAGE = EncodedImage(READ_ID, 1, TAKEN, b"\xff\xd8 a picture", 612, 96, Box(10, 10, 590, 58), Quality(212.44444, (612, 58), 0.03, 2.0))
CAPTURE = Capture(READ_ID, "cam1", "north-in", "1", "in", "motion", TAKEN, 14, (IMAGE,))
READINGS = (
    Reading("1HGCM82633A0043S2", None, "huawei", 2, None, 512),
    Reading("1HGCM82633A004352", (0.99,) * 17, "tencent", 1, "req-77", 640),
)
ACCEPTED = Decision(
    "accepted", HONDA, None, 0.97, (0.99,) * 17, "1HGCM82633A004352",
    (Candidate("1HGCM82633A004352", 0.97, 4), Candidate("1HGCM82633A0043S2", 0.41, 1)), 4,
)  # fmt: skip
UNREAD = Decision("unread", None, "glare", 0.0, (), "1HG M8", (), 0)


def capture(read_id: str, gate: str = "north-in") -> Capture:
    """A vehicle of its own, alike in all but its id and gate."""
    return replace(CAPTURE, read_id=read_id, gate=gate, images=(replace(IMAGE, read_id=read_id),))


def noise(size: int) -> str:
    """A text that takes so many bytes in a row of the store: nothing in it repeats itself."""
    return base64.b85encode(random.Random(size).randbytes(size)).decode("ascii")  # no secret


def event(count: int, gate: str = "north-in", decision: Decision = ACCEPTED) -> Event:
    """The final event of one of many vehicles."""
    return final(capture(f"{READ_ID[:20]}{count:06d}", gate), decision, READINGS, facts=FACTS, now=NOW)


@dataclass(frozen=True, slots=True)
class Row:
    """An unsent event as the outbox hands it out."""

    sequence: int
    event: Event
    put_ms: int
    attempts: int = 0


@dataclass(slots=True)
class MemoryOutbox:
    """An outbox without a disk, for tests of the sending alone; `commits` counts how often rows were marked."""

    rows: dict[int, Row] = field(default_factory=dict)
    again: dict[int, Row] = field(default_factory=dict)
    newest: int = 0
    commits: int = 0
    tries: Counter[int] = field(default_factory=Counter)

    def put(self, event: Event) -> int:
        self.newest += 1
        self.rows[self.newest] = Row(self.newest, event, NOW.utc_ms)
        return self.newest

    def next(self, limit: int, after: int = 0, exclude: Collection[int] = ()) -> list[Row]:
        return self._found(self.rows, limit, after, exclude)

    def replays(self, limit: int, after: int = 0, exclude: Collection[int] = ()) -> list[Row]:
        return self._found(self.again, limit, after, exclude)

    def _found(self, rows: dict[int, Row], limit: int, after: int, exclude: Collection[int]) -> list[Row]:
        found = []
        for row in rows.values():
            if row.sequence > after and row.sequence not in exclude:
                found.append(replace(row, attempts=self.tries[row.sequence]))
                if len(found) >= limit:
                    break
        return found

    def tried(self, sequences: Sequence[int]) -> None:
        self.tries.update(sequences)

    def sent(self, sequences: Sequence[int], now_ms: int) -> None:
        self.commits += 1
        for sequence in sequences:
            (self.rows if sequence in self.rows else self.again).pop(sequence)

    def last_sequence(self) -> int:
        return self.newest
