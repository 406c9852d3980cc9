"""An HTTP server on loopback that answers as it is told, connection by connection, and a proxy that may want a log-in."""

import base64
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.loopback import Loopback

Behaviour = Callable[["Talk"], None]


def reply(body: bytes = b'{"ok":1}', status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    """An answer as it goes over the wire; `length` lies about the body."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    if not any(line.lower().startswith("content-type") for line in headers):
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Talk:
    """One connection, from the server's side."""

    def __init__(self, caller: socket.socket, stop: threading.Event) -> None:
        self.caller, self._stop = caller, stop

    def request(self) -> bytes:
        """The next request, head and body; empty where the caller has gone."""
        got = b""
        while b"\r\n\r\n" not in got:
            if not (part := self.caller.recv(65_536)):
                return b""
            got += part
        head, _, body = got.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            if not (part := self.caller.recv(65_536)):
                return b""
            body += part
        return head + b"\r\n\r\n" + body

    def say(self, data: bytes) -> None:
        self.caller.sendall(data)

    def wait(self, seconds: float = 60.0) -> bool:
        """True when the server stops before the time is over."""
        return self._stop.wait(seconds)

    def drip(self, data: bytes, every_s: float = 0.05) -> None:
        for index in range(len(data)):
            if self.wait(every_s):
                return
            self.say(data[index : index + 1])


def answers(*replies: bytes) -> Behaviour:
    """Answers one request after the other on a connection, then closes it."""

    def talk(with_: Talk) -> None:
        for each in replies:
            if not with_.request():
                return
            with_.say(each)

    return talk


class Rude:
    """Treats its first caller as the first behaviour says, the next as the second, and all further ones as the last."""

    def __init__(self, *behaviours: Behaviour, tls: tuple[Path, Path] | None = None) -> None:
        self._behaviours: Sequence[Behaviour] = behaviours
        self._tls = tls
        self._loopback = Loopback(self._serve)
        self._counting = threading.Lock()
        self.connections = 0

    def __enter__(self) -> Self:
        self.port = self._loopback.start()
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1/read?token=QUERYSECRET"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loopback.stop()

    def _serve(self, caller: socket.socket) -> None:
        with self._counting:
            behaviour = self._behaviours[min(self.connections, len(self._behaviours) - 1)]
            self.connections += 1
        caller.settimeout(5)
        try:
            with self._secured(caller) as secured:
                behaviour(Talk(secured, self._loopback.stopping))
        except OSError:
            return  # the client has had enough, as the tests want it to

    def _secured(self, caller: socket.socket) -> socket.socket:
        if self._tls is None:
            return caller
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self._tls)
        with caller:
            return context.wrap_socket(caller, server_side=True)


def proxy(log: list[str], login: str = "") -> Behaviour:
    """A proxy for tunnels and plain requests alike; notes what it is asked for, and asks for `user:password` where that is given."""
    ticket = f"proxy-authorization: basic {base64.b64encode(login.encode()).decode()}".lower()

    def talk(with_: Talk) -> None:
        while asked := with_.request():
            log.append(asked.split(b"\r\n")[0].decode())
            if login and ticket not in asked.decode("latin-1").lower():
                with_.say(reply(b"", "407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="x"'))
            elif asked.startswith(b"CONNECT "):
                _tunnel(with_, asked.split()[1].decode())
                return
            else:
                with_.say(reply(b'{"via":"proxy"}'))

    return talk


def _tunnel(with_: Talk, target: str) -> None:
    host, _, port = target.rpartition(":")
    with socket.create_connection((host, int(port)), 5) as far:
        with_.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_pour, args=(far, with_.caller), daemon=True)
        back.start()
        _pour(with_.caller, far)
        back.join()


def _pour(source: socket.socket, target: socket.socket) -> None:
    try:
        while part := source.recv(65_536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
