"""One deadline over a whole call: the library bounds each step alone, and a byte now and then would keep it for hours."""

import math
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

# One per thread: a client may serve several, each with a call of its own.
_ends: ContextVar[float] = ContextVar("ends", default=math.inf)

_SLICE = 16 * 1024  # the library's time-out starts anew with each part the kernel takes
_LEAST_S = 0.001  # a time-out of 0 would mean not to wait at all


def until(moment: float) -> None:
    """The call this thread is about to make must be over at that moment, in monotonic seconds."""
    _ends.set(moment)


def guard(client: httpx.Client) -> None:
    """Let every connection of a client keep the deadline; httpx has no public way to its network, so its version is pinned."""
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool  # noqa: SLF001
            pool._network_backend = _Network(pool._network_backend)  # noqa: SLF001


def _left(timeout: float | None) -> float:
    """Seconds one step may take; the longest a socket accepts where nobody set an end."""
    return max(_LEAST_S, min(math.inf if timeout is None else timeout, _ends.get() - time.monotonic(), 86_400.0))


class _Network(httpcore.NetworkBackend):
    """Opens connections; looking the name up and every address that does not answer count as connecting."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        end = time.monotonic() + _left(timeout)
        trouble: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in _addresses(host, port, _left(timeout)):
            if (left := end - time.monotonic()) <= 0:
                break
            try:
                return _Stream(self._inner.connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                trouble = exc
        raise trouble or httpcore.ConnectTimeout("looking up the name took all the time there was")

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


def _addresses(host: str, port: int, timeout: float) -> list[str]:
    """The addresses of a name, in the system's order of preference; the resolver itself knows no time-out shorter than its own."""
    box: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            box.put([str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError) as exc:
            box.put(exc if isinstance(exc, OSError) else socket.gaierror(str(exc)))

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    try:
        found = box.get(timeout=timeout)
    except queue.Empty:
        raise httpcore.ConnectTimeout(f"no answer from DNS about {host}") from None
    try:
        if isinstance(found, OSError):
            raise found
    except OSError as exc:  # raised and caught, for the library keeps nothing of a cause but its context
        raise httpcore.ConnectError(str(exc)) from exc
    return found


class _Stream(httpcore.NetworkStream):
    """A connection whose every step ends with the deadline."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _SLICE):
            self._inner.write(buffer[start : start + _SLICE], _left(timeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
