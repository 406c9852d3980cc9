"""What goes over the wire at a vendor: a call as it came in, the reply to it, and a refusal by code."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Call:
    """One request and what became of it; header names are in lower case, the query is decoded, the path is as sent."""

    vendor: str
    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes
    operation: str = ""  # the API called: VinOCR, vin, drivinglicence …
    picture: str = ""  # SHA-256 of the picture, hexadecimal
    status: int = 0
    code: str = ""  # the vendor's error code; empty when it served
    billed: bool = False
    delivered: bool = True
    mood: str = ""  # the fault it met, if one was asked for
    extra: dict[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `code` is the vendor's error code, empty on success."""

    status: int
    body: bytes
    content_type: str = "application/json"
    code: str = ""
    billed: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The vendor answers with this code of its table; `variant` is a code's name there where it has several."""

    def __init__(self, variant: str, message: str = "") -> None:
        super().__init__(variant)
        self.variant, self.message = variant, message


def json_reply(status: int, content: object, **more: Any) -> Reply:
    return Reply(status, json.dumps(content, ensure_ascii=False).encode(), **more)


def json_object(body: bytes, otherwise: str) -> dict[str, Any]:
    """The JSON object in a body, or a refusal with the given code."""
    try:
        content = json.loads(body)
    except ValueError:
        raise Refused(otherwise) from None
    if not isinstance(content, dict):
        raise Refused(otherwise)
    return content


def plain_base64(text: object, otherwise: str) -> bytes:
    """The bytes of base64 without prefix, line break or blank, or a refusal with the given code."""
    if not isinstance(text, str):
        raise Refused(otherwise)
    try:
        return base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(otherwise) from None


def multipart(body: bytes, content_type: str) -> dict[str, bytes]:
    """The parts of a form by name; empty where the boundary is missing or ends nothing. Trailing semicolons are let pass."""
    boundary = re.search(r'boundary="?([^";]+)"?', content_type)
    if boundary is None:
        return {}
    parts = {}
    for piece in body.split(b"--" + boundary[1].encode())[1:-1]:
        head, found, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if found and name:
            parts[name[1].decode()] = content.removesuffix(b"\r\n")
    return parts


def media_type(call: Call) -> str:
    return call.header("content-type").partition(";")[0].strip().lower()


def digest(picture: bytes) -> str:
    return hashlib.sha256(picture).hexdigest()
