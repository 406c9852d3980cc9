"""Who is asked to read, and in which order: a provider that is off, over budget or unreachable is passed over."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from agent.domain import EncodedImage, Reading, Stamp
from agent.errors import AgentError, NeedsOperator, Rejected, RetryLater
from agent.ocr import Provider

log = logging.getLogger(__name__)

FIRST_OFF_S, LONGEST_OFF_S = 5.0, 300.0


class Booking(Protocol):
    """The part of the ledger the chain writes: every attempt of a metered provider, before it is made."""

    def book(self, provider: str, read_id: str, price: float, now_ms: int) -> int: ...
    def settle(self, booking: int, outcome: str) -> None: ...


class Allowance(Protocol):
    def closed_for_ms(self, price: float, now_ms: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A reading, and the booking the caller settles in the same transaction that keeps it; None where nothing was booked."""

    reading: Reading
    booking: int | None


@dataclass(slots=True)
class Circuit:
    """Whether a provider may be asked: closed, or off until a moment in monotonic seconds with the reason why."""

    off_until: float = 0.0
    reason: str = ""
    failures: int = 0

    def open(self, trouble: AgentError, now: float) -> None:
        self.failures += 1
        grown = min(LONGEST_OFF_S, FIRST_OFF_S * 2.0 ** min(self.failures - 1, 10))
        if isinstance(trouble, NeedsOperator):
            grown = LONGEST_OFF_S
        asked = trouble.after if isinstance(trouble, RetryLater) else None
        self.off_until, self.reason = now + (grown if asked is None else asked), str(trouble)

    def close(self) -> None:
        self.off_until, self.reason, self.failures = 0.0, "", 0


class Chain:
    """Goes down its list of providers until one has read the picture; a context manager that opens and closes them all."""

    def __init__(
        self,
        providers: Sequence[Provider],
        ledger: Booking,
        budget: Allowance,
        now: Callable[[], Stamp],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._providers, self._ledger, self._budget, self._now, self._monotonic = providers, ledger, budget, now, monotonic
        self.circuits = {provider.name: Circuit() for provider in providers}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            for provider in self._providers:
                opening.enter_context(provider)
            self._open = opening.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def off_for_s(self) -> float:
        """Seconds until the first provider may be asked again; 0 where one may be asked now."""
        now = self._monotonic()
        return max(0.0, min(circuit.off_until for circuit in self.circuits.values()) - now)

    def read(self, image: EncodedImage) -> Answer:
        """The first answer down the list; `RetryLater` where none could be had now, `Rejected` where every provider refused."""
        waits: list[float] = []
        troubles: list[AgentError] = []
        for provider in self._providers:
            try:
                return self._ask(provider, image)
            except Rejected as refused:
                troubles.append(refused)
            except (RetryLater, NeedsOperator) as trouble:
                troubles.append(trouble)
                waits.append(self.circuits[provider.name].off_until - self._monotonic())
        text = "; ".join(dict.fromkeys(map(str, troubles)))
        raise RetryLater(text, after=max(0.0, min(waits))) if waits else Rejected(text)

    def _ask(self, provider: Provider, image: EncodedImage) -> Answer:
        circuit, now = self.circuits[provider.name], self._monotonic()
        if circuit.off_until > now:
            raise RetryLater(circuit.reason)
        if not provider.metered:
            return Answer(self._attempt(provider, circuit, image), None)
        self._afford(provider, circuit, now)
        booking = self._ledger.book(provider.name, image.read_id, provider.price, self._now().utc_ms)
        try:
            return Answer(self._attempt(provider, circuit, image), booking)
        except AgentError as trouble:
            self._ledger.settle(booking, type(trouble).__name__)
            raise

    def _afford(self, provider: Provider, circuit: Circuit, now: float) -> None:
        wait_ms = self._budget.closed_for_ms(provider.price, self._now().utc_ms)
        if wait_ms:
            # Not a failure: the circuit only remembers when to look at the ledger again.
            circuit.off_until = now + min(LONGEST_OFF_S, wait_ms / 1000)
            circuit.reason = f"{provider.name}: the budget is spent for now"
            raise RetryLater(circuit.reason)

    def _attempt(self, provider: Provider, circuit: Circuit, image: EncodedImage) -> Reading:
        try:
            reading = provider.read(image)
        except Rejected:
            circuit.close()
            raise
        except (RetryLater, NeedsOperator) as trouble:
            if not circuit.failures:
                log.warning("%s is passed over for now: %s", provider.name, trouble)
            circuit.open(trouble, self._monotonic())
            raise
        if circuit.failures:
            log.info("%s reads again after %d failures", provider.name, circuit.failures)
        circuit.close()
        return reading
