"""Somebody in the yard who gives an agent commands, and waits for what it answers."""

import json
import secrets
from typing import Any, Self

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.broker import Subscriber
from tests.payloads import valid


class Asker:
    """A client in `with` that publishes below `<root>/cmd/`; answers are held against their schema."""

    def __init__(self, port: int, root: str, *, login: tuple[str, str] | None = None) -> None:
        self._port, self._root = port, root
        self._yard = Subscriber(port, f"{root}/rsp/#", login=login)
        self._client = Client(CallbackAPIVersion.VERSION2, f"asker-{id(self):x}", protocol=MQTTProtocolVersion.MQTTv5)
        if login:
            self._client.username_pw_set(*login)

    def __enter__(self) -> Self:
        self._yard.__enter__()
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._yard.__exit__()

    def say(self, name: str, payload: bytes, *, retain: bool = False, to: str = "", word: bytes = b"", qos: int = 1) -> None:
        """Returns once the broker has it."""
        properties: Properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho types its methods only
        if to:
            properties.ResponseTopic, properties.CorrelationData = to, word
        self._client.publish(f"{self._root}/cmd/{name}", payload, qos, retain, properties).wait_for_publish(10)

    def ask(self, name: str, args: dict[str, Any] | None = None, *, txn: str = "", seconds: float = 20.0, **how: Any) -> dict[str, Any]:
        """What the agent answers to one command."""
        txn = txn or secrets.token_hex(8)
        before = len(self.answers(name, txn))
        self.say(name, json.dumps({"txn": txn, **({"args": args} if args is not None else {})}).encode(), **how)
        self._yard.wait_for(lambda _: len(self.answers(name, txn)) > before, seconds)
        return self.answers(name, txn)[-1]

    def answers(self, name: str, txn: str) -> list[dict[str, Any]]:
        heard = [valid(each.topic, each.payload) for each in self._yard.collect() if each.topic == f"{self._root}/rsp/{name}"]
        return [each for each in heard if each["txn"] == txn]
