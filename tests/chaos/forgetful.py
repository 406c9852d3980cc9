"""A broker that dies and comes back with nothing it knew: what it should keep is told again, and no event twice."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.broker import Broker, Received, Rules, Subscriber
from tests.chaos.row import Row
from tests.gateway import Gateway

ROOT = "vinagent/v1/demo/gateway"
LEVELS = ("status", "info", "health", "camera/cam1/status", "camera/cam1/alarm", "gate/north-in/last")
KEPT = {"homeassistant/device/gateway/config", *(f"{ROOT}/{level}" for level in LEVELS)}
EVENTS = {f"{ROOT}/gate/north-in/{level}" for level in ("vin", "unread")}
ALLOWED_S = 10.0
# Seconds without a broker: whatever the wait between two tries has grown to, it must be found in time.
SHORT, FULL = (0.5,), (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0, 120.0)


def fault(folder: Path, full: bool) -> Row:
    """Its store is deleted as well, so that neither messages nor sessions are left."""
    away_s, vehicles = FULL if full else SHORT, 3 if full else 1
    with Broker(folder / "broker", Rules(persistence=True)) as broker:
        gateway = Gateway(folder, broker.port, vehicles=vehicles)
        gateway.configure(lambda text: text.replace("[mqtt]", '[mqtt]\ndiscovery = "homeassistant"'))
        with gateway, Subscriber(broker.port) as yard:
            yard.wait_for(lambda seen: len(events(seen)) == vehicles and topics(seen) >= KEPT, 60)
            gateway.wait_for(lambda: len(gateway.stored("sent")) == vehicles)
            told, back_s = events(yard.collect()), [forgotten(broker, each) for each in away_s]
            copies = events(yard.collect())
            lost = set(gateway.stored("sent")) - set(told)
    return Row(
        fault="broker killed, its store deleted, started again",
        times=f"{len(away_s)} times, away for up to {max(away_s):.0f} s" if full else "once",
        lost=len(lost),
        twice=copies.total() - len(copies),
        worst_s=max(back_s),
        note="well is when all state and what Home Assistant shows are back",
        ok=max(back_s) <= ALLOWED_S and copies == told,
    )


def forgotten(broker: Broker, seconds: float) -> float:
    """The seconds from the broker's return until it has everything again, as one who asks it then is told."""
    broker.kill()
    (broker.folder / "mosquitto.db").unlink(missing_ok=True)
    time.sleep(seconds)
    broker.start()
    began = time.monotonic()
    with Subscriber(broker.port) as late:
        late.wait_for(lambda seen: topics(seen) >= KEPT, 3 * ALLOWED_S)
    return time.monotonic() - began


def topics(seen: Sequence[Received]) -> set[str]:
    return {each.topic for each in seen if each.payload}


def events(seen: Sequence[Received]) -> Counter[str]:
    """How often each event came."""
    return Counter(str(json.loads(each.payload)["id"]) for each in seen if each.topic in EVENTS)
