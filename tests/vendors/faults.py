"""What is to go wrong next at a vendor: one thing for a number of calls, or anything at a rate."""

import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from tests.vendors.errors import Code, codes

# code: an error of the table. silent: no answer, nothing computed. lost: computed and billed, no answer. slow: computed and billed, late.
# cut before, after, midway: the connection ends before anything is computed, after it, or in the body. garbage: JSON that breaks off.
# html: a captive portal's page. portal: its redirect. wrong type: the right body called text/html. empty: no body.
# busy: 429 with Retry-After. down: a bare 503. stale: served, then the kept connection is closed without a word.
Kind = Literal[
    "code", "silent", "lost", "slow", "cut before", "cut after", "cut midway", "garbage", "html", "portal", "wrong type", "empty", "busy",
    "down", "stale",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
UNCOMPUTED: frozenset[Kind] = frozenset({"silent", "cut before", "garbage", "html", "portal", "empty", "busy", "down"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong; `seconds` are those of slow, silent and lost answers, and of Retry-After."""

    kind: Kind
    seconds: float = 0.0
    code: Code | None = None
    message: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Plan:
    """The faults that wait for calls, by vendor. Given ones go first, in their order; then chance has its turn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[list[object]]] = {}
        self._chance: dict[str, Callable[[], Fault | None]] = {}

    def add(self, vendor: str, fault: Fault, times: int | None) -> None:
        """For so many calls; for all that follow when `times` is None."""
        with self._lock:
            self._waiting.setdefault(vendor, deque()).append([fault, times])

    def at_random(self, vendor: str, draw: Callable[[], Fault | None]) -> None:
        with self._lock:
            self._chance[vendor] = draw

    def heal(self, vendor: str) -> None:
        with self._lock:
            self._waiting.pop(vendor, None)
            self._chance.pop(vendor, None)

    def next(self, vendor: str) -> Fault | None:
        with self._lock:
            waiting = self._waiting.get(vendor)
            if not waiting:
                return self._chance[vendor]() if vendor in self._chance else None
            fault, times = waiting[0]
            assert isinstance(fault, Fault)
            if isinstance(times, int):
                waiting[0][1] = times - 1
                if times <= 1:
                    waiting.popleft()
            return fault


def chance(
    vendor: str, rate: float, seed: int, kinds: Sequence[Kind], seconds: float, among: Iterable[Code] = ()
) -> Callable[[], Fault | None]:
    """A draw for every call: a fault of any kind at this rate, and where it is a code, any of them; the same for the same seed."""
    dice, table = random.Random(f"{seed} {vendor}"), tuple(among) or codes(vendor)

    def draw() -> Fault | None:
        if dice.random() >= rate:
            return None
        kind = dice.choice(kinds)
        return Fault(kind, seconds, dice.choice(table) if kind == "code" else None)

    return draw
