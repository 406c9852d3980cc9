"""What the yard, or whoever may write there, sends as a command; and what a broker makes of it, or says by itself."""

import socket
from typing import cast

from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from agent import commands
from agent.commands import Command, Refusal
from agent.events import Message
from agent.inbox import MOST_KEPT, Inbox
from agent.mqtt_client import Capped
from agent.orders import Orders
from tests.fuzz.sentence import is_a_sentence

NAMES = (*commands.KINDS, "reed_now", "camera/", "../x", "#")


def command(data: bytes) -> None:
    """The first byte chooses the name, or that the first line is one; the rest is the payload."""
    if data and data[0] > 200:
        first, _, payload = data[1:].partition(b"\n")
        name = first.decode("utf-8", "replace")
    else:
        name, payload = NAMES[data[0] % len(NAMES) if data else 0], data[1:]
    assert commands.moment_ms(payload.decode("utf-8", "replace")) is None or payload.strip()
    said = commands.parse(name, payload)
    if isinstance(said, Refusal):
        is_a_sentence(said.why, 400)
        assert said.name in ("", name)
        assert len(said.txn) <= commands.MOST_TXN
        return
    assert isinstance(said, Command)
    assert said.name in commands.KINDS
    assert set(said.args) <= set(commands.KINDS[said.name].arguments)


class _Line:
    """The broker's side of a connection."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def recv(self, size: int) -> bytes:
        said, self._data = self._data[:size], self._data[size:]
        return said

    def send(self, data: bytes) -> int:
        return len(data)

    def close(self) -> None: ...

    def fileno(self) -> int:
        return -1


def broker(data: bytes) -> None:
    """The first byte chooses the protocol, the rest comes from the broker: packets that the agent's client takes apart and answers."""
    protocol = MQTTProtocolVersion.MQTTv5 if data[:1] < b"\x80" else MQTTProtocolVersion.MQTTv311
    client = Capped(CallbackAPIVersion.VERSION2, "fuzz", protocol=protocol, reconnect_on_failure=False)
    client.suppress_exceptions = True
    inbox = Inbox(("a/cmd/#",))
    client.on_message, client.on_subscribe = inbox._on_message, inbox._on_subscribe
    client._sock = cast("socket.socket", _Line(data[1:]))
    while client._packet_read() == MQTTErrorCode.MQTT_ERR_SUCCESS:
        pass
    said: list[Message] = []
    orders = Orders(inbox, "a", {}, lambda _: None)
    orders.publish = said.extend
    while (post := inbox.take()) is not None:
        assert len(post.payload) <= MOST_KEPT
        if isinstance(commands.parse(post.topic.removeprefix("a/cmd/"), post.payload), Refusal) or post.retained:
            orders._act(post)
    for message in said:
        assert message.topic.isprintable()
        assert not set("+#") & set(message.topic)
        assert len(message.topic.encode()) < 2**16
