"""A configuration that changes while the agent runs: what is taken over, what waits, what is refused, and nothing is lost."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.reload import compared
from tests.broker import Broker, Received, Subscriber
from tests.gateway import Gateway
from tests.payloads import valid

ROOT = "vinagent/v1/demo/gateway"
PLAIN = config.Settings()


def camera(name: str, **settings: Any) -> config.Camera:
    return config.Camera(name=name, driver="replay", source="scene", **settings)


def test_a_file_that_says_the_same_changes_nothing() -> None:
    change = compared(PLAIN, config.Settings())
    assert (change.settings, change.taken, change.waiting) == (PLAIN, (), ())


def test_cameras_are_told_apart_by_their_names_whatever_their_order() -> None:
    old = replace(PLAIN, camera=(camera("a"), camera("b", fps=5.0), camera("c")))
    new = replace(PLAIN, camera=(camera("d"), camera("b", fps=6.0), camera("a")))
    change = compared(old, new)
    assert change.taken == ("camera.b.fps", "camera.c", "camera.d")
    assert change.settings.camera == new.camera


def test_names_and_open_files_wait_for_a_start_and_the_rest_does_not() -> None:
    agent = config.Agent(site="elsewhere", id="other", state_dir=Path("/srv"), log_level="debug")
    new = replace(PLAIN, agent=agent, store=config.Store(max_mb=9), mqtt=config.Mqtt(prefix="yard", host="broker"))
    change = compared(PLAIN, new)
    assert change.waiting == ("agent.site", "agent.id", "agent.state_dir", "store.max_mb", "mqtt.prefix")
    assert change.taken == ("agent.log_level", "mqtt.host")
    assert change.settings == replace(PLAIN, agent=config.Agent(log_level="debug"), mqtt=config.Mqtt(host="broker"))


def test_a_secret_that_changes_is_named_and_not_shown() -> None:
    change = compared(PLAIN, replace(PLAIN, mqtt=config.Mqtt(password=config.Secret("hush"))))
    assert change.taken == ("mqtt.password",)
    assert change.touches("mqtt")
    assert not change.touches("mqttt", "mqt", "reading")
    assert "hush" not in repr(change)


class Site:
    """A gateway whose file is written anew; each camera shows vehicles of its own."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.gateway = Gateway(folder, broker.port)
        self._port, self._reloads = broker.port, 0

    def write(self, *cameras: str, mqtt: str = "", more: str = "", site: str = "demo", level: str = "info") -> None:
        text = f"[agent]\nlog_level = '{level}'\nsite = '{site}'\nid = 'gateway'\nstate_dir = '{self.gateway.state}'\n"
        text += "".join(
            f"[[camera]]\ngate = 'north-in'\ndriver = 'replay'\nsource = 'scene'\nwidth = 1280\nheight = 720\n{each}\n" for each in cameras
        )
        text += f"[store]\nfree_mb = 1\n[mqtt]\nport = {self._port}\nreplay_per_s = 0\n{mqtt}\n[health]\nevery_s = 1\n{more}\n"
        # Renamed, so that nobody reads half a file.
        draft = self.gateway.config.with_suffix(".draft")
        draft.write_text(text, "utf-8")
        draft.replace(self.gateway.config)

    def reload(self, words: str = "the configuration was read anew") -> None:
        before = self.gateway.log().count(words)
        self.gateway.process.send_signal(signal.SIGHUP)
        self.gateway.wait_for(lambda: self.gateway.log().count(words) > before)

    def online(self, name: str) -> int:
        return self.gateway.log().count(f"{name}: camera is online")


@pytest.fixture
def site(tmp_path: Path, broker: Broker) -> Iterator[Site]:
    site = Site(tmp_path / "agent", broker)
    try:
        yield site
    finally:
        site.gateway.__exit__()


def latest(messages: list[Received], topic: str) -> dict[str, Any]:
    found = [each for each in messages if each.topic == f"{ROOT}/{topic}" and each.payload]
    return valid(found[-1].topic, found[-1].payload) if found else {}


def audits(messages: list[Received]) -> list[dict[str, Any]]:
    return [valid(each.topic, each.payload) for each in messages if each.topic == f"{ROOT}/audit"]


