"""One provider asked about one picture: what is known is not bought, and what is bought is booked first, in time and within limits."""

import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import NoReturn, Protocol

from agent import failpoint, promise
from agent.domain import EncodedImage, Reading, Stamp
from agent.errors import AgentError, NeedsOperator, Rejected, RetryLater
from agent.ledger import FREE
from agent.ocr import Provider
from agent.ocr.circuit import LONGEST_OFF_S, Circuits
from agent.ocr.limiter import Limiter
from agent.ocr.memory import Memory

log = logging.getLogger(__name__)

TRIES = 3
JITTER_S = (0.5, 1.0, 2.0)
MOST_PAUSE_S = 2.0  # a longer wait is not sat out in a call: the next provider may be asked meanwhile
LONG_S = 30.0  # a call and its repetitions; a slow vendor must not hold up the thread until it counts as stuck
LOOK_S = 60.0  # of a reader on this device, at one picture, when the processor is old, hot and busy
CLOCK_S = 10.0  # how often a clock that is not right yet is looked at again
BOOKS_S = 10.0  # and books that cannot be written
# What stands as `code` where it was not the vendor who refused: the vehicle has had all its calls, the budget is spent.
USED_UP, SPENT = "calls used up", "budget spent"


class Booking(Protocol):
    """The part of the ledger that is written: every attempt of a metered provider, before it is made."""

    def book(self, provider: str, read_id: str, price: float, now_ms: int) -> int: ...
    def settle(self, booking: int, outcome: str) -> None: ...
    def cancel(self, booking: int) -> None: ...
    def calls(self, read_id: str) -> int: ...


