"""A long backlog in a real store goes to a real broker: slowly where it has to, past what is live, and without filling the memory."""

import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import config
from agent.clock import Clock
from agent.events import UNNUMBERED
from agent.mqtt import Link
from agent.publish import Publisher, Tally
from agent.state import retained
from agent.store import Store
from agent.topics import Topics
from tests.broker import Broker, Received, Subscriber
from tests.payloads import valid
from tests.sender import Sender, mqtt, numbered

TOPICS = Topics("vinagent/v1", "hamburg", "gate-3-pi")
CLOCK = Clock(synced=lambda: True)


def opened(folder: Path) -> Store:
    return Store.open(folder, config.Store(free_mb=1), CLOCK.now().utc_ms)


def fill(store: Store, count: int, first: int = 0) -> None:
    for start in range(first, first + count, 500):
        with store.transaction():
            for number in range(start, min(start + 500, first + count)):
                store.outbox.put(numbered(number), CLOCK.now().utc_ms)


@contextmanager
def sending(store: Store, port: int, per_s: float, tally: Tally | None = None) -> Iterator[Publisher]:
    """A publisher at work in a thread of its own; wakes at once when told."""
    settings = config.Mqtt(port=port, replay_per_s=per_s, last=False)
    over = threading.Event()
    with Link(settings, "vinagent-gate-3-pi", retained(TOPICS.status, {})) as link:
        publisher = Publisher(link, store.outbox, TOPICS, settings, tuple, CLOCK.now(), tally)

        def work() -> None:
            while not over.is_set():
                publisher.step(CLOCK.now())

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield publisher
        finally:
            over.set()
            thread.join()


def replayed(message: Received) -> bool:
    return bool(valid(message.topic, message.payload)["data"]["delivery"]["replay"])


@pytest.mark.parametrize("per_s", [10.0, 0.0], ids=["at the usual rate", "as fast as it goes"])
def test_a_live_event_does_not_wait_for_ten_thousand_old_ones(tmp_path: Path, broker: Broker, yard: Subscriber, per_s: float) -> None:
    with opened(tmp_path) as store:
        fill(store, 10_000)
        with sending(store, broker.port, per_s):
            yard.wait_count(5, "/vin")
            live, put_at = numbered(99_999), time.monotonic()
            number = store.outbox.put(live, CLOCK.now().utc_ms)
            yard.wait_for(lambda seen: any(live.id.encode() in each.payload for each in seen), 5.0)
            messages = yard.collect("/vin")
            rate = len(messages) / (time.monotonic() - put_at + 1.0)
    (place,) = [place for place, each in enumerate(messages) if live.id.encode() in each.payload]
    arrived = messages[place]

    assert arrived.at - put_at < 1.0, "5 s are allowed"
    assert int(valid(arrived.topic, arrived.payload)["sequence"]) == number == 10_001
    assert place < 5_000, "most of the backlog was still to come"
    assert not replayed(arrived)
    assert all(replayed(each) for each in messages if each is not arrived)
    assert not per_s or rate <= 2 * per_s


def test_numbers_have_no_gap_and_marks_are_right_over_restarts(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    for start in range(3):
        with opened(tmp_path) as store:
            fill(store, 20, first=100 * start)  # while no broker was there
            with sending(store, broker.port, 0.0):
                yard.wait_count(30 * start + 20, "/vin")
                fill(store, 10, first=100 * start + 50)
                yard.wait_count(30 * start + 30, "/vin")
                while len(store.outbox):  # what was received is marked a moment later
                    time.sleep(0.01)
    payloads = [valid(each.topic, each.payload) for each in yard.collect("/vin")]

    assert [int(each["sequence"]) for each in payloads] == list(range(1, 91))
    assert [each["data"]["delivery"]["replay"] for each in payloads] == 3 * (20 * [True] + 10 * [False])


def test_a_long_backlog_is_sent_without_being_held_in_memory(tmp_path: Path, broker: Broker) -> None:
    with opened(tmp_path) as store:
        fill(store, 10_000)
        tracemalloc.start()
        with sending(store, broker.port, 0.0) as publisher:
            while publisher.health().acknowledged < 1000:
                time.sleep(0.01)
            _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert most < 2_000_000, "the backlog has 16 MB"


def test_after_an_outage_no_older_vehicle_takes_the_place_of_the_last_one_at_the_gate(tmp_path: Path, broker: Broker) -> None:
    with Sender(tmp_path, mqtt(broker.port, last=True, replay_per_s=3), gates=["north-in"]) as sender:
        sender.wait_for(lambda: sender.connected)
        sender.finish(numbered(0))
        sender.wait_for(lambda: not len(sender.store.outbox))
        broker.stop()
        sender.wait_for(lambda: not sender.connected)
        newest = [sender.finish(numbered(number)) for number in range(1, 8)][-1]
        broker.start()
        sender.wait_for(lambda: sender.connected)
        with Subscriber(broker.port, f"{TOPICS.root}/gate/north-in/last") as screen:
            sender.wait_for(lambda: not len(sender.store.outbox))
            time.sleep(1.2)  # the copy is told once a second
            shown = [int(valid(each.topic, each.payload)["sequence"]) for each in screen.wait_count(1)]
    assert set(shown) == {newest}


def test_what_was_numbered_in_memory_does_not_end_the_copies_of_the_last_vehicle(tmp_path: Path, broker: Broker) -> None:
    topic = f"{TOPICS.root}/gate/north-in/last"
    started = Sender(tmp_path, mqtt(broker.port, last=True), gates=["north-in"])
    started.tally.last[topic] = UNNUMBERED + 1  # told while the disk could not be written, which ended while the broker was away
    with started as sender:
        sender.wait_for(lambda: sender.connected)
        newest = sender.finish(numbered(1))
        with Subscriber(broker.port, topic) as screen:
            shown = screen.wait_count(1, seconds=5)
    assert int(valid(shown[-1].topic, shown[-1].payload)["sequence"]) == newest
