"""A backlog meets a broken configuration, a newer store, an upgrade and the way back; what waits stays as it is and is told."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent import config, schema, shape
from agent.clock import Clock
from agent.queues import Outbox
from agent.records import capture_to_json
from agent.sqlite import Connection
from agent.store import Store
from agent.table import Table, pack
from tests.broker import Broker, Subscriber
from tests.chaos.row import Row
from tests.gateway import Gateway
from tests.samples import capture, event

WRONG_CONFIG = 78


@dataclass(slots=True)
class Outcome:
    """What was done, and what of it went wrong, a sentence each."""

    done: int = 0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)

    def expect(self, holds: object, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)


def fault(folder: Path, full: bool) -> Row:
    outcome, newest = Outcome(), len(schema.MIGRATIONS)
    count = 200 if full else 10
    with Broker(folder / "broker") as broker:
        _refused(folder / "config", broker.port, count, outcome, "a broken configuration", _break_the_configuration, "unknown key")
        _refused(folder / "newer", broker.port, count, outcome, "a store of a newer release", _make_newer, "a newer release wrote")
        for version in range(1, newest) if full else (newest - 1,):
            _upgraded(folder / f"from-{version}", broker.port, count, version, outcome)
        _taken_back(folder / "back", broker.port, count, outcome)
    return Row(
        fault="a backlog meets a broken configuration, a store of a newer release, an upgrade, and the release before",
        times=f"{outcome.done} starts",
        lost=outcome.lost,
        ok=not outcome.wrong,
        note="; ".join(outcome.wrong) or "refused starts leave every byte as it was",
    )


def _prepared(folder: Path, port: int, count: int, version: int) -> Gateway:
    """A gate without a camera, with a backlog that a release of that version has left: half to be read, half to be sent."""
    gateway = Gateway(folder, port, replay_per_s=1000.0)
    gateway.configure(lambda text: re.sub(r"(?s)\[\[camera\]\].*?(?=\n\[)", "", text))
    gateway.state.mkdir()
    with _release(version), closing(Connection(gateway.state / "agent.db", 64)) as db:
        schema.migrate(db)
        outbox, now, waits = Outbox(db), Clock().now().utc_ms, capture("READ")
        with db.transaction():
            for number in range(count):
                outbox.put(event(number), now)
            # With its picture in a row, as every release had it until pictures were files.
            Table(db, "spool", ("put_ms",))["READ"] = {"capture": capture_to_json(waits), "readings": [], "put_ms": now}
            db.execute("INSERT INTO pictures (key, value) VALUES ('READ/00', ?)", (pack(waits.images[0].jpeg),))
    (gateway.state / "installed").touch()
    return gateway


@contextmanager
def _release(version: int) -> Iterator[None]:
    """The agent as it was when its store had so many migrations, or as it will be."""

    def tomorrow(db: Connection) -> None:
        db.execute("CREATE TABLE tomorrow (key TEXT PRIMARY KEY)")

    known = list(schema.MIGRATIONS)
    schema.MIGRATIONS[:] = [*known, tomorrow][:version]
    try:
        yield
    finally:
        schema.MIGRATIONS[:] = known


def _bytes(gateway: Gateway) -> bytes:
    """The store and what its log holds of it."""
    files = [gateway.state / f"agent.db{suffix}" for suffix in ("", "-wal")]
    return b"".join(file.read_bytes() for file in files if file.exists())


def _break_the_configuration(gateway: Gateway) -> None:
    gateway.configure(lambda text: text.replace("[mqtt]", "[mqtt]\nprot = 1"))


def _make_newer(gateway: Gateway) -> None:
    """As every release does: with the number goes what the tables were made as, or a greater number would be taken for damage."""
    with closing(Connection(gateway.state / "agent.db", 256)) as db, db.transaction():
        db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
        shape.remember(db)


def _refused(folder: Path, port: int, count: int, outcome: Outcome, what: str, spoil: Callable[[Gateway], None], said: str) -> None:
    gateway = _prepared(folder, port, count, len(schema.MIGRATIONS))
    spoil(gateway)
    before = _bytes(gateway)
    gateway.start()
    code = gateway.process.wait(20)
    outcome.done += 1
    outcome.expect(code == WRONG_CONFIG, f"{what}: exit code {code}")
    outcome.expect(said in gateway.log() and "Traceback" not in gateway.log(), f"{what}: not said in one sentence")
    outcome.expect(_bytes(gateway) == before, f"{what}: the store was changed")


def _told(gateway: Gateway, port: int, count: int, outcome: Outcome, what: str) -> None:
    """Start, and hold every event of the backlog against what was put."""
    wanted = {event(number).id: event(number).payload["data"]["vin"] for number in range(count)}
    with Subscriber(port, "+/+/+/+/gate/#") as yard, gateway:
        yard.wait_for(lambda seen: len({_id(each.payload) for each in seen if each.payload}) >= count + 1, 60)
        gateway.stop()
        heard = {_id(each.payload): json.loads(each.payload) for each in yard.collect() if each.payload}
    outcome.done += 1
    outcome.lost += len({*wanted, "READ"} - set(heard))
    same = all(heard.get(name, {}).get("data", {}).get("vin") == vin for name, vin in wanted.items())
    outcome.expect(same, f"{what}: an event was changed")
    outcome.expect(all(int(heard[name]["sequence"]) == number for number, name in enumerate(wanted, 1)), f"{what}: other numbers")


def _id(payload: bytes) -> str:
    return str(json.loads(payload)["id"])


def _upgraded(folder: Path, port: int, count: int, version: int, outcome: Outcome) -> None:
    gateway = _prepared(folder, port, count, version)
    _told(gateway, port, count, outcome, f"upgrade from version {version}")


def _taken_back(folder: Path, port: int, count: int, outcome: Outcome) -> None:
    """A newer release was tried and given up: its tables are there, and the copy it made before."""
    gateway = _prepared(folder, port, count, len(schema.MIGRATIONS))
    with _release(len(schema.MIGRATIONS) + 1):
        Store.open(gateway.state, config.Store(free_mb=1), Clock().now().utc_ms).close()
    _told(gateway, port, count, outcome, "the way back")
