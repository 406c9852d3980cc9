"""The whole agent as installed: real processes, real signals, a real broker."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.camera.scene import Scene
from tests.broker import Authority, Broker, Received, Rules, Subscriber
from tests.gateway import Gateway
from tests.labels import label
from tests.payloads import valid
from tests.servers import refusing_port

ROOT = "vinagent/v1/demo/gateway"
FINAL = f"{ROOT}/gate/north-in/vin"


def vins(messages: list[Received]) -> dict[str, str]:
    """id → VIN of every final event; every payload is held against its schema."""
    events = [valid(each.topic, each.payload) for each in messages if each.topic == FINAL]
    return {event["id"]: event["data"]["vin"] for event in events}


def phases(messages: list[Received]) -> list[str]:
    return [valid(each.topic, each.payload)["state"] for each in messages if each.topic == f"{ROOT}/status"]


def test_a_vehicle_travels_from_the_camera_to_the_yard(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    with Gateway(tmp_path, broker.port, vehicles=2, seed=3) as gateway:
        messages = yard.wait_for(lambda seen: len(vins(seen)) == 2, 60)
        assert sorted(vins(messages).values()) == sorted(Scene(3, 2).truth)
        levels = ("status", "info", "camera/cam1/status", "health", "camera/cam1/alarm", "gate/north-in/last")
        retained = [f"{ROOT}/{level}" for level in levels]
        messages = yard.wait_for(lambda seen: set(retained) <= {each.topic for each in seen})
        for each in messages:
            valid(each.topic, each.payload)
        topics = [each.topic for each in messages]
        assert [topics.index(topic) for topic in retained[:5]] == [0, 1, 2, 3, 4], "state comes first, in the order of the contract"
        assert {each.qos for each in messages} == {1}
        with Subscriber(broker.port) as late:
            kept = late.wait_count(len(retained))
            assert sorted(each.topic for each in kept) == sorted(retained), "events are not retained, state is"
        code, seconds = gateway.stop()
    assert (code, seconds < 10) == (0, True)
    assert gateway.stored("spool") == gateway.stored("outbox") == []
    assert len(gateway.stored("sent")) == 2


def test_a_stop_under_load_is_clean_and_loses_nothing(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    with Gateway(tmp_path, broker.port, vehicles=50, seed=5) as gateway:
        yard.wait_for(lambda seen: len(vins(seen)) >= 1, 60)
        gateway.wait_for(lambda: gateway.log().count("vehicle seen") >= 2)
        code, seconds = gateway.stop()
    assert (code, seconds < 10) == (0, True), gateway.log()
    yard.wait_for(lambda seen: phases(seen)[-1] == "offline")
    assert phases(yard.collect()) == ["online", "stopping", "offline"]
    with Subscriber(broker.port, f"{ROOT}/status") as late:
        assert json.loads(late.wait_count(1)[0].payload)["state"] == "offline"
    told = set(vins(yard.collect()))
    committed = {line.rpartition(" ")[2] for line in gateway.log().splitlines() if "vehicle seen" in line}
    kept = set(gateway.stored("spool")) | set(gateway.stored("outbox")) | set(gateway.stored("sent"))
    assert committed <= kept, "what was acknowledged is on the disk"
    assert set(gateway.stored("sent")) <= told | {each.topic for each in yard.collect()}, "what counts as sent was received"


def test_ctrl_c_is_a_clean_stop_too(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    with Gateway(tmp_path, broker.port, vehicles=5) as gateway:
        yard.wait_for(lambda seen: phases(seen) == ["online"], 30)
        assert gateway.stop(signal.SIGINT)[0] == 0


def test_a_killed_agent_is_offline_by_its_will_and_says_afterwards_that_it_crashed(
    tmp_path: Path, broker: Broker, yard: Subscriber
) -> None:
    with Gateway(tmp_path, broker.port, vehicles=5) as gateway:
        yard.wait_for(lambda seen: phases(seen) == ["online"], 30)
        gateway.kill()
        yard.wait_for(lambda seen: phases(seen)[-1] == "offline")
        gateway.start()
        messages = yard.wait_for(lambda seen: phases(seen)[-1] == "online", 30)
        online = [each for each in messages if each.topic == f"{ROOT}/status"][-1]
        assert json.loads(online.payload)["last_exit"] == "crash"
        gateway.stop()
        gateway.start()
        messages = yard.wait_for(lambda seen: phases(seen).count("online") == 3, 30)
        online = [each for each in messages if each.topic == f"{ROOT}/status"][-1]
        assert json.loads(online.payload)["last_exit"] == "clean"


def test_vehicles_wait_on_the_disk_while_no_broker_is_there(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    with Gateway(tmp_path, broker.port, vehicles=2, seed=9, replay_per_s=100.0) as gateway:
        gateway.wait_for(lambda: gateway.log().count(" accepted ") == 2, 60)
        assert len(gateway.stored("outbox")) == 2
        gateway.kill()
        with broker, Subscriber(broker.port) as yard:
            gateway.start()
            messages = yard.wait_for(lambda seen: len(vins(seen)) >= 2, 60)
            backlog = [json.loads(each.payload) for each in messages if each.topic == FINAL][:2]
            assert {event["data"]["vin"] for event in backlog} == set(Scene(9, 2).truth)
            assert all(event["data"]["delivery"]["replay"] for event in backlog)
            assert [event["sequence"] for event in backlog] == ["000000000001", "000000000002"]


def test_a_camera_that_is_killed_comes_back(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    with Gateway(tmp_path, broker.port, vehicles=30) as gateway:
        gateway.wait_for(lambda: "camera is online" in gateway.log())
        first = gateway.children()
        assert len(first) == 1
        os.kill(first[0], signal.SIGKILL)
        gateway.wait_for(lambda: gateway.log().count("camera is online") == 2)
        assert gateway.children() != first
        states = [valid(each.topic, each.payload)["state"] for each in yard.collect("camera/cam1/status")]
        assert "offline" in states


def test_a_camera_that_freezes_is_killed_and_comes_back(tmp_path: Path, broker: Broker) -> None:
    with Gateway(tmp_path, broker.port, more="", vehicles=30, stall_s=1.0) as gateway:
        gateway.wait_for(lambda: "camera is online" in gateway.log())
        os.kill(gateway.children()[0], signal.SIGSTOP)
        began = time.monotonic()
        gateway.wait_for(lambda: gateway.log().count("camera is online") == 2)
        assert time.monotonic() - began < 1.0 + 10.0
        assert "made no progress and is killed" in gateway.log()


def test_a_gateway_without_cameras_is_ready_and_says_degraded(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    config = tmp_path / "agent.toml"
    gateway = Gateway(tmp_path, broker.port)
    config.write_text(f"[agent]\nsite='demo'\nid='gateway'\nstate_dir='{tmp_path}/state'\n[mqtt]\nport={broker.port}\n", "utf-8")
    notify = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(notify))
        sock.settimeout(10)
        began = time.monotonic()
        with gateway:
            gateway.stop(signal.SIGKILL)
            gateway.start({"NOTIFY_SOCKET": str(notify), "WATCHDOG_USEC": "1000000"})
            assert b"READY=1" in sock.recv(200)
            assert time.monotonic() - began < 10
            assert b"WATCHDOG=1" in sock.recv(200)
            messages = yard.wait_for(lambda seen: any(each.topic == f"{ROOT}/health" for each in seen))
            health = valid(f"{ROOT}/health", next(each.payload for each in messages if each.topic == f"{ROOT}/health"))
            assert health["state"] == "degraded"
            assert "no_camera" in health["reasons"]
            assert gateway.stop()[0] == 0
            words = [sock.recv(200)]
            while b"STOPPING=1" not in words[-1]:
                words.append(sock.recv(200))


def test_login_certificates_and_access_list_are_used_end_to_end(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.issue("gateway")
    rules = Rules(
        login=("gate", "odd #'\"pass"),
        acl=f"user gate\ntopic readwrite {ROOT}/#\n",
        tls=authority,
        client_certificate=True,
    )
    with Broker(tmp_path / "broker", rules) as broker:
        tls = f'\n[mqtt]\ntls = true\nca_file = "{authority.file}"\ncert_file = "{certificate}"\nkey_file = "{key}"\nuser = "gate"\n'
        gateway = Gateway(tmp_path, broker.port, vehicles=1, seed=4)
        gateway.config.write_text(gateway.config.read_text("utf-8").replace("\n[mqtt]\n", tls), "utf-8")
        with Subscriber(broker.port, login=("gate", "odd #'\"pass"), tls=(authority, (certificate, key))) as yard, gateway:
            gateway.process.kill()
            gateway.process.wait()
            gateway.start({"VIN_AGENT_MQTT_PASSWORD": "odd #'\"pass"})
            messages = yard.wait_for(lambda seen: vins(seen), 60)
            assert list(vins(messages).values()) == list(Scene(4, 1).truth)
            assert "odd #" not in gateway.log()


def test_a_refused_login_is_named_and_the_vehicles_wait(tmp_path: Path) -> None:
    with (
        Broker(tmp_path / "broker", Rules(login=("gate", "right"))) as broker,
        Gateway(tmp_path, broker.port, vehicles=1) as gateway,
    ):
        gateway.wait_for(lambda: "mqtt.password" in gateway.log())
        gateway.wait_for(lambda: " accepted " in gateway.log(), 60)
        assert len(gateway.stored("outbox")) == 1
        assert gateway.stop()[0] == 0


def test_a_vehicle_with_a_barcode_reaches_the_yard_although_its_reader_cannot_be_asked(
    tmp_path: Path, broker: Broker, yard: Subscriber
) -> None:
    shown, empty = label("1HGCM82633A004352", "I1HGCM82633A004352"), np.full((540, 960, 3), 90, np.uint8)
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(30):
        picture = shown if 8 <= number < 20 else empty
        (frames / f"{number:02d}.png").write_bytes(cv2.imencode(".png", picture + np.uint8(number % 2))[1].tobytes())
    nobody = f'\n[provider.tencent]\nsecret_id = "AKIDnobodys"\nsecret_key = "unused"\nurl = "http://127.0.0.1:{refusing_port()}"\n'
    with Gateway(tmp_path, broker.port, more=nobody, source=str(frames), chain=["tencent"]) as gateway:
        messages = yard.wait_for(lambda seen: len(vins(seen)) == 1, 30)
        (event,) = [json.loads(each.payload) for each in messages if each.topic == FINAL]
        assert "tencent" not in gateway.log()
    assert (event["data"]["vin"], event["data"]["decision"]) == ("1HGCM82633A004352", "accepted")
    assert event["data"]["barcodes"] == ["I1HGCM82633A004352"]
    assert event["data"]["ocr"] == {"provider": "barcode", "attempts": 0, "latency_ms": 0, "fallback": False}


def test_a_device_without_the_barcode_library_says_so_once_and_reads_its_vehicles(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zxingcpp.py").write_text("raise ImportError('built for another machine')", "utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))))
    with Gateway(tmp_path, broker.port, vehicles=1) as gateway:
        gateway.wait_for(lambda: " accepted " in gateway.log(), 60)
        assert gateway.log().count("zxing-cpp cannot be used (built for another machine)") == 1


def test_a_second_agent_on_the_same_folder_leaves_again_and_the_first_goes_on(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    """Both would have every vehicle read, and paid for."""
    with Gateway(tmp_path, broker.port, vehicles=5) as gateway:
        yard.wait_for(lambda seen: phases(seen) == ["online"], 30)
        first = gateway.process
        try:
            gateway.start()
            assert gateway.process.wait(30) == 1
            assert f"another agent (process {first.pid}) works with this agent.state_dir" in gateway.log()
            assert first.poll() is None
            assert phases(yard.wait_for(lambda _: True)) == ["online"]
        finally:
            first.terminate()
            assert first.wait(10) == 0
