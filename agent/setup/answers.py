"""The questions, in their order, and what the answers come to: sections of the settings, and secrets beside them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent import config, config_accounts
from agent.config_network import parted, unclear
from agent.ocr import PROVIDERS
from agent.settings import Rule, Secret, is_file, is_line
from agent.setup.ask import PORT, Asker, rule_of
from agent.setup.found import cameras

_CAMERA = Rule(
    "the number of a CSI camera, a device such as /dev/v4l/by-id/…, an address rtsp://… or http://… without @, / or : in its "
    "password, a folder of pictures, or scene",
    lambda text: _driver(text) != "" and not unclear(text),
)
_PROVIDER = Rule(f"one of {', '.join(PROVIDERS)}", lambda text: text in PROVIDERS)
_CA = Rule("a file that exists, or nothing for the authorities this system trusts", lambda text: not text or is_file(text))
_LINE = Rule("text without line breaks", is_line)


@dataclass(frozen=True, slots=True)
class Answers:
    """Keys of the settings by section, and secrets by the name of their credential (`mqtt.password`); an empty one is given up."""

    agent: dict[str, Any]
    camera: dict[str, Any]
    mqtt: dict[str, Any]
    reading: dict[str, Any]
    provider: dict[str, dict[str, Any]]
    secrets: dict[str, str] = field(default_factory=dict)


def asked(asker: Asker, before: config.Settings) -> Answers:
    """Everything that has to be known, each with what is set at present as its default."""
    secrets: dict[str, str] = {}
    site = asker.answer("site", "Site, the yard this gateway stands in", before.agent.site, rule_of(config.Agent, "site"))
    camera = _camera(asker, before.camera[0] if before.camera else config.Camera(), secrets)
    mqtt = _broker(asker, before.mqtt, secrets)
    name, provider = _reader(asker, before, secrets)
    chain = [name] if name == "embedded" else [name, "embedded"]
    if before.reading.chain[0] == name:
        chain = list(before.reading.chain)
    return Answers({"site": site}, camera, mqtt, {"chain": chain}, provider, secrets)


def _camera(asker: Asker, before: config.Camera, secrets: dict[str, str]) -> dict[str, Any]:
    gate = asker.answer("gate", "Gate its camera watches", before.gate, rule_of(config.Camera, "gate"))
    offers = cameras()
    default = before.source if before != config.Camera() or not offers else next(iter(offers))
    source = asker.chosen("camera", "Camera, one of these or another", offers, default, _CAMERA)
    source, user, password = parted(source)
    if "://" in source:
        same = source == before.source
        user = user or asker.answer("camera_user", "Its login, if it wants one", before.user.reveal() if same else "", _LINE)
        if user and not password:
            kept = before.password.reveal() if same else ""
            password = asker.answer("camera_password", "Its password (not shown)", kept, _LINE, secret=True)
    secrets |= {f"camera.{before.name}.user": user, f"camera.{before.name}.password": password if user else ""}
    return {"name": before.name, "gate": gate, "driver": _driver(source), "source": source}


def _driver(source: str) -> str:
    """Which driver opens it; empty where none does."""
    scheme, path = urlsplit(source)[0:3:2] if "://" in source and not unclear(source) else ("", "")
    if scheme in ("http", "https") and re.search(r"\.(jpe?g|png)$", path, re.IGNORECASE):
        return "snapshot"
    if scheme in ("rtsp", "rtsps", "http", "https"):
        return "opencv"
    if source.isdecimal():
        return "picamera2"
    if source.startswith("/dev/"):
        return "opencv"
    return "replay" if source == "scene" or (source and _exists(source)) else ""


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # too long for a path
        return False


def _broker(asker: Asker, before: config.Mqtt, secrets: dict[str, str]) -> dict[str, Any]:
    host = asker.answer("host", "Broker, its name or address", before.host, rule_of(config.Mqtt, "host"))
    tls = asker.yes("tls", "Encrypted with TLS", before.tls)
    usual = before.port if tls == before.tls else 8883 if tls else 1883
    port = int(asker.answer("port", "Its port", str(usual), PORT))
    ca = asker.answer("ca", "Its authority, a PEM file (nothing: those this system trusts)", before.ca_file, _CA) if tls else ""
    user = asker.answer("user", "Login at the broker (nothing: none)", before.user, rule_of(config.Mqtt, "user"))
    kept = before.password.reveal() if user == before.user else ""
    secrets["mqtt.password"] = asker.answer("password", "Its password (not shown)", kept, _LINE, secret=True) if user else ""
    return {"host": host, "port": port, "tls": tls, "ca_file": ca, "user": user}


def _reader(asker: Asker, before: config.Settings, secrets: dict[str, str]) -> tuple[str, dict[str, dict[str, Any]]]:
    """Who reads, and the keys it has to have before it can be asked."""
    words = {name: "on this device, no network" if name == "embedded" else "" for name in sorted(PROVIDERS, key="embedded".__ne__)}
    name = asker.chosen("provider", "Who reads", words, before.reading.chain[0], _PROVIDER)
    section = config_accounts.section_name(name)
    plain: dict[str, Any] = {}
    providers = before.provider
    for key, rule in _missing(before.provider, name):
        is_secret = _is_secret(providers, section, key)
        hidden = " (not shown)" if is_secret else ""
        text = asker.answer(key, f"{name}: {key}, {rule.expected}{hidden}", "", rule, secret=is_secret)
        if is_secret:
            secrets[f"provider.{section}.{key}"] = text
        else:
            plain[key] = text
    return name, {section: plain} if plain else {}


def _missing(providers: config.Providers, name: str) -> Iterator[tuple[str, Rule]]:
    """Key after key that keeps a reader from being asked, as the settings judge it; each is asked for with that judgement as its rule."""
    section = config_accounts.section_name(name)
    accepted: list[str] = []

    def put(key: str, text: str) -> config.Providers:
        value = Secret(text) if _is_secret(providers, section, key) else text
        return replace(providers, **{section: replace(getattr(providers, section), **{key: value})})

    while problems := config_accounts.problems(providers, name):
        key, expected = problems[0]

        def holds(text: str, key: str = key) -> bool:
            fits = bool(text) and key not in {problem.key for problem in config_accounts.problems(put(key, text), name)}
            if fits:
                accepted.append(text)
            return fits

        yield key, Rule(expected, holds)
        providers = put(key, accepted[-1])


def _is_secret(providers: config.Providers, section: str, key: str) -> bool:
    return any(each.name == key and each.type is Secret for each in fields(getattr(providers, section)))
