"""Home Assistant shows the agent by itself, and nothing that it was not told to show."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import pytest

from agent import config, discovery, state
from agent.board import Board
from agent.children import Children
from agent.clock import Clock
from agent.domain import Alarm
from agent.events import Message, Payload, delivered
from agent.health import Reporter
from agent.identity import identify
from agent.inbox import BIRTH_S
from agent.store import Store
from agent.topics import Topics
from tests.broker import Broker, Subscriber
from tests.samples import FACTS, NOW, UNREAD, event
from tests.sender import Sender

TOPICS = Topics("vinagent/v1", "hamburg", "gate-3-pi")
ROOT = TOPICS.root
CAMERAS = (
    config.Camera(name="cam1", gate="north-in"),
    config.Camera(name="cam2", gate="north-in"),
    config.Camera(name="cam3", gate="south-out"),
)
SETTINGS = config.Settings(camera=CAMERAS, mqtt=config.Mqtt(discovery="homeassistant"))
COMPONENTS = {"unsent", "oldest"} | {
    *(f"gate_{gate}_{what}" for gate in ("north-in", "south-out") for what in ("read", "unread", "last")),
    *(f"camera_{name}_{what}" for name in ("cam1", "cam2", "cam3") for what in ("connectivity", "problem", "sharpness")),
}
KINDS = {
    "read": "event", "unread": "event", "last": "sensor",
    "connectivity": "binary_sensor", "problem": "binary_sensor", "sharpness": "sensor",
}  # fmt: skip
# What Home Assistant's schemas of a device and of each of its components cannot do without.
REQUIRED = {"sensor": {"state_topic"}, "binary_sensor": {"state_topic"}, "event": {"state_topic", "event_types"}}


def told(settings: config.Settings = SETTINGS) -> Payload:
    payload: Payload = json.loads(discovery.device(settings, FACTS, TOPICS).payload)
    return payload


def rendered(component: Payload, payload: Payload) -> str:
    """What Home Assistant makes of a message."""
    room = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701  # no page, and Home Assistant escapes nothing either
    return room.from_string(component["value_template"]).render(value_json=payload)


def test_the_message_stays_on_the_broker_under_the_name_of_the_agent() -> None:
    message = discovery.device(SETTINGS, FACTS, TOPICS)
    assert (message.topic, message.retain, message.qos) == ("homeassistant/device/gate-3-pi/config", True, 1)


def test_the_device_has_everything_home_assistant_asks_for() -> None:
    payload = told()
    assert payload["o"]["name"]
    assert payload["dev"]["ids"] == ["vin-agent_hamburg_gate-3-pi"]
    assert payload["cmps"].keys() == COMPONENTS
    for key, component in payload["cmps"].items():
        assert REQUIRED[component["p"]] | {"p", "name", "unique_id", "value_template"} <= component.keys(), key
        assert component["state_topic"].startswith(f"{ROOT}/")
    ids = [component["unique_id"] for component in payload["cmps"].values()]
    assert len(set(ids)) == len(ids)
    assert len(json.dumps(payload)) < 16_000


def test_everything_but_an_event_is_unavailable_while_the_agent_is() -> None:
    for key, component in told()["cmps"].items():
        asked = {each["topic"]: each for each in component.get("availability", [])}
        assert (f"{ROOT}/status" in asked) == (component["p"] != "event"), key
        for phase in ("online", "offline"):
            if component["p"] != "event":
                assert rendered(asked[f"{ROOT}/status"], {"state": phase}) == phase


def test_an_event_says_what_was_decided_and_whether_it_is_old() -> None:
    components, read = told()["cmps"], event(1)
    payload = delivered(read.payload, 7, replay=True, attempt=1, queued_ms=5)
    said = json.loads(rendered(components["gate_north-in_read"], payload))
    assert components["gate_north-in_read"]["state_topic"] == f"{ROOT}/{read.topic}"
    assert said["event_type"] == "accepted" in components["gate_north-in_read"]["event_types"]
    assert (said["vin"], said["replay"], said["time"], said["id"]) == ("1HGCM82633A004352", True, payload["time"], read.id)
    unread = event(2, decision=UNREAD)
    payload = delivered(unread.payload, 8, replay=False, attempt=1, queued_ms=5)
    said = json.loads(rendered(components["gate_north-in_unread"], payload))
    assert components["gate_north-in_unread"]["state_topic"] == f"{ROOT}/{unread.topic}"
    assert [said["event_type"]] == components["gate_north-in_unread"]["event_types"]
    assert (said["reason"], said["replay"]) == ("glare", False)


def test_sensors_show_what_the_retained_messages_say() -> None:
    components = told()["cmps"]
    cameras = (state.CameraHealth(name="cam1", state="online", sharpness=21.5), state.CameraHealth(name="cam2", state="starting"))
    queue = state.QueueHealth(events_unsent=12, bytes=1, cap_bytes=2, evicted=0)
    known = state.Health(state="ok", uptime_s=1, boot_id="b", last_exit="clean", cameras=cameras, queue=queue)
    health = state.health(known, NOW)
    assert rendered(components["unsent"], health) == "12"
    assert rendered(components["oldest"], health) == "0"
    late = state.health(replace(known, queue=replace(queue, oldest_age_s=7.5)), NOW)
    assert rendered(components["oldest"], late) == "7.5"
    assert rendered(components["camera_cam1_sharpness"], health) == "21.5"
    assert rendered(components["camera_cam2_sharpness"], health) == "None", "which Home Assistant shows as unknown"
    assert rendered(components["gate_north-in_last"], event(1).payload) == "1HGCM82633A004352"


@pytest.mark.parametrize(("phase", "connected"), [("online", "ON"), ("starting", "ON"), ("degraded", "ON"), ("offline", "OFF")])
def test_a_camera_is_connected_unless_it_is_offline(phase: Any, connected: str) -> None:
    components, said = told()["cmps"], state.camera_status(phase, NOW)
    assert rendered(components["camera_cam1_connectivity"], said) == connected
    (of_camera,) = [each for each in components["camera_cam1_problem"]["availability"] if "/camera/" in each["topic"]]
    assert rendered(of_camera, said) == {"ON": "online", "OFF": "offline"}[connected]


def test_any_alarm_is_a_problem() -> None:
    component = told()["cmps"]["camera_cam1_problem"]
    assert rendered(component, state.camera_alarm((), NOW)) == "OFF"
    assert rendered(component, state.camera_alarm((Alarm("dark", on=False, since_ms=5),), NOW)) == "OFF"
    assert rendered(component, state.camera_alarm((Alarm("dark", on=True, since_ms=5),), NOW)) == "ON"


def test_where_no_vin_may_stay_on_the_broker_none_is_shown() -> None:
    components = told(replace(SETTINGS, mqtt=replace(SETTINGS.mqtt, last=False)))["cmps"]
    assert not any(key.endswith("_last") for key in components)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, config.Store(free_mb=1), 0) as store:
        yield store


def reporter(store: Store, settings: config.Settings) -> Reporter:
    clock = Clock(synced=lambda: True)
    return Reporter(settings, identify(settings), store, Children([], store.spots.of), Board(clock.now(), "s", "clean"), clock)


def with_prefix(prefix: str) -> config.Settings:
    return config.Settings(agent=config.Agent(site="hamburg", id="gate-3-pi"), mqtt=config.Mqtt(discovery=prefix))


def said(messages: list[Message]) -> dict[str, bool]:
    """Topic → whether anything stands there, of the discovery messages."""
    return {each.topic: bool(each.payload) for each in messages if each.topic.endswith("/config")}


def test_it_is_told_after_the_state_at_every_connect_and_when_something_has_changed(store: Store) -> None:
    speaker = reporter(store, with_prefix("homeassistant"))
    for _ in range(2):
        topics = [each.topic for each in speaker.everything()]
        assert topics[-1] == "homeassistant/device/gate-3-pi/config"
        assert topics.index(f"{ROOT}/health") < len(topics) - 1
    assert said(speaker.changes()) == {}
    other = replace(with_prefix("homeassistant"), camera=CAMERAS)
    speaker.renew(other, identify(other))
    assert said(speaker.changes()) == {"homeassistant/device/gate-3-pi/config": True}


def test_by_default_home_assistant_is_told_nothing(store: Store) -> None:
    assert said(reporter(store, with_prefix("")).everything()) == {}


def test_what_was_announced_is_taken_back_when_that_is_turned_off_also_after_a_restart(store: Store) -> None:
    speaker = reporter(store, with_prefix("homeassistant"))
    speaker.everything()
    speaker.renew(with_prefix("ha"), identify(with_prefix("ha")))
    assert said(speaker.changes()) == {"homeassistant/device/gate-3-pi/config": False, "ha/device/gate-3-pi/config": True}
    everywhere = {"homeassistant/device/gate-3-pi/config": False, "ha/device/gate-3-pi/config": False}
    assert said(reporter(store, with_prefix("")).everything()) == everywhere


def test_a_camera_that_was_taken_out_is_taken_out_of_home_assistant_also_after_a_restart(store: Store) -> None:
    full, less = (replace(with_prefix("homeassistant"), camera=cameras) for cameras in (CAMERAS, CAMERAS[:1]))
    reporter(store, full).everything()
    first, last = (
        json.loads(each.payload)["cmps"]
        for each in reporter(store, less).everything()
        if each.topic == "homeassistant/device/gate-3-pi/config"
    )
    gone = COMPONENTS - set(last)
    assert {key.rpartition("_")[0] for key in gone} == {"gate_south-out", "camera_cam2", "camera_cam3"}
    assert {key: first[key] for key in gone} == {key: {"p": KINDS[key.rpartition("_")[2]]} for key in gone}
    assert len([each for each in reporter(store, less).everything() if each.topic.endswith("/config")]) == 1, "once"


@pytest.mark.parametrize("commands", [True, False])
def test_a_home_assistant_that_starts_is_told_everything_once_more_within_seconds(tmp_path: Path, broker: Broker, commands: bool) -> None:
    announced, settings = "ha/device/gate-3-pi/config", config.Mqtt(port=broker.port, discovery="ha", commands=commands)
    with Subscriber(broker.port) as yard, Sender(tmp_path, settings):
        yard.wait_count(1, announced)
        yard.forget()
        for word in ("offline", "online"):
            subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-t", "ha/status", "-m", word, "-q", "1"], check=True)
        told = yard.wait_for(lambda seen: {f"{ROOT}/status", f"{ROOT}/health", announced} <= {each.topic for each in seen}, BIRTH_S + 3)
    assert sum(each.topic == announced for each in told) == 1
