"""What sending needs of the store: rows in their order, and a word for each that was sent."""

from collections.abc import Collection, Sequence
from typing import Protocol

from agent.domain import Event


class Row(Protocol):
    """An unsent event in the outbox; sequences rise in the order of their commits, `put_ms` is the UTC time of the commit."""

    @property
    def sequence(self) -> int: ...
    @property
    def event(self) -> Event: ...
    @property
    def put_ms(self) -> int: ...
    @property
    def attempts(self) -> int: ...


class Outbox(Protocol):
    """What sending needs of the store."""

    def next(self, limit: int, after: int = 0, exclude: Collection[int] = ()) -> Sequence[Row]:
        """Up to `limit` unsent rows with a sequence above `after` and none of `exclude`, oldest first."""

    def replays(self, limit: int, after: int = 0, exclude: Collection[int] = ()) -> Sequence[Row]:
        """The same of rows that were acknowledged long ago and are wanted once more."""

    def tried(self, sequences: Sequence[int]) -> None:
        """Count a sending, for the `attempts` of rows handed out later."""

    def sent(self, sequences: Sequence[int], now_ms: int) -> None:
        """Mark rows as acknowledged, all in one commit."""

    def last_sequence(self) -> int:
        """The newest sequence there ever was, 0 before the first."""
