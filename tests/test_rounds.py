"""The doctor's rounds name whatever keeps the device from working, and change nothing while they look."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent import config, rounds
from agent.doctor import Finding
from agent.settings import Secret
from agent.store import Store
from agent.vision import zxing
from tests.broker import Broker, Rules
from tests.samples import capture, event
from tests.servers import refusing_port

NOW = 1_800_000_000_000
SCENE = config.Camera(driver="replay", source="scene", width=640, height=360)


def settings(folder: Path, port: int = 1, **mqtt: object) -> config.Settings:
    agent = config.Agent(site="hamburg", id="pole", state_dir=folder)
    broker = replace(config.Mqtt(port=port), **mqtt)  # type: ignore[arg-type]  # keys of the section
    return config.Settings(agent=agent, camera=(SCENE,), mqtt=broker, store=config.Store(free_mb=1))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    acl = "user gate\ntopic write vinagent/v1/hamburg/pole/#\nuser guest\ntopic read nothing\n"
    with Broker(tmp_path / "broker", Rules(login=("gate", "geheim"), more_logins={"guest": "geheim"}, acl=acl)) as broker:
        yield broker


def wrong(findings: Iterator[Finding]) -> list[str]:
    return [each.text for each in findings if not each.good]


def test_a_device_that_is_well_is_found_well(tmp_path: Path, broker: Broker) -> None:
    found = list(rounds.everything(settings(tmp_path / "state", broker.port, user="gate", password=Secret("geheim"))))
    assert [each.text for each in found if not each.good] == []
    said = "\n".join(each.text for each in found)
    for part in (
        "speaks as vinagent/v1/hamburg/pole",
        "holds none yet",
        "read the sample right",
        "gives pictures of 640 x 360",
        "takes messages",
        "barcodes: read one",
    ):
        assert part in said
    assert not (tmp_path / "state").exists()


def test_one_thing_that_is_wrong_keeps_no_other_from_being_looked_at(tmp_path: Path) -> None:
    port = refusing_port()
    dark = replace(settings(tmp_path, port), camera=(replace(SCENE, source=str(tmp_path / "gone")), replace(SCENE, name="cam2")))
    found = list(rounds.everything(dark))
    bad = [each.text for each in found if not each.good]
    assert len(bad) == 2
    assert bad[0].startswith("camera cam1: ")
    assert f"no connection to 127.0.0.1:{port}" in bad[1]
    assert any("camera cam2: gives pictures" in each.text for each in found)


@pytest.mark.parametrize(
    ("user", "password", "sentence"),
    [("gate", "wrong", "it refuses the login of 'gate'"), ("guest", "geheim", "broker: refuses messages below vinagent/v1/hamburg/pole")],
)
def test_a_broker_that_refuses_is_told_with_what_to_check(tmp_path: Path, broker: Broker, user: str, password: str, sentence: str) -> None:
    told = wrong(rounds.everything(settings(tmp_path, broker.port, user=user, password=Secret(password))))
    assert len(told) == 1
    assert sentence in told[0]


def test_a_store_is_looked_over_in_a_copy_while_the_agent_uses_it(tmp_path: Path) -> None:
    with Store.open(tmp_path, config.Store(free_mb=1), NOW) as store:
        store.spool.put(capture("A"), NOW)
        store.outbox.put(event(1), NOW)
        before = sorted(file.name for file in tmp_path.iterdir())
        said = [each.text for each in rounds.at_rest(settings(tmp_path)) if each.good]
        assert sorted(file.name for file in tmp_path.iterdir()) == before
        store.outbox.put(event(2), NOW)
    assert any("is sound and of use to this release: 1 vehicles to be read, 1 events to be sent" in each for each in said)


def test_a_damaged_store_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    with Store.open(tmp_path, config.Store(free_mb=1), NOW) as store:
        for number in range(200):
            store.outbox.put(event(number), NOW)
    file = tmp_path / "agent.db"
    with file.open("r+b") as raw:
        raw.truncate(file.stat().st_size // 2 // 4096 * 4096)
    before = file.read_bytes()
    told = wrong(rounds.at_rest(settings(tmp_path)))
    assert len(told) == 1
    assert str(file) in told[0]
    assert "is damaged" in told[0]
    assert file.read_bytes() == before


def test_a_disk_that_cannot_be_written_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(tmp_path, config.Store(free_mb=1), NOW).close()
    monkeypatch.setattr("agent.refuge.free_bytes", lambda _: 1000)
    told = wrong(rounds.at_rest(settings(tmp_path)))
    assert told == [f"store: {tmp_path} cannot be written: the disk is full; the agent tells vehicles from memory, lost with the power"]


def test_a_gate_without_a_camera_is_not_well(tmp_path: Path, broker: Broker) -> None:
    blind = replace(settings(tmp_path, broker.port, user="gate", password=Secret("geheim")), camera=())
    assert wrong(rounds.everything(blind)) == ["camera: none is set; add a [[camera]] section"]


def test_at_rest_neither_network_nor_camera_is_touched(tmp_path: Path) -> None:
    found = list(rounds.at_rest(settings(tmp_path, refusing_port())))
    assert [each.text for each in found if not each.good] == []
    assert not any("camera" in each.text or "broker" in each.text for each in found)


def test_a_device_without_the_barcode_library_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zxing._library.cache_clear()
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    bad = [each for each in wrong(rounds.everything(settings(tmp_path, refusing_port()))) if each.startswith("barcodes")]
    zxing._library.cache_clear()
    assert len(bad) == 1
    assert "pip install zxing-cpp" in bad[0]
    assert "vision.barcodes = false" in bad[0]
