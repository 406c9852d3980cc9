"""What a vendor's error code means for the agent: one action per code, looked up in that vendor's table."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from agent.errors import AgentError, NeedsOperator, Rejected, RetryLater

PROBE_S = 600.0  # how long a provider that waits for a person is left alone before it is asked again
CLOCK_S = 60.0  # after a second refusal for the time: until the next answer may have corrected it
UNKNOWN_TRIES = 2
LONGEST_WAIT_S = 86_400.0  # a vendor that asks for more is asked again after a day
_LONGEST_CODE = 200  # characters that are looked at; each part of a code costs a look at the table
VENDOR_ZONE_S = 8 * 3600  # daily counts of the vendors end at midnight in China, UTC+8


class Action(StrEnum):
    """What the agent does next."""

    RETRY = "retry"  # wait a little, send the same again
    THROTTLE = "throttle"  # slow down, then send the same again
    AUTH = "auth"  # stop this provider: keys, rights or configuration are wrong
    BILLING = "billing"  # stop this provider: somebody has to pay
    CLOCK = "clock"  # correct the time, sign again, send once
    RENEW = "renew"  # get a new token or signature, send once
    REJECT = "reject"  # never send this picture there again
    NOVIN = "novin"  # no VIN that this provider can read: another picture or provider may do


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a vendor's table.

    `codes` are separated by blanks; `http.413` and `http.5xx` stand for an answer without a code that is known. `status`,
    `text` (a regular expression, case ignored) and `asked` (a Retry-After came along) narrow the row down; the first row
    that fits wins. `midnight`: wait until the vendor's day is over.
    """

    codes: str
    action: Action
    advice: str
    after: float | None = None
    tries: int | None = None
    charged: bool | None = None
    status: tuple[int, ...] = ()
    text: str = ""
    asked: bool = False
    midnight: bool = False

    def fits(self, status: int, message: str, asked: bool) -> bool:
        if (self.status and status not in self.status) or (self.asked and not asked):
            return False
        return not self.text or re.search(self.text, message, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Table:
    """Every error code of one vendor; `spelt` are (old, new) beginnings of codes that mean the same.

    `charged`: whether the vendor bills calls it answers with an error, where a row does not say.
    """

    rows: tuple[Row, ...]
    spelt: tuple[tuple[str, str], ...] = ()
    charged: bool | None = None

    def canonical(self, code: str) -> str:
        code = code.strip()[:_LONGEST_CODE]
        for old, new in self.spelt:
            if code.startswith(old):
                return new + code.removeprefix(old)
        return code


@dataclass(frozen=True, slots=True)
class Fault:
    """What one answer stands for.

    `after`: seconds to wait, where vendor or table name them. `tries`: how often the same picture may be sent in all.
    `charged`: whether the vendor bills this answer, None where it does not say. `unknown`: no table holds the code.
    """

    action: Action
    code: str
    advice: str
    after: float | None = None
    tries: int | None = None
    charged: bool | None = None
    unknown: bool = False


def find(table: Table, code: str, status: int, message: str, *, retry_after: float | None = None, now: float | None = None) -> Fault:
    """The fault behind a code: by the code itself, its longest known beginning cut at dots, the HTTP status, or a careful retry.

    `retry_after`: seconds the vendor asked for in a header. `now`: Unix seconds, for waits that end at the vendor's midnight.
    """
    name = _shown(code.strip(), status)
    for key in _keys(table.canonical(code), status):
        for row in table.rows:
            if key in row.codes.split() and row.fits(status, message, retry_after is not None):
                after = _wait(row, message, retry_after, now)
                charged = table.charged if row.charged is None else row.charged
                return Fault(row.action, name, row.advice, after, row.tries, charged)
    advice = "this code is not in the agent's tables; look it up with the vendor, meanwhile each picture is tried twice"
    return Fault(Action.RETRY, name, advice, retry_after, UNKNOWN_TRIES, table.charged, unknown=True)


def _shown(code: str, status: int) -> str:
    if not code:
        return f"HTTP {status}"
    return code if re.fullmatch(r"[\w.-]{1,80}", code) else "an unreadable code"


def _keys(code: str, status: int) -> Iterator[str]:
    parts = code.split(".") if code else []
    for length in range(len(parts), 0, -1):
        yield ".".join(parts[:length])
    yield f"http.{status}"
    yield f"http.{status // 100}xx"


_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_WINDOW = re.compile(r"limit:\s*\d+\s*,\s*time:\s*([0-9]{1,9})\s*(second|minute|hour|day)", re.IGNORECASE)


def _wait(row: Row, message: str, retry_after: float | None, now: float | None) -> float | None:
    """Seconds to wait: what the header asks, else the window the text names, else the vendor's midnight, else the table."""
    if retry_after is not None:
        return retry_after
    if row.action is Action.THROTTLE and (window := _WINDOW.search(message)):
        return min(float(int(window[1]) * _UNITS[window[2].lower()]), LONGEST_WAIT_S)
    if row.midnight:
        return 3600.0 if now is None else until_midnight(now)
    return row.after


def until_midnight(now: float) -> float:
    """Seconds until the day ends where the vendors count their days."""
    return 86_400 - (now + VENDOR_ZONE_S) % 86_400


def error(fault: Fault, provider: str, message: str, secrets: Iterable[str] = ()) -> AgentError:
    """The error to raise for a fault the provider cannot mend itself; `message` is the vendor's text, which is shown masked.

    CLOCK and RENEW stand here for a second refusal: the one repeated call was refused as well.
    """
    said = plain(message, secrets)
    text = f"{provider} answered {fault.code}: {fault.advice}" + (f" (its text: {said})" if said else "")
    kind, after = _ERRORS.get(fault.action, (NeedsOperator, PROBE_S))
    return kind(text, after=fault.after or after, tries=fault.tries, charged=fault.charged, action=fault.action, code=fault.code)


_ERRORS: dict[Action, tuple[type[AgentError], float | None]] = {
    Action.RETRY: (RetryLater, None),
    Action.THROTTLE: (RetryLater, None),
    Action.CLOCK: (RetryLater, CLOCK_S),
    Action.REJECT: (Rejected, None),
    Action.NOVIN: (Rejected, None),
}


LONGEST_TEXT = 160
# Keys, tokens, digests and base64 are long runs without a break; a request id has hyphens and stays readable.
_OPAQUE = re.compile(r"[A-Za-z0-9+/=_~]{20,}")
_ECHO = re.compile(r"(canonical[ _]?request|string[ _]?to[ _]?sign).*", re.IGNORECASE | re.DOTALL)


def plain(text: str, secrets: Iterable[str] = ()) -> str:
    """A foreign text fit for a log: one line, short, without the given secrets, echoed requests or anything that looks like a key."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    text = _OPAQUE.sub("***", _ECHO.sub(r"\1 ***", text))
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