ONE, TWO, THREE = "name = 'one'\nvehicles = 0", "name = 'two'\nvehicles = 0", "name = 'three'\nvehicles = 0"


def test_only_the_cameras_that_changed_start_anew_and_the_yard_is_told(site: Site, broker: Broker) -> None:
    site.write(ONE, TWO)
    site.gateway.start()
    with Subscriber(broker.port) as yard:
        site.gateway.wait_for(lambda: (site.online("one"), site.online("two")) == (1, 1))
        first = yard.wait_for(lambda seen: latest(seen, "info"))
        before = latest(first, "info")["config"]
        kept = set(site.gateway.children())
        site.write(ONE, TWO + "\nfps = 5.0", THREE)
        site.reload()
        site.gateway.wait_for(lambda: (site.online("two"), site.online("three")) == (2, 1))
        assert site.online("one") == 1
        assert len(kept & set(site.gateway.children())) == 1
        seen = yard.wait_for(lambda seen: len(latest(seen, "info").get("cameras", ())) == 3 and audits(seen), 30)
        assert latest(seen, "info")["config"] != before
        told = audits(seen)[-1]["data"]
        assert (told["what"], told["id"], told["why"]) == ("config", latest(seen, "info")["config"], "camera.two.fps, camera.three")
        site.write(ONE)
        site.reload()
        gone = [f"{ROOT}/camera/{name}/status" for name in ("two", "three")]
        yard.wait_for(lambda seen: {each.topic for each in seen if not each.payload} >= set(gone), 30)
        site.gateway.wait_for(lambda: len(site.gateway.children()) == 1)
    with Subscriber(broker.port, f"{ROOT}/camera/+/status") as late:
        late.wait_count(1, "/one/")
        assert not [each for each in late.collect() if "/one/" not in each.topic], "what was taken out leaves nothing on the broker"
    assert site.gateway.stop()[0] == 0


def test_a_camera_says_more_from_now_on_without_being_started_anew(site: Site) -> None:
    site.write(ONE.replace("0", "1000"), level="info")
    site.gateway.start()
    site.gateway.wait_for(lambda: "one: vehicle seen" in site.gateway.log())
    before = site.gateway.children()
    assert "DEBUG" not in site.gateway.log()
    site.write(ONE.replace("0", "1000"), level="debug")
    site.reload()
    assert "changed: agent.log_level" in site.gateway.log()
    site.gateway.wait_for(lambda: any("DEBUG   one: " in line for line in site.gateway.log().splitlines()))
    assert site.gateway.children() == before


def test_a_wrong_file_changes_nothing_and_says_why_until_it_is_right(site: Site, broker: Broker) -> None:
    site.write(ONE)
    site.gateway.start()
    with Subscriber(broker.port) as yard:
        site.gateway.wait_for(lambda: site.online("one") == 1)
        site.write(ONE, "name = 'two'\nfbs = 5")
        site.reload("is refused, the one before it holds on")
        assert 'unknown key camera[1].fbs; did you mean "fps"?' in site.gateway.log()
        yard.wait_for(lambda seen: "config_rejected" in latest(seen, "health").get("reasons", ()), 30)
        assert [each["name"] for each in latest(yard.collect(), "health")["cameras"]] == ["one"]
        site.write(ONE, more="[reading]\nchain = ['nobody']")
        site.reload("reading.chain[0] must be")
        site.write(ONE)
        site.reload()
        yard.wait_for(lambda seen: "config_rejected" not in latest(seen, "health").get("reasons", ("config_rejected",)), 30)
    assert site.online("one") == 1


def test_what_waits_for_a_start_is_named_and_left_as_it_was(site: Site, broker: Broker) -> None:
    site.write()
    site.gateway.start()
    with Subscriber(broker.port) as yard:
        yard.wait_for(lambda seen: latest(seen, "status").get("state") == "online", 30)
        site.write(site="elsewhere", mqtt="prefix = 'yard'", more="[power]\nreboot_after_min = 30")
        site.reload()
        assert "left as it was: agent.site, mqtt.prefix; restart the service" in site.gateway.log()
        assert "changed: power.reboot_after_min" in site.gateway.log()
        yard.wait_for(lambda seen: audits(seen), 30)
        assert all(each.topic.startswith(ROOT) for each in yard.collect())


