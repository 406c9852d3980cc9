"""The first kind of work in the parent: take what the cameras say to the disk, and look after the store there."""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection, wait

from ulid import ULID

from agent import events, failpoint, settling
from agent.child import Child
from agent.children import Children
from agent.clock import Clock
from agent.errors import Rejected
from agent.store import Store
from agent.wire import Ack, Captured, FromChild, FromParent, Stands

log = logging.getLogger(__name__)

CORRECT_EVERY_S, TIDY_EVERY_S = 1.0, 30.0
AUDITS = 32  # told in one commit


@dataclass(slots=True)
class Take:
    """Pipe → spool: a capture is acknowledged once it is committed, and not before; in memory alone where the disk takes nothing."""

    children: Children
    store: Store
    facts: events.Facts
    clock: Clock
    ring: Callable[[], None] = lambda: None  # tells the reading thread that a vehicle has come
    rest_s: float = 0.0
    tidied_at: float = float("-inf")
    corrected_at: float = float("-inf")

    def step(self) -> bool:
        failpoint.passed("take.step")
        self._tidy()
        self._correct()
        pipes = self.children.pipes()
        if not pipes:
            time.sleep(0.2)  # nothing to wait on: every camera is between two processes
            return False
        for pipe, child in pipes.items():
            for word in (child.rate(), child.level(), child.asked()):
                if word is not None:
                    _say(pipe, word)
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
        self.store.trim(now.utc_ms, sure=now.trust == "synced")
        settling.give_up(self.store, now)
        with self.store.transaction():
            audits = self.store.take_audits(AUDITS)
            for audit in audits:
                self.store.outbox.put(events.audit(str(ULID()), asdict(audit), facts=self.facts, now=now), now.utc_ms)
        if len(audits) == AUDITS:
            self.tidied_at = float("-inf")  # there are more: whoever took out thousands by hand waits for the last of them to be told

    def _correct(self) -> None:
        """Put right what was told under a wrong clock, once it is set."""
        if (now := time.monotonic()) - self.corrected_at >= CORRECT_EVERY_S:
            self.corrected_at = now
            if count := settling.put_right(self.store, self.clock, self.facts):
                log.info("%d events were told at a doubtful time, now they are corrected", count)

    def _listen(self, pipe: "Connection[FromParent, FromChild]", child: Child) -> None:
        try:
            said = child.word()
        except (EOFError, OSError):  # the second where it was killed in the middle of a word
            child.hung_up()
            return
        word = child.heard(said, time.monotonic()) if said is not None else None
        if isinstance(word, Captured):
            self._take(word, pipe)
        elif isinstance(word, Stands):
            self.store.spots.put(child.job.camera.name, word.name, word.kept, self.clock.now().utc_ms)

    def _take(self, word: Captured, pipe: "Connection[FromParent, FromChild]") -> None:
        capture, now = word.capture, self.clock.now()
        failpoint.passed("take.heard")
        try:
            new = self.store.insist(partial(self.store.spool.put, capture, now.utc_ms, word.readings), now)
        except Rejected as refusal:
            # It would be refused for ever: acknowledged, so that the camera does not say it again and again.
            log.error("%s: a vehicle was seen and cannot be kept: %s", capture.camera, refusal)
            new = False
        failpoint.passed("take.committed")
        if new:
            self.ring()
            log.info(
                "%s: vehicle seen at gate %s, %d pictures, read_id %s", capture.camera, capture.gate, len(capture.images), capture.read_id
            )
        _say(pipe, Ack(capture.read_id))
        failpoint.passed("take.acknowledged")


def _say(pipe: "Connection[FromParent, FromChild]", word: FromParent) -> None:
    """To a child that may be gone by now: then its capture is safe all the same, and the next process is told anew."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        pipe.send(word)


@dataclass(slots=True)
class Keep:
    """The store where it can be written: on its disk, or in memory while that fails."""

    store: Store
    clock: Clock
    rest_s: float = 1.0

    def step(self) -> bool:
        self.store.look_after(self.clock.now())
        return False
