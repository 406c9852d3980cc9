"""What may still be spent: calls per minute, day and month, and money per month, counted from the ledger on the disk."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from agent import config

MINUTE_MS = 60_000


class Spent(Protocol):
    """What a period cost: attempts made, answered or not, and their price."""

    @property
    def calls(self) -> int: ...
    @property
    def money(self) -> float: ...


class Ledger(Protocol):
    """The part of the store that remembers attempts."""

    def spent(self, provider: str | None, since_ms: int, until_ms: int = ...) -> Spent: ...


@dataclass(frozen=True, slots=True)
class Periods:
    """When the running minute, day and month began and when the next ones begin, in UTC milliseconds."""

    minute_ms: int
    day_ms: int
    month_ms: int
    next_day_ms: int
    next_month_ms: int


def periods(now_ms: int) -> Periods:
    """The minute slides; day and month are those of the calendar in UTC."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = day.replace(day=1)
    after = (month + timedelta(days=32)).replace(day=1)
    return Periods(now_ms - MINUTE_MS, _ms(day), _ms(month), _ms(day + timedelta(days=1)), _ms(after))


def _ms(when: datetime) -> int:
    return int(when.timestamp() * 1000)


class Budget:
    """Says whether one more call is allowed, and if not, when to ask again. A limit of 0 is no limit.

    A booking after the end of a period is not of this period: a clock that was years ahead for an hour must not stop reading for years.
    """

    def __init__(self, settings: config.Reading, ledger: Ledger) -> None:
        self._settings, self._ledger = settings, ledger

    def closed_for_ms(self, price: float, now_ms: int) -> int:
        """0 where a call at this price fits; otherwise milliseconds until the limit that forbids it starts afresh."""
        at, limits = periods(now_ms), self._settings
        month = self._ledger.spent(None, at.month_ms, at.next_month_ms) if limits.calls_per_month or limits.money_per_month else None
        if month and _full(limits.calls_per_month, month.calls + 1):
            return at.next_month_ms - now_ms
        if month and _full(limits.money_per_month, month.money + price):
            return at.next_month_ms - now_ms
        if self._over(limits.calls_per_day, at.day_ms, at.next_day_ms):
            return at.next_day_ms - now_ms
        return MINUTE_MS // 6 if self._over(limits.calls_per_minute, at.minute_ms, now_ms + MINUTE_MS) else 0

    def _over(self, limit: int, since_ms: int, until_ms: int) -> bool:
        return limit > 0 and _full(limit, self._ledger.spent(None, since_ms, until_ms).calls + 1)


def _full(limit: float, wanted: float) -> bool:
    # Money adds up in floats: half a thousandth of a unit is no overdraft.
    return 0 < limit < wanted - 0.0005
