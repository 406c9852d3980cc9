"""Holds every payload a test sees against the published JSON schema of its topic, and against the 4 KB small consumers have room for."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from agent.events import MOST_BYTES, SCHEMAS

FOLDER = Path(__file__).parents[1] / "config" / "schema"


@cache
def _registry() -> Registry[Any]:
    schemas = [json.loads(file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.json"))]
    return Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)


@cache
def validator(address: str) -> Draft202012Validator:
    """The validator of one published schema, which is itself valid."""
    schema = _registry().contents(address)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, registry=_registry())


def kind(topic: str) -> str:
    """Which schema a topic has: its last level, but a camera's status is not the agent's."""
    levels = topic.split("/")
    if found := {"cmd", "rsp"} & set(levels[-3:-1]):
        return found.pop()
    return "camera" if levels[-3:-2] == ["camera"] and levels[-1] == "status" else levels[-1]


def valid(topic: str, payload: bytes | dict[str, Any]) -> dict[str, Any]:
    """The payload as a dict; fails with every breach of the schema and for a final event above 4 KB."""
    content: dict[str, Any] = json.loads(payload) if isinstance(payload, bytes) else payload
    breaches = [f"{error.json_path}: {error.message}" for error in validator(SCHEMAS[kind(topic)]).iter_errors(content)]
    assert not breaches, f"{topic} breaks its schema:\n" + "\n".join(breaches)
    if isinstance(payload, bytes) and kind(topic) in {"vin", "unread", "last"}:
        assert len(payload) <= MOST_BYTES, f"{topic} has {len(payload)} bytes"
    return content
