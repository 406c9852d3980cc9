"""What made-up input brought to light, each by its name: every one of these ended a process, a worker or a command with a traceback."""

import base64
import json
import os
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from agent import clock, config, identity, page, power, still
from agent.camera import open_camera, web
from agent.clock import Clock
from agent.document import VehicleLicence
from agent.domain import Decision, Reading
from agent.errors import BadConfig, NeedsOperator, RetryLater
from agent.events import Message
from agent.mqtt import Link
from agent.ocr import aliyun, baidu, huawei
from agent.ocr.cloud import Refusal, Seen, reading_of
from agent.ocr.faults import LONGEST_WAIT_S, Action, Row, Table, find
from agent.ocr.http import Answer
from agent.ocr.vendor_clock import VendorClock
from agent.settings import masked
from agent.setup import ask
from agent.store import Store
from agent.table import to_row
from agent.vision import keeping
from tests import samples

NOW = 1_800_000_000_000


def answer(said: Any, status: int = 200) -> Answer:
    return Answer(status, httpx.Headers(), json.dumps(said).encode(), 5)


# Vendors.


@pytest.mark.parametrize("life", [10**400, float("inf"), float("nan"), -5])
def test_a_token_that_says_it_lives_for_ever_is_a_token(life: float) -> None:
    token = baidu.parse_token(answer({"access_token": "t", "expires_in": life}))
    assert isinstance(token, baidu.Token)
    assert 0 <= token.life_s < 40_000_000


def test_a_number_where_a_list_belongs_is_no_vin() -> None:
    said = aliyun.parse(answer({"Data": json.dumps({"prism_keyValueInfo": 5}), "RequestId": "r"}))
    assert said == Seen("", None, "r")


def test_data_without_a_bottom_holds_nothing() -> None:
    assert aliyun.parse(answer({"Data": "[" * 100_000, "RequestId": "r"})) == Refusal("", "Data holds no JSON")


def test_a_vendor_whose_clock_shows_a_date_no_calendar_has_tells_no_time() -> None:
    said = huawei.result(answer({"error_code": "APIG.0301", "error_msg": "server time: 20269999T999999Z"}, 401))
    assert isinstance(said, Refusal)
    assert said.date == ""


@pytest.mark.parametrize("digits", ["9" * 5000, "9" * 400, "4000", "٣"])
def test_a_vendor_that_asks_for_a_wait_of_years_is_asked_again_within_a_day(digits: str) -> None:
    table = Table((Row("Busy", Action.THROTTLE, "wait", after=5.0),))
    fault = find(table, "Busy", 429, f"limit: 1, time: {digits} day")
    assert fault.after is not None
    assert fault.after <= LONGEST_WAIT_S


def test_a_code_of_a_hundred_thousand_parts_is_looked_up_at_once() -> None:
    began = time.process_time()
    assert find(Table(()), "a." * 100_000, 400, "").unknown
    assert time.process_time() - began < 0.2


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 2500 00:00:00 GMT"])
def test_a_date_with_which_no_call_could_be_signed_is_not_learnt(date: str) -> None:
    vendor = VendorClock()
    vendor.learn(date, 0.0, 1.0)
    assert abs(vendor.now() - time.time()) < 5


def test_of_a_megabyte_of_text_the_beginning_is_kept() -> None:
    reading = reading_of(Seen("A" * 1_000_000, (0.9,) * 1_000_000, "r" * 5000), (), "tencent", 1, 5)
    assert (len(reading.text), len(reading.confidence or ()), len(reading.request_id or "")) == (4000, 4000, 200)


# Cameras.


@pytest.mark.parametrize("challenge", ["Digest", "Digest ,x,", 'Digest realm="x", nonce=', "Digest realm, nonce"])
def test_a_log_in_that_nobody_understands_is_given_up(challenge: str) -> None:
    flow = web.Login("admin", "s3cret").auth_flow(httpx.Request("GET", "http://camera/"))
    request = next(flow)
    with pytest.raises((StopIteration, httpx.ProtocolError)):  # noqa: PT012  # after a second try at most
        for _ in range(3):
            request = flow.send(httpx.Response(401, headers={"WWW-Authenticate": challenge}, request=request))


def test_a_challenge_that_changes_into_nonsense_breaks_nothing_but_the_exchange() -> None:
    flow = web.Login("admin", "s3cret").auth_flow(httpx.Request("GET", "http://camera/"))
    good = httpx.Response(401, headers={"WWW-Authenticate": 'Digest realm="x", nonce="y"'}, request=next(flow))
    request = flow.send(good)
    with pytest.raises(httpx.RemoteProtocolError, match="cannot be understood"):
        flow.send(httpx.Response(401, headers={"WWW-Authenticate": "Digest x"}, request=request))


