"""What must not get in, and what must not get out of hand: certificates, names, hostile text, shells and pickles."""

import ast
import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agent import config, still
from agent.camera.opencv import LiveCamera
from agent.camera.snapshot import SnapshotCamera
from agent.clock import Clock
from agent.config_http import Http
from agent.domain import Capture, Reading
from agent.errors import BadConfig, NeedsOperator, RetryLater
from agent.events import MOST_BYTES, Message, event_message
from agent.mqtt import Link
from agent.ocr import provider_class
from agent.ocr.http import client, send
from agent.store import Store
from agent.topics import Topics, level
from agent.vin import judge
from agent.vin_code import BARCODE, words_in
from agent.vin_text import ALPHABET
from tests import clouds
from tests.broker import Authority, Broker, Subscriber
from tests.readers import Scripted
from tests.rude import Rude, answers, reply
from tests.samples import FACTS, IMAGE
from tests.test_read_stage import Gate, vehicle

ROOT = Path(__file__).parent.parent
OURS = [*sorted((ROOT / "agent").rglob("*.py")), *sorted((ROOT / "systemd").rglob("*.py"))]


# Certificates: whoever the agent talks to over TLS has to prove who it is, and the agent says what was wrong with the proof.

Certificate = tuple[Path, Path]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def shown(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    """Certificates that prove nothing; the first is its own authority, as devices make it for themselves."""
    alone, rogue = Authority(tmp_path_factory.mktemp("alone"), "127.0.0.1"), Authority(tmp_path_factory.mktemp("rogue"), "rogue")
    return {
        "self-signed": (alone.file, alone.folder / "ca.key"),
        "of another authority": rogue.issue("server"),
        "expired": authority.issue("expired", -40, -10),
        "not yet valid": authority.issue("future", 10, 40),
    }


WHY = {
    "self-signed": "self-signed certificate",
    "of another authority": "unable to get local issuer certificate|self-signed certificate in certificate chain|unable to verify",
    "expired": "certificate has expired",
    "not yet valid": "not (yet )?valid( yet)?",
}


def to_the_broker(port: int, trusted: Authority, host: str = "127.0.0.1") -> None:
    with Link(config.Mqtt(host=host, port=port, tls=True, ca_file=str(trusted.file)), "x", Message("a", b"")):
        pass


def to_a_vendor(port: int, trusted: Authority, host: str = "127.0.0.1") -> None:
    chosen = replace(clouds.settings(f"https://{host}:{port}"), http=Http(ca_file=str(trusted.file), connect_s=3))
    with provider_class("tencent")(chosen) as provider:
        provider.read(clouds.image())


def to_a_camera(port: int, trusted: Authority, host: str = "127.0.0.1") -> None:
    stream = config.Stream(ca_file=str(trusted.file))
    with SnapshotCamera(config.Camera(driver="snapshot", source=f"https://{host}:{port}/picture", stream=stream), Clock()) as camera:
        camera.read()


def to_a_video(port: int, trusted: Authority, host: str = "127.0.0.1") -> None:
    stream = config.Stream(ca_file=str(trusted.file))
    with LiveCamera(config.Camera(driver="opencv", source=f"https://{host}:{port}/video", stream=stream), Clock()) as camera:
        camera.read()


CALLS: dict[str, Callable[..., None]] = {"broker": to_the_broker, "vendor": to_a_vendor, "camera": to_a_camera, "video": to_a_video}


def refusal(call: Callable[[], None]) -> str:
    with pytest.raises((NeedsOperator, RetryLater)) as refused:
        call()
    said = str(refused.value)
    assert said.isprintable()
    return said


@pytest.mark.parametrize("kind", WHY)
@pytest.mark.parametrize("whom", CALLS)
def test_a_certificate_that_proves_nothing_is_refused_with_the_reason(
    whom: str, kind: str, authority: Authority, shown: dict[str, Certificate]
) -> None:
    with Rude(answers(*[reply(b'{"Response":{"Vin":"1HGCM82633A004352"}}')] * 3), tls=shown[kind]) as server:
        said = refusal(lambda: CALLS[whom](server.port, authority))
    assert re.search(WHY[kind], said), said
    assert "certificate" in said


@pytest.mark.parametrize("whom", CALLS)
def test_a_certificate_of_another_host_is_refused_with_its_name(whom: str, authority: Authority, tmp_path: Path) -> None:
    """Issued by the right authority, for another machine of the same yard."""
    elsewhere = Authority(tmp_path / "elsewhere")
    elsewhere.names = "DNS:other.example"
    certificate = elsewhere.issue("server")
    with Rude(answers(*[reply(b"{}")] * 3), tls=certificate) as server:
        said = refusal(lambda: CALLS[whom](server.port, elsewhere))
    assert "not valid for '127.0.0.1'" in said, said


def test_no_setting_turns_the_check_of_a_vendor_or_the_broker_off() -> None:
    named = {field for section in (config.Mqtt, Http) for field in section.__dataclass_fields__}
    assert not {field for field in named if "verify" in field or "insecure" in field}


# Shells and pickles.


def calls() -> Iterator[tuple[Path, ast.Call, str]]:
    """Every call in what is installed on a device, with the dotted name of what is called."""
    for file in OURS:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield file, node, ast.unparse(node.func)


def imports() -> Iterator[tuple[Path, str]]:
    for file in OURS:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield file, node.module or ""


def test_no_program_is_started_through_a_shell() -> None:
    shells = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn", "asyncio.create_subprocess_shell"}
    for file, call, name in calls():
        assert name not in shells, f"{file}: {name}"
        for keyword in call.keywords:
            is_off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            assert keyword.arg != "shell" or is_off, f"{file}:{call.lineno}"


def test_every_program_is_named_with_its_arguments_in_a_list() -> None:
    found = 0
    for file, call, name in calls():
        if name.startswith("subprocess.") and name.rpartition(".")[2] in {"run", "Popen", "call", "check_call", "check_output"}:
            found += 1
            assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.BinOp), f"{file}:{call.lineno}"
    assert found > 3


