"""The demo: what a newcomer sees first, and what proves the main job."""

import json
import subprocess

import pytest

from agent.camera.scene import Scene
from agent.demo import filled
from tests.gateway import COMMAND
from tests.payloads import valid

TOPIC = "vinagent/v1/demo/gateway/gate/north-in/vin"


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([COMMAND, "demo", *arguments], capture_output=True, text=True, timeout=280, check=False)


def test_every_vehicle_is_told_right_and_standard_output_holds_events_alone() -> None:
    done = demo("--vehicles", "4", "--seed", "7", "--json")
    assert done.returncode == 0, done.stderr
    events = [valid(TOPIC, json.loads(line)) for line in done.stdout.splitlines()]
    assert [event["data"]["vin"] for event in events] == list(Scene(7, 4).truth)
    assert [event["sequence"] for event in events] == [f"{count:012d}" for count in range(1, 5)]
    assert "vehicle 4 of 4 has passed" in done.stderr


def test_nothing_is_lost_when_the_broker_goes_away_in_the_middle() -> None:
    done = demo("--vehicles", "4", "--seed", "11", "--json", "--outage")
    assert done.returncode == 0, done.stderr
    events = [valid(TOPIC, json.loads(line)) for line in done.stdout.splitlines()]
    assert sorted(event["data"]["vin"] for event in events) == sorted(Scene(11, 4).truth)
    assert any(event["data"]["delivery"]["replay"] for event in events)
    assert "the broker goes away" in done.stderr
    assert "the broker is back" in done.stderr


def test_without_mosquitto_the_broker_of_the_extra_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIN_AGENT_DEMO_BROKER", "amqtt")
    done = demo("--vehicles", "1", "--outage")
    assert done.returncode == 0, done.stderr
    assert "broker: amqtt" in done.stderr
    assert Scene(1, 1).truth[0] in done.stdout
    assert "-> right" in done.stdout


def test_no_vehicles_is_a_quiet_success() -> None:
    done = demo("--vehicles", "0", "--json")
    assert (done.returncode, done.stdout) == (0, "")


def test_only_keys_that_stand_there_once_are_filled_in() -> None:
    assert filled('a = 1\nb = "x"\n', {"a": 2}) == 'a = 2\nb = "x"\n'
    with pytest.raises(AssertionError, match="stands 0 times"):
        filled("a = 1\n", {"c": 2})
