"""What Home Assistant was told of this agent, and where: kept in the store, so that it can be taken back."""

from contextlib import suppress
from typing import Any

from agent import config, discovery
from agent.errors import RetryLater
from agent.events import Facts, Message
from agent.store import Store
from agent.topics import Topics

TOPICS, PARTS = "discovery", "discovery_parts"  # the facts: every topic it was told on, and the kind of each component by its key


def messages(settings: config.Settings, facts: Facts, topics: Topics, store: Store) -> list[Message]:
    """What Home Assistant is to show, after the state it will ask for."""
    prefix, told, before = settings.mqtt.discovery, store.get(TOPICS, []), store.get(PARTS, {})
    parts = discovery.parts(settings, topics) if prefix else {}
    if prefix and (here := discovery.topic(prefix, topics)) not in told:
        _keep(store, TOPICS, [*told, here])
    if parts != before:
        _keep(store, PARTS, parts)
    gone = {key: kind for key, kind in before.items() if key not in parts}
    return discovery.messages(settings, facts, topics, told, gone)


def _keep(store: Store, fact: str, value: Any) -> None:
    with suppress(RetryLater):  # a disk that keeps nothing is no reason to tell nothing
        store.put(fact, value)
