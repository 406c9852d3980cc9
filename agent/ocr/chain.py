"""Who is asked to read, and in which order: a provider that is off, over budget or unreachable is passed over."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from agent.domain import EncodedImage, Reading, Stamp
from agent.errors import AgentError, NeedsOperator, Rejected, RetryLater
from agent.ocr import Provider
from agent.ocr.calls import Allowance, Answer, Booking, Caller, Rules
from agent.ocr.circuit import Circuit, Circuits, Facts, Memoryless
from agent.ocr.memory import Memory

__all__ = ["Allowance", "Answer", "Booking", "Chain", "Circuit"]

log = logging.getLogger(__name__)


class Chain:
    """Goes down its list of providers until one has read the picture; a context manager that opens and closes them all.

    `facts` keeps circuits, `memory` answers over a restart; without them both end with the process. `calls` is the most that may
    be billed for one vehicle, 0 for no limit.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        ledger: Booking,
        budget: Allowance,
        now: Callable[[], Stamp],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        facts: Facts | None = None,
        memory: Memory | None = None,
        calls: int = 0,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._providers = providers
        self._circuits = Circuits([provider.name for provider in providers], facts or Memoryless(), now, monotonic)
        self._rules = Rules(ledger, budget, memory or Memory({}), self._circuits, now, calls, monotonic, sleep)
        self._callers = [Caller(provider, self._rules) for provider in providers]
        self._open = ExitStack()

    @property
    def circuits(self) -> Mapping[str, Circuit]:
        return self._circuits

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(provider.name for provider in self._providers)

    @property
    def metered(self) -> frozenset[str]:
        """Those that are paid for."""
        return frozenset(provider.name for provider in self._providers if provider.metered)

    @property
    def local(self) -> str | None:
        """The first that costs nothing, because it reads on this device."""
        return next((provider.name for provider in self._providers if not provider.metered), None)

    def look(self, image: EncodedImage) -> Reading | None:
        """What the reader on this device sees in it, or None where there is none or it could not say."""
        caller = next((each for each in self._callers if not each.provider.metered), None)
        try:
            return caller.ask(image).reading if caller else None
        except AgentError:
            return None

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
        return min(map(self._circuits.off_s, self._circuits))

    def read(self, image: EncodedImage, without: Collection[str] = ()) -> Answer:
        """The first answer down the list, past those in `without`.

        Raises `RetryLater` where none could be had now, `Rejected` where every provider refused; the `code` is that of the providers
        where all say the same, such as `USED_UP` and `SPENT`.
        """
        waits: list[float] = []
        troubles: list[AgentError] = []
        for caller in self._callers:
            name = caller.provider.name
            if name in without:
                continue
            try:
                return caller.ask(image)
            except Rejected as refused:
                troubles.append(refused)
            except (RetryLater, NeedsOperator) as trouble:
                troubles.append(trouble)
                waits.append(self._circuits.off_s(name))
        text = "; ".join(dict.fromkeys(map(str, troubles)))
        code = troubles[0].code if len({trouble.code for trouble in troubles}) == 1 else ""
        if waits:
            raise RetryLater(text, after=min(waits), code=code)
        raise Rejected(text, code=code)

    def keep(self, image: EncodedImage, answer: Answer, *, remember: bool = True) -> None:
        """Remembers an answer that was bought and settles its booking; to be called in the transaction that keeps the reading."""
        if answer.booking is not None:
            if remember:
                self._rules.memory.read(image, answer.reading, self._rules.now().utc_ms)
            self._rules.ledger.settle(answer.booking, "read")
