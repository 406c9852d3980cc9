"""When each VIN was last seen at each gate: so that one that rolls to and fro is one arrival, and one that returns says so."""

from dataclasses import asdict, dataclass
from typing import Any

from agent.domain import Before, Capture, Stamp
from agent.table import Table


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Gate and VIN → the arrival told last, in a table of the store."""

    table: Table

    def before(self, capture: Capture, vin: str) -> Before | None:
        known = self.table.get(_key(capture, vin))
        if known is None or known["read_id"] == capture.read_id:
            return None
        ago_s = capture.taken_at.apart_s(Stamp(**known["seen_at"]))
        return Before(known["read_id"], ago_s, known["accepted"], known["way"] == _way(capture))

    def note(self, capture: Capture, vin: str, read_id: str, *, accepted: bool, now_ms: int) -> None:
        """The VIN was seen in this capture; `read_id` is that of the event that tells of it."""
        value: dict[str, Any] = {"read_id": read_id, "seen_at": asdict(capture.taken_at), "accepted": accepted, "way": _way(capture)}
        self.table[_key(capture, vin)] = {**value, "put_ms": now_ms}


def _key(capture: Capture, vin: str) -> str:
    return f"{capture.gate}/{vin}"


def _way(capture: Capture) -> list[str]:
    return [capture.lane or "", capture.direction or ""]
