"""How a network camera is spoken to over HTTP: whatever kind of log-in it wants, one deadline, and what its answers mean."""

import logging
import ssl
from collections.abc import Generator
from urllib.request import parse_http_list

import httpx

from agent import config
from agent.config_network import parted
from agent.errors import AgentError, BadConfig, NeedsOperator, RetryLater
from agent.ocr import deadline

_DIGESTS = ("MD5", "MD5-SESS", "SHA", "SHA-SESS", "SHA-256", "SHA-256-SESS", "SHA-512", "SHA-512-SESS")


class Login(httpx.Auth):
    """Digest where the camera offers it, basic where it offers nothing better; nothing is sent before it has asked."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._chosen: httpx.Auth | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._chosen is None:
            response = yield request
            if response.status_code != 401:
                return
            self._chosen = self._choice(response.headers.get_list("www-authenticate"))
            if self._chosen is None:
                return
        try:
            yield from self._chosen.auth_flow(request)
        except (ValueError, KeyError, IndexError):
            # The library looks at a later challenge by itself.
            raise httpx.RemoteProtocolError("the log-in it asks for cannot be understood", request=request) from None

    def _choice(self, offers: list[str]) -> httpx.Auth | None:
        kinds = {offer.partition(" ")[0].lower(): offer for offer in offers}
        if "digest" in kinds and _known(kinds["digest"]):
            return httpx.DigestAuth(self._user, self._password)
        return httpx.BasicAuth(self._user, self._password) if "basic" in kinds else None


def _known(offer: str) -> bool:
    """Whether the library can answer this digest: it breaks on a field without a value, on algorithms it does not know, and on integrity
    protection.
    """
    fields = [field.strip().partition("=") for field in parse_http_list(offer.partition(" ")[2])]
    if not all(value for _, _, value in fields):
        return False
    said = {key.lower(): value.strip('" ') for key, _, value in fields}
    return said.get("algorithm", "MD5").upper() in _DIGESTS and said.get("qop", "auth") != "auth-int"


def login(settings: config.Camera) -> tuple[str, str, str]:
    """The camera's address without log-in, and the user and password to use: those of the keys before those in the address."""
    source, user, password = parted(settings.source)
    return source, settings.user.reveal() or user, settings.password.reveal() or password


def client(settings: config.Camera) -> httpx.Client:
    """A client with the camera's log-in and certificate rules; raises `BadConfig` where `camera.stream.ca_file` cannot be used."""
    for noisy in ("httpx", "httpcore"):  # they log every address, and some cameras want the password in it
        logging.getLogger(noisy).setLevel(logging.WARNING)
    _, user, password = login(settings)
    made = httpx.Client(
        auth=Login(user, password) if user or password else None,
        verify=_context(settings.stream),
        trust_env=False,
        timeout=settings.read_timeout_s,
        limits=httpx.Limits(max_keepalive_connections=1, keepalive_expiry=5.0),
        follow_redirects=False,  # to another host, with the log-in of this one
        headers={"Accept": "*/*", "Accept-Encoding": "identity", "Cache-Control": "no-cache", "User-Agent": "vin-agent"},
    )
    deadline.guard(made)
    return made


def _context(stream: config.Stream) -> ssl.SSLContext:
    try:
        made = ssl.create_default_context(cafile=stream.ca_file or None)
    except OSError as exc:
        raise BadConfig(f"camera.stream.ca_file: {stream.ca_file} cannot be used: {exc.strerror or exc}; name a PEM file") from exc
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as elsewhere: Python 3.13 refuses authorities made at home
    if not stream.verify:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def refusal(name: str, status: int, *, logged_in: bool, target: str = "") -> AgentError:
    """What an answer other than success means, of HTTP and RTSP alike."""
    if status in (401, 403):
        words = "refuses user and password" if logged_in else "wants a log-in"
        # Not tried again soon: many cameras lock an account after a few wrong passwords.
        return NeedsOperator(f"{name} {words} ({status}); set camera.user and camera.password to an account that may see the video")
    if status in (404, 410, 454):
        return RetryLater(f"{name} has nothing at this address ({status}); check the path in camera.source")
    if 300 <= status < 400:
        return RetryLater(f"{name} sends us on to {target or 'another address'} ({status}); set camera.source to the final address")
    return RetryLater(f"{name} answers with an error ({status}); the camera may be starting, or serve too many viewers")


def broken(name: str, exc: httpx.HTTPError, seconds: float) -> AgentError:
    """What an exchange that brought no answer means."""
    at: BaseException | None = exc
    while at is not None:
        if isinstance(at, ssl.SSLCertVerificationError):
            reason = at.verify_message.rstrip(".")
            return NeedsOperator(f"{name}: its certificate is not believed ({reason}); set camera.stream.ca_file, or verify = false")
        at = at.__cause__ or at.__context__
    if isinstance(exc, httpx.TimeoutException):
        return RetryLater(f"{name} did not answer in full within {seconds:g} s; check that the camera is on, and the network")
    if isinstance(exc, httpx.ConnectError):
        return RetryLater(f"{name} cannot be reached; check that the camera is on, its address, and the network")
    return RetryLater(f"{name} broke off in the middle of its answer; the camera may be starting")
