"""A Pi's camera for real: Debian's libcamera and the real picamera2 in a tree, the whole agent on top, and every way a camera fails."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from agent.camera.scene import Scene
from tests.broker import Broker, Received, Subscriber
from tests.camera_contract import CHECKS, pictures
from tests.device.pi_gateway import PiGateway
from tests.payloads import valid

ROOT = "vinagent/v1/demo/gateway"
FINAL, STATUS, HEALTH = f"{ROOT}/gate/north-in/vin", f"{ROOT}/camera/cam1/status", f"{ROOT}/health"
PATIENCE_S = 120.0  # two cores, four other jobs, and an interpreter that starts in a tree


def events(messages: list[Received]) -> list[dict[str, Any]]:
    return [valid(each.topic, each.payload) for each in messages if each.topic == FINAL]


def states(messages: list[Received]) -> list[tuple[str, str]]:
    """State and reason of the camera, as often as it was told."""
    told = [valid(each.topic, each.payload) for each in messages if each.topic == STATUS]
    return [(each["state"], each.get("reason", "")) for each in told]


def seen_at(messages: list[Received]) -> set[int]:
    """The moments at which frames were taken, in seconds of the subscriber's clock, as health told them every second."""
    told = [(each.at, valid(each.topic, each.payload)["cameras"][0]) for each in messages if each.topic == HEALTH]
    return {round(at - camera["frame_age_ms"] / 1000) for at, camera in told if camera.get("frame_age_ms") is not None}


def is_online(messages: list[Received]) -> bool:
    return bool(states(messages)) and states(messages)[-1][0] == "online"


