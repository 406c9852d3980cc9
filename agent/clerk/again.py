"""Once more: vehicles whose wait ends now, and events that were sent and are sent again."""

from agent import config
from agent.clerk.desk import changing
from agent.clerk.items import of_vehicle
from agent.clock import Clock
from agent.errors import NeedsOperator
from agent.queues import Outbox
from agent.spans import Moment, age_told

# 0 and 1 are no waits: the first is due, the second came with a reading and goes before those.
_END = "UPDATE spool SET next_ms = 0 WHERE next_ms > 1"


def retry(settings: config.Settings, read_id: str) -> str:
    """Ends the wait of one vehicle, or of all where `read_id` is empty; a running agent sees that at its next look. What was done."""
    with changing(settings) as db:
        if not read_id:
            count = db.execute(_END)
            return f"{count} vehicles need not wait any longer" if count else "no vehicle waits for its time; all that are here are due"
        if db.execute(f"{_END} AND key = ?", (read_id,)):
            return f"{read_id} need not wait any longer"
        found = of_vehicle(db, read_id)
    if not found:
        raise NeedsOperator(f"the store knows no {read_id}; `vin-agent queue list --sent` names those it knows")
    words = {
        "spool": "is due already",
        "outbox": "is read and waits for the broker alone",
        "sent": "was sent; `vin-agent replay` sends it again",
    }
    return f"{read_id} {words[found[0].table]}"


def replay(settings: config.Settings, since: Moment, until: Moment, *, gate: str, vin: str) -> str:
    """Has events that were sent go out once more, by the running agent or the next one. What was done."""
    now_ms = Clock().now().utc_ms
    with changing(settings) as db:
        count = Outbox(db).replay(since.utc_ms(now_ms), until.utc_ms(now_ms), now_ms, gate=gate, vin=vin.upper())
        waiting = db.number("SELECT count(*) FROM replays")
    if not count:
        return "nothing new to send again: no event that is kept fits, or all that do are asked for already"
    rate = settings.mqtt.replay_per_s
    takes = f", which takes about {age_told(round(waiting / rate * 1000))} at {rate:g} a second" if rate else ""
    return f"{count} events are sent again after what waits{takes}; the same ids, marked replay"
