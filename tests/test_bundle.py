"""The archive for a maintainer: what is in it, who may read it, and what never is in it."""

import base64
import json
import os
import re
import sqlite3
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import bundle, config, figures, machine
from agent.errors import NeedsOperator, RetryLater
from agent.scrub import Scrub, secrets_of, spellings
from agent.settings import Secret
from agent.store import Store
from tests.broker import Authority
from tests.samples import CAPTURE, NOW, event
from tests.test_cli import vin_agent

VIN = "1HGCM82633A004352"


def unpacked(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        members = [(member, tar.extractfile(member)) for member in tar]
        return {member.name.removeprefix("vin-agent-bundle/"): content.read() for member, content in members if content}


def site(folder: Path, more: str = "") -> Path:
    """A configuration, and a store in which one vehicle waits and one event was sent."""
    file = folder / "agent.toml"
    file.write_text(f"[agent]\nstate_dir = '{folder}/state'\nid = 'gate'\n[store]\nfree_mb = 1\n{more}", "utf-8")
    (folder / "state").mkdir(parents=True)
    with Store.open(folder / "state", config.Store(free_mb=1), NOW.utc_ms) as store:
        store.spool.put(CAPTURE, NOW.utc_ms)
        sequence = store.outbox.put(event(1), NOW.utc_ms)
        store.outbox.put(event(2), NOW.utc_ms)
        store.outbox.sent([sequence], NOW.utc_ms)
        store.put("last/gate/north-in/vin", {"payload": {"subject": VIN}})
    return file


def test_the_archive_tells_what_is_needed_is_its_owners_alone_and_holds_no_vin(tmp_path: Path) -> None:
    place = tmp_path / "bundle.tar.gz"
    done = vin_agent("bundle", place, "--config", site(tmp_path))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    found = unpacked(place)
    assert set(found) == {
        "versions.txt", "settings.json", "doctor.txt", "store.json", "system.txt", "disk.txt", "kernel.txt", "unit.txt", "journal.txt",
        "certificates.txt",
    }  # fmt: skip
    assert b"paho-mqtt" in found["versions.txt"]
    store = json.loads(found["store.json"])["store"]
    assert {name: queue["rows"] for name, queue in store["queues"].items()} == {"spool": 1, "outbox": 1, "sent": 1}
    assert store["queues"]["outbox"]["oldest_ms"] == NOW.utc_ms
    assert b"ok     store: " in found["doctor.txt"]
    assert VIN.encode() not in b"".join(found.values())


def test_vehicles_are_in_it_for_who_asks(tmp_path: Path) -> None:
    done = vin_agent("bundle", tmp_path / "bundle.tar.gz", "--with-vehicles", "--config", site(tmp_path))
    assert done.returncode == 0, done.stderr
    found = unpacked(tmp_path / "bundle.tar.gz")
    assert VIN.encode() in found["events.json"]
    assert found[f"pictures/{CAPTURE.read_id}-00.jpg"] == CAPTURE.images[0].jpeg


def test_a_file_that_is_there_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    place, file = tmp_path / "bundle.tar.gz", site(tmp_path)
    place.write_text("precious", "utf-8")
    done = vin_agent("bundle", place, "--config", file)
    assert (done.returncode, place.read_text("utf-8")) == (1, "precious")
    assert done.stderr == f"vin-agent: {place} is there already: name another file, or overwrite it with --force\n"
    assert vin_agent("bundle", place, "--force", "--config", file).returncode == 0
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_folder_nobody_may_write_to_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RetryLater, match="cannot be written: No such file or directory"):
        bundle.write(tmp_path / "nowhere" / "b.tar.gz", site(tmp_path), lambda _: (), vehicles=False, force=False)