def test_a_rendered_pass_goes_in_through_libcamera_and_comes_out_as_its_vins(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    scene = Scene(3, 2, 1280, 720, 8.0)
    with PiGateway(tmp_path / "gateway", broker.port, [view.pixels for view in scene]) as gateway:
        # Each picture for four frames: at half the speed they were rendered for, which a busy machine keeps up with.
        gateway.camera.turn("fps", "16")
        messages = yard.wait_for(lambda seen: {each["data"]["vin"] for each in events(seen)} >= set(scene.truth), PATIENCE_S)
        told = events(messages)
        assert {each["data"]["vin"] for each in told} == set(scene.truth), "and no other"
        for each in told:
            assert each["data"]["clock"]["monotonic_ms"] <= time.monotonic() * 1000
            assert each["data"]["delivery"]["queued_ms"] < PATIENCE_S * 1000
        code, seconds = gateway.stop()
    assert (code, seconds < 10) == (0, True), gateway.log()
    plates = sum(each["data"]["frames"]["seen"] for each in told)
    print(f"picamera2 → VIN over MQTT: {plates} frames, VINs {', '.join(each['data']['vin'] for each in told)}")


def test_a_camera_that_freezes_is_told_and_sees_again_when_it_thaws(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    with PiGateway(tmp_path / "gateway", broker.port, pictures(), "read_timeout_s = 2.0") as gateway:
        yard.wait_for(is_online, PATIENCE_S)
        began = time.monotonic()
        gateway.camera.turn("freeze", "")
        messages = yard.wait_for(lambda seen: any(state == "offline" for state, _ in states(seen)), PATIENCE_S)
        noticed = time.monotonic() - began
        reason = next(reason for state, reason in states(messages) if state == "offline")
        assert "sent no frame for 2 s" in reason, reason
        assert "started again in" in gateway.log()
        yard.forget()
        gateway.camera.turn("freeze", None)
        yard.wait_for(is_online, PATIENCE_S)
        assert gateway.stop()[0] == 0
    print(f"picamera2, frozen: told offline after {noticed:.1f} s, the reason: {reason}")


def test_a_camera_that_freezes_and_cannot_be_closed_is_killed_and_started_again(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    with PiGateway(tmp_path / "gateway", broker.port, pictures(), "read_timeout_s = 1.0", stall_s=5.0) as gateway:
        yard.wait_for(is_online, PATIENCE_S)
        stuck = gateway.children()
        gateway.camera.turn("hang", "")
        gateway.camera.turn("freeze", "")
        messages = yard.wait_for(lambda seen: any(state == "offline" for state, _ in states(seen)), PATIENCE_S)
        assert "sent no frame for 1 s and is closed" in gateway.log()
        assert "made no progress and is killed" in gateway.log()
        gateway.camera.turn("freeze", None)
        yard.forget()
        yard.wait_for(is_online, PATIENCE_S)
        assert gateway.children() != stuck
        gateway.camera.turn("hang", None)
        assert gateway.stop()[0] == 0
    print(f"picamera2, frozen and not to be closed: killed, online again; told as {states(messages)[-1]}")


def test_a_slow_camera_is_online_and_never_started_again(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    with PiGateway(tmp_path / "gateway", broker.port, pictures(), "read_timeout_s = 30.0", stall_s=60.0) as gateway:
        gateway.camera.turn("fps", "0.5")
        yard.wait_for(lambda seen: is_online(seen) and len(seen_at(seen)) >= 4, PATIENCE_S)
        assert all(state != "offline" for state, _ in states(yard.collect()))
        assert gateway.stop()[0] == 0


def test_a_camera_that_is_missing_is_named_and_the_agent_stays(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    with PiGateway(tmp_path / "gateway", broker.port, pictures(), source="1") as gateway:
        messages = yard.wait_for(lambda seen: any(state == "offline" for state, _ in states(seen)), PATIENCE_S)
        reason = next(reason for state, reason in states(messages) if state == "offline")
        assert "there is no camera 1, libcamera sees 1" in reason
        assert "check the ribbon cable" in reason
        assert gateway.stop()[0] == 0


def test_a_camera_that_another_program_holds_is_told_and_taken_when_it_is_free(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    gateway = PiGateway(tmp_path / "gateway", broker.port, pictures())
    other = gateway.holding()
    try:
        with gateway:
            messages = yard.wait_for(lambda seen: any(state == "offline" for state, _ in states(seen)), PATIENCE_S)
            reason = next(reason for state, reason in states(messages) if state == "offline")
            assert "Device or resource busy" in reason
            assert "end the program that holds it" in reason
            other.kill()
            other.wait(20)
            yard.wait_for(is_online, PATIENCE_S)
            refused = gateway.beside("-m", "tests.device.hold", check=False)
            assert refused.returncode != 0
            assert "Device or resource busy" in refused.stderr
            assert gateway.stop()[0] == 0
    finally:
        other.kill()
        other.communicate()


@pytest.mark.parametrize("size", [(1000, 600), (1920, 1080)])
def test_a_camera_that_gives_another_size_and_format_than_asked_is_used_as_it_is(
    tmp_path: Path, broker: Broker, yard: Subscriber, size: tuple[int, int]
) -> None:
    keys = '[camera.picamera2]\nformat = "RGB888"\nsmall_width = 300\n'
    with PiGateway(tmp_path / "gateway", broker.port, pictures(), keys, width=size[0], height=size[1]) as gateway:
        yard.wait_for(is_online, PATIENCE_S)
        assert f"gives 1280 × 720 instead of {size[0]} × {size[1]}" in gateway.log()
        assert gateway.stop()[0] == 0


def test_the_real_picamera2_keeps_the_contract_of_the_one_in_the_unit_tests(tmp_path: Path) -> None:
    gateway = PiGateway(tmp_path / "gateway", 1, pictures())
    said = gateway.beside("-m", "tests.camera_contract").stdout.splitlines()
    assert said == [f"holds: {check.__name__}" for check in CHECKS]


def test_a_hundred_rounds_of_opening_and_closing_leave_nothing_behind(tmp_path: Path) -> None:
    gateway = PiGateway(tmp_path / "gateway", 1, pictures())
    told = json.loads(gateway.beside("-m", "tests.device.rounds", "100").stdout.splitlines()[-1])
    before, after = told["before"], told["after"]
    print(f"picamera2, opened and closed: after 10 rounds {before}, after 100 {after}")
    assert after["files"] <= before["files"] + 2
    assert after["threads"] <= before["threads"] + 1
    assert after["kb"] - before["kb"] < 10_000, "one buffer that stays in each round would be 120,000"
