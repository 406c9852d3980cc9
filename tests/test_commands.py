"""What is understood as a command, and what is refused with which sentence, whatever the bytes are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import commands
from agent.commands import KINDS, MOST_BYTES, Command, Refusal, moment_ms, parse
from agent.events import encode
from tests.payloads import valid, validator


def said(name: str, args: Any = None, txn: Any = "t1", **more: Any) -> Command | Refusal:
    content = {"txn": txn, **({} if args is None else {"args": args}), **more}
    return parse(name, json.dumps(content).encode())


GOOD: list[tuple[str, dict[str, Any]]] = [
    ("reload", {}),
    ("doctor", {}),
    ("read_now", {}),
    ("read_now", {"camera": "cam1"}),
    ("camera/set", {"camera": "cam1", "enabled": False}),
    ("log_level", {"level": "debug", "minutes": 10}),
    ("log_level", {"level": "info"}),
    ("replay", {"from": "2026-11-21T06:00:00Z"}),
    ("replay", {"from": 0, "to": 1_800_000_000_000, "gate": "north-in", "vin": "1hgcm82633"}),
    ("purge", {"before": "2026-11-21T06:00:00+08:00", "gate": "north-in"}),
    ("purge", {"vin": "1HGCM82633A004352"}),
]


@pytest.mark.parametrize(("name", "args"), GOOD)
def test_a_command_is_understood_and_the_schema_says_the_same(name: str, args: dict[str, Any]) -> None:
    assert said(name, args) == Command(name, "t1", args)  # type: ignore[arg-type]  # one of ours
    valid(f"x/cmd/{name}", {"txn": "t1", "args": args})


def test_every_command_is_shown_here_and_described_by_the_schema() -> None:
    assert {name for name, _ in GOOD} == set(KINDS)
    schema = json.dumps(validator("https://vin-agent.example/schema/cmd-1.json").schema)
    assert all(f'"{key}"' in schema for kind in KINDS.values() for key in kind.arguments)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("reloaded", {"txn": "1"}, "there is no command 'reloaded'; did you mean \"reload\"?"),
        ("reload", {"txn": "1", "arg": {}}, "unknown key 'arg'; did you mean \"args\"?"),
        ("camera/set", {"txn": "1", "args": {"camra": "a"}}, "camera/set knows no argument 'camra'; did you mean \"camera\"?"),
        ("camera/set", {"txn": "1", "args": {"camera": "a"}}, "args.enabled must be true or false"),
        ("camera/set", {"txn": "1", "args": {"camera": "a", "enabled": 1}}, "args.enabled must be true or false"),
        ("camera/set", {"txn": "1", "args": {"camera": "../a", "enabled": True}}, "args.camera must be the name of a camera"),
        ("log_level", {"txn": "1", "args": {"level": "loud"}}, "args.level must be one of debug, info, warning, error"),
        ("log_level", {"txn": "1", "args": {"level": "info", "minutes": True}}, "args.minutes must be a number from 0.1 to 1440"),
        ("log_level", {"txn": "1", "args": {"level": "info", "minutes": 1e300}}, "args.minutes must be a number from 0.1 to 1440"),
        ("log_level", {"txn": "1", "args": {"level": ["info"]}}, "args.level must be one of debug, info, warning, error"),
        ("replay", {"txn": "1", "args": {}}, "args.from must be a time such as 2026-11-21T06:00:00Z, or UTC milliseconds"),
        ("replay", {"txn": "1", "args": {"from": "yesterday"}}, "args.from must be a time such as"),
        ("purge", {"txn": "1", "args": {"vin": "%"}}, "args.vin must be a VIN or how it begins"),
        ("reload", {"txn": "1", "args": {"x": 1}}, "reload knows no argument 'x'; known here: none"),
        ("reload", {"txn": "1", "args": []}, "args must be a JSON object"),
        ("reload", [], "a JSON object is expected"),
        ("reload", {"args": {}}, "txn must be a text of 1 to 64 printable characters"),
        ("reload", {"txn": "x" * 65}, "txn must be a text of 1 to 64 printable characters"),
        ("reload", {"txn": "a\nb"}, "txn must be a text of 1 to 64 printable characters"),
        ("reload", {"txn": 7}, "txn must be a text of 1 to 64 printable characters"),
        ("reload", {"txn": ""}, "txn must be a text of 1 to 64 printable characters"),
    ],
)
def test_what_is_no_command_is_refused_with_one_sentence_that_helps(name: str, content: Any, why: str) -> None:
    refusal = parse(name, json.dumps(content).encode())
    assert isinstance(refusal, Refusal)
    assert refusal.why.startswith(why)
    valid(f"x/rsp/{name}", commands.failed(refusal.txn, refusal.why))


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\xff", b"{", b"NaN", b"[" * MOST_BYTES, b'{"a":' * 800, b'{"txn":"1","txn":"2"}', b'{"txn":"1","args":{"x":NaN}}',
        b'{"txn":"\\ud800"}', b'{"txn":"1"}' + b" " * MOST_BYTES, b"9" * MOST_BYTES, b'{"txn":1e999}',
    ],
)  # fmt: skip
def test_bytes_that_are_no_json_are_refused(payload: bytes) -> None:
    assert isinstance(parse("reload", payload), Refusal)


@pytest.mark.parametrize("name", ["", "a/b/c", "REBOOT", "read now", "x" * 33, "a\x00", "å", "/reload"])
def test_a_topic_no_answer_can_be_given_on_gets_none(name: str) -> None:
    assert said(name) == Refusal("", "", f"{commands._cut(name)} cannot be the name of a command")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
_NAMES = st.sampled_from([*KINDS, "replai"]) | st.text(max_size=20)


@given(_NAMES, st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_nothing_that_can_be_sent_raises_and_every_refusal_fits_into_an_answer(name: str, payload: bytes) -> None:
    found = parse(name, payload)
    if isinstance(found, Refusal):
        assert 0 < len(found.why) < 512
        assert found.why.isprintable()
        valid("x/rsp/any", commands.failed(found.txn, found.why))


@given(st.sampled_from([*KINDS]), st.dictionaries(st.sampled_from(["camera", "enabled", "level", "minutes", "x"]), _JSON))
def test_what_is_understood_is_what_the_schema_allows(name: str, args: dict[str, Any]) -> None:
    found = parse(name, json.dumps({"txn": "t", "args": args}).encode())
    if isinstance(found, Command):
        valid(f"x/cmd/{name}", {"txn": "t", "args": args})


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-03-14T06:12:09.482Z", 1_773_468_729_482),
        ("2026-03-14T07:12:09.482+01:00", 1_773_468_729_482),
        (1_773_468_729_482, 1_773_468_729_482),
        ("2026-03-14T06:12:09", None),
        ("yesterday", None),
        (True, None),
        (-1, None),
        (2**60, None),
        (1.5, None),
        (None, None),
        ("0001-01-01T00:00:00+23:59", None),
        ("x" * 100, None),
    ],
)
def test_a_moment_needs_its_zone(text: Any, ms: int | None) -> None:
    assert moment_ms(text) == ms


def test_an_answer_that_is_too_long_loses_its_end_and_says_so() -> None:
    answer = commands.done("t", {"well": True, "findings": [{"good": True, "text": f"{n} {'x' * 200}"} for n in range(60)]})
    assert len(encode(answer)) <= MOST_BYTES
    assert answer["data"]["cut"] is True
    assert answer["data"]["findings"][0]["text"].startswith("0 ")
    valid("x/rsp/doctor", answer)


def test_a_vin_stands_in_no_log_and_no_audit_of_the_command_that_takes_it_out() -> None:
    assert commands.shown({"vin": "1HGCM82633A004352", "gate": "north-in"}) == "gate=north-in vin=***"
