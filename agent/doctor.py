"""What keeps a provider from reading, one sentence each: keys, name, connection, certificate, time, budget, rights."""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx

from agent import config, config_accounts
from agent.books import Books, opened
from agent.clock import Clock
from agent.domain import Stamp
from agent.errors import AgentError, BadConfig, NeedsOperator, RetryLater
from agent.ocr import Provider, provider_class
from agent.ocr.budget import Budget, periods
from agent.ocr.http import client, context, send
from agent.ocr.vendor_clock import ALERT_S, VendorClock

PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and whether it is as it should be."""

    good: bool
    text: str


def told(findings: Iterable[Finding]) -> bool:
    """Shows each finding as it comes, and whether all of them are good."""
    well = True
    for finding in findings:
        print(f"{'ok   ' if finding.good else 'WRONG'}  {finding.text}", flush=True)
        well &= finding.good
    return well


def examine(name: str, settings: config.Settings, *, call: bool = False, clock: Clock | None = None) -> Iterator[Finding]:
    """Finding after finding about one provider, in the order in which one thing needs the other; ends where going on tells nothing more.

    `call` has the provider read one small picture, which is paid for, and booked where the agent has its store.
    """
    if problems := config_accounts.problems(settings.provider, name):
        for key, expected in problems:
            yield Finding(False, f"provider.{config_accounts.section_name(name)}.{key} must be {expected}")
        return
    try:
        provider = provider_class(name)(settings)
    except BadConfig as wrong:
        yield Finding(False, str(wrong))
        return
    with ExitStack() as stack:
        books = stack.enter_context(opened(settings.agent.state_dir, settings.store))
        for step in _steps(provider, settings, books, (clock or Clock()).now, call):
            try:
                yield from step()
            except AgentError as trouble:
                yield Finding(False, str(trouble))
                return


Step = Callable[[], Iterator[Finding]]


def _steps(provider: Provider, settings: config.Settings, books: Books, now: Callable[[], Stamp], call: bool) -> Iterator[Step]:
    if provider.url:
        yield lambda: _way(provider, settings)
        yield lambda: _time(provider, settings)
    if provider.metered:
        yield lambda: _budget(provider, settings, books, now())
        yield lambda: _circuit(provider, books, now())
    yield lambda: _said(provider, settings, books, now(), call)


def _way(provider: Provider, settings: config.Settings) -> Iterator[Finding]:
    """Name, connection and certificate, one by one; through a proxy only as far as the proxy."""
    proxy = settings.http.proxy.reveal()
    url, what = (httpx.URL(proxy), "the proxy") if proxy else (httpx.URL(provider.url), provider.name)
    port = url.port or (443 if url.scheme == "https" else 80)
    addresses = _addresses(url.host, port, what)
    yield Finding(True, f"{what}: {url.host} has the address {addresses[0]}")
    with _connected(url.host, port, what) as connection:
        yield Finding(True, f"{what}: {url.host} answers on port {port}")
        if url.scheme == "https":
            yield Finding(True, f"{what}: {_certified(connection, url.host, what, settings)}")


def _addresses(host: str, port: int, what: str) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise RetryLater(f"{what}: {host} has no address ({reason}); check DNS, the network and the configured host") from exc


def _connected(host: str, port: int, what: str) -> socket.socket:
    try:
        return socket.create_connection((host, port), PATIENCE_S)
    except OSError as exc:
        reason = "no answer" if isinstance(exc, TimeoutError) else exc.strerror or exc
        where = f"{what}: no connection to {host} on port {port}"
        raise RetryLater(f"{where} ({reason}); check the network, the firewall and http.proxy") from exc


def _certified(connection: socket.socket, host: str, what: str, settings: config.Settings) -> str:
    try:
        with context(settings.http).wrap_socket(connection, server_hostname=host) as secured:
            return f"the certificate of {host} is believed ({secured.version()})"
    except ssl.SSLCertVerificationError as exc:
        shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        raise NeedsOperator(
            f"{what}: the certificate of {host} is not believed ({exc.verify_message.rstrip('.')}); set the clock of this device, "
            f"which shows {shown}, or name the authority of a proxy that opens TLS in http.ca_file"
        ) from exc
    except OSError as exc:
        raise RetryLater(f"{what}: TLS with {host} fails ({exc}); something on the way is no server of the vendor") from exc


def _time(provider: Provider, settings: config.Settings) -> Iterator[Finding]:
    """How far the device's clock is from the vendor's, by an answer that costs nothing."""
    clock = VendorClock()
    with client(settings.http) as http:
        answer = send(http, httpx.Request("GET", f"{provider.url}/"), provider.name)
    clock.learn(answer.date, answer.sent_s, answer.received_s)
    off_s = clock.offset_s
    if not answer.date:
        yield Finding(True, f"{provider.name}: its answers tell no time; calls are signed with the clock of this device")
        return
    word = "behind" if off_s > 0 else "ahead of"
    if abs(off_s) <= ALERT_S:
        yield Finding(True, f"{provider.name}: the clock of this device is right, {abs(off_s):.0f} s {word} the vendor's")
        return
    mend = "calls are signed with the vendor's time, but set it right (NTP), for events carry it"
    yield Finding(False, f"{provider.name}: the clock of this device is {_span(abs(off_s))} {word} the vendor's; {mend}")


def _span(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _budget(provider: Provider, settings: config.Settings, books: Books, now: Stamp) -> Iterator[Finding]:
    limits, at = settings.reading, periods(now.utc_ms)
    wait_ms = Budget(limits, books).closed_for_ms(provider.price, now.utc_ms)
    month, day = books.spent(None, at.month_ms), books.spent(None, at.day_ms)
    used = f"{day.calls} calls today{_of(limits.calls_per_day)}, {month.calls} this month{_of(limits.calls_per_month)}"
    money = f", {month.money:.2f} spent this month{_of(limits.money_per_month)}" if provider.price else ""
    if wait_ms:
        spent = f"the budget is spent for the next {_span(wait_ms / 1000)}: {used}{money}"
        yield Finding(False, f"{provider.name}: {spent}; raise it in [reading] or wait")
    else:
        yield Finding(True, f"{provider.name}: the budget has room: {used}{money}")


def _of(limit: float) -> str:
    return f" of {limit:g}" if limit else ""


def _circuit(provider: Provider, books: Books, now: Stamp) -> Iterator[Finding]:
    """What the agent itself has against this provider at present."""
    if (kept := books.circuit(provider.name)) and (left_s := kept.left_s(now, now.seconds)) > 0:
        yield Finding(False, f"{provider.name}: the agent does not ask it for another {_span(left_s)}, because: {kept.reason}")


def _said(provider: Provider, settings: config.Settings, books: Books, now: Stamp, call: bool) -> Iterator[Finding]:
    """What the provider finds out about itself; a paid call is made only within the budget, and after it was booked."""
    paid = call and provider.metered
    if paid:
        if Budget(settings.reading, books).closed_for_ms(provider.price, now.utc_ms):
            return
        if not books.book(provider.name, provider.price, now.utc_ms):
            where = settings.agent.state_dir
            yield Finding(True, f"{provider.name}: the call that follows is on no books, as there is no store of this release in {where}")
    with provider:
        for sentence in provider.check(call):
            yield Finding(True, sentence)
