"""Whether a provider may be asked: closed, or off until a moment with the reason why, also over a restart."""

import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from agent.domain import Stamp
from agent.errors import AgentError, NeedsOperator, RetryLater
from agent.ocr.faults import Action

log = logging.getLogger(__name__)

FIRST_OFF_S, LONGEST_OFF_S = 5.0, 300.0
LONGEST_WAY_S = 40.0  # while the way is broken a try costs nothing and bothers no vendor: a network that is back is used within a minute
OPERATOR_OFF_S = 600.0  # a wrong key or an unpaid bill: some vendors lock an account that asks again and again
THROTTLE_S, LONGEST_THROTTLE_S = (2.0, 5.0), 60.0


class Known(Protocol):
    def get(self, key: str, default: Any = None, /) -> Any: ...


class Facts(Known, Protocol):
    """The part of the store that keeps small facts."""

    def put(self, key: str, value: Any) -> None: ...


class Memoryless:
    """Facts that end with the process: for a command that reads one picture and leaves."""

    def get(self, key: str, default: Any = None) -> Any:
        return default

    def put(self, key: str, value: Any) -> None:
        """Nothing is kept."""


@dataclass(slots=True)
class Circuit:
    """Off until a moment in monotonic seconds; `failures` counts them in a row, `alerted` tells whether a person was told."""

    off_until: float = 0.0
    reason: str = ""
    code: str = ""  # what the vendor, or the agent itself, calls the reason
    failures: int = 0
    alerted: bool = False

    def open(self, trouble: AgentError, now: float, dice: float = 0.0) -> None:
        """Counts a failure and stays off for as long as it calls for; `dice` in 0…1 spreads gates that share an account."""
        self.failures += 1
        self.off_until, self.reason, self.code = now + self._off_s(trouble, dice), str(trouble), trouble.code

    def _off_s(self, trouble: AgentError, dice: float) -> float:
        grown = 2.0 ** min(self.failures - 1, 10)
        if isinstance(trouble, NeedsOperator):
            return max(OPERATOR_OFF_S, trouble.after or 0.0)
        if trouble.after is None and trouble.action != Action.THROTTLE:
            return min(LONGEST_WAY_S if _is_of_the_way(trouble) else LONGEST_OFF_S, FIRST_OFF_S * grown)
        least, most = THROTTLE_S
        first = least + (most - least) * dice if trouble.after is None else trouble.after
        # What the vendor asked for is the least; one that goes on refusing is asked less and less.
        return max(first, min(LONGEST_THROTTLE_S, first * grown))

    def close(self) -> None:
        self.off_until, self.reason, self.code, self.failures, self.alerted = 0.0, "", "", 0, False


@dataclass(frozen=True, slots=True)
class Kept:
    """A circuit on the disk: its end by both clocks, as either may be useless after a restart."""

    reason: str
    code: str
    failures: int
    alerted: bool
    off_s: float
    until_monotonic: float
    until_utc_ms: int
    boot_id: str

    def left_s(self, now: Stamp, monotonic: float) -> float:
        """Seconds that are left: within one boot by monotonic time, else by the clock, and never more than the wait was."""
        same = self.boot_id == now.boot_id
        left = self.until_monotonic - monotonic if same else (self.until_utc_ms - now.utc_ms) / 1000
        return min(self.off_s, max(0.0, left))


def kept_circuit(facts: Known, name: str) -> Kept | None:
    """The circuit of a provider as the disk has it; None where it is closed."""
    data = facts.get(_key(name))
    return Kept(**data) if data else None


class Circuits(Mapping[str, Circuit]):
    """The circuits of a chain by the name of their provider, each change of which is on the disk when the call returns, if that works."""

    def __init__(
        self,
        names: Sequence[str],
        facts: Facts,
        now: Callable[[], Stamp],
        monotonic: Callable[[], float],
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._facts, self._now, self._monotonic, self._dice = facts, now, monotonic, dice
        self._circuits = {name: self._restored(name) for name in names}

    def __getitem__(self, name: str) -> Circuit:
        return self._circuits[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._circuits)

    def __len__(self) -> int:
        return len(self._circuits)

    def _restored(self, name: str) -> Circuit:
        kept, monotonic = kept_circuit(self._facts, name), self._monotonic()
        if kept is None:
            return Circuit()
        return Circuit(monotonic + kept.left_s(self._now(), monotonic), kept.reason, kept.code, kept.failures, kept.alerted)

    def off_s(self, name: str) -> float:
        """Seconds until the provider may be asked again; 0 where it may be asked now."""
        return max(0.0, self[name].off_until - self._monotonic())

    def open(self, name: str, trouble: AgentError) -> None:
        """Takes a provider off; what needs a person is said once, until the provider reads again."""
        circuit = self[name]
        circuit.open(trouble, self._monotonic(), self._dice())
        self._tell(name, circuit, trouble)
        if not _is_of_the_way(trouble):  # that costs nothing to find out again, and a card wears out
            self._keep(name, circuit)

    def _tell(self, name: str, circuit: Circuit, trouble: AgentError) -> None:
        off = f"{name} is passed over, asked again in {self.off_s(name):.0f} s"
        if isinstance(trouble, NeedsOperator) and not circuit.alerted:
            circuit.alerted = True
            log.error("%s; somebody has to act: %s", off, trouble)
        elif circuit.failures == 1:
            log.warning("%s: %s", off, trouble)
        else:
            log.debug("%s: %s", off, trouble)

    def close(self, name: str) -> None:
        circuit = self[name]
        if not circuit.failures:
            return
        log.info("%s reads again after %d failures", name, circuit.failures)
        circuit.close()
        self._put(name, None)

    def pause(self, name: str, seconds: float, reason: str, code: str = "") -> None:
        """Not a failure, and nothing to keep: only when to look again, at a budget or at the clock."""
        circuit = self[name]
        circuit.off_until, circuit.reason, circuit.code = self._monotonic() + seconds, reason, code

    def _keep(self, name: str, circuit: Circuit) -> None:
        now, off_s = self._now(), self.off_s(name)
        kept = Kept(
            reason=circuit.reason,
            code=circuit.code,
            failures=circuit.failures,
            alerted=circuit.alerted,
            off_s=off_s,
            until_monotonic=circuit.off_until,
            until_utc_ms=now.utc_ms + round(off_s * 1000),
            boot_id=now.boot_id,
        )
        self._put(name, asdict(kept))

    def _put(self, name: str, value: dict[str, Any] | None) -> None:
        try:
            self._facts.put(_key(name), value)
        except RetryLater as trouble:  # a disk that fails must not cost an answer that was paid for
            log.warning("%s: whether it may be asked is not known after a restart: %s", name, trouble)


def _is_of_the_way(trouble: AgentError) -> bool:
    return isinstance(trouble, RetryLater) and trouble.never_asked


def _key(name: str) -> str:
    return f"circuit/{name}"
