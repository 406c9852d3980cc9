"""Two clients with one id throw each other out for ever: how an agent notices its twin, and then leaves the broker in peace."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from agent.clock import Clock
from agent.errors import NeedsOperator, RetryLater
from agent.mqtt import Link
from agent.store import Store

FACT = "twin"  # {"client_id", "at_ms"} of the last time, for the doctor: it cannot log in under the same id without doing the same
SOON_S, TIMES = 30.0, 3  # cut off so soon after a login, and so often in a row
NOTICED_S = 90.0  # and no less often from then on: each of the two may wait for half a minute
_NOTE_EVERY_MS = 3_600_000


class Twins:
    """Watches connection after connection of one client id. MQTT 5 has a word for being thrown out, but not every broker says it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._cut_off = 0

    @contextmanager
    def watched(self, link: Link) -> Iterator[Link]:
        """The link, opened. Raises `NeedsOperator` for its loss where another client must be the reason."""
        since = None
        try:
            with link:
                since = time.monotonic()
                yield link
        except RetryLater as trouble:
            if not self._is_twin(link, since):
                raise
            self._note(link.client_id)
            sure = "" if link.taken_over else ", it seems"
            raise NeedsOperator(
                f"another client logs in at {link.where} as {link.client_id}{sure}, and each throws the other out; "
                "give every agent its own mqtt.client_id"
            ) from trouble

    def _is_twin(self, link: Link, since: float | None) -> bool:
        """Let in at the first try, and cut off soon and without a reason, time after time, by a broker that is still there right then:
        one that was killed is not, however soon it comes back.
        """
        soon_s = NOTICED_S if self._cut_off >= TIMES else SOON_S
        soon = link.cut_off and since is not None and time.monotonic() - since < soon_s
        self._cut_off = self._cut_off + 1 if soon and link.takes_calls() else 0
        return link.taken_over or self._cut_off >= TIMES

    def _note(self, client_id: str) -> None:
        now_ms, known = self._clock.now().utc_ms, self._store.get(FACT)
        if not known or known["client_id"] != client_id or abs(now_ms - known["at_ms"]) > _NOTE_EVERY_MS:
            with suppress(RetryLater):  # a disk that keeps nothing changes nothing for the broker
                self._store.put(FACT, {"client_id": client_id, "at_ms": now_ms})
