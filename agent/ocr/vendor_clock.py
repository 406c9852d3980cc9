"""What time it is at the vendor: learnt from the Date of its answers, because a signature is refused when the device is minutes off."""

import logging
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

log = logging.getLogger(__name__)

ALERT_S = 60.0
_YEARS = range(1971, 2200)


def unix(date: str) -> float | None:
    """Unix seconds of a date in a header (RFC 9110), which is always in GMT; None where it is no date, or none of our time.

    From the last second of the year 9999 on there is no date to sign a call with.
    """
    try:
        found = parsedate_to_datetime(date)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() if found.year in _YEARS else None
    except (ValueError, OverflowError):
        return None


class VendorClock:
    """Unix seconds as the vendor counts them; the device's own clock is never touched.

    What was learnt is carried on by monotonic time, so a device clock that is set right later, or wrong, changes nothing.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._epoch: float | None = None  # Unix seconds at the vendor when monotonic time was zero
        self._told = False

    def now(self) -> int:
        """Corrected Unix seconds; the device's own until something was learnt."""
        return int(self._wall() if self._epoch is None else self._epoch + self._monotonic())

    @property
    def offset_s(self) -> float:
        """Seconds the vendor is ahead of the device's clock; 0 until something was learnt."""
        return 0.0 if self._epoch is None else self._epoch + self._monotonic() - self._wall()

    def learn(self, date_header: str, sent_s: float, received_s: float) -> None:
        """Take the time from an answer's Date (RFC 9110); the other two are monotonic seconds before sending and after the answer.

        Only for answers over TLS: anybody could have dated others. A header that is no date teaches nothing. A Date is cut to
        whole seconds, so that the time learnt is at most a second behind and never ahead by more than half the call.
        """
        date = unix(date_header)
        if date is not None:
            self._epoch = date - (sent_s + received_s) / 2
            self._tell()

    def _tell(self) -> None:
        off = abs(self.offset_s) > ALERT_S
        if off and not self._told:
            word = "behind" if self.offset_s > 0 else "ahead of"
            log.warning(
                "the clock of this device is %.0f s %s the vendor's: calls are signed with the vendor's time, set the device right (NTP)",
                abs(self.offset_s),
                word,
            )
        self._told = off
