"""A disk that fills up, turns read-only or answers with errors under a running agent, and is well again later."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent import config
from agent.store import Store
from tests.broker import Broker, Received, Subscriber
from tests.chaos import account
from tests.chaos.kills import drain
from tests.chaos.mounts import Disk, Ext4, Memory, refusing, root
from tests.chaos.row import Row
from tests.gateway import Gateway
from tests.samples import CAPTURE, IMAGE, NOW, event

DEGRADED_S = 60.0
SENT = 3  # events of the nearly full store that were sent before
_WRITES = ("pwrite64", "fdatasync", "fsync", "ftruncate")


@dataclass(slots=True)
class Figures:
    """Seconds, each the longest of its kind: until health said it, until a vehicle was told from memory, until it was over."""

    times: int = 0
    degraded_s: float = 0.0
    told_s: float = 0.0
    well_s: float = 0.0


class Bench:
    """An agent on a disk of its own, a broker and a yard."""

    def __init__(self, gateway: Gateway, broker: Broker, yard: Subscriber) -> None:
        self.gateway, self.broker, self.yard, self.figures = gateway, broker, yard, Figures()

    def heard(self, what: Callable[[Received], bool], since: float, seconds: float) -> float:
        """Seconds from `since` to the first such message after it."""

        def found(messages: list[Received]) -> list[float]:
            return [each.at for each in messages if each.at >= since and what(each)]

        try:
            return found(self.yard.wait_for(found, seconds))[0] - since
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.gateway.log()}") from None

    def through(self, begin: Callable[[], object], end: Callable[[], object]) -> None:
        """The fault begins, a vehicle is told all the same, the fault ends."""
        figures, since = self.figures, time.monotonic()
        begin()
        figures.degraded_s = max(figures.degraded_s, self.heard(_is_degraded, since, DEGRADED_S))
        figures.told_s = max(figures.told_s, self.heard(_is_volatile, since, 60))
        end()
        figures.well_s = max(figures.well_s, self.heard(_is_well, time.monotonic(), 60))
        self.yard.wait_for(_are_numbered, 30)
        figures.times += 1
        assert self.gateway.process.poll() is None, self.gateway.log()


def _is_degraded(message: Received) -> bool:
    return "store_unwritable" in account.reasons(message) and json.loads(message.payload)["state"] == "degraded"


def _is_well(message: Received) -> bool:
    return message.topic.endswith("/health") and "store_unwritable" not in account.reasons(message)


def _are_numbered(messages: list[Received]) -> bool:
    """Whether everything that was told from memory was told with a number too, by the same agent."""
    events = [json.loads(each.payload) for each in messages if each.topic.endswith("/vin")]
    return {event["id"] for event in events if "sequence" not in event} <= {event["id"] for event in events if "sequence" in event}


def _is_volatile(message: Received) -> bool:
    return message.topic.endswith("/vin") and json.loads(message.payload)["data"]["delivery"]["durable"] is False


@contextmanager
def _bench(folder: Path, store: str = "", *, silent: bool = False) -> Iterator[Bench]:
    """With `silent` the broker answers nobody until it is thawed."""
    with Broker(folder / "broker") as broker, Subscriber(broker.port) as yard:
        gateway = Gateway(folder, broker.port, vehicles=10_000, replay_per_s=1000.0)
        limits = f"free_mb = 0\nballast_kb = 64\n{store} "
        gateway.configure(lambda text: text.replace("free_mb = 1 ", limits).replace("[reading]", "[reading]\nagain_s = 0"))
        if silent:
            broker.freeze()
        with gateway:
            gateway.wait_for(lambda: "camera is online" in gateway.log())
            yield Bench(gateway, broker, yard)


def can_mount() -> bool:
    return root("unshare", "--mount", "true", check=False).returncode == 0


def unwritable(folder: Path, full: bool) -> Row:
    """R6. Where nothing may be mounted, the short form is left with the calls that fail."""
    if not full and not can_mount():
        with _bench(folder) as bench:
            _fail_calls(bench, *_WRITES)
            return _ended(bench, "the file system turns read-only, or every write fails")
    with Ext4(folder / "state") as disk, _bench(folder) as bench:
        for _ in range(25 if full else 1):
            bench.through(disk.spoil, disk.mend)
            if full:
                _fail_calls(bench, *_WRITES)
                _fail_calls(bench, *_WRITES, "pread64")
                _start_read_only(bench, disk)
        return _ended(bench, "the file system turns read-only, or every write fails")


def _fail_calls(bench: Bench, *calls: str) -> None:
    fault = refusing(bench.gateway.process.pid, "EIO", *calls)
    bench.through(fault.__enter__, lambda: fault.__exit__(None, None, None))


def _start_read_only(bench: Bench, disk: Ext4) -> None:
    gateway = bench.gateway

    def begin() -> None:
        gateway.stop()
        root("mount", "-o", "remount,ro", disk.place)
        gateway.start()

    bench.through(begin, lambda: root("mount", "-o", "remount,rw", disk.place))


def full(folder: Path, full: bool) -> Row:
    """R5: filled by the agent itself while nobody listens, and by somebody else to the last byte, again and again while room is made."""
    if not full and not can_mount():
        with _bench(folder) as bench:
            fault = refusing(bench.gateway.process.pid, "ENOSPC", *_WRITES[:1])
            bench.through(fault.__enter__, lambda: fault.__exit__(None, None, None))
            return _ended(bench, "the disk is full")
    with Memory(folder / "state") as disk:
        waited = _nearly_full(disk.place)
        with _bench(folder, "max_mb = 1", silent=True) as bench:
            order = _evicted_in_order(bench)
            bench.broker.thaw()
            for _ in range(20 if full else 1):
                bench.through(lambda: _fill(bench, disk), disk.clear)
            row = _ended(bench, "the disk is full", first=SENT + 1)
        missing = waited - account.heard(bench.yard)
        return replace(row, lost=row.lost + len(missing), ok=row.ok and not order, note=row.note + order)


def _nearly_full(place: Path) -> set[str]:
    """A store just below its cap, with some of everything that may be evicted; the ids of the vehicles that wait."""
    waiting = [event(number) for number in range(4000)]
    with Store.open(place, config.Store(max_mb=1, free_mb=0, ballast_kb=0), NOW.utc_ms) as store:
        for count, each in enumerate(waiting):
            if count < 6:
                store.spool.put(replace(CAPTURE, read_id=each.id, images=(replace(IMAGE, read_id=each.id, jpeg=bytes(4000)),)), NOW.utc_ms)
            with store.transaction():
                sequence = store.outbox.put(each, NOW.utc_ms)
                store.spool.done(each.id)
            if count < SENT:
                store.outbox.sent([sequence], NOW.utc_ms)
            if store.size().used_bytes > 880_000:
                return {vehicle.id for vehicle in waiting[SENT : count + 1]}
    raise AssertionError("the store was never full")


# In the order they have to go: pictures and events that were sent, pictures of vehicles not told, those vehicles.
_WAITS = "substr(key, 1, instr(key, '/') - 1) IN (SELECT key FROM outbox UNION ALL SELECT key FROM spool)"
_KINDS = (
    f"SELECT key FROM pictures WHERE NOT {_WAITS}",  # noqa: S608  # our own words
    "SELECT key FROM sent",
    f"SELECT key FROM pictures WHERE {_WAITS}",  # noqa: S608
    "SELECT key FROM outbox UNION ALL SELECT key FROM spool",
)


def _evicted_in_order(bench: Bench) -> str:
    """Watches what goes while vehicles come and nobody listens, until waiting events had to go; what went too early, in words."""
    before, evicted, end = _kinds(bench.gateway), 0, time.monotonic() + 60
    while not evicted:
        assert time.monotonic() < end, bench.gateway.log()
        evicted = bench.gateway.log().count("evicted unsent (room)")
        after = _kinds(bench.gateway)
        last = max((kind for kind in range(4) if before[kind] - after[kind]), default=0)
        if any(before[kind] & after[kind] for kind in range(last)):
            return f"; evicted out of order: {[len(each) for each in before]} -> {[len(each) for each in after]}"
        before = after
    return ""


def _kinds(gateway: Gateway) -> list[set[str]]:
    """The keys of each kind, all at one moment."""
    with closing(sqlite3.connect(f"file:{gateway.state / 'agent.db'}?mode=ro", uri=True, isolation_level=None)) as db:
        db.execute("BEGIN")
        return [{key for (key,) in db.execute(question)} for question in _KINDS]


def _fill(bench: Bench, disk: Disk) -> None:
    """What the agent gives up is taken by the others too, until it has nothing left to give."""
    known = bench.gateway.log().count("cannot be written (")
    disk.fill()
    while bench.gateway.log().count("cannot be written (") == known:
        time.sleep(0.05)
        disk.fill()
        assert bench.gateway.process.poll() is None, bench.gateway.log()


def _ended(bench: Bench, fault: str, first: int = 1) -> Row:
    """Everything that waits is told; then the accounts are made."""
    code, seconds = bench.gateway.stop()
    drain(bench.gateway)
    found, figures = account.taken(bench.gateway, bench.yard, first), bench.figures
    in_time = figures.degraded_s <= DEGRADED_S and figures.well_s <= 60
    return Row(
        fault=fault,
        times=f"{figures.times} {'time' if figures.times == 1 else 'times'}, {found.committed} vehicles",
        lost=found.lost + found.unnumbered + found.gaps,
        twice=found.twice - found.volatile,
        worst_s=figures.well_s,
        ok=found.sound and found.volatile >= figures.times and in_time and code == 0 and seconds < 10,
        note=(
            f"degraded within {figures.degraded_s:.1f} s, {found.volatile} vehicles told from memory, the first of each within"
            f" {figures.told_s:.1f} s, and once more with their number; {found.evicted} evicted with an audit"
        ),
    )
