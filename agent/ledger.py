"""The account book of paid calls: every attempt is written down before it is made."""

from dataclasses import dataclass

from agent.errors import RetryLater
from agent.sqlite import Connection
from agent.table import Table

FREE = "free"  # the outcome of an attempt that was not billed: nothing was sent, or the vendor did not do the work


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls booked and what they cost, whether or not an answer came: a call that timed out may have been billed."""

    calls: int
    money: float


class Ledger:
    """Bookings by provider and vehicle; a booking without an outcome is a call whose answer never arrived."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._rows = Table(db, "ledger", ("provider", "read_id", "price", "booked_ms", "outcome"))

    def book(self, provider: str, read_id: str, price: float, now_ms: int) -> int:
        """The number of the booking, which is on the disk when this returns; so it is never part of a transaction.

        Raises `RetryLater` where the disk takes none: then the call must not be made.
        """
        if self._db.in_transaction:
            raise RuntimeError("book a call before it is made, outside any transaction, or a power cut forgets it")
        entry = {"provider": provider, "read_id": read_id, "price": price, "booked_ms": now_ms, "outcome": None}
        with self._db.transaction():
            if self._db.volatile:
                raise RetryLater("the books cannot be written, as the disk fails")
            booking = self._db.number("SELECT max(rowid) FROM ledger") + 1
            self._rows[str(booking)] = entry
        return booking

    def settle(self, booking: int, outcome: str) -> None:
        """What became of the call; in the caller's transaction if there is one. A booking no longer kept is passed over."""
        with self._db.transaction():
            if entry := self._rows.get(str(booking)):
                price = 0.0 if outcome == FREE else entry["price"]
                self._rows[str(booking)] = {**entry, "price": price, "outcome": outcome}

    def cancel(self, booking: int) -> None:
        """Nothing was asked of anybody: as if the call had never been thought of."""
        self._db.execute("DELETE FROM ledger WHERE key = ?", (str(booking),))

    def redate(self, since_ms: int, until_ms: int, by_ms: int) -> None:
        """The clock was set on by `by_ms`: what was booked between these times by the old one moves along, into the days it belongs to."""
        question = "SELECT key FROM ledger WHERE booked_ms BETWEEN ? AND ?"
        with self._db.transaction():
            rows = {key: self._rows.get(key) for (key,) in list(self._db.select(question, (since_ms, until_ms)))}
            self._rows.update({key: {**row, "booked_ms": row["booked_ms"] + by_ms} for key, row in rows.items() if row})

    def spent(self, provider: str | None, since_ms: int, until_ms: int = 2**62) -> Spent:
        """What was booked from `since_ms` until before `until_ms`, with one provider or, for None, with all."""
        between = "booked_ms >= :since AND booked_ms < :until AND (:provider IS NULL OR provider = :provider)"
        question = f"SELECT count(*), total(price) FROM ledger WHERE {between}"  # noqa: S608  # our own words
        row = self._db.select_one(question, {"since": since_ms, "until": until_ms, "provider": provider})
        return Spent(*row) if row else Spent(0, 0.0)

    def calls(self, read_id: str) -> int:
        """Calls made for one vehicle that were billed or may have been: an outage of the vendor uses up nobody's calls."""
        return self._db.number("SELECT count(*) FROM ledger WHERE read_id = ? AND outcome IS NOT ?", (read_id, FREE))

    def open_bookings(self) -> int:
        return self._db.number("SELECT count(*) FROM ledger WHERE outcome IS NULL")
