"""What the broker brings us: noted by the network thread as it comes, at most so much at a time, and taken by whoever acts on it."""

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent import config

MOST = 16  # that wait to be taken: a flood must cost neither memory nor time
MOST_KEPT = 4097  # bytes of each: one more than a command may have, so that it is seen to be too long
_MOST_CORRELATION, _MOST_TOPIC = 256, 256
BIRTH_S = 5.0  # within which a Home Assistant that has just started is told everything: not by every device in the same moment


@dataclass(frozen=True, slots=True)
class Post:
    """One message that came: on which topic, whether it was a retained one, and where its sender wants the answer besides (MQTT 5)."""

    topic: str
    payload: bytes
    retained: bool
    answer_to: str = ""
    correlation: bytes = b""


class Inbox:
    """Outlives the connections: each subscribes for it, and its network thread puts what comes into it.

    `topics` are those of commands; on `births` Home Assistant says that it has started.
    """

    def __init__(self, topics: Sequence[str], ring: Callable[[], None] = lambda: None) -> None:
        """`ring` is called in the network thread whenever something is to be looked at."""
        self.topics, self.ring = tuple(topics), ring
        self.refusals: deque[str] = deque(maxlen=4)  # what the broker said to a subscription it does not allow
        self.dropped = 0  # messages for which there was no room; one thread at a time counts here
        self.commands, self.births = True, ""
        self._waiting: deque[Post] = deque()
        self._tell_at = float("inf")

    def listen(self, settings: config.Mqtt) -> Self:
        """With the next connection, for what these settings want to hear of."""
        self.commands, self.births = settings.commands, f"{settings.discovery}/status" if settings.discovery else ""
        return self

    def subscribe(self, client: Client) -> None:
        """Asks for the topics; the answer comes later, and what it says is in `refusals`."""
        client.on_message, client.on_subscribe = self._on_message, self._on_subscribe
        if self.births:
            client.subscribe(self.births, qos=1)
        for topic in self.topics if self.commands else ():
            if client.protocol == MQTTProtocolVersion.MQTTv5:
                # A retained command shows that it is one, also to those who were listening when it was sent.
                client.subscribe(topic, options=SubscribeOptions(qos=1, retainAsPublished=True))
            else:
                client.subscribe(topic, qos=1)

    def take(self) -> Post | None:
        """The oldest that waits."""
        return self._waiting.popleft() if self._waiting else None

    def has_births(self) -> bool:
        """Whether everything is to be told anew, as somebody has started who may know nothing; once for each time."""
        due = time.monotonic() >= self._tell_at
        if due:
            self._tell_at = float("inf")
        return due

    def __len__(self) -> int:
        return len(self._waiting)

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        if message.topic == self.births:
            # A retained one tells of a start long ago: what it missed was told with this connection.
            if message.payload == b"online" and not message.retain:
                self._tell_at = min(self._tell_at, time.monotonic() + random.uniform(0, BIRTH_S))  # noqa: S311  # spreads, guards nothing
            return
        if len(self._waiting) >= MOST:
            self.dropped += 1
        else:
            self._waiting.append(_noted(message))
        self.ring()

    def _on_subscribe(self, client: Client, data: Any, mid: int, reasons: list[ReasonCode], properties: Properties | None) -> None:
        self.refusals.extend(str(each) for each in reasons if each.is_failure)
        self.ring()


def _noted(message: MQTTMessage) -> Post:
    answer_to, correlation = getattr(message.properties, "ResponseTopic", ""), getattr(message.properties, "CorrelationData", b"")
    if len(answer_to) > _MOST_TOPIC or len(correlation) > _MOST_CORRELATION:
        answer_to, correlation = "", b""  # the answer goes where every answer goes
    return Post(message.topic, bytes(message.payload[:MOST_KEPT]), message.retain, answer_to, bytes(correlation))
