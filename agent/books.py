"""A look at the books of an agent that may be running: what was spent, and whom it does not ask; nothing is repaired or moved."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from agent import config, damage
from agent.errors import NeedsOperator
from agent.ledger import Ledger, Spent
from agent.ocr.circuit import Kept, Known, kept_circuit
from agent.schema import MIGRATIONS
from agent.sqlite import Connection
from agent.table import Table


class Books:
    """Ledger and circuits of the store; empty, and not to be written to, where there is no store of this release."""

    def __init__(self, db: Connection | None) -> None:
        self._ledger = Ledger(db) if db else None
        self._facts: Known = Table(db, "facts") if db else {}

    def spent(self, provider: str | None, since_ms: int, until_ms: int = 2**62) -> Spent:
        return self._ledger.spent(provider, since_ms, until_ms) if self._ledger else Spent(0, 0.0)

    def circuit(self, name: str) -> Kept | None:
        return kept_circuit(self._facts, name)

    def fact(self, name: str) -> Any:
        """A small fact as the agent put it, or None."""
        return self._facts.get(name)

    def book(self, provider: str, price: float, now_ms: int) -> bool:
        """Writes down a call that is about to be made by hand; False where there are no books to write it into."""
        if self._ledger:
            self._ledger.book(provider, "by hand", price, now_ms)
        return self._ledger is not None


@contextmanager
def opened(state_dir: Path, settings: config.Store) -> Iterator[Books]:
    """The books in the agent's folder; raises `NeedsOperator` where this user may not look, `RetryLater` where the disk fails."""
    file = state_dir / damage.FILE
    try:
        there = file.exists()
    except PermissionError as exc:
        raise NeedsOperator(f"{file}: may not be looked at; run this as the service's user or as root") from exc
    if not there:
        yield Books(None)
        return
    with closing(Connection(file, settings.max_mb)) as db:
        # A table made here would be in the way of the migration that makes it.
        yield Books(db if db.number("PRAGMA user_version") == len(MIGRATIONS) else None)
