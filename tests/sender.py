"""The sending half of the agent over a real store, as the supervisor runs it, without cameras and readers."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from agent import config
from agent.board import Board
from agent.children import Children
from agent.clock import Clock
from agent.domain import Event
from agent.health import Reporter
from agent.identity import identify
from agent.inbox import Inbox
from agent.opening import Opening
from agent.orders import Orders
from agent.publish import Tally
from agent.store import Store
from agent.supervisor import LONGEST_OUT_S
from agent.twins import Twins
from agent.worker import Worker
from tests.samples import event

SAMPLE = event(0)


def numbered(number: int) -> Event:
    """A final event of its own, made faster than from a capture."""
    event_id = f"01BACKLOG{number:017d}"
    return Event(event_id, SAMPLE.topic, {**SAMPLE.payload, "id": event_id, "data": {**SAMPLE.payload["data"], "read_id": event_id}})


class Sender:
    """Sends in `with` whatever is put into its store, connects and connects again by itself; `settings` are those of [mqtt]."""

    def __init__(
        self, folder: Path, settings: config.Mqtt, clock: Clock | None = None, kept: config.Store | None = None, gates: Sequence[str] = ()
    ) -> None:
        """Each of the `gates` has a camera in the settings, of which nothing runs."""
        self.clock = clock or Clock(synced=lambda: True)
        cameras = tuple(config.Camera(name=gate, gate=gate) for gate in gates)
        agent = config.Agent(site="hamburg", id="gate-3-pi", state_dir=folder)
        self.settings = config.Settings(agent=agent, mqtt=settings, store=kept or config.Store(free_mb=1), camera=cameras)
        self.store = Store.open(folder, self.settings.store, self.clock.now().utc_ms)
        self.tally = Tally()
        self._stop, self._board = threading.Event(), Board(self.clock.now(), "s", "clean")
        identity, children = identify(self.settings), Children([])
        reporter = Reporter(self.settings, identity, self.store, children, self._board, self.clock)
        twins = Twins(self.store, self.clock)
        orders = Orders(Inbox(identity.topics.commands), identity.topics.root, {}, lambda _: None)
        opening = Opening(
            self.settings, identity, self.store, self.clock, children, self._board, reporter, orders, self.tally, twins, threading.Event()
        )
        self._worker = Worker("send", opening.send, self._stop, longest_s=LONGEST_OUT_S)

    def __enter__(self) -> Self:
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._worker.join(10)
        self.store.close()

    @property
    def trouble(self) -> str:
        return self._worker.trouble

    @property
    def connected(self) -> bool:
        return bool(self._board.mqtt and self._board.mqtt().connected)

    @property
    def acknowledged(self) -> int:
        return self._board.mqtt().acknowledged if self._board.mqtt else 0

    def put(self, told: Event) -> int:
        sequence = self.store.outbox.put(told, self.clock.now().utc_ms)
        self._board.wake_send()
        return sequence

    def finish(self, told: Event) -> int:
        """As a vehicle is ended: the event, and what is kept of it as the last of its gate."""
        with self.store.transaction():
            sequence, now_ms = self.store.outbox.put(told, self.clock.now().utc_ms), self.clock.now().utc_ms
            self.store.put(f"last/{told.topic}", {"sequence": sequence, "put_ms": now_ms, "topic": told.topic, "payload": told.payload})
        self._board.wake_send()
        return sequence

    def wait_for(self, true: Callable[[], object], seconds: float = 10.0) -> float:
        """The seconds until something held."""
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < seconds, f"not within {seconds} s; {len(self.store.outbox)} unsent; {self.trouble}"
            time.sleep(0.01)
        return time.monotonic() - began


def mqtt(port: int, **changes: object) -> config.Mqtt:
    return replace(config.Mqtt(port=port, last=False), **changes)  # type: ignore[arg-type]  # keys of the section
