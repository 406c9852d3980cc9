"""What a broken way to a provider means for the agent, in one sentence that names what to look at."""

import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from agent.domain import rfc3339
from agent.errors import AgentError, NeedsOperator, RetryLater
from agent.ocr.faults import Action, plain

STALE = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)  # how a connection ends that the other side has closed
NOT_YET_VALID = 9  # X509_V_ERR_CERT_NOT_YET_VALID
MAYBE_BILLED_TRIES = 2  # the vendor may have finished, and billed, a call whose answer never came


@dataclass(slots=True)
class Way:
    """Where a request goes and how far it came; shown as provider and host, never with path or query."""

    provider: str
    host: str
    connected: bool = False  # a new connection was made for it
    sent: bool = False  # some of it left the device
    answered: bool = False

    def saw(self, step: str, _: dict[str, Any]) -> None:
        """Told by the library what it does next (its extension `trace`)."""
        self.connected |= step == "connection.connect_tcp.started"
        self.sent |= step == "http11.send_request_headers.started"
        self.answered |= step == "http11.receive_response_headers.complete"

    @property
    def stale(self) -> bool:
        """Only an old connection was tried, and nothing came back: most likely it was closed before the request was written."""
        return not self.connected and not self.answered

    def __str__(self) -> str:
        return f"{self.provider} ({self.host})"


def later(way: Way, text: str, tries: int | None = None, after: float | None = None, charged: bool | None = None) -> RetryLater:
    return RetryLater(f"{way}: {text}", tries=tries, after=after, charged=charged, action=Action.RETRY)


def trouble(exc: httpx.RequestError, way: Way, secrets: Iterable[str] = ()) -> AgentError:
    """The error for a call that brought no answer: whom to wait for, or what a person has to change."""
    if isinstance(exc, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
        return NeedsOperator(f"{way}: this is no request that can be sent; check address, keys and tokens for line breaks and blanks")
    if isinstance(exc, httpx.ProxyError) and "407" in str(exc):
        return NeedsOperator(f"{way}: the proxy wants a log-in; put user and password into http.proxy")
    for cause in _causes(exc):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _certificate(cause, way)
    sentence = _sentence(exc, way, plain(_reason(exc), secrets))
    if not way.sent:
        return later(way, sentence, charged=False)
    stale = way.stale and isinstance(exc, STALE)
    return later(way, sentence, MAYBE_BILLED_TRIES, after=0.0 if stale else None)


def _certificate(cause: ssl.SSLCertVerificationError, way: Way) -> AgentError:
    shows = rfc3339(round(time.time() * 1000))
    if cause.verify_code == NOT_YET_VALID:
        # A device that has just started: its clock is behind, and will be set without anybody's doing.
        return later(way, f"its certificate is not valid yet; the clock of this device shows {shows}, check NTP", charged=False)
    return NeedsOperator(
        f"{way}: its certificate is not believed ({cause.verify_message.rstrip('.')}); set the clock of this device, which shows {shows},"
        " or, where a proxy opens TLS, name the file with its authority in http.ca_file"
    )


def _sentence(exc: httpx.RequestError, way: Way, reason: str) -> str:
    if any(isinstance(cause, socket.gaierror) for cause in _causes(exc)):
        return f"its name has no address ({reason}); check DNS and the configured host"
    if isinstance(exc, httpx.PoolTimeout):
        return "all connections are busy; lower reading.threads or try later"
    if isinstance(exc, httpx.ConnectTimeout):
        return "nothing answers there; check the network, the firewall and the configured host"
    if isinstance(exc, httpx.ConnectError | httpx.ProxyError):
        return f"no connection ({reason}); check the network, the proxy and the configured host"
    if isinstance(exc, httpx.WriteTimeout):
        return "the picture could not be sent in time; the uplink is slow, smaller pictures pass sooner"
    if isinstance(exc, httpx.DecodingError):
        return f"this is no answer of an OCR service ({reason}); check the configured host and the proxy"
    if isinstance(exc, httpx.ReadTimeout):
        return "no complete answer in time; the vendor may have finished the call and billed it"
    return f"the connection broke before the answer was complete ({reason}); try later"


def _reason(exc: httpx.RequestError) -> str:
    """The innermost cause in the system's words."""
    *_, last = _causes(exc)
    return (last.strerror if isinstance(last, OSError) else None) or str(last) or type(last).__name__


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, outermost first."""
    at: BaseException | None = exc
    while at is not None:
        yield at
        at = at.__cause__ or at.__context__
