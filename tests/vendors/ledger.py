"""What each vendor counted: calls, answers, and what it will put on the bill, by picture."""

import threading
from collections import Counter, deque
from dataclasses import dataclass, field, replace

from tests.vendors.wire import Call

_KEPT_BODY = 4096  # bytes of a body in the log; the last call of each vendor is kept whole


@dataclass(slots=True)
class Tally:
    """Of one vendor. `served` are answers with success, billed by the vendor's own rules; `lost` were billed and not delivered.

    `pictures` counts calls and `paid` bills by the SHA-256 of the picture, `codes` the errors answered.
    """

    requests: int = 0
    served: int = 0
    billed: int = 0
    lost: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    moods: Counter[str] = field(default_factory=Counter)
    pictures: Counter[str] = field(default_factory=Counter)
    paid: Counter[str] = field(default_factory=Counter)

    @property
    def paid_twice(self) -> dict[str, int]:
        """Pictures billed more than once, and how often."""
        return {picture: times for picture, times in self.paid.items() if times > 1}


class Ledger:
    """Tallies by vendor, the calls in their order, and the last one of each vendor in full."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.tallies: dict[str, Tally] = {}
        self.log: deque[Call] = deque(maxlen=5000)
        self.last: dict[str, Call] = {}

    def tally(self, vendor: str) -> Tally:
        with self._lock:
            return self.tallies.setdefault(vendor, Tally())

    def enter(self, call: Call) -> None:
        """Books a call before its answer leaves, so that whoever has the answer finds it booked."""
        tally = self.tally(call.vendor)
        with self._lock:
            self.last[call.vendor] = call
            self.log.append(replace(call, body=call.body[:_KEPT_BODY]))
            tally.requests += 1
            tally.served += call.status in (200, 201) and not call.code
            tally.billed += call.billed
            tally.lost += call.billed and not call.delivered
            tally.codes.update([call.code] if call.code else [])
            tally.moods.update([call.mood] if call.mood else [])
            tally.pictures.update([call.picture] if call.picture else [])
            tally.paid.update([call.picture] if call.picture and call.billed else [])

    def gone(self, call: Call) -> None:
        """The caller had left before its answer."""
        with self._lock:
            call.delivered = False
            self.tallies[call.vendor].lost += call.billed
