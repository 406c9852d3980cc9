"""A paid call made by a person: within the gate's budget, and on the same books."""

from collections.abc import Callable
from dataclasses import dataclass

from agent import config
from agent.books import Books
from agent.domain import Stamp
from agent.errors import NeedsOperator
from agent.ocr import Provider
from agent.ocr.budget import Budget


@dataclass(frozen=True, slots=True)
class Purse:
    """Asked before every call of one provider; free ones cost nothing here either."""

    provider: Provider
    settings: config.Reading
    books: Books
    now: Callable[[], Stamp]

    def pay(self) -> None:
        """Books one call; raises `NeedsOperator` where the budget has no room for it."""
        if not self.provider.metered:
            return
        now_ms = self.now().utc_ms
        if Budget(self.settings, self.books).closed_for_ms(self.provider.price, now_ms):
            raise NeedsOperator(f"{self.provider.name}: the budget of [reading] is spent for now; raise it there or wait")
        self.books.book(self.provider.name, self.provider.price, now_ms)
