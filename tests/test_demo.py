"""The demo: what a newcomer sees first, and what proves the main job."""

import json
import subprocess
import tomllib

import cv2
import numpy as np
import pytest

from agent import config
from agent.camera.scene import Scene
from agent.demo import filled
from agent.domain import Box
from agent.ocr.embedded import Embedded
from agent.shipped import shipped
from agent.vin_text import candidates_in
from tests.gateway import COMMAND
from tests.payloads import valid
from tests.vendors import VendorServer
from tests.vendors.snippet import snippet

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


def test_a_cloud_reader_can_stand_in_for_the_embedded_one() -> None:
    truth = list(Scene(7, 2).truth)
    with Embedded(config.Settings()) as embedded:

        def seen(picture: bytes) -> str | None:
            pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
            assert pixels is not None
            height, width = pixels.shape[:2]
            line = embedded.read_line(np.asarray(pixels, np.uint8), Box(0, 0, width, height))
            found = candidates_in(line.text, line.confidence)
            return found[0].value if found else None

        with VendorServer(reader=seen) as server:
            done = demo("--vehicles", "2", "--seed", "7", "--json", "--provider", "huawei", "--url", server.url())
            billed = server.calls["huawei"].billed
    assert done.returncode == 0, done.stderr
    data = [valid(TOPIC, json.loads(line))["data"] for line in done.stdout.splitlines()]
    assert [each["vin"] for each in data] == truth
    assert {each["ocr"]["provider"] for each in data} == {"huawei"}
    assert billed == sum(each["ocr"]["attempts"] for each in data)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--provider", "tencent"), 2, "--provider tencent needs --url"),
        (("--provider", "tencant", "--url", "http://127.0.0.1:1"), 78, "reading.chain[0] must be"),
        (("--provider", "tencent", "--url", "http://ocr.example"), 78, "provider.tencent.url must be"),
    ],
)
def test_a_demo_that_cannot_work_says_so_at_once(arguments: tuple[str, ...], code: int, sentence: str) -> None:
    done = demo("--vehicles", "1", *arguments)
    assert done.returncode == code
    assert sentence in done.stderr


def test_the_keys_of_the_demo_are_those_of_the_vendor_servers() -> None:
    shown = tomllib.loads(shipped("demo-accounts.toml").read_text("utf-8"))["provider"]
    with VendorServer() as server:
        on_file = tomllib.loads(snippet(server))["provider"]
    for name, section in shown.items():
        assert {key: on_file[name][key] for key in section if not key.endswith("url")} == {
            key: value for key, value in section.items() if not key.endswith("url")
        }
