"""How fast a backlog of events leaves the store, beside a loop that only publishes the same bytes with the same window.

    python -m tests.bench.backlog [COUNT [WAITING]]

Both run once over the same broker with the same MQTT 5 messages, QoS 1 and as many of them on their way as the settings' `inflight`;
a subscriber in a process of its own takes them. The agent's share contains everything: reading rows, building messages, and one
flushed commit for each batch of acknowledgements. Both share the processor with the broker: measure on a quiet machine. A third line
is the memory of the process that sends while WAITING events, 100,000, lie in the store.
"""

import multiprocessing
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent import config
from agent.clock import Clock
from agent.domain import Event
from agent.events import Message, delivered, event_message
from agent.mqtt import Link
from agent.publish import Publisher
from agent.state import retained
from agent.store import Store
from agent.topics import Topics
from tests.broker import Broker
from tests.samples import event

TOPICS = Topics("vinagent/v1", "hamburg", "gate-3-pi")


def bare(port: int, messages: list[Message], window: int) -> float:
    """Messages a second of a plain publish loop."""
    client = Client(CallbackAPIVersion.VERSION2, "bare", protocol=MQTTProtocolVersion.MQTTv5)
    room, all_answered = threading.Semaphore(window), threading.Event()
    answered = 0

    def on_publish(*_: object) -> None:
        nonlocal answered
        answered += 1
        room.release()
        if answered == len(messages):
            all_answered.set()

    client.max_inflight_messages_set(0)
    client.on_publish = on_publish
    client.connect("127.0.0.1", port)
    client.loop_start()
    started = time.perf_counter()
    for message in messages:
        room.acquire()
        properties: Properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho types its methods only
        properties.ContentType, properties.UserProperty = message.content_type, list(message.properties)
        client.publish(message.topic, message.payload, 1, properties=properties)
    all_answered.wait()
    rate = len(messages) / (time.perf_counter() - started)
    client.disconnect()
    client.loop_stop()
    return rate


def agent(port: int, folder: Path, count: int) -> float:
    """Messages a second from the store, each row marked and flushed."""
    clock = Clock(synced=lambda: True)
    store = Store.open(folder, config.Store(free_mb=0), clock.now().utc_ms)
    settings = config.Mqtt(port=port, replay_per_s=0, last=False)
    for number in range(count):
        store.outbox.put(event(number), clock.now().utc_ms)
    with Link(settings, "vinagent-gate-3-pi", retained(TOPICS.status, {})) as link:
        publisher = Publisher(link, store.outbox, TOPICS, settings, tuple, clock.now())
        started = time.perf_counter()
        while publisher.health().acknowledged < count:
            publisher.step(clock.now())
        rate = count / (time.perf_counter() - started)
    store.close()
    return rate


def fill(folder: Path, count: int) -> None:
    """Another process does this: what it needs for it is not what sending needs."""
    with Store.open(folder, config.Store(max_mb=2000, free_mb=0), 0) as store:
        sample = event(0)
        for start in range(0, count, 1000):
            with store.transaction():
                for number in range(start, min(start + 1000, count)):
                    store.outbox.put(Event(f"e{number}", sample.topic, {**sample.payload, "id": f"e{number}"}), 0)


def memory(waiting: int, sent: int = 5000) -> tuple[float, float, float]:
    """Resident MB of a connected process with nothing to send, with the backlog opened, and after some of it was sent."""
    clock, found = Clock(synced=lambda: True), []
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "broker") as broker:
        settings = config.Mqtt(port=broker.port, replay_per_s=0, last=False)
        for place, count in (("empty", 0), ("full", waiting)):
            filling = multiprocessing.get_context("spawn").Process(target=fill, args=(Path(folder, place), count))
            filling.start()
            filling.join()
            with (
                Store.open(Path(folder, place), config.Store(max_mb=2000, free_mb=0), 1) as store,
                Link(settings, "vinagent-gate-3-pi", retained(TOPICS.status, {})) as link,
            ):
                publisher = Publisher(link, store.outbox, TOPICS, settings, tuple, clock.now())
                publisher.step(clock.now())
                found.append(_resident_mb())
                while publisher.health().acknowledged < min(sent, count):
                    publisher.step(clock.now())
                found.append(_resident_mb())
        return found[0], found[2], found[3]


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize() / 1e6


def measure(count: int = 10_000) -> tuple[float, float]:
    """Messages a second of the agent and of the bare loop."""
    messages = []
    for number in range(count):
        each = event(number)
        payload = delivered(each.payload, number, replay=True, attempt=1, queued_ms=10**6)
        messages.append(event_message(TOPICS.event(each), payload))
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "broker") as broker:
        listen = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", "#", "-q", "1"]
        with subprocess.Popen(listen, stdout=subprocess.DEVNULL) as yard:
            compared = bare(broker.port, messages, config.Mqtt().inflight)
            measured = agent(broker.port, Path(folder), count)
            yard.terminate()
    return measured, compared


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    waiting = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    empty, full, sending = memory(waiting)  # first: what the other leaves behind would be room to grow in unseen
    measured, compared = measure(count)
    print(f"backlog of {count}: {measured:.0f} events/s, bare publish loop {compared:.0f} messages/s, ratio {measured / compared:.2f}")
    print(f"memory: {empty:.1f} MB with nothing to send, {full:.1f} MB with {waiting} events waiting, {sending:.1f} MB while they are sent")


if __name__ == "__main__":
    main()
