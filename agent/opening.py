"""What the workers work with: each stage opened from the settings that hold at that moment, and closed in order."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from agent import config
from agent.board import Board
from agent.bounds import Bounds
from agent.children import Children
from agent.clock import Clock
from agent.cooling import Cooling
from agent.errors import RetryLater
from agent.health import Reporter
from agent.identity import Identity
from agent.mqtt import Link
from agent.ocr import open_providers
from agent.ocr.budget import Budget
from agent.ocr.chain import Chain
from agent.ocr.memory import Memory
from agent.orders import Orders
from agent.power import DiskWatch
from agent.publish import Publisher, Tally
from agent.stages import Read, Send
from agent.store import Store
from agent.take import Keep, Take
from agent.twins import Twins
from agent.wire import Job, Kept

log = logging.getLogger(__name__)

FAREWELL_S = 1.5


def jobs(settings: config.Settings, bounds: Bounds) -> list[Job]:
    """What each camera's process is told."""
    return [Job(each, settings.vision, bounds, settings.agent.log_level, settings.alarm) for each in settings.camera]


def stood_before(store: Store, camera: str) -> Kept:
    """What a camera's process should know; nothing where the disk cannot say: it may be told once more, but the camera is watched."""
    try:
        return store.spots.of(camera)
    except RetryLater as trouble:
        log.warning("%s: what stands before it is not known: %s", camera, trouble)
        return ()


@dataclass(slots=True)
class Opening:
    """Everything a stage is made of; the main thread replaces settings and identity, a worker reads them when it opens."""

    settings: config.Settings
    identity: Identity
    store: Store
    clock: Clock
    children: Children
    board: Board
    reporter: Reporter
    orders: Orders
    tally: Tally
    twins: Twins
    stop_reading: threading.Event
    ring_reading: Callable[[], None] = lambda: None
    speakers: dict[str, Take | Read] = field(default_factory=dict)

    def renew(self, settings: config.Settings, identity: Identity) -> None:
        """A stage that is open goes on with its own settings until it is opened anew, but speaks for the new ones."""
        self.settings, self.identity = settings, identity
        for stage in self.speakers.values():
            stage.facts = identity.facts

    @contextlib.contextmanager
    def take(self) -> Iterator[Take]:
        stage = Take(self.children, self.store, self.identity.facts, self.clock, self.ring_reading)
        self.speakers["take"] = stage
        yield stage

    @contextlib.contextmanager
    def keep(self) -> Iterator[Keep]:
        yield Keep(self.store, self.clock)

    @contextlib.contextmanager
    def power(self) -> Iterator[Cooling]:
        yield Cooling(self.settings.power, self.children, self.board, self.clock, DiskWatch(self.settings.agent.state_dir))

    @contextlib.contextmanager
    def read(self) -> Iterator[Read]:
        reading, store = self.settings.reading, self.store
        providers = open_providers(self.settings)
        budget, memory = Budget(reading, store.ledger), Memory(store.seen, lambda work: store.insist(work, self.clock.now()))
        calls, sleep = reading.calls_per_vehicle, self.stop_reading.wait
        opened = Chain(providers, store.ledger, budget, self.clock.now, facts=store, memory=memory, calls=calls, sleep=sleep)
        with opened as chain:
            self.board.circuits = chain.circuits
            stage = Read(store, chain, reading, self.identity.facts, self.clock, self.board)
            self.speakers["read"] = stage
            yield stage

    @contextlib.contextmanager
    def send(self) -> Iterator[Send]:
        mqtt, now, topics = self.settings.mqtt, self.clock.now, self.identity.topics
        inbox = self.orders.inbox.listen(mqtt)
        with self.twins.watched(Link(mqtt, self.identity.client_id, self.reporter.will(), inbox)) as link:
            # What is told at a connect are these, or newer ones: none of the backlog behind it may take their place.
            self.tally.last = self.reporter.known_lasts()
            publisher = Publisher(link, self.store.outbox, topics, mqtt, self.reporter.everything, now(), self.tally)
            self.board.mqtt, self.board.wake_send = publisher.health, link.wake
            self.orders.publish = publisher.publish_state
            log.info("connected to the broker at %s", link.where)
            yield Send(publisher, self.reporter, self.store, self.clock, inbox)
            # Left in order: because the agent stops, or because another broker is to be told from now on.
            publisher.publish_state(self.reporter.changes())
            publisher.farewell(self.reporter.status("offline"), now, FAREWELL_S)