def test_nothing_on_the_disk_is_ever_run() -> None:
    """Own processes speak over multiprocessing's pipes, whose messages are pickled by the one and unpickled by the other: no file, and
    nobody else, comes between. The store, which a stranger's hand may have touched, holds JSON and pictures.
    """
    pickling = {"pickle", "cPickle", "dill", "shelve", "marshal", "joblib", "cloudpickle", "yaml", "dbm"}
    assert not [(file, name) for file, name in imports() if name.partition(".")[0] in pickling]
    running = {"eval", "exec", "compile", "__import__", "runpy.run_path", "torch.load"}
    assert not [(file, name) for file, _, name in calls() if name in running]
    loading = [call for _, call, name in calls() if name in ("np.load", "numpy.load")]
    assert not [call for call in loading if any(keyword.arg == "allow_pickle" for keyword in call.keywords)]


def test_sqlitedict_which_would_pickle_is_given_our_own_coding(tmp_path: Path) -> None:
    with Store.open(tmp_path, config.Store(free_mb=1), 1_800_000_000_000) as store:
        store.put("fact", {"a": 1})
        (raw,) = store._db.select_one("SELECT value FROM facts WHERE key = 'fact'") or (b"",)
    assert json.loads(bytes(raw)[8:]) == {"a": 1}


def test_a_value_never_becomes_part_of_a_statement() -> None:
    """Whatever is written into SQL text is a name or a number of ours: a call, a constant or a table's own name, no value of a row."""
    suspects = {"read_id", "vin", "value", "text", "raw", "payload", "topic", "key"}
    for file, call, name in calls():
        if name.rpartition(".")[2] in {"execute", "executemany", "select", "select_one", "number", "executescript"} and call.args:
            used = {node.id for node in ast.walk(call.args[0]) if isinstance(node, ast.Name)}
            assert not used & suspects, f"{file}:{call.lineno} writes {used & suspects} into a statement"


