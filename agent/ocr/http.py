"""The one way to a cloud provider and back: time-outs, one retry on a stale connection, and every fault of the way in plain words."""

import json
import logging
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from agent import promise
from agent.config_http import Http
from agent.errors import BadConfig, NeedsOperator
from agent.ocr import deadline, unpack
from agent.ocr.faults import LONGEST_WAIT_S, plain
from agent.ocr.transport import STALE, Way, later, trouble
from agent.ocr.vendor_clock import unix

MAX_ANSWER = 1024 * 1024  # bytes; the largest known answer, a licence with every field and its boxes, has some 20 kB
_ENDS = "ends"  # the extension of a request that says when it must be over


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `sent_s` and `received_s` are monotonic seconds before the request and when the answer began."""

    status: int
    headers: httpx.Headers
    body: bytes
    local_ms: int
    sent_s: float = 0.0
    received_s: float = 0.0
    trusted: bool = False

    @property
    def date(self) -> str:
        """The Date of the answer for the vendor's clock; empty where anybody on the way could have set it."""
        return self.headers.get("date", "") if self.trusted else ""

    @property
    def retry_after(self) -> float | None:
        """Seconds the vendor asks to be left alone (RFC 9110: a number or a date), at most a day; None where it does not."""
        asked = self.headers.get("retry-after", "").strip()
        if asked.isdecimal():
            return min(float(asked), LONGEST_WAIT_S)
        # Both dates are the vendor's: what the device thinks of the time does not matter.
        until, now = unix(asked), unix(self.headers.get("date", ""))
        if until is None:
            return None
        return min(max(0.0, until - (time.time() if now is None else now)), LONGEST_WAIT_S)

    def fields(self) -> dict[str, Any]:
        """The JSON object the body is, empty where it is anything else."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def client(settings: Http) -> httpx.Client:
    """A client with the manners of section [http]; raises `BadConfig` for a proxy or authority it cannot use."""
    # The libraries log every address at INFO, and some vendors want keys in it: whoever opens a connection silences them.
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    proxy, authorities = _proxy(settings), context(settings)
    try:
        made = _client(settings, proxy, authorities)
    except (ImportError, ValueError):
        # The library's own text would show the address, and a log-in may stand in it.
        raise BadConfig(
            "http.trust_env: a proxy in the environment is none of http://… or https://…; change HTTPS_PROXY, ALL_PROXY"
        ) from None
    deadline.guard(made)
    return made


def _client(settings: Http, proxy: httpx.Proxy | None, authorities: ssl.SSLContext) -> httpx.Client:
    return httpx.Client(
        proxy=proxy,
        verify=authorities,
        trust_env=settings.trust_env,
        timeout=httpx.Timeout(connect=settings.connect_s, read=settings.read_s, write=settings.write_s, pool=settings.pool_s),
        # One idle connection: when it proves stale, the next one is certain to be fresh.
        limits=httpx.Limits(max_keepalive_connections=1, keepalive_expiry=settings.keepalive_s),
        follow_redirects=False,  # no vendor redirects, captive portals do
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "vin-agent"},
        event_hooks={"request": [lambda request: _limit(request, settings.total_s)]},
    )


def _limit(request: httpx.Request, seconds: float) -> None:
    """A second try on a fresh connection has what the first one left."""
    promise.on_time(seconds)
    deadline.until(request.extensions.setdefault(_ENDS, time.monotonic() + seconds))


def context(settings: Http) -> ssl.SSLContext:
    """Which authorities are believed; raises `BadConfig` where the file of `http.ca_file` is no such list."""
    try:
        made = ssl.create_default_context(cafile=settings.ca_file or None)
    except OSError as exc:
        reason = exc.strerror or exc
        raise BadConfig(f"http.ca_file: {settings.ca_file} cannot be used: {reason}; name a PEM file the agent may read") from exc
    # As with the broker: Python 3.13 refuses home-made authorities without key identifiers, which proxies of sites often have.
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return made


def _host(address: str) -> str:
    try:
        return httpx.URL(address).host
    except httpx.InvalidURL:
        return ""


def _proxy(settings: Http) -> httpx.Proxy | None:
    address = settings.proxy.reveal()
    if not address:
        return None
    if not _host(address) or not address.startswith(("http://", "https://")):
        raise BadConfig("http.proxy must be an address like http://proxy.example:3128 or http://user:password@proxy.example:3128")
    return httpx.Proxy(address)


def send(http: httpx.Client, request: httpx.Request, provider: str, secrets: Iterable[str] = (), *, again: bool = True) -> Answer:
    """Send a request and take its answer, whatever its status; a fault of the way is `RetryLater` or `NeedsOperator`.

    No text shows path, query, headers or body of the request, nor any of the `secrets`. `again`: a kept connection that proves
    stale is replaced and the request sent once more; without it that is left to the caller, who has to book a call that may cost.
    """
    way = Way(provider, request.url.host)
    request.extensions.pop(_ENDS, None)
    request.extensions["trace"] = way.saw
    try:
        try:
            answer = _once(http, request)
        except STALE:
            if not (way.stale and again):
                raise
            answer = _once(http, request)
    except httpx.RequestError as exc:
        # The library's own text can hold a header's value or an address with its query.
        raise trouble(exc, way, secrets) from None
    finally:
        promise.on_time()
    return _from_the_vendor(answer, way, secrets)


def _once(http: httpx.Client, request: httpx.Request) -> Answer:
    sent = time.monotonic()
    response = http.send(request, stream=True)
    received = time.monotonic()
    try:
        body = _body(response)
    finally:
        response.close()
    trusted = request.url.scheme == "https" or request.url.host in ("127.0.0.1", "::1", "localhost")
    took = round((time.monotonic() - sent) * 1000)
    return Answer(response.status_code, response.headers, body, took, sent, received, trusted)


def _body(response: httpx.Response) -> bytes:
    parts, size = [], 0
    for part in unpack.parts(response):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER:
            raise httpx.DecodingError(f"more than {MAX_ANSWER} bytes", request=response.request)
    return b"".join(parts)


def _from_the_vendor(answer: Answer, way: Way, secrets: Iterable[str]) -> Answer:
    """The answer, where it can be one of the vendor's: not a proxy's, not the log-in page of a network."""
    if answer.status == 407:
        raise NeedsOperator(f"{way}: the proxy wants a log-in; put user and password into http.proxy")
    if 300 <= answer.status < 400:
        target = plain(_host(answer.headers.get("location", "")), secrets)
        raise later(
            way,
            f"something on the way redirects to {target or 'nowhere'}; log in to the network, or check the configured host",
            charged=False,
        )
    start = answer.body.lstrip()[:1]
    # An answer that somebody calls a page is an answer, and was paid for.
    page = start == b"<" or ("text/html" in answer.headers.get("content-type", "").lower() and start != b"{")
    if answer.status == 511 or (page and answer.status < 300):
        free = False if start == b"<" else None
        raise later(way, "a web page came instead of an answer; log in to the network, or check proxy and configured host", charged=free)
    return answer