@pytest.mark.parametrize("source", ["~nobody-of-this-name/gate", "a" * 4000])
def test_a_source_that_is_no_path_is_the_operators_business(source: str) -> None:
    with (
        pytest.raises(NeedsOperator, match="there is no such folder or video"),
        open_camera(config.Camera(driver="replay", source=source), Clock()),
    ):
        pass


# The machine.


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "1e999"])
def test_a_sensor_that_says_no_number_says_nothing(tmp_path: Path, word: str) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("cpu-thermal")
    (zone / "temp").write_text(word)
    assert power.power(tmp_path).temperature_c is None


def test_a_boot_or_machine_without_a_name_in_ascii_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "id"
    file.write_bytes(b"\xff\xfe")
    monkeypatch.setattr(clock, "_BOOT_ID", file)
    monkeypatch.setattr(identity, "_MACHINE_ID", file)
    clock.boot_id.cache_clear()
    assert clock.boot_id() == "unknown"
    clock.boot_id.cache_clear()
    with pytest.raises(BadConfig, match=r"set agent\.id"):
        identity.machine_name()


# Settings.


def complaint(folder: Path, content: str | bytes) -> str:
    file = folder / "agent.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    began = time.process_time()
    with pytest.raises(BadConfig) as wrong:
        config.load(file, {})
    assert time.process_time() - began < 1.0
    said = str(wrong.value)
    assert said.isprintable()
    assert len(said) < 1000
    return said.removeprefix(f"{file}:")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("\n\n[reading]\nchain = " + "[" * 3000 + "]" * 3000, "4: this is not TOML, at chain: lists stand too deep", id="deep"),
        pytest.param("[mqtt]\nport = " + "9" * 5000, "2: this is not TOML, at port: a number has too many digits", id="digits"),
        pytest.param("[mqtt]\nport = 0x" + "f" * 5000, "2: mqtt.port must be a number from 1 to 65535, not what cannot be shown", id="hex"),
        pytest.param('"a\\nb" = 1', "unknown key 'a\\nb'", id="a key of two lines"),
        pytest.param("x" * 5000 + " = 1", "unknown key 'xxxx", id="a long key"),
        pytest.param("[mqtt]\nhost = '" + "a" * 500_000 + "'", "2: mqtt.host must be the name or address of the broker", id="a long value"),
        pytest.param("[mqtt]\nhost = 'a..b'", "2: mqtt.host must be the name or address of the broker, not 'a..b'", id="host"),
        pytest.param("[mqtt]\nca_file = '" + "a" * 3000 + "'", "2: mqtt.ca_file must be a file that exists", id="a path too long"),
        pytest.param('[agent]\nstate_dir = "a\\u0000b"', "2: agent.state_dir must be the path of a folder", id="NUL"),
        pytest.param("[agent]\nstate_dir = ''", "2: agent.state_dir must be the path of a folder", id="here"),
        pytest.param("[provider.tencent]\nurl = 'https://[::g]'", "2: provider.tencent.url must be empty, or https://host", id="address"),
        pytest.param("[provider.tencent]\nurl = 'https://a:99999'", "2: provider.tencent.url must be empty, or https://host", id="port"),
        pytest.param(b"\xef\xbb\xbf[mqtt]\n", "1: begins with a byte-order mark", id="mark"),
        pytest.param("[mqtt]\nport = 1\nport = 2", "3: this is not TOML, at port: Cannot overwrite a value", id="twice"),
        pytest.param("a = '\u2028'\nport = 1", "1: unknown key a", id="lines that are none"),
        pytest.param(" " * 1_100_000, "has more than 1000 kB", id="large"),
    ],
)
def test_a_configuration_that_no_parser_was_made_for_is_told_in_a_sentence(tmp_path: Path, content: str | bytes, words: str) -> None:
    assert words in complaint(tmp_path, content)


def test_blanks_where_a_header_may_begin_take_no_time(tmp_path: Path) -> None:
    """The expression that finds headers tried every way to share them out: four thousand took minutes."""
    complaint(tmp_path, "x = [\n[" + " " * 20_000 + "\n1]]")


def test_masking_an_address_takes_no_longer_than_reading_it() -> None:
    began = time.process_time()
    assert masked("http://user:p@ss@camera/x?key=1") == "http://***@camera/x?key=***"
    masked("://" * 100_000)
    assert time.process_time() - began < 0.5