def test_another_broker_is_told_everything_and_the_old_one_that_we_are_gone(site: Site, broker: Broker, tmp_path: Path) -> None:
    site.write()
    site.gateway.start()
    with Broker(tmp_path / "other") as other, Subscriber(other.port) as there, Subscriber(broker.port) as here:
        here.wait_for(lambda seen: latest(seen, "status").get("state") == "online", 30)
        site._port = other.port
        site.write()
        site.reload()
        there.wait_for(lambda seen: latest(seen, "status").get("state") == "online" and latest(seen, "health"), 30)
        here.wait_for(lambda seen: latest(seen, "status").get("state") == "offline", 30)


def test_a_broker_that_was_wrong_is_not_waited_for_once_it_is_right(site: Site, broker: Broker) -> None:
    site._port = 1
    site.write()
    site.gateway.start()
    site.gateway.wait_for(lambda: "next try in" in site.gateway.log())
    site._port = broker.port
    site.write()
    with Subscriber(broker.port) as yard:
        site.reload()
        yard.wait_for(lambda seen: latest(seen, "status").get("state") == "online", 30)


def figures(pid: int) -> tuple[int, int]:
    """Open files and threads of a process."""
    return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208


def test_fifty_reloads_under_load_lose_no_vehicle_and_leave_nothing_open(site: Site, broker: Broker) -> None:
    """Each reload changes a camera, the reading and the broker's settings at once; one camera is never touched.

    A camera that is reopened shows its vehicles anew, and each is told.
    """
    steady = "name = 'steady'\nvehicles = 1000\nfps = 20.0"
    odd = {"more": "[reading]\nagain_s = 0\naccept_alone = 0.9", "mqtt": "keepalive_s = 15"}
    even = {"more": "[reading]\nagain_s = 0\naccept_alone = 0.91\nsecond_wait_s = 5", "mqtt": "keepalive_s = 16"}
    gateway = site.gateway
    site.write(steady, "name = 'other'\nvehicles = 1000\nseed = 2", **odd)
    gateway.start()
    with Subscriber(broker.port) as yard:
        gateway.wait_for(lambda: site.online("steady") == 1 and "connected" in gateway.log())
        pid, then = gateway.process.pid, (0, 0)
        for turn in range(50):
            site.write(steady, f"name = 'other'\nvehicles = 1000\nseed = {3 + turn % 2}", **(even if turn % 2 else odd))
            site.reload()
            if turn % 10 == 0:
                known = gateway.log().count("vehicle seen")
                gateway.wait_for(lambda: gateway.log().count("vehicle seen") > known, 60)  # noqa: B023 - called within the turn
            if turn == 9:
                gateway.wait_for(lambda: " accepted " in gateway.log(), 60)
                then = figures(pid)
        site.write(steady.replace("1000", "0"), **odd)
        site.reload()
        gateway.wait_for(lambda: "steady: no more frames" in gateway.log() and not gateway.children())
        seen = {line.rpartition(" ")[2] for line in gateway.log().splitlines() if "vehicle seen" in line}
        yard.wait_for(lambda messages: set(finals(messages)) == seen, 90)
        # What forty reloads leave behind is forty of something: a few are being opened or closed at any moment.
        gateway.wait_for(lambda: all(now < before + 20 for now, before in zip(figures(pid), then, strict=True)))
        now = figures(pid)
        assert gateway.stop()[0] == 0
    assert len(seen) >= 5
    print(f"reload: 50 under load, {len(seen)} vehicles, 0 lost; files and threads {then} after ten, {now} in the end")


def finals(messages: list[Received]) -> dict[str, str]:
    """id → VIN, empty for a vehicle that was not read; the same id never comes with another VIN."""
    found: dict[str, str] = {}
    for each in messages:
        if each.topic.endswith(("/vin", "/unread")):
            event = valid(each.topic, each.payload)
            assert found.setdefault(event["id"], event["data"].get("vin", "")) == event["data"].get("vin", "")
    return found
