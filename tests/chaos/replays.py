"""An operator has everything that was sent go out once more, twice, while the agent is killed and a vehicle comes."""

import json
import re
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from agent import config
from agent.clock import Clock
from agent.records import event_to_json
from agent.store import Store
from agent.table import to_row
from tests.broker import Broker, Received, Subscriber
from tests.chaos.row import Row
from tests.gateway import COMMAND, Gateway
from tests.samples import event

INFLIGHT = 10  # mqtt.inflight: what a kill may have under way


def fault(folder: Path, full: bool) -> Row:
    """Asked for twice before any of it could go it is sent once; asked for when that is done, once more."""
    count, rate = (3000, 50) if full else (40, 15)
    with Broker(folder / "broker") as broker, Subscriber(broker.port) as yard:
        gateway = _prepared(folder, broker.port, count, rate)
        _ask(gateway)
        _ask(gateway)
        with gateway:
            _wait_for(yard, count // 2)
            gateway.kill()
            gateway.start()
            gateway.wait_for(lambda: not _left(gateway), 120)
            before = len(yard.collect("/gate/"))
            _ask(gateway)
            _wait_for(yard, before + count // 2)
            _arrive(gateway, count)
            gateway.wait_for(lambda: not _left(gateway), 120)
            code, _ = gateway.stop()
        heard = yard.collect("/gate/")
    second = [each.at for each in heard[before:]]
    return _row(heard, count, rate, second[-1] - second[0], code)


def _prepared(folder: Path, port: int, count: int, rate: int) -> Gateway:
    """A gate without a camera, which has sent so many events."""
    gateway = Gateway(folder, port, replay_per_s=float(rate))
    gateway.configure(lambda text: re.sub(r"(?s)\[\[camera\]\].*?(?=\n\[)", "", text))
    gateway.state.mkdir()
    now = Clock().now().utc_ms
    with Store.open(gateway.state, config.Store(free_mb=1), now) as store, store.transaction():
        for number in range(count):
            store.outbox.put(event(number), now - 60_000)
        store.outbox.sent(range(1, count + 1), now - 60_000)
    return gateway


def _ask(gateway: Gateway) -> None:
    subprocess.run([COMMAND, "replay", "--from", "1h ago", "--config", gateway.config], check=True, capture_output=True)


def _wait_for(yard: Subscriber, count: int) -> None:
    yard.wait_for(lambda seen: sum("/gate/" in each.topic for each in seen) >= count, 120)


def _arrive(gateway: Gateway, number: int) -> None:
    """A vehicle is told while the replay runs."""
    with closing(sqlite3.connect(gateway.state / "agent.db")) as db, db:
        made, now = event(number), Clock().now().utc_ms
        db.execute("INSERT INTO outbox (key, value, put_ms) VALUES (?, ?, ?)", (made.id, to_row(event_to_json(made)), now))


def _left(gateway: Gateway) -> int:
    with closing(sqlite3.connect(f"file:{gateway.state / 'agent.db'}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM replays").fetchone()[0])


def _row(heard: list[Received], count: int, rate: int, took: float, code: int) -> Row:
    told: list[dict[str, Any]] = [json.loads(each.payload) for each in heard if not each.retain and not each.topic.endswith("/last")]
    again = [each for each in told if each["data"]["delivery"]["replay"]]
    live = [(place, each["id"]) for place, each in enumerate(told) if not each["data"]["delivery"]["replay"]]
    copies = Counter((each["id"], int(each["sequence"])) for each in again)
    wanted = {(event(number).id, number + 1) for number in range(count)}
    lost = sum(max(0, 2 - copies[each]) for each in wanted) + ([name for _, name in live] != [event(count).id])
    # Half of a replay was left when it came: where it had to wait for its turn it would be the last.
    first = bool(live) and len(told) - live[0][0] > count // 10
    more = copies.total() - 2 * count
    slow_enough = took >= (count / rate - 1) * 0.95  # a second's worth may go at once
    return Row(
        fault="all that was sent is replayed by hand, twice, with a `kill -9` in the middle; a vehicle that comes goes first",
        times=f"2 × {count} events",
        lost=lost,
        twice=max(0, more),
        ok=set(copies) == wanted and first and more <= INFLIGHT and slow_enough and code == 0,
        note=f"{count / took:.0f} a second where {rate} are allowed after the first {rate}",
    )
