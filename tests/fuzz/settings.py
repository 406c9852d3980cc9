"""The files that people write: the configuration, the answers to `setup`, and what the agent makes of its settings before it starts."""

import tempfile
from functools import cache
from pathlib import Path

import httpx

from agent import config, settings
from agent.camera.opencv import LiveCamera
from agent.clock import Clock
from agent.config_network import joined, parted
from agent.errors import AgentError, BadConfig
from agent.identity import identify
from agent.ocr import open_providers
from agent.ocr.cloud import Cloud
from agent.setup import ask
from agent.setup.answers import _CA, _CAMERA, _LINE
from tests import clouds
from tests.fuzz.sentence import is_a_sentence


@cache
def _folder() -> Path:
    shared = Path("/dev/shm")  # noqa: S108  # in memory: thousands of files a second
    return Path(tempfile.mkdtemp(prefix="vin-agent-fuzz-", dir=shared if shared.is_dir() else None))


def configuration(data: bytes) -> None:
    """A file is settings, or wrong in one sentence that names it; settings can be used for what they are there for."""
    file = _folder() / "agent.toml"
    file.write_bytes(data)
    try:
        loaded = config.load(file, {})
        _used(loaded)
    except BadConfig as wrong:
        is_a_sentence(wrong)


def _used(loaded: config.Settings) -> None:
    """What a start does with them before it opens anything."""
    identity = identify(loaded)
    assert len(identity.topics.root) < 1000
    is_a_sentence(identity.topics.root)
    for camera in loaded.camera:
        source, user, password = parted(camera.source)
        joined(source, user, password)
        LiveCamera(camera, Clock())
    for provider in open_providers(loaded):
        if isinstance(provider, Cloud):
            _asked(provider)


def _asked(provider: Cloud) -> None:
    """Signed once, with nobody at the other end: an address that is none has to be told."""
    provider._line._connect = lambda: httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json={})))
    with provider:
        try:
            provider.read(clouds.image())
        except AgentError as trouble:
            is_a_sentence(trouble)


def answers(data: bytes) -> None:
    """A file of answers, and each of them as an answer to every kind of question."""
    file = _folder() / "answers.toml"
    file.write_bytes(data)
    try:
        given = ask._from_file(file)
        asker = ask.Asker(given, asks=False)
        for key in given:
            for rule in (_CAMERA, _CA, _LINE, ask.PORT, ask.YES_OR_NO, ask.rule_of(config.Mqtt, "host"), ask.rule_of(config.Agent, "site")):
                _answered(asker, key, rule)
        asker.refuse_unused()
    except BadConfig as wrong:
        is_a_sentence(wrong)


def _answered(asker: ask.Asker, key: str, rule: settings.Rule) -> None:
    try:
        asker.chosen(key, "?", {"0": "the first"}, "0", rule)
    except BadConfig as wrong:
        is_a_sentence(wrong)
