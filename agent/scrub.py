"""Takes out of a text what must not leave the device: every secret of the settings in any of its spellings, and VINs."""

import base64
import json
import re
import tomllib
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from agent.settings import Secret

_LEAST = 4  # characters; a shorter secret would mask half of every text, and is no secret
# With the import marks a barcode may have; no read_id is so short.
_VIN = re.compile(r"(?<![A-Za-z0-9])[A-Z0-9]{17,20}(?![A-Za-z0-9])", re.ASCII)
# What a unit of systemd may hold, whatever it is named: nobody who runs this by hand has it in the environment.
_SET = re.compile(r"((?:VIN_AGENT_\w+|SetCredential(?:Encrypted)?)\s*[=:]).+")
_SIGN = re.compile(r"(a sign or a licence plate, ).*")
_LOGIN = re.compile(r"(?<=://)[^\s/@'\"]+@")
# Cameras without a login of HTTP or RTSP have it among the values of their address.
_VALUE = re.compile(r"(?i)((?:password|passwd|pwd|secret|token)=)[^\s&'\"]+")
_WRITTEN = re.compile(
    r"""(?i)(?<![\w-])[\w-]*(?:password|secret|token|access_key|api_key|proxy)[\w-]*["']?\s*=\s*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s#]+)"""
)


def secrets_of(settings: Any) -> Iterator[str]:
    """Every secret of the settings, also those that stand as user and password in an address."""
    if isinstance(settings, Secret):
        settings = settings.reveal()
        yield settings
    if isinstance(settings, str) and "://" in settings:
        for login in _LOGIN.findall(settings):
            yield from (login[:-1], *map(urllib.parse.unquote, login[:-1].split(":")[1:]))
    for each in _inside(settings):
        yield from secrets_of(each)


def written_in(source: str) -> Iterator[str]:
    """The secrets in the text of settings that are wrong, as far as they can be told from the names of their keys."""
    for value in _WRITTEN.findall(source):
        try:
            yield str(tomllib.loads(f"it = {value}")["it"])
        except tomllib.TOMLDecodeError:
            yield value.strip("\"'")


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        yield from value
    elif is_dataclass(value):
        yield from (getattr(value, field.name) for field in fields(value))


def spellings(secret: str) -> set[str]:
    """How a secret may stand in a log, an address, a header or a body: as it is, escaped, and in base64 wherever that began."""
    raw = secret.encode("utf-8", "replace")
    plain = {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    for safe in ("", "/", "/:@"):
        plain |= {urllib.parse.quote(secret, safe), urllib.parse.quote_plus(secret, safe)}
    return {each for each in plain | set(_in_base64(raw)) if len(each) >= _LEAST}


def _in_base64(raw: bytes) -> Iterator[str]:
    """The letters that stand for these bytes alone, at each of the three places in a group where they may begin."""
    for before in range(3):
        letters = base64.b64encode(b"\0" * before + raw + b"\0" * ((-before - len(raw)) % 3)).decode()
        first, last = (0, 2, 3)[before], len(letters) - (0, 2, 3)[(-before - len(raw)) % 3]
        for core in {letters[first:last], letters[first:last].translate(str.maketrans("+/", "-_"))}:
            if len(core) >= 2 * _LEAST:  # shorter ones stand anywhere by chance
                yield core


class Scrub:
    """`text` without the secrets and, unless they are wanted, without what tells one vehicle from another."""

    def __init__(self, secrets: Iterable[str], *, vehicles: bool = False) -> None:
        known = {spelling for secret in secrets for spelling in spellings(secret)}
        longest_first = sorted(map(re.escape, known), key=len, reverse=True)
        self._secrets = re.compile("|".join(longest_first)) if longest_first else None
        self._vehicles = vehicles

    def __call__(self, text: str) -> str:
        text = _SET.sub(r"\1***", _VALUE.sub(r"\1***", _LOGIN.sub("***@", text)))
        if self._secrets:
            text = self._secrets.sub("***", text)
        if self._vehicles:
            return text
        return _SIGN.sub(r"\1(text)", _VIN.sub("(VIN)", text))
