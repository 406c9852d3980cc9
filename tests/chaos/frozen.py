"""A broker that hangs, and a cable that is pulled: nobody says a word, and still the agent finds out and loses nothing."""

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from agent import config
from tests.broker import Broker, Rules, Subscriber
from tests.chaos.row import Row
from tests.sender import Sender, mqtt, numbered
from tests.tcp_faults import Proxy

VEHICLES = 30  # while nobody listens
SHORT_S, FULL_S = 2, 15  # the keepalive


@dataclass(frozen=True, slots=True)
class Told:
    """Seconds until the silence was noticed, until everything was told after it had ended, and what became of the vehicles."""

    noticed_s: float
    well_s: float
    lost: int
    twice: int


def hung(folder: Path, keepalive_s: int) -> Told:
    with Broker(folder / "broker", Rules(persistence=True)) as broker:
        return _silenced(folder, broker.port, broker.port, keepalive_s, broker.freeze, broker.thaw)


def unplugged(folder: Path, keepalive_s: int) -> Told:
    """Between agent and broker, every packet is dropped; both keep their connection."""
    with Broker(folder / "broker") as broker, Proxy(broker.port) as cable:

        def pull() -> None:
            cable.mode = "drop"

        def plug() -> None:
            cable.mode = "pass"

        return _silenced(folder, broker.port, cable.port, keepalive_s, pull, plug)


def _silenced(
    folder: Path, yard_port: int, agent_port: int, keepalive_s: int, silence: Callable[[], None], end: Callable[[], None]
) -> Told:
    settings = mqtt(agent_port, keepalive_s=keepalive_s, replay_per_s=100.0)
    with Subscriber(yard_port, "#", session=True) as yard, Sender(folder / "state", settings) as sender:
        sender.put(numbered(0))
        yard.wait_count(1, "/vin")
        silence()
        for number in range(1, VEHICLES):
            sender.put(numbered(number))
        noticed_s = sender.wait_for(lambda: sender.trouble, 3 * keepalive_s + 30)
        end()
        ended = time.monotonic()
        wanted = {numbered(number).id for number in range(VEHICLES)}
        sender.wait_for(lambda: not len(sender.store.outbox), 60)
        well_s = time.monotonic() - ended
        yard.wait_for(lambda seen: wanted <= {each.properties.get("id") for each in seen}, 30)
        copies = Counter(json.loads(each.payload)["id"] for each in yard.collect("/vin"))
    return Told(noticed_s, well_s, len(wanted - set(copies)), copies.total() - len(copies))


def fault(folder: Path, full: bool) -> Row:
    """Both at once: most of it is waiting."""
    keepalive_s = FULL_S if full else SHORT_S
    with ThreadPoolExecutor() as both:
        runs = [both.submit(each, folder / each.__name__, keepalive_s) for each in (hung, unplugged)]
        told = [run.result() for run in runs]
    noticed_s = max(each.noticed_s for each in told)
    return Row(
        fault="broker frozen, and the connection to it half open",
        times=f"once each, keepalive {keepalive_s} s",
        lost=sum(each.lost for each in told),
        twice=sum(each.twice for each in told),
        worst_s=max(each.well_s for each in told),
        note=f"noticed within {noticed_s:.0f} s",
        ok=noticed_s <= 2 * keepalive_s + 5 and max(each.twice for each in told) <= config.Mqtt().inflight,
    )
