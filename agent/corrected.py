"""The event that puts another one's time right: under an id of its own, for the other is known and would be dropped as a copy."""

from datetime import datetime

from agent.domain import Event, Stamp, Told, rfc3339
from agent.events import CORRECTED, READ, SCHEMAS, UNREAD, Facts, agent, clock
from agent.topics import level


def told(event: Event) -> Told | None:
    """What has to be known to correct this event some day; None where its time is believed already, or it is about no vehicle."""
    data, taken = event.payload["data"], event.payload["data"].get("clock", {})
    if event.payload["type"] not in (READ, UNREAD) or taken["trust"] == "synced":
        return None
    utc_ms = round(datetime.fromisoformat(event.payload["time"]).timestamp() * 1000)
    return Told(event.id, data["gate"], Stamp(utc_ms, taken["monotonic_ms"], taken["boot_id"], taken["trust"]))


def corrected(wrong: Told, right: Stamp, *, facts: Facts, now: Stamp) -> Event:
    """When the vehicle of `wrong` was really seen, for whoever has the event already."""
    payload = {
        "specversion": "1.0",
        "id": f"{wrong.read_id}-c1",
        "source": facts.source,
        "type": CORRECTED,
        "time": rfc3339(right.utc_ms),
        "datacontenttype": "application/json",
        "dataschema": SCHEMAS["corrected"],
        "recordedtime": rfc3339(now.utc_ms),
        "data": {
            "read_id": wrong.read_id,
            "phase": "corrected",
            "corrects": {"id": wrong.read_id, "time": rfc3339(wrong.stamp.utc_ms), "trust": wrong.stamp.trust},
            "gate": wrong.gate,
            "clock": clock(right, right.utc_ms - wrong.stamp.utc_ms),
            "agent": agent(facts),
        },
    }
    return Event(f"{wrong.read_id}-c1", f"gate/{level('gate', wrong.gate)}/corrected", payload)