def test_a_key_that_no_header_can_carry_is_refused(tmp_path: Path) -> None:
    text = '[reading]\nchain = ["aliyun"]\n[provider.aliyun]\naccess_key_id = "LTAIschlüssel"\naccess_key_secret = "x"'
    assert "4: provider.aliyun.access_key_id must be a key without blanks" in complaint(tmp_path, text)


def test_a_password_of_the_environment_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.touch()
    with pytest.raises(BadConfig, match="VIN_AGENT_MQTT_PASSWORD in the environment is no UTF-8 text"):
        config.load(file, {"VIN_AGENT_MQTT_PASSWORD": os.fsdecode(b"\xff\xfe")})


def test_every_host_that_the_settings_take_is_one_a_resolver_takes() -> None:
    with pytest.raises(RetryLater), Link(config.Mqtt(host="no-such-host.invalid"), "x", Message("a", b"")):
        pass


@pytest.mark.parametrize(
    "text", ['port = "' + "9" * 5000 + '"', "port = 0x" + "f" * 5000, "port = " + "9" * 5000, "port = [1]", "x = " + "[" * 3000]
)
def test_an_answer_that_is_no_answer_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "answers.toml"
    file.write_text(text)
    with pytest.raises(BadConfig) as wrong:
        ask.Asker(ask._from_file(file), asks=False).answer("port", "Its port", "1883", ask.PORT)
    assert len(str(wrong.value)) < 500


# The store.


@pytest.mark.parametrize("row", [5, [], {}, {"capture": 5}, {"capture": None, "readings": [], "put_ms": 1}, "x"])
@pytest.mark.parametrize("table", ["spool", "outbox"])
def test_a_row_that_is_sound_and_says_nonsense_is_put_aside_once(tmp_path: Path, table: str, row: Any) -> None:
    with Store.open(tmp_path, config.Store(free_mb=1), NOW) as store:
        store.spool.put(samples.CAPTURE, NOW)
        store.outbox.put(samples.event(1), NOW)
        store._db.execute(f"UPDATE {table} SET value = ?", (to_row(row),))  # noqa: S608  # our own names
        assert (store.spool.head(NOW) if table == "spool" else store.outbox.next(5)) in (None, [])
        assert [audit.what for audit in store.take_audits()] == ["damaged"]
        assert store.take_audits() == []


def test_a_picture_whose_key_was_damaged_costs_that_picture(tmp_path: Path) -> None:
    with Store.open(tmp_path, config.Store(free_mb=1), NOW) as store:
        store.spool.put(samples.CAPTURE, NOW)
        store._db.execute("UPDATE pictures SET key = replace(key, '/00', '/0x')")
        head = store.spool.head(NOW)
        assert head is not None
        assert head.capture.images == ()


def test_a_patch_that_says_it_is_a_wall_is_forgotten() -> None:
    """A camera that starts decodes what stood before it: a gigabyte for a header of 33 bytes."""
    png = bytearray(cv2.imencode(".png", np.full((8, 30), 90, np.uint8))[1].tobytes())
    sound = {"line": [1, 1, 20, 5], "angle": 0.0, "corner": [0, 0], "scale": 1.0, "frame": [640, 480], "arrived": True}
    kept = [("a", {**sound, "png": base64.b64encode(png).decode()}), ("b", {**sound, "png": "", "corner": [float("inf"), 0]})]
    assert [spot.name for spot in keeping.spots(kept)] == ["a"]
    png[16:24] = struct.pack(">II", 30_000, 30_000)
    png[29:33] = struct.pack(">I", zlib.crc32(bytes(png[12:29])))
    assert not list(keeping.spots([("a", {**sound, "png": base64.b64encode(png).decode()})]))
    assert not list(keeping.spots([("a", {**kept[0][1], "corner": [float("inf"), 0]})]))


# The terminal.


def test_what_a_reader_saw_writes_nowhere_else_on_a_terminal() -> None:
    decision = Decision("unread", None, "blurred", 0.0, (), "\x1b[2J\ud800 \u202egone", (), 0)
    row = still._as_row(Path("a.jpg"), still.Sight((), (), (), decision, None))
    assert row.isprintable()
    assert "gone" in row
    licence = VehicleLicence(plate_number="\x1b[2J\ud800", other=(("\x07", "x"),))
    reading = Reading("\ud800", None, "huawei", 0, None, 5)
    assert all(line.isprintable() for line in page.as_rows(Path("a.jpg"), licence).splitlines())
    page.as_json(Path("a.jpg"), reading, licence).encode("utf-8")
