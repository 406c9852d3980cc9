"""No broker at the start, for an hour, for three days: everything waits on the disk, and is told in order, past what is live."""

import json
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from agent import config
from agent.clock import Clock
from tests.broker import Broker, Rules, Subscriber
from tests.chaos.row import Row
from tests.samples import capture
from tests.sender import Sender, mqtt, numbered

TRIM_S = 600.0  # the agent tidies every half minute; every ten minutes decide no differently
LIVE = 1_000_000  # numbers from here on are told while the backlog is


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """So many hours without a broker and vehicles in them, each with a picture of so many bytes; the store's cap, and the replay's rate."""

    hours: int
    vehicles: int
    picture: int
    cap_mb: int
    per_s: float


SHORT = (Outage(hours=72, vehicles=80, picture=60_000, cap_mb=4, per_s=30.0),)
FULL = (
    Outage(hours=1, vehicles=140, picture=30_000, cap_mb=256, per_s=10.0),
    Outage(hours=72, vehicles=10_000, picture=30_000, cap_mb=256, per_s=100.0),  # 300 MB: pictures have to go, events must not
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What reached the yard, and when. `per_s` is how much of the backlog came in a second from the broker's return on, `busiest` the most
    in any second: the limit saves up what was not sent, for a second at most. `first_s` counts from the return to the first of it.
    """

    lost: int
    twice: int
    first_s: float
    per_s: float
    busiest: int
    live: int
    slowest_live_s: float
    in_order: bool

    def within(self, outage: Outage) -> bool:
        kept = self.per_s <= outage.per_s and self.busiest <= 2 * outage.per_s + 1
        return self.in_order and not self.twice and self.live > 0 and self.slowest_live_s <= 5.0 and kept


class Hurried(Clock):
    """A device whose time is moved on by hand, by both its clocks; it runs like any other in between."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        super().__init__(synced=lambda: True)

    def _both(self) -> tuple[int, int]:
        utc_ms, monotonic_ms = super()._both()
        return utc_ms + round(self.ahead_s * 1000), monotonic_ms + round(self.ahead_s * 1000)


def endured(folder: Path, outage: Outage) -> Told:
    """The agent starts without a broker, which comes back at the end; live vehicles come until the backlog is told."""
    clock, kept = Hurried(), config.Store(free_mb=1, max_mb=outage.cap_mb)
    with (
        Broker(folder / "broker", Rules(persistence=True)) as broker,
        Subscriber(broker.port, "vinagent/v1/hamburg/gate-3-pi/gate/+/vin", session=True) as yard,
    ):
        broker.stop()
        with Sender(folder / "state", mqtt(broker.port, replay_per_s=outage.per_s), clock, kept) as sender:
            sender.wait_for(lambda: "no connection" in sender.trouble)
            _pass(sender, clock, outage)
            broker.start()
            back_at = time.monotonic()
            put = _live(sender, yard, outage)
            sender.wait_for(lambda: not len(sender.store.outbox), 30)
        yard.wait_for(lambda seen: len({each.properties["id"] for each in seen}) >= outage.vehicles + len(put), 30)
        return _told(yard, outage, put, back_at)


def _pass(sender: Sender, clock: Hurried, outage: Outage) -> None:
    """Vehicles come at even distances, are read and wait; the store is tidied as time goes on."""
    began_s = clock.ahead_s
    for number in range(outage.vehicles):
        due_s = began_s + outage.hours * 3600 * (number + 1) / outage.vehicles
        while clock.ahead_s < due_s:
            clock.ahead_s = min(due_s, clock.ahead_s + TRIM_S)
            sender.store.trim(clock.now().utc_ms)
        event, now_ms = numbered(number), clock.now().utc_ms
        seen = capture(event.id)
        sender.store.spool.put(replace(seen, images=(replace(seen.images[0], jpeg=bytes(outage.picture)),)), now_ms)
        with sender.store.transaction():
            sender.store.outbox.put(event, now_ms)
            sender.store.spool.done(event.id)


def _live(sender: Sender, yard: Subscriber, outage: Outage) -> dict[str, float]:
    """A vehicle every half second as long as the backlog lasts: id → when it was committed."""
    put: dict[str, float] = {}
    sender.wait_for(lambda: len(yard.collect("/vin")) > 1, 20)
    while len(sender.store.outbox) > outage.per_s / 2 and len(put) < 10_000:
        event = numbered(LIVE + len(put))
        sender.put(event)
        put[event.id] = time.monotonic()
        time.sleep(0.5)
    return put


def _told(yard: Subscriber, outage: Outage, put: dict[str, float], back_at: float) -> Told:
    events = [(json.loads(each.payload), each.at) for each in yard.collect("/vin")]
    backlog = [(event, at) for event, at in events if event["id"] not in put]
    sequences = [int(event["sequence"]) for event, _ in backlog]
    marked = all(event["data"]["delivery"]["replay"] == (event["id"] not in put) for event, _ in events)
    gapless = sorted({int(event["sequence"]) for event, _ in events}) == list(range(1, outage.vehicles + len(put) + 1))
    copies = Counter(event["id"] for event, _ in events)
    wanted = {numbered(number).id for number in range(outage.vehicles)} | set(put)
    arrived = [at for _, at in backlog]
    return Told(
        lost=len(wanted - set(copies)),
        twice=copies.total() - len(copies),
        first_s=arrived[0] - back_at,
        per_s=len(arrived) / (arrived[-1] - back_at),
        busiest=max(bisect_left(arrived, at + 1.0) - place for place, at in enumerate(arrived)),
        live=len(put),
        slowest_live_s=max(at - put[event["id"]] for event, at in events if event["id"] in put),
        in_order=marked and gapless and sequences == sorted(sequences),
    )


def fault(folder: Path, full: bool) -> Row:
    """The clock of each outage is hurried; everything else is as it would be."""
    outages = FULL if full else SHORT
    told = [endured(folder / str(place), outage) for place, outage in enumerate(outages)]
    slowest, live = max(each.slowest_live_s for each in told), sum(each.live for each in told)
    return Row(
        fault="no broker, from the start on",
        times=" and ".join(f"{outage.hours} h with {outage.vehicles} vehicles" for outage in outages),
        lost=sum(each.lost for each in told),
        twice=sum(each.twice for each in told),
        worst_s=max(each.first_s for each in told),
        note=f"{live} live ones meanwhile, each told within {slowest:.1f} s",
        ok=all(each.within(outage) for each, outage in zip(told, outages, strict=True)),
    )
