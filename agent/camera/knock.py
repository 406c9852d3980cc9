"""Asks a network camera itself, in small words, why it gives no video; FFmpeg tells nobody."""

import hashlib
import queue
import re
import socket
import ssl
import threading
import time
from base64 import b64encode
from urllib.parse import urlsplit

import httpx

from agent import config
from agent.camera import web
from agent.errors import RetryLater
from agent.ocr import deadline

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


def authorities() -> str:
    """The file of authorities the system trusts, for a library that does not find it by itself."""
    return ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"


def reach(source: str, name: str, seconds: float) -> None:
    """Raises `RetryLater` where no connection comes about: no address, nobody listens, no answer within `seconds`."""
    ends = time.monotonic() + seconds
    for address, port in _addresses(source, name, seconds):
        try:
            socket.create_connection((address, port), max(0.05, ends - time.monotonic())).close()
        except ConnectionRefusedError:
            trouble = f"{name} refuses the connection; the camera may be starting, or the port in camera.source is wrong"
        except TimeoutError:
            trouble = f"{name} does not answer within {seconds:g} s; check that the camera is on, its address, and the network"
        except OSError as exc:
            trouble = f"{name} cannot be reached ({exc.strerror or exc}); check cable, network and the address in camera.source"
        else:
            return
    raise RetryLater(trouble)


def _addresses(source: str, name: str, seconds: float) -> list[tuple[str, int]]:
    """Where the camera may be; a resolver without network takes longer than anyone has time, so it is asked in a thread."""
    parts = urlsplit(source)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    box: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            box.put([str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError):
            box.put([])

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    try:
        found = box.get(timeout=seconds)
    except queue.Empty:
        found = []
    if not found:
        raise RetryLater(f"{name}: its name has no address; check DNS, or put the camera's number into camera.source")
    return [(address, port) for address in found]


def ask(settings: config.Camera, name: str, seconds: float) -> None:
    """Raises what the camera gives as its reason; returns where it gives none."""
    if settings.source.startswith("http"):
        _ask_http(settings, name, seconds)
    elif settings.source.startswith("rtsp:"):
        _ask_rtsp(settings, name, seconds)


def _ask_http(settings: config.Camera, name: str, seconds: float) -> None:
    source, user, password = web.login(settings)
    with web.client(settings) as http:
        deadline.until(time.monotonic() + seconds)
        try:
            with http.stream("GET", source) as answer:
                status, kind = answer.status_code, answer.headers.get("content-type", "nothing").partition(";")[0]
                target = answer.next_request.url.host if answer.next_request else ""
        except httpx.HTTPError as exc:
            raise web.broken(name, exc, seconds) from None
    if status != 200:
        raise web.refusal(name, status, logged_in=bool(user or password), target=target)
    if not kind.startswith(("multipart/", "image/", "video/", "nothing")):
        raise RetryLater(f"{name} sends {kind[:40]!r} instead of a video; check the path in camera.source")


def _ask_rtsp(settings: config.Camera, name: str, seconds: float) -> None:
    source, user, password = web.login(settings)
    parts, ends = urlsplit(source), time.monotonic() + seconds
    try:
        with socket.create_connection((parts.hostname or "", parts.port or _PORTS["rtsp"]), seconds) as line:
            status, headers = _described(line, source, 1, "", ends)
            if status == 401 and (user or password):
                status, _ = _described(line, source, 2, _credentials(headers, source, user, password), ends)
    except TimeoutError:
        return
    except OSError:
        raise RetryLater(f"{name} hangs up when it is asked for video; the camera may be starting, or serve too many viewers") from None
    if status == 0:
        raise RetryLater(f"{name} answers with something that is no RTSP; check the port in camera.source")
    if status != 200:
        raise web.refusal(name, status, logged_in=bool(user or password))


def _described(line: socket.socket, source: str, number: int, credentials: str, ends: float) -> tuple[int, str]:
    """Ask what there is to see (RFC 2326, 10.2): the status, 0 where the answer is none, and the head of the answer."""
    head = [f"DESCRIBE {source} RTSP/1.0", f"CSeq: {number}", "Accept: application/sdp", "User-Agent: vin-agent"]
    line.settimeout(_left(ends))
    line.sendall("\r\n".join([*head, *([credentials] if credentials else []), "", ""]).encode())
    got = b""
    while b"\r\n\r\n" not in got and len(got) < 8192:
        line.settimeout(_left(ends))
        if not (part := line.recv(2048)):
            break
        got += part
    if not got:
        raise ConnectionResetError
    answer = re.match(rb"RTSP/1\.\d (\d{3})", got)
    return (int(answer[1]) if answer else 0), got.decode("latin-1")


def _left(ends: float) -> float:
    """A time-out of the socket bounds one piece alone: a byte now and then would keep the camera's process for hours."""
    if (left := ends - time.monotonic()) <= 0:
        raise TimeoutError
    return left


def _credentials(challenge: str, source: str, user: str, password: str) -> str:
    """The header that answers a challenge: digest as cameras speak it (RFC 2069, without qop), else basic."""
    if not (digest := re.search(r"(?im)^WWW-Authenticate: *Digest (.*)$", challenge)):
        return f"Authorization: Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
    said = dict(re.findall(r'(\w+)="?([^",]*)', digest[1]))
    realm, nonce = said.get("realm", ""), said.get("nonce", "")
    key = _md5(f"{_md5(f'{user}:{realm}:{password}')}:{nonce}:{_md5(f'DESCRIBE:{source}')}")
    return f'Authorization: Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{source}", response="{key}"'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