@pytest.mark.parametrize("name", ["", "/", "pipe"])
def test_what_is_no_file_is_never_overwritten(tmp_path: Path, name: str) -> None:
    """Such as /dev/null, which every program needs."""
    os.mkfifo(tmp_path / "pipe")
    place = Path(name) if name in ("", "/") else tmp_path / name
    with pytest.raises(NeedsOperator, match="is no file"):
        bundle.write(place, site(tmp_path), lambda _: (), vehicles=False, force=True)
    assert (tmp_path / "pipe").is_fifo()


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Nobody may look into the folder; whoever runs the tests as root is somebody else meanwhile."""
    user = os.geteuid()
    folder.chmod(0)
    try:
        if user == 0:
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


def test_who_may_not_look_into_the_state_folder_is_told_so(tmp_path: Path) -> None:
    site(tmp_path)
    with closed(tmp_path / "state"):
        found = figures.figures(tmp_path / "state")
        assert figures.vehicles(tmp_path / "state", 1, 1) == ([], {})
    assert found["store"] == "cannot be read: unable to open database file"


def test_an_archive_in_a_folder_that_is_closed_is_one_sentence(tmp_path: Path) -> None:
    site(tmp_path)
    with closed(tmp_path / "state"), pytest.raises(RetryLater, match="cannot be written"):
        bundle.write(tmp_path / "state" / "b.tar.gz", tmp_path / "none.toml", lambda _: (), vehicles=False, force=False)


def test_wrong_settings_are_told_and_everything_else_is_there_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("[mqtt]\npasword = 'hush-hush'\n", "utf-8")
    names = bundle.write(tmp_path / "b.tar.gz", tmp_path / "agent.toml", lambda _: ("never",), vehicles=False, force=False)
    found = unpacked(tmp_path / "b.tar.gz")
    assert b"unknown key mqtt.pasword" in found["settings.json"]
    assert b"hush-hush" not in b"".join(found.values())
    assert {name.partition(":")[0] for name in names} == set(found)


def test_secrets_in_settings_that_are_wrong_are_known_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text("[mqtt]\nhosst = 'x'\npassword = 'hush-hush'\n[tencent]\nsecret_key = \"Top\\tSecret\"  # ours\n", "utf-8")
    assert {"hush-hush", "Top\tSecret"} <= set(bundle._beside(file))


def test_one_credential_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    for number in range(20):  # one of them comes first, in whatever order the folder is read
        (folder / f"{number}").mkdir(parents=True)
    (folder / "b").write_text("hush-hush\n", "utf-8")
    assert "hush-hush" in set(bundle._beside(tmp_path / "agent.toml"))


def test_a_damaged_row_or_store_keeps_no_vehicle_from_being_seen(tmp_path: Path) -> None:
    site(tmp_path)
    with sqlite3.connect(tmp_path / "state" / "agent.db") as db:
        db.execute("UPDATE outbox SET value = x'00'")
    events, pictures = figures.vehicles(tmp_path / "state", 10, 10**6)
    assert [each["payload"]["id"] for each in events] == [event(1).id]
    assert pictures
    (tmp_path / "state" / "agent.db").write_bytes(b"this is no database" * 100)
    assert figures.vehicles(tmp_path / "state", 10, 10**6) == ([], {})


def test_the_same_contents_make_the_same_bytes() -> None:
    one, other = {"a": b"1", "b": b"2"}, {"b": b"2", "a": b"1"}
    assert bundle._packed(one) == bundle._packed(other)


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious", "utf-8")
    (tmp_path / "b.tar.gz").symlink_to(tmp_path / "precious")
    with pytest.raises(NeedsOperator):
        bundle.write(tmp_path / "b.tar.gz", site(tmp_path), lambda _: (), vehicles=False, force=False)
    bundle.write(tmp_path / "b.tar.gz", tmp_path / "agent.toml", lambda _: (), vehicles=False, force=True)
    assert (tmp_path / "precious").read_text("utf-8") == "precious"


def test_a_store_that_is_no_database_is_named_and_a_missing_one_too(tmp_path: Path) -> None:
    assert figures.figures(tmp_path)["store"] == "there is none"
    (tmp_path / "agent.db").write_bytes(b"this is no database" * 100)
    assert "cannot be read" in figures.figures(tmp_path)["store"]


def test_the_dates_of_certificates_are_those_that_openssl_tells(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    settings = config.Settings(mqtt=config.Mqtt(ca_file=str(authority.file)))
    told = machine.certificates(settings)
    openssl = subprocess.run(["openssl", "x509", "-enddate", "-noout", "-in", authority.file], capture_output=True, text=True, check=True)
    month, day, clock, year = re.split(r"\s+", openssl.stdout.removeprefix("notAfter=").removesuffix(" GMT\n"))
    assert f"to {year}-" in told
    assert f"-{int(day):02d}T{clock}+00:00" in told, month
    assert "could not be had" in machine.certificates(config.Settings(mqtt=config.Mqtt(ca_file="/nowhere.pem")))


def test_a_program_that_is_not_there_is_named() -> None:
    assert machine.asked("no-such-program-here") == "could not be had: no-such-program-here: No such file or directory\n"
    assert machine.asked("false").startswith("could not be had: false ended with 1")


def test_every_secret_of_the_settings_is_found_also_in_an_address() -> None:
    camera = config.Camera(source="rtsp://me:p%40ss@host/1", password=Secret("cam-secret"))
    settings = config.Settings(mqtt=config.Mqtt(password=Secret("broker-secret")), camera=(camera,))
    assert {"broker-secret", "cam-secret", "p@ss", "me:p%40ss"} <= set(secrets_of(settings))


@given(st.text(min_size=4, max_size=40))
def test_a_secret_is_hidden_inside_of_json(secret: str) -> None:
    for text in (json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        assert text[1:-1] in spellings(secret)


@given(st.text(min_size=4, max_size=40), st.text(), st.text())
def test_no_spelling_of_a_secret_is_left(secret: str, before: str, after: str) -> None:
    scrub = Scrub([secret])
    for spelling in spellings(secret):
        assert spelling not in scrub(f"{before} {spelling} {after}".replace(spelling, f" {spelling} ", 1)) or spelling in "*** (VIN)"


@given(st.binary(max_size=7), st.binary(min_size=8, max_size=30), st.binary(max_size=7))
def test_a_secret_inside_of_something_in_base64_is_found_wherever_it_begins(before: bytes, secret: bytes, after: bytes) -> None:
    text = secret.hex()
    packed = base64.b64encode(before + text.encode() + after).decode()
    assert any(each in packed for each in spellings(text) if each != text)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (f"01J8Z6Q4N7T0V9K3M2R5X8B1CD: accepted {VIN}", "01J8Z6Q4N7T0V9K3M2R5X8B1CD: accepted (VIN)"),
        (f"I{VIN}*", "(VIN)*"),
        ("no vehicle: a sign or a licence plate, 'HH AB 123'", "no vehicle: a sign or a licence plate, (text)"),
        ('Environment="VIN_AGENT_MQTT_PASSWORD=odd one"', 'Environment="VIN_AGENT_MQTT_PASSWORD=***'),
        ("SetCredential=mqtt.password:abc", "SetCredential=***"),
        ("rtsp://me:secret@host/stream", "rtsp://***@host/stream"),
        ("rtsp://host/user=me&password=tlJwpbo6&channel=1: 401", "rtsp://host/user=me&password=***&channel=1: 401"),
    ],
)
def test_lines_of_a_log_or_a_unit_lose_what_is_nobodys_business(line: str, left: str) -> None:
    assert Scrub([])(line) == left


def test_a_pipe_among_the_credentials_holds_up_no_archive(tmp_path: Path) -> None:
    file = site(tmp_path)
    (tmp_path / "credentials").mkdir()
    os.mkfifo(tmp_path / "credentials/mqtt.password")
    place = tmp_path / "bundle.tar.gz"
    done = vin_agent("bundle", place, "--config", file)
    assert done.returncode == 0, done.stderr
    assert unpacked(place)