# Hostile text in a VIN's place.

HOSTILE = [
    "../../../../etc/passwd", "..\\..\\x", "/etc/vin-agent/agent.toml", "#", "+", "vin/#", "a/+/b", "$SYS/broker",
    "'; DROP TABLE outbox; --",
    '" OR 1=1 --', "\0", "1HGCM82633A004352\0.jpg", "🚗" * 17, '{"vin":"1HGCM82633A004352"}', "\u202e2534004A33628MCGH1", "\ud800",
    "1HGCM82633A004352\n1M8GDM9AXKP042788", "\x1b]0;owned\x07", "%s%n%x", "${jndi:ldap://x}", "1HGCM82633A004352" * 200,
    "１ＨＧＣＭ８２６３３Ａ００４３５２", "A" * 10_000_000,
]  # fmt: skip
TOPICS = Topics("vinagent/v1", FACTS.site, FACTS.agent)


def told_by(folder: Path, text: str, vehicle_: Capture, codes: tuple[Reading, ...] = ()) -> list[dict[str, Any]]:
    """A vehicle from the spool to the outbox, with a reader that says this."""
    gate = Gate(folder, config.Reading(chain=("tencent",), again_s=60.0), Scripted("tencent", *[text] * 9, price=0.01))
    try:
        gate.arrive(vehicle_, readings=codes)
        gate.work()
        queued = gate.store.outbox.next(10)
        assert [each.event.id for each in queued] == [vehicle_.read_id]
        assert gate.store.outbox.last_sequence() == queued[0].sequence
        for each in queued:
            topic = TOPICS.event(each.event)
            assert topic in {f"{TOPICS.root}/gate/{vehicle_.gate}/{kind}" for kind in ("vin", "unread")}
            assert len(event_message(topic, each.event.payload).payload) <= MOST_BYTES
            _is_harmless(each.event.payload, vehicle_)
        assert {row[0] for row in gate.store._db.select("SELECT name FROM sqlite_schema WHERE type = 'table'")} >= {"outbox", "spool"}
        assert all(set(key) <= set(f"{vehicle_.gate}/{ALPHABET}") for key in gate.store.arrivals)
        return [each.event.payload for each in queued]
    finally:
        gate.store.close()


def _is_harmless(payload: dict[str, Any], vehicle_: Capture) -> None:
    """The names of pictures and the subject are of our own making, a VIN is a VIN, and JSON is JSON again at the other end."""
    data = payload["data"]
    assert payload["id"] == vehicle_.read_id
    ref = data["image"]["ref"].split("/")
    assert (ref[0], ref[-1], len(ref)) == ("vin", f"{vehicle_.read_id}.jpg", 5)
    vin = data.get("vin", "A" * 17)
    assert len(vin) == 17
    assert set(vin) <= set(ALPHABET)
    assert payload.get("subject", vin) == vin
    assert json.loads(event_message("t", payload).payload)["data"]["read_id"] == vehicle_.read_id


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_of_a_reader_reaches_neither_topic_nor_path_nor_statement(tmp_path: Path, text: str) -> None:
    (event,) = told_by(tmp_path, text[:4000], vehicle("01J8Z6Q4N7T0V9K3M2R5X8B1CD", 1))
    assert event["type"].startswith("io.vinagent.read.")


@settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(exclude_categories=()), max_size=200))
@example("1HGCM82633A004352\0")
def test_no_text_of_a_reader_or_a_barcode_reaches_more_than_the_payload(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    codes = tuple(Reading(word, (0.999,) * len(word), BARCODE, 0, None, 0) for word in words_in(text))
    told_by(tmp_path_factory.mktemp("gate"), text, vehicle("01J8Z6Q4N7T0V9K3M2R5X8B1CD", 1), codes)


def test_hostile_text_goes_the_whole_way_from_a_vendor_to_the_yard(tmp_path: Path) -> None:
    """Over the wire on both sides: what a vendor answered, and what a subscriber of everything hears."""
    with Broker(tmp_path / "broker") as broker, Subscriber(broker.port) as yard:
        for number, text in enumerate(HOSTILE[:-1]):
            (tmp_path / str(number)).mkdir()
            body = json.dumps({"Response": {"Vin": text, "RequestId": text}}).encode()
            with Rude(answers(reply(body))) as server, client(Http()) as http:
                said = send(http, http.build_request("POST", server.url), "tencent").fields()["Response"]["Vin"]
            (event,) = told_by(tmp_path / str(number), said, vehicle(f"01J8Z6Q4N7T0V9K3M2R5X8B1{number:02d}", 1))
            kind = "vin" if "vin" in event["data"] else "unread"
            with Link(config.Mqtt(port=broker.port), f"gate-{number}", Message(TOPICS.status, b"{}")) as link:
                link.publish(event_message(f"{TOPICS.root}/gate/north-in/{kind}", event))
                link.wait(5)
        heard = yard.wait_count(len(HOSTILE) - 1, f"{TOPICS.root}/gate/north-in/")
    assert {each.topic.rpartition("/")[2] for each in heard} <= {"vin", "unread"}
    assert all(json.loads(each.payload)["id"].startswith("01J8Z6Q4N7T0V9K3M2R5X8B1") for each in heard)


def test_pictures_are_saved_under_the_name_of_their_file_whatever_they_show(tmp_path: Path) -> None:
    """`--save`: names are made of the picture's own name, which has no folder in it, and of numbers."""
    sight = still.Sight((), (replace(IMAGE, number=0),), (), judge((), config.Reading()), None)
    for name in ("..jpg", "-rf.jpg", "a b;c.jpg", "$(x).jpg", "\u202egpj.exe.jpg"):
        still._save(tmp_path / "out", tmp_path / name, np.zeros((9, 9, 3), np.uint8), sight)
    assert all(file.parent == tmp_path / "out" for file in tmp_path.rglob("*.jpg"))
    assert len(list((tmp_path / "out").iterdir())) == 10


# Names in the settings, of which topics, credentials and client ids are made.

NAMES = [
    "", "a/b", "../x", "#", "+", "a#", "A", "ä", "a b", "a\\u0000b", "a\\nb", "-a", "_a", ".", "..", "a.b", "a" * 64, "$SYS", "\\u202ea",
    "a\\u2028",
    "'; DROP TABLE", "{x}", "%s",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["[agent]\nsite", "[agent]\nid", "[[camera]]\nname", "[[camera]]\ngate"])
def test_a_name_that_could_be_more_than_a_name_is_refused_with_its_line(tmp_path: Path, key: str, name: str) -> None:
    if (key, name) == ("[agent]\nid", ""):
        name = " "  # an empty one is made from the machine
    file = tmp_path / "agent.toml"
    file.write_text(f'{key} = "{name}"\n', "utf-8")
    with pytest.raises(BadConfig) as wrong:
        config.load(file, {})
    assert str(wrong.value).startswith(f"{file}:2: {key.strip('[').replace(']', '').replace(chr(10), '.').split('.')[0]}")
    assert str(wrong.value).isprintable()


@pytest.mark.parametrize("prefix", ["", "/", "a/", "/a", "a//b", "a/#", "+", "a\\u0000", "a" * 201, "a\\nb", "a\\u202eb"])
def test_a_prefix_that_is_no_topic_is_refused(tmp_path: Path, prefix: str) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(f'[mqtt]\nprefix = "{prefix}"\n', "utf-8")
    with pytest.raises(BadConfig, match=r":2: mqtt\.prefix must be topic levels"):
        config.load(file, {})


@given(st.text(st.characters(exclude_categories=()), max_size=80))
@example("a/b")
@example("gate-1\n")
def test_a_level_of_a_topic_is_never_more_than_one(name: str) -> None:
    with contextlib.suppress(BadConfig):
        assert set(level("gate", name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
