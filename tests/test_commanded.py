"""An agent that runs is given commands over a real broker."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.commands import KINDS
from tests.asker import Asker
from tests.broker import Broker, Received, Rules, Subscriber
from tests.gateway import Gateway
from tests.payloads import valid

ROOT = "vinagent/v1/demo/gateway"
CAMERA = f"{ROOT}/camera/cam1/status"


def latest(messages: list[Received], topic: str) -> dict[str, Any]:
    found = [each for each in messages if each.topic == topic and each.payload]
    return valid(topic, found[-1].payload) if found else {}


def audits(yard: Subscriber) -> list[str]:
    told = [valid(each.topic, each.payload)["data"] for each in yard.collect(f"{ROOT}/audit")]
    return [each["why"] for each in told if each["what"] == "command"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Broker]]:
    """One agent for all tests of this module; it watches vehicles for as long as it runs."""
    folder = tmp_path_factory.mktemp("place")
    with Broker(folder / "broker") as broker, Gateway(folder, broker.port, vehicles=1000, fps=4.0) as gateway:
        gateway.wait_for(lambda: "camera is online" in gateway.log())
        yield gateway, broker


@pytest.fixture
def gateway(place: tuple[Gateway, Broker]) -> Gateway:
    return place[0]


@pytest.fixture
def yard(place: tuple[Gateway, Broker]) -> Iterator[Subscriber]:
    with Subscriber(place[1].port) as subscriber:
        yield subscriber


@pytest.fixture
def asker(place: tuple[Gateway, Broker]) -> Iterator[Asker]:
    with Asker(place[1].port, ROOT) as somebody:
        yield somebody


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_command_is_done_answered_and_told(tmp_path: Path, broker: Broker, protocol: str) -> None:
    with (
        Gateway(tmp_path, broker.port, vehicles=1000, protocol=protocol) as gateway,
        Asker(broker.port, ROOT) as asker,
        Subscriber(broker.port) as yard,
        Subscriber(broker.port, "yard/answers") as elsewhere,
    ):
        gateway.wait_for(lambda: "connected to the broker" in gateway.log())
        asked = {"level": "debug", "minutes": 10}
        answer = asker.ask("log_level", asked, txn="t1", to="yard/answers", word=b"\x07")
        assert answer == {"txn": "t1", "status": "ok", "data": asked}
        yard.wait_for(lambda _: audits(yard) == ["log_level: level=debug minutes=10"])
        again = asker.ask("log_level", asked, txn="t1")
        assert (again, len(audits(yard))) == (answer, 1)
        if protocol == "5":
            (other,) = elsewhere.wait_count(1)
            assert json.loads(other.payload) == answer
        info = yard.wait_for(lambda seen: latest(seen, f"{ROOT}/info"))
        assert latest(info, f"{ROOT}/info")["capabilities"] == [f"cmd/{name}" for name in KINDS]


def test_a_camera_is_switched_off_and_on_and_stays_off_over_a_restart(gateway: Gateway, asker: Asker, yard: Subscriber) -> None:
    assert asker.ask("camera/set", {"camera": "cam1", "enabled": False})["data"] == {"camera": "cam1", "enabled": False}
    yard.wait_for(lambda seen: latest(seen, CAMERA).get("state") == "disabled")
    gateway.wait_for(lambda: not gateway.children())
    gateway.stop()
    yard.forget()
    gateway.start()
    seen = yard.wait_for(lambda seen: latest(seen, CAMERA) and latest(seen, f"{ROOT}/health"), 30)
    assert (latest(seen, CAMERA)["state"], latest(seen, CAMERA)["reason"]) == ("disabled", "switched off by a command")
    assert "camera_offline" not in latest(seen, f"{ROOT}/health")["reasons"]
    refused = asker.ask("read_now")
    assert refused["error"] == "cam1 gives no pictures (switched off by a command)"
    asker.ask("camera/set", {"camera": "cam1", "enabled": True})
    yard.wait_for(lambda seen: latest(seen, CAMERA)["state"] == "online", 30)


def test_read_now_has_what_is_in_view_read_also_where_it_was_told_before(gateway: Gateway, asker: Asker, yard: Subscriber) -> None:
    deadline, found = time.monotonic() + 60, dict[str, Any]()
    while not found and time.monotonic() < deadline:
        answer = asker.ask("read_now", {"camera": "cam1"})
        assert answer["status"] == "ok" or "nothing that looks like a VIN is in view" in answer["error"]
        found = answer.get("data", {})
    read_id = found["read_id"]
    events = yard.wait_for(lambda seen: read_id in finals(seen), 30)
    assert finals(events)[read_id]["data"]["trigger"] == "command"


def finals(messages: list[Received]) -> dict[str, dict[str, Any]]:
    told = [valid(each.topic, each.payload) for each in messages if each.topic.endswith(("/vin", "/unread"))]
    return {each["id"]: each for each in told}


def test_the_doctor_makes_its_rounds_while_vehicles_pass(asker: Asker) -> None:
    answer = asker.ask("doctor", seconds=120)
    assert answer["status"] == "ok"
    assert answer["data"]["well"] is True
    assert any(finding["text"].startswith("store: ") for finding in answer["data"]["findings"])


def test_what_was_sent_is_sent_once_more_and_what_is_purged_is_gone_from_store_and_broker(
    gateway: Gateway, asker: Asker, yard: Subscriber
) -> None:
    seen = yard.wait_for(lambda seen: any("vin" in each["data"] for each in finals(seen).values()), 60)
    vin, read_id = next((each["data"]["vin"], each["id"]) for each in finals(seen).values() if "vin" in each["data"])
    gateway.wait_for(lambda: read_id in gateway.stored("sent"))

    assert asker.ask("replay", {"from": "2026-01-01T00:00:00Z", "vin": vin})["data"]["events"] >= 1
    again = yard.wait_for(lambda seen: [each for each in told(seen, read_id) if each["data"]["delivery"]["replay"]], 30)
    assert len({each["sequence"] for each in told(again, read_id)}) == 1

    assert asker.ask("purge", {})["error"].startswith("purge wants before, gate or vin")
    assert "removed" in asker.ask("purge", {"vin": vin}, seconds=60)["data"]["done"]
    assert read_id not in gateway.stored("sent")
    yard.wait_for(lambda _: audits(yard)[-1] == "purge: vin=***")


def told(messages: list[Received], read_id: str) -> list[dict[str, Any]]:
    events = [json.loads(each.payload) for each in messages if each.topic.endswith(("/vin", "/unread"))]
    return [each for each in events if each["id"] == read_id]


def test_a_reload_is_answered_with_what_has_changed_or_why_it_is_refused(gateway: Gateway, asker: Asker) -> None:
    gateway.configure(lambda text: text.replace("every_s = 1.0", "every_s = 2.0").replace("free_mb = 1", "free_mb = 2"))
    assert asker.ask("reload")["data"] == {"changed": ["health.every_s"], "waiting": ["store.free_mb"]}
    gateway.configure(lambda text: text.replace("every_s = 2.0", "every = 1.0"))
    assert 'unknown key health.every; did you mean "every_s"?' in asker.ask("reload")["error"]
    gateway.configure(lambda text: text.replace("every = 1.0", "every_s = 1.0").replace("free_mb = 2", "free_mb = 1"))
    assert asker.ask("reload")["status"] == "ok"


def test_the_log_level_goes_back_after_its_time(gateway: Gateway, asker: Asker) -> None:
    assert asker.ask("log_level", {"level": "warning", "minutes": 0.1})["status"] == "ok"
    lines = gateway.log().count("command reload")
    asker.ask("reload")
    assert gateway.log().count("command reload") == lines, "quiet now"
    time.sleep(7.5)
    asker.ask("reload")
    gateway.wait_for(lambda: gateway.log().count("command reload") == lines + 1)


def test_a_retained_command_waits_for_nobody(gateway: Gateway, asker: Asker, place: tuple[Gateway, Broker]) -> None:
    asker.say("camera/set", json.dumps({"txn": "r", "args": {"camera": "cam1", "enabled": False}}).encode(), retain=True)
    gateway.wait_for(lambda: "a retained command is not carried out" in gateway.log())
    asker.say("camera/set", b"", retain=True)
    assert asker.ask("reload")["status"] == "ok"
    assert gateway.children()


def test_where_an_answer_is_wanted_throws_nobody_out(gateway: Gateway, asker: Asker) -> None:
    for to in ("/" * 250, "deep/" * 51):
        assert asker.ask("reload", to=to)["status"] == "ok"
    assert asker.ask("reload")["status"] == "ok"
    assert "was lost" not in gateway.log()


def test_a_flood_of_commands_does_not_hold_up_events(gateway: Gateway, asker: Asker, yard: Subscriber) -> None:
    end, sent = time.monotonic() + 6, 0
    before = len(finals(yard.collect()))
    while time.monotonic() < end:
        asker.say("read_now", os.urandom(3000), qos=0)
        sent += 1
        time.sleep(0.001)
    seen = yard.wait_for(lambda seen: len(finals(seen)) > before, 20)
    waited = [each["data"]["delivery"]["queued_ms"] for each in list(finals(seen).values())[before:]]
    dropped = yard.wait_for(lambda seen: latest(seen, f"{ROOT}/health").get("commands", {}).get("dropped", 0) > sent / 2)
    health = latest(dropped, f"{ROOT}/health")
    print(f"{sent} commands in 6 s: events waited {waited} ms, {health['commands']}")
    assert max(waited) < 10_000
    assert health["mqtt"]["reconnects"] == 0
    time.sleep(4)  # what waits in the inbox is refused before anybody asks again
    assert asker.ask("reload")["status"] == "ok"


def test_with_commands_switched_off_nothing_is_subscribed(tmp_path: Path, broker: Broker) -> None:
    with Subscriber(broker.port) as yard, Gateway(tmp_path, broker.port, vehicles=1000) as gateway, Asker(broker.port, ROOT) as asker:
        gateway.stop()
        gateway.configure(lambda text: text.replace("[mqtt]", "[mqtt]\ncommands = false"))
        gateway.start()
        seen = yard.wait_for(lambda seen: latest(seen, f"{ROOT}/info").get("capabilities") == [])
        assert latest(seen, f"{ROOT}/info")["capabilities"] == []
        asker.say("log_level", b'{"txn":"1","args":{"level":"debug"}}')
        gateway.wait_for(lambda: "camera is online" in gateway.log())
        assert asker.answers("log_level", "1") == []
        gateway.configure(lambda text: text.replace("commands = false", "commands = true"))
        gateway.process.send_signal(1)
        yard.wait_for(lambda seen: latest(seen, f"{ROOT}/info")["capabilities"] != [])
        gateway.wait_for(lambda: gateway.log().count("connected to the broker") >= 2)
        assert asker.ask("log_level", {"level": "info"})["status"] == "ok"


def denying(folder: Path) -> Rules:
    """Every login is taken, and `gate` may subscribe nothing; access lists of mosquitto deny messages, but no subscription."""
    file, plugin = folder / "access.json", next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
    subprocess.run(["mosquitto_ctrl", "dynsec", "init", file, "admin", "secret"], check=True, capture_output=True)
    access = json.loads(file.read_text("utf-8"))
    access["defaultACLAccess"] = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    access["clients"].append({**access["clients"][0], "username": "gate", "roles": []})
    file.write_text(json.dumps(access), "utf-8")
    return Rules(extra=f"allow_anonymous false\nplugin {plugin}\nplugin_opt_config_file {file}")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_that_denies_the_subscription_is_named_once_and_everything_else_goes_on(tmp_path: Path, protocol: str) -> None:
    with Broker(tmp_path / "broker", denying(tmp_path)) as broker, Subscriber(broker.port, login=("admin", "secret")) as yard:
        gateway = Gateway(tmp_path, broker.port, vehicles=1, protocol=protocol)
        gateway.configure(lambda text: text.replace("[mqtt]", "[mqtt]\nuser = 'gate'\npassword = 'secret'"))
        with gateway:
            yard.wait_for(finals, 60)
            assert gateway.log().count("the broker takes no subscription") == 1
            assert gateway.log().count("connected to the broker") == 1


def test_a_replay_whose_end_comes_before_its_beginning_is_refused(gateway: Gateway, asker: Asker) -> None:
    answer = asker.ask("replay", {"from": "2026-03-14T06:00:00Z", "to": "2026-03-13T06:00:00Z"})
    assert (answer["status"], answer["error"]) == ("error", "replay goes from an earlier time to a later one")
