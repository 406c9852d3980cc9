"""What became of every vehicle of a run, from the agent's log, its store and a subscriber: told, numbered, evicted or lost."""

import json
import re
from collections import Counter
from dataclasses import dataclass

from tests.broker import Received, Subscriber
from tests.gateway import Gateway
from tests.payloads import valid

_SEEN = re.compile(r"vehicle seen .*read_id (\w+)")


@dataclass(frozen=True, slots=True)
class Account:
    """`lost` vehicles were acknowledged, and neither told nor evicted with an audit; `unnumbered` were told from memory alone.

    `gaps` are numbers nobody ever heard of, `clashes` those that mean two events, `twice` copies beyond the first of an event.
    """

    committed: int
    lost: int
    evicted: int
    twice: int
    volatile: int
    unnumbered: int
    gaps: int
    clashes: int

    @property
    def sound(self) -> bool:
        return self.lost == self.unnumbered == self.gaps == self.clashes == 0


def taken(gateway: Gateway, yard: Subscriber, first: int = 1) -> Account:
    """To be called when nothing waits any more; every payload is held against its schema. `first` is the first number of this run."""
    events = [valid(each.topic, each.payload) for each in yard.collect() if is_event(each)]
    evicted = [event["data"] for event in events if event["data"].get("what") == "evicted"]
    finals = [event for event in events if event["type"] != "io.vinagent.audit.v1"]
    told, durable = Counter(event["id"] for event in finals), {event["id"] for event in finals if "sequence" in event}
    gone = {each["id"] for each in evicted}
    committed = set(_SEEN.findall(gateway.log())) | {key for key in gateway.stored("sent") if key in told}
    numbers = {(int(event["sequence"]), event["id"]) for event in events if "sequence" in event}
    known = {number for number, _ in numbers} | {each["sequence"] for each in evicted if "sequence" in each}
    return Account(
        committed=len(committed),
        lost=len(committed - set(told) - gone),
        evicted=len(gone),
        twice=told.total() - len(told),
        volatile=len({event["id"] for event in finals if not event["data"]["delivery"]["durable"]}),
        unnumbered=len(set(told) - durable - gone),
        gaps=len(set(range(first, max(known, default=0) + 1)) - known),
        clashes=len(numbers) - len({number for number, _ in numbers}),
    )


def heard(yard: Subscriber) -> set[str]:
    """The vehicles the yard knows of: told, or evicted with an audit."""
    events = [json.loads(each.payload) for each in yard.collect() if is_event(each)]
    return {event["id"] for event in events} | {event["data"]["id"] for event in events if event["data"].get("what") == "evicted"}


def is_event(message: Received) -> bool:
    return message.topic.endswith(("/vin", "/unread", "/audit"))


def reasons(message: Received) -> list[str]:
    """What a message says to be wrong with the agent; nothing for any other message than its health."""
    return list(json.loads(message.payload)["reasons"]) if message.topic.endswith("/health") else []