class Allowance(Protocol):
    def closed_for_ms(self, price: float, now_ms: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A reading, and the booking the caller settles in the same transaction that keeps it; None where nothing was booked."""

    reading: Reading
    booking: int | None


@dataclass(frozen=True, slots=True)
class Rules:
    """What every call of a chain has to ask before it is made.

    `calls` is the most that may be billed for one vehicle, 0 is no limit; `sleep` says True where it was cut short to stop.
    """

    ledger: Booking
    budget: Allowance
    memory: Memory
    circuits: Circuits
    now: Callable[[], Stamp]
    calls: int = 0
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    dice: Callable[[], float] = random.random


class Caller:
    """Asks one provider; its circuit, rate and memory are looked at here and nowhere else."""

    def __init__(self, provider: Provider, rules: Rules) -> None:
        self.provider, self._rules = provider, rules
        self._limiter = Limiter(provider.per_s)

    def ask(self, image: EncodedImage) -> Answer:
        """The provider's reading, bought or remembered; raises what it raised, or `RetryLater` where it may not be asked now."""
        name, circuits = self.provider.name, self._rules.circuits
        if self.provider.metered and (known := self._rules.memory.recall(name, image)):
            return Answer(known, None)
        if circuits.off_s(name) > 0:
            raise RetryLater(circuits[name].reason, code=circuits[name].code)
        try:
            answer = self._persist(image) if self.provider.metered else self._at_home(image)
        except Rejected as refusal:
            if refusal.code != USED_UP:
                circuits.close(name)
            raise
        except (RetryLater, NeedsOperator) as trouble:
            if not isinstance(trouble, _NotNow):
                circuits.open(name, trouble)
            raise
        circuits.close(name)
        return answer

    def _at_home(self, image: EncodedImage) -> Answer:
        with promise.taking(LOOK_S):
            return Answer(self.provider.read(image), None)

    def _persist(self, image: EncodedImage) -> Answer:
        """Call until there is an answer, the tries are used up or the next one would take too long."""
        began, trouble = self._rules.monotonic(), None
        for tried in count(1):
            try:
                self._permit(image)
                booking = self._book(image)
            except (RetryLater, Rejected) as refusal:
                raise trouble or refusal from None
            try:
                return self._called(image, booking)
            except (RetryLater, Rejected) as failure:
                trouble, pause_s = failure, self._pause_s(failure, tried)
                spent_s = self._rules.monotonic() - began + pause_s
                if tried >= self._tries(failure) or pause_s > MOST_PAUSE_S or spent_s > LONG_S:
                    self._remember(image, failure)
                    raise
                log.debug("%s is asked again in %.1f s: %s", self.provider.name, pause_s, failure)
        raise AssertionError("unreachable")

    def _tries(self, trouble: AgentError) -> int:
        """How often in all the call is made now; a provider that has failed is asked once, which shows whether it is back."""
        if isinstance(trouble, Rejected):
            return trouble.tries or 1
        return 1 if self._rules.circuits[self.provider.name].failures else min(TRIES, trouble.tries or TRIES)

    def _pause_s(self, trouble: AgentError, tried: int) -> float:
        if trouble.after is not None:
            self._limiter.hold(trouble.after, self._rules.monotonic())
            return trouble.after
        # Full jitter: gates that failed together must not come back together.
        pause_s = JITTER_S[min(tried, len(JITTER_S)) - 1] * self._rules.dice()
        self._limiter.hold(pause_s, self._rules.monotonic())
        return pause_s

    def _book(self, image: EncodedImage) -> int:
        """Before the call is made; where the books cannot be written it is not made, which is no failure of the provider."""
        rules, name = self._rules, self.provider.name
        failpoint.passed("read.booking")
        try:
            booking = rules.ledger.book(name, image.read_id, self.provider.price, rules.now().utc_ms)
        except RetryLater as trouble:
            self._not_now(BOOKS_S, f"is not asked: {trouble}")
        failpoint.passed("read.booked")
        return booking

    def _called(self, image: EncodedImage, booking: int) -> Answer:
        """One call that is on the books; the booking of an answer is left to whoever keeps the reading."""
        ledger = self._rules.ledger
        try:
            return Answer(self.provider.read(image), booking)
        except AgentError as trouble:
            # A booking that the disk cannot settle counts as billed; what the vendor has said is not lost over that, or it is asked again.
            with suppress(RetryLater):
                if isinstance(trouble, RetryLater) and trouble.never_asked:
                    ledger.cancel(booking)  # an outage of days must use up neither the budget nor a vehicle's turn
                else:
                    ledger.settle(booking, FREE if _is_free(trouble) else type(trouble).__name__)
            raise

    def _remember(self, image: EncodedImage, trouble: AgentError) -> None:
        if isinstance(trouble, Rejected):
            self._rules.memory.refused(self.provider.name, image, str(trouble), self._rules.now().utc_ms)

    def _permit(self, image: EncodedImage) -> None:
        """Waits for the rate; raises where the vehicle, the clock or the budget allow no call now."""
        rules, name = self._rules, self.provider.name
        if 0 < rules.calls <= rules.ledger.calls(image.read_id):
            raise Rejected(f"{name}: this vehicle has had its {rules.calls} calls (reading.calls_per_vehicle)", code=USED_UP)
        if not self._clock_will_do():
            self._not_now(CLOCK_S, "waits until this device knows the time, which signatures and certificates need; check NTP")
        if wait_ms := rules.budget.closed_for_ms(self.provider.price, rules.now().utc_ms):
            self._not_now(min(LONGEST_OFF_S, wait_ms / 1000), "the budget is spent for now", SPENT)
        if (wait_s := self._limiter.wait_s(rules.monotonic())) > MOST_PAUSE_S:
            self._not_now(wait_s, "is kept to its rate")
        if wait_s > 0 and rules.sleep(wait_s):
            raise _NotNow("the agent is stopping")
        self._limiter.take(rules.monotonic())

    def _clock_will_do(self) -> bool:
        return self._rules.now().trust == "synced" or self.provider.knows_time()

    def _not_now(self, seconds: float, why: str, code: str = "") -> NoReturn:
        """Not a failure: the circuit only remembers when to look again."""
        reason = f"{self.provider.name}: {why}"
        self._rules.circuits.pause(self.provider.name, seconds, reason, code)
        raise _NotNow(reason, code=code)


class _NotNow(RetryLater):
    """No call was made; the circuit knows already until when."""


def _is_free(trouble: AgentError) -> bool:
    """Whether a failed call is certainly not billed, or was refused with a word that asks for no caution (`tries`)."""
    if trouble.charged is not None or isinstance(trouble, Rejected):
        return trouble.charged is False
    return isinstance(trouble, NeedsOperator) or (bool(trouble.code) and trouble.tries is None)
