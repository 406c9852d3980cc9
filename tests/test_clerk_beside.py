"""What an operator does to the store reaches the yard through the agent that runs beside."""

import json
import re
import sqlite3
import subprocess
from pathlib import Path

from agent import config
from agent.clock import Clock
from agent.store import Store
from tests.broker import Broker, Subscriber
from tests.gateway import COMMAND, Gateway
from tests.payloads import valid
from tests.samples import HONDA, event
from tests.test_clerk import told

LAST = "vinagent/v1/demo/gateway/gate/north-in/last"


def without_cameras(text: str) -> str:
    return re.sub(r"(?s)\[\[camera\]\].*?(?=\n\[)", "", text)


def queue(gateway: Gateway, *arguments: str) -> str:
    done = subprocess.run([COMMAND, *arguments, "--config", gateway.config], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_a_purge_takes_the_vin_from_the_broker_and_the_yard_is_told_why_numbers_are_missing(
    tmp_path: Path, broker: Broker, yard: Subscriber
) -> None:
    gateway = Gateway(tmp_path, broker.port, replay_per_s=1000.0)
    now = Clock().now().utc_ms
    gateway.state.mkdir()
    with Store.open(gateway.state, config.Store(free_mb=1), now) as store:
        for number in range(1, 4):
            told(store, number, now - 1000, is_sent=number < 3)
        told(store, 4, now - 1000, "gone")  # a gate that was taken out of the configuration since
    # A camera that shows nothing keeps the gate in the configuration.
    gateway.configure(lambda text: text.replace('source = "scene"', f'source = "{tmp_path / "nothing"}"'))
    with gateway:
        yard.wait_for(lambda seen: any(each.topic == LAST and each.payload for each in seen), 30)
        queue(gateway, "queue", "purge", "--vin", HONDA.value, "--yes")
        messages = yard.wait_for(lambda seen: any(each.topic == LAST and not each.payload for each in seen), 10)
        assert [each.payload for each in messages if each.topic == LAST][-1] == b""
        yard.wait_for(lambda seen: any(each.topic == LAST.replace("north-in", "gone") and not each.payload for each in seen), 10)
        gateway.stop()
        gateway.start()  # the yard is told at the latest now: room and audits are seen to at a start, and every thirty seconds
        yard.wait_for(lambda seen: sum(each.topic.endswith("/audit") for each in seen) >= 1, 30)
        gateway.stop()
    audits = [valid("audit", each.payload)["data"] for each in yard.collect("/audit")]
    assert {(each["what"], each["source"], each["sequence"], each.get("until"), each.get("count")) for each in audits} == {
        ("purged", "sent", 1, 4, 4)
    }
    with Subscriber(broker.port) as late:
        late.wait_count(3)
        assert HONDA.value.encode() not in b"".join(each.payload for each in late.collect())


def test_a_replay_reaches_the_yard_while_the_agent_runs(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    gateway = Gateway(tmp_path, broker.port, replay_per_s=1000.0)
    gateway.state.mkdir()
    now = Clock().now().utc_ms
    with Store.open(gateway.state, config.Store(free_mb=1), now) as store:
        for number in range(1, 6):
            told(store, number, now - number * 60_000)
    gateway.configure(without_cameras)
    with gateway:
        yard.wait_for(lambda seen: any(each.topic.endswith("/health") for each in seen), 30)
        assert queue(gateway, "replay", "--from", "1h ago", "--vin", HONDA.value).startswith("5 events")
        mine = {event(number).id for number in range(1, 6)}
        yard.wait_for(lambda seen: mine <= {json.loads(each.payload).get("id") for each in seen if each.payload}, 20)
        gateway.stop()
    told_again = [json.loads(each.payload) for each in yard.collect("/gate/north-in/vin") if json.loads(each.payload)["id"] in mine]
    assert [each["data"]["delivery"]["replay"] for each in told_again] == [True] * 5


def test_the_agent_goes_on_while_an_operator_looks_at_everything_again_and_again(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    with Gateway(tmp_path, broker.port, vehicles=4, seed=3) as gateway:
        gateway.wait_for(lambda: (gateway.state / "agent.db").exists())
        yard.wait_for(lambda seen: any(each.topic.endswith("/health") for each in seen), 30)
        while not gateway.stored("sent"):
            queue(gateway, "queue", "list", "--sent", "--json")
            queue(gateway, "queue", "repair")
            queue(gateway, "queue", "verify")
        code, _ = gateway.stop()
    assert code == 0
    assert "locked" not in gateway.log()
    with sqlite3.connect(gateway.state / "agent.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
