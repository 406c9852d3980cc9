"""The two kinds of work in the parent that follow the taking: read what was taken to the disk, send what was read."""

import logging
from dataclasses import dataclass, replace
from functools import partial

from agent import config, events, failpoint, promise, reasons, settling
from agent.arrivals import Arrivals
from agent.board import Board
from agent.clock import Clock
from agent.domain import Before, Capture, Decision, EncodedImage, Reading
from agent.errors import Rejected, RetryLater
from agent.health import Reporter
from agent.inbox import Inbox
from agent.ocr import opinion
from agent.ocr.calls import SPENT, TRIES
from agent.ocr.chain import Answer, Chain
from agent.publish import Publisher
from agent.seen import Seen, different, is_vetoed
from agent.store import Spooled, Store
from agent.vin import judge
from agent.vin_code import asked
from agent.wire import COMMAND

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
LOOK_EVERY_S = 0.5
LONG_S = 60.0  # of one vehicle in one step: then another may be nearer to its end
LOOK_AGAIN_S = 30.0  # at the oldest vehicle, while nobody can be asked
FIRST_WAIT_S, MOST_WAIT_S = 5.0, 900.0


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
    quiet_until: float = float("-inf")

    def step(self) -> bool:
        failpoint.passed("read.step")
        now = self.clock.now()
        off_s = self.chain.off_for_s()
        spooled = self.store.spool.head(now.utc_ms, only_read=bool(off_s and now.seconds < self.quiet_until))
        if spooled is None:
            return False
        if off_s and not self._will_do(spooled, spooled.readings):
            # Nobody can be asked: the queue stays as it is, or an outage would write every waiting row again and again.
            self.quiet_until = now.seconds + min(off_s, LOOK_AGAIN_S)
            return self.store.spool.line_up(spooled.capture.read_id)
        return self._read_and_tell(spooled)

    def _read_and_tell(self, spooled: Spooled) -> bool:
        seen = Seen(spooled.capture.images, spooled.readings)
        try:
            self._read(spooled, seen)
        except RetryLater as trouble:
            if not self._will_do(spooled, seen.readings):
                self._postpone(spooled, trouble)
                return False
            seen.why_not = "budget" if trouble.code == SPENT else "provider_down"
        self._end(spooled, seen)
        return True

    def _end(self, spooled: Spooled, seen: Seen) -> None:
        """The one event about this vehicle, unless it was none, or was told already."""
        capture = settling.settled(spooled.capture, self.clock)
        decision = reasons.explained(self._decided(seen), capture, seen.readings)
        wanted = capture.trigger == COMMAND  # who asked for it gets an event, whatever it is
        if not wanted and decision.vin is None and seen.why_not is None and reasons.is_other_text(capture, seen.readings):
            self.store.spool.forget(capture.read_id)
            self.board.other_text += 1
            log.info("%s: no vehicle: a sign or a licence plate, %r", capture.read_id, decision.raw)
            return
        arrivals = Arrivals(self.store.arrivals)
        before = arrivals.before(capture, decision.vin.value) if decision.vin else None
        if not wanted and decision.vin and before and before.is_this(decision, self.settings.again_s):
            with self.store.transaction():
                arrivals.note(capture, decision.vin.value, before.read_id, accepted=True, now_ms=self.clock.now().utc_ms)
                self.store.spool.forget(capture.read_id)
            self.board.again += 1
            log.info("%s: %s is still there, told as %s %.0f s before", capture.read_id, decision.vin.value, before.read_id, before.ago_s)
            return
        by_ms = capture.taken_at.utc_ms - spooled.capture.taken_at.utc_ms if capture != spooled.capture else None
        self._finish(capture, decision, seen.readings, before, by_ms)

    def _read(self, spooled: Spooled, seen: Seen) -> None:
        """Picture after picture, and reader after reader where a second opinion is wanted, until the VIN is sure enough."""
        until = self.clock.now().seconds + LONG_S
        for image in different(spooled.capture.images):
            while not self._is_done_with(image, seen) and not is_vetoed(image, seen, self.chain, self.settings):
                if self.clock.now().seconds > until:
                    raise RetryLater("the readers are slow; the rest of this vehicle comes next", after=0.0)
                try:
                    seen.readings = (*seen.readings, self._ask(image, seen))
                except Rejected as refusal:
                    seen.refused(refusal, image)
                    break

    def _is_done_with(self, image: EncodedImage, seen: Seen) -> bool:
        """Whether this picture need not be shown to anybody (else)."""
        if opinion.is_enough(judge(seen.readings, self.settings), seen.readings, self.settings):
            return True
        readers = seen.without(image, self.chain)
        if seen.is_hopeless(image):
            return True
        if readers:
            return not opinion.wants_another(self.settings) or readers >= set(self.chain.names)
        return len({reading.image for reading in asked(seen.readings)}) >= self.settings.calls_per_vehicle

    def _ask(self, image: EncodedImage, seen: Seen) -> Reading:
        promise.on_time()
        if (looked := seen.look_of(image, self.chain)) is not None:
            return looked
        answer = self.chain.read(image, seen.without(image, self.chain))
        failpoint.passed("read.answered")
        if answer.booking is not None or opinion.wants_another(self.settings):
            # What was paid for is on the disk before anything else happens: after a crash it is not bought again.
            self.store.insist(partial(self._keep, image, answer), self.clock.now())
        failpoint.passed("read.noted")
        return answer.reading

    def _keep(self, image: EncodedImage, answer: Answer) -> None:
        with self.store.transaction():
            waits = self.store.spool.note(image.read_id, answer.reading)
            self.chain.keep(image, answer, remember=waits)  # a VIN that was purged while it was read must not be left behind

    def _will_do(self, spooled: Spooled, readings: tuple[Reading, ...]) -> bool:
        """Whether to tell what there is although more was wanted: a VIN does not wait for long, a vehicle not for ever.

        One that its barcodes have settled wants nothing more.
        """
        waited_ms, decision = settling.waited_ms(spooled, self.clock.now()), judge(readings, self.settings)
        if self._too_old(spooled) or opinion.is_enough(decision, readings, self.settings):
            return True
        return decision.vin is not None and waited_ms >= self.settings.second_wait_s * 1000

    def _decided(self, seen: Seen) -> Decision:
        decision = opinion.concluded(judge(seen.readings, self.settings), seen.readings, self.settings)
        return replace(decision, reason=seen.why_not) if decision.outcome == "unread" and seen.why_not else decision

    def _too_old(self, spooled: Spooled) -> bool:
        return settling.waited_ms(spooled, self.clock.now()) > self.settings.give_up_h * HOUR_MS

    def _postpone(self, spooled: Spooled, trouble: RetryLater) -> None:
        """Until somebody can be asked, and a little longer: the next try is another vehicle's, in case it is this one that fails."""
        own_s = min(MOST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(spooled.calls - TRIES, 10)) if spooled.calls > TRIES else 0.0
        wait_s = (trouble.after or 0.0) + 1.0 + own_s
        log.debug("%s waits %.0f s: %s", spooled.capture.read_id, wait_s, trouble)
        self.store.spool.postpone(spooled.capture.read_id, self.clock.now().utc_ms + round(wait_s * 1000))

    def _finish(
        self, capture: Capture, decision: Decision, readings: tuple[Reading, ...], before: Before | None, by_ms: int | None
    ) -> None:
        now = self.clock.now()
        first, answers = self.chain.names[0], asked(readings)
        attempts = max(len(answers), self.store.ledger.calls(capture.read_id))
        fallback = bool(answers) and all(reading.provider != first for reading in answers)
        event = events.final(
            capture, decision, readings,
            facts=self.facts, now=now, attempts=attempts, fallback=fallback, previous=before, corrected_ms=by_ms,
        )  # fmt: skip
        with self.store.transaction():  # in one queue or the other, never both, never neither
            if not self.store.spool.done(capture.read_id):
                log.info("%s: was taken out while it was read, by hand or for room", capture.read_id)
                return
            sequence = self.store.outbox.put(event, now.utc_ms)
            self.store.unsure.note(event)
            if decision.vin:
                kept = {"sequence": sequence, "put_ms": now.utc_ms, "topic": event.topic, "payload": event.payload}
                self.store.put(f"last/{event.topic}", kept)
                accepted = decision.outcome == "accepted"
                Arrivals(self.store.arrivals).note(capture, decision.vin.value, capture.read_id, accepted=accepted, now_ms=now.utc_ms)
            failpoint.passed("read.finishing")
        failpoint.passed("read.finished")
        self.board.wake_send()
        self.board.read(decision)
        log.info("%s: %s %s", capture.read_id, decision.outcome, decision.vin.value if decision.vin else decision.reason)


@dataclass(slots=True)
class Send:
    """Outbox → broker over one connection, with the state of the agent beside it."""

    publisher: Publisher
    reporter: Reporter
    store: Store
    clock: Clock
    inbox: Inbox
    rest_s: float = 0.0
    looked_at: float = float("-inf")

    def step(self) -> bool:
        failpoint.passed("send.step")
        now = self.clock.now()
        if now.seconds - self.looked_at >= LOOK_EVERY_S:
            self.looked_at = now.seconds
            self.publisher.publish_state(self.reporter.everything() if self.inbox.has_births() else self.reporter.changes())
            self.publisher.recount(self.reporter.known_lasts)
        return self.publisher.step(now)
