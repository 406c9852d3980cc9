"""Four cameras on one gateway: one killed, one frozen, and the others are served as if nothing had happened; the budget is shared."""

import itertools
import os
import re
import signal
import time
from pathlib import Path

from agent.demo import filled
from agent.shipped import shipped
from tests.broker import Broker, Received, Subscriber
from tests.gateway import Gateway
from tests.payloads import valid
from tests.vendors import VendorServer

ROOT = "vinagent/v1/demo/gateway"
NAMES = ("north", "east", "south", "west")
STALL_S = 8.0


def gateway(folder: Path, broker: Broker, *, reading: str = "", **settings: object) -> Gateway:
    """A gateway with four rendered gates."""
    gateway = Gateway(folder, broker.port)
    text = gateway.config.read_text("utf-8")
    head, rest = text.split("[[camera]]\n")
    camera, tail = rest.split("\n[reading]")
    cameras = ""
    for seed, name in enumerate(NAMES):
        values = {"name": name, "gate": name, "seed": seed + 1, "width": 640, "height": 360, "fps": 4.0, "stall_s": STALL_S, **settings}
        cameras += "[[camera]]\n" + filled(camera, values) + "\n"
    gateway.config.write_text(head + cameras + "[reading]" + tail + reading, "utf-8")
    return gateway


def process_of(gateway: Gateway, name: str) -> int:
    """The camera's process, by the order in which they were started; all of them run."""
    gateway.wait_for(lambda: len(gateway.children()) == len(NAMES))
    return sorted(gateway.children())[NAMES.index(name)]


def states(messages: list[Received], name: str) -> list[str]:
    topic = f"{ROOT}/camera/{name}/status"
    return [valid(each.topic, each.payload)["state"] for each in messages if each.topic == topic]


def told(messages: list[Received]) -> set[str]:
    """The ids of the final events."""
    return {valid(each.topic, each.payload)["id"] for each in messages if each.topic.endswith(("/vin", "/unread"))}


def gates(messages: list[Received]) -> set[str]:
    """Where vehicles were told from."""
    return {each.topic.removeprefix(f"{ROOT}/gate/").partition("/")[0] for each in messages if each.topic.startswith(f"{ROOT}/gate/")}


def counted(messages: list[Received], name: str) -> int:
    """How often the newest frame of a camera was another one, as health told it, by its falling age."""
    ages = [age for _, age in frames(messages)[name]]
    return bool(ages) + sum(later < earlier for earlier, later in itertools.pairwise(ages))


def frames(messages: list[Received]) -> dict[str, list[tuple[float, int]]]:
    """Camera → (when health said it, age of its newest frame in ms)."""
    told: dict[str, list[tuple[float, int]]] = {name: [] for name in NAMES}
    for each in messages:
        if each.topic == f"{ROOT}/health":
            for camera in valid(each.topic, each.payload)["cameras"]:
                if "frame_age_ms" in camera:
                    told[camera["name"]].append((each.at, camera["frame_age_ms"]))
    return told


def test_of_four_cameras_one_is_killed_and_one_stops_and_the_others_miss_nothing(tmp_path: Path, broker: Broker) -> None:
    with Subscriber(broker.port) as yard, gateway(tmp_path, broker, vehicles=10_000) as agent:
        agent.wait_for(lambda: all(f"{name}: camera is online" in agent.log() for name in NAMES), 60)
        yard.wait_for(lambda seen: all("online" in states(seen, name) for name in NAMES), 30)
        yard.forget()
        stopped, killed = process_of(agent, "east"), process_of(agent, "south")
        os.kill(stopped, signal.SIGSTOP)
        os.kill(killed, signal.SIGKILL)
        began = time.monotonic()
        yard.wait_for(lambda seen: "offline" in states(seen, "east") and states(seen, "east")[-1] == "online", 60)
        back_s = time.monotonic() - began
        messages = yard.wait_for(lambda seen: "offline" in states(seen, "south") and states(seen, "south")[-1] == "online", 60)
        told_by = gates(messages)
        assert agent.stop()[0] == 0

    assert states(messages, "north") == states(messages, "west") == [], "nothing has changed there, so nothing is told"
    assert states(messages, "east")[:2] == ["degraded", "offline"], "no good frame any more, then no process"
    worst = {name: max(age for at, age in told) for name, told in frames(messages).items() if name in ("north", "west")}
    assert {"north", "west"} <= told_by, "their vehicles went on being told"
    print(f"four cameras: stopped one back after {back_s:.1f} s of {STALL_S:g} + 5; oldest frame of the others {worst} ms")
    assert "north: camera process" not in agent.log()
    assert "west: camera process" not in agent.log()
    assert max(worst.values()) < STALL_S * 1000
    assert back_s < 2 * (STALL_S + 5)


def test_a_camera_that_is_missing_and_one_with_a_frame_in_five_seconds_hold_up_no_other(tmp_path: Path, broker: Broker) -> None:
    agent = gateway(tmp_path, broker, vehicles=10_000, stall_s=4.0)
    text = agent.config.read_text("utf-8").replace("fps = 4.0", "fps = 0.2", 1)
    first, second, rest = re.split(r"(?<=source = )\"scene\"", text, maxsplit=2)
    agent.config.write_text(f'{first}"scene"{second}"/nonexistent/pictures"{rest}', "utf-8")
    with Subscriber(broker.port) as yard, agent:
        messages = yard.wait_for(lambda seen: {"south", "west"} <= gates(seen) and "offline" in states(seen, "east"), 90)
        assert "east" not in gates(messages)
        # Three of its frames, and more than anybody may be silent.
        messages = yard.wait_for(lambda seen: counted(seen, "north") >= 3, 60)
        assert states(messages, "north")[-1] == "online"
        assert "north: camera process" not in agent.log()
        assert "north: camera is degraded" not in agent.log()
        assert agent.stop()[0] == 0


def test_four_cameras_together_never_exceed_the_budget(tmp_path: Path, broker: Broker) -> None:
    allowed = 3
    with VendorServer() as vendors, Subscriber(broker.port) as yard:
        accounts = re.sub(r'(?m)^(url|iam_url) = ""$', f'\\1 = "{vendors.url()}"', shipped("demo-accounts.toml").read_text("utf-8"))
        agent = gateway(tmp_path, broker, vehicles=2, fps=8.0, width=1280, height=720)
        text = agent.config.read_text("utf-8").replace(
            'chain = ["embedded"]', f'chain = ["tencent", "embedded"]\ncalls_per_day = {allowed}'
        )
        agent.config.write_text(text + accounts, "utf-8")
        with agent:
            agent.wait_for(lambda: all(f"{name}: no more frames" in agent.log() for name in NAMES), 120)
            seen = agent.log().count("vehicle seen")
            yard.wait_for(lambda messages: len(told(messages)) == seen, 120)
            assert agent.stop()[0] == 0
        calls = vendors.calls["tencent"]
    print(f"four cameras: {seen} vehicles, {calls.billed} calls paid of {allowed} allowed a day")
    assert seen > allowed
    assert calls.requests <= allowed
