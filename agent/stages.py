"""The three kinds of work in the parent: take captures to the disk, read them, send what was read."""

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection, wait

from ulid import ULID

from agent import config, events
from agent.children import Child, Children
from agent.clock import Clock
from agent.domain import Capture, Decision, EncodedImage, Reading
from agent.errors import Rejected, RetryLater
from agent.health import Board, Reporter
from agent.ocr.chain import Answer, Chain
from agent.publish import Publisher
from agent.store import Spooled, Store
from agent.vin import judge
from agent.wire import Ack, Captured, FromChild

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
LOOK_EVERY_S, TIDY_EVERY_S = 0.5, 30.0


@dataclass(slots=True)
class Take:
    """Pipe → spool: a capture is acknowledged once it is committed, and not before."""

    children: Children
    store: Store
    facts: events.Facts
    clock: Clock
    rest_s: float = 0.0
    tidied_at: float = float("-inf")

    def step(self) -> bool:
        self._tidy()
        pipes = self.children.pipes()
        if not pipes:
            time.sleep(0.2)  # nothing to wait on: every camera is between two processes
            return False
        ready = wait(pipes, timeout=0.5)
        for pipe, child in pipes.items():
            if pipe in ready:
                self._listen(pipe, child)
        return True

    def _tidy(self) -> None:
        """Keep the store within its caps, and have the yard told what that, or damage, has cost."""
        now = self.clock.now()
        if now.seconds - self.tidied_at < TIDY_EVERY_S:
            return
        self.tidied_at = now.seconds
        self.store.trim(now.utc_ms)
        with self.store.transaction():
            for audit in self.store.take_audits():
                self.store.outbox.put(events.audit(str(ULID()), asdict(audit), facts=self.facts, now=now), now.utc_ms)

    def _listen(self, pipe: "Connection[Ack, FromChild]", child: Child) -> None:
        try:
            word = child.heard(pipe.recv(), time.monotonic())
        except (EOFError, ConnectionResetError):
            child.hung_up()
            return
        if word is not None:
            self._take(word, pipe)

    def _take(self, word: Captured, pipe: "Connection[Ack, FromChild]") -> None:
        capture = word.capture
        try:
            new = self.store.spool.put(capture, self.clock.now().utc_ms)
        except Rejected as refusal:
            # It would be refused for ever: acknowledged, so that the camera does not say it again and again.
            log.error("%s: a vehicle was seen and cannot be kept: %s", capture.camera, refusal)
            new = False
        if new:
            log.info(
                "%s: vehicle seen at gate %s, %d pictures, read_id %s", capture.camera, capture.gate, len(capture.images), capture.read_id
            )
        # The child may be gone by now; its capture is safe, which is what counts.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            pipe.send(Ack(capture.read_id))


@dataclass(slots=True)
class Read:
    """Spool → outbox: have the pictures of a vehicle read, decide, and write down the one final event."""

    store: Store
    chain: Chain
    settings: config.Reading
    facts: events.Facts
    clock: Clock
    board: Board
    rest_s: float = 0.2

    def step(self) -> bool:
        spooled = self.store.spool.head(self.clock.now().utc_ms)
        if spooled is None:
            return False
        try:
            decision, readings = self._read(spooled)
        except RetryLater as trouble:
            if not self._too_old(spooled):
                self._postpone(spooled, trouble)
                return False
            readings = spooled.readings
            decision = replace(judge(readings, self.settings), outcome="unread", vin=None, reason="provider_down")
        self._finish(spooled.capture, decision, readings)
        return True

    def _read(self, spooled: Spooled) -> tuple[Decision, tuple[Reading, ...]]:
        """Picture after picture until the VIN is accepted or the calls of this vehicle are used up."""
        readings, decision = spooled.readings, judge(spooled.readings, self.settings)
        for image in self._unread_images(spooled.capture, readings):
            if decision.outcome == "accepted" or len(readings) >= self.settings.calls_per_vehicle:
                break
            with contextlib.suppress(Rejected):
                readings = (*readings, self._ask(image))
                decision = judge(readings, self.settings)
        return decision, readings

    @staticmethod
    def _unread_images(capture: Capture, readings: tuple[Reading, ...]) -> Iterator[EncodedImage]:
        read = {reading.image for reading in readings}
        return (image for image in capture.images if image.number not in read)

    def _ask(self, image: EncodedImage) -> Reading:
        answer = self.chain.read(image)
        if answer.booking is not None:
            self._keep(image.read_id, answer, answer.booking)
        return answer.reading

    def _keep(self, read_id: str, answer: Answer, booking: int) -> None:
        """What was paid for is on the disk before anything else happens: after a crash it is not bought again."""
        with self.store.transaction():
            self.store.spool.note(read_id, answer.reading)
            self.store.ledger.settle(booking, "read")

    def _too_old(self, spooled: Spooled) -> bool:
        return self.clock.now().utc_ms - spooled.put_ms > self.settings.give_up_h * HOUR_MS

    def _postpone(self, spooled: Spooled, trouble: RetryLater) -> None:
        wait_s = max(1.0, self.chain.off_for_s(), trouble.after or 0.0)
        log.debug("%s waits %.0f s: %s", spooled.capture.read_id, wait_s, trouble)
        self.store.spool.postpone(spooled.capture.read_id, self.clock.now().utc_ms + round(wait_s * 1000))

    def _finish(self, capture: Capture, decision: Decision, readings: tuple[Reading, ...]) -> None:
        now = self.clock.now()
        event = events.final(capture, decision, readings, facts=self.facts, now=now)
        with self.store.transaction():  # in one queue or the other, never both, never neither
            sequence = self.store.outbox.put(event, now.utc_ms)
            if decision.vin:
                kept = {"sequence": sequence, "put_ms": now.utc_ms, "topic": event.topic, "payload": event.payload}
                self.store.put(f"last/{event.topic}", kept)
            self.store.spool.done(capture.read_id)
        self.board.read(decision)
        log.info("%s: %s %s", capture.read_id, decision.outcome, decision.vin.value if decision.vin else decision.reason)


@dataclass(slots=True)
class Send:
    """Outbox → broker over one connection, with the state of the agent beside it."""

    publisher: Publisher
    reporter: Reporter
    store: Store
    clock: Clock
    rest_s: float = 0.0
    looked_at: float = float("-inf")

    def step(self) -> bool:
        now = self.clock.now()
        if now.seconds - self.looked_at >= LOOK_EVERY_S:
            self.looked_at = now.seconds
            self.publisher.publish_state(self.reporter.changes())
        return self.publisher.step(now)
