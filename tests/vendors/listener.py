"""The listener: HTTP/1.1 with kept connections, over TLS where asked, a thread for each; it delivers answers, late, cut or not at all."""

import select
import socket
import ssl
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.vendors import desk
from tests.vendors.faults import Fault, Plan
from tests.vendors.ledger import Ledger
from tests.vendors.wire import Call, Reply
from tests.vendors.world import World

_MOST_BODY = 64_000_000
_UNHEARD = (ConnectionError, ssl.SSLError, TimeoutError)  # the caller left; it is the caller who has to cope


@dataclass
class House:
    """What every handler works with; `crashes` are mistakes of the servers themselves."""

    world: World
    plan: Plan = field(default_factory=Plan)
    ledger: Ledger = field(default_factory=Ledger)
    crashes: list[BaseException] = field(default_factory=list)
    verbose: bool = False


class Listener(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the handlers
    request_queue_size = 64

    def __init__(self, house: House, port: int, context: ssl.SSLContext | None) -> None:
        self.house, self._context, self._open = house, context, set[socket.socket]()
        super().__init__(("127.0.0.1", port), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake belongs in the handler's thread: a caller that distrusts us must not hold up the others.
        connection = self._context.wrap_socket(request, server_side=True) if self._context else request
        self._open.add(connection)
        try:
            super().finish_request(connection, client_address)
        finally:
            self._open.discard(connection)
            if connection is not request:
                connection.close()

    def hang_up(self) -> None:
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, _UNHEARD):
            self.house.crashes.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # head and body leave together
    disable_nagle_algorithm = True
    server: Listener

    def do_POST(self) -> None:
        house = self.server.house
        call = self._call()
        if call is None:
            return
        fault = house.plan.next(call.vendor)
        answer = desk.reply(house.world, call, fault)
        house.ledger.enter(call)
        self._deliver(call, answer, fault)
        if house.verbose:
            print(
                f"{call.vendor} {call.operation or call.path}: {call.status} {call.code or 'served'}{' billed' if call.billed else ''}",
                flush=True,
            )

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST  # noqa: N815

    def version_string(self) -> str:
        return "vendors"

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.house.world.now())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return

    def _call(self) -> Call | None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        target = urlsplit(self.path)
        vendor = desk.whose(headers.get("host", ""), target.path, headers)
        length = headers.get("content-length", "0" if self.command in ("GET", "HEAD") else "")
        if not length.isdecimal() or int(length) > _MOST_BODY:
            self.close_connection = True
            self._write(Reply(413 if length.isdecimal() else 411, b"", "text/plain"))
            return None
        query = parse_qsl(target.query, keep_blank_values=True)
        body = self.rfile.read(int(length))
        return Call(vendor, self.command, target.path, query, headers, body, extra={"raw query": target.query})

    def _deliver(self, call: Call, answer: Reply, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        if fault and kind in ("silent", "lost", "slow"):
            self._wait(fault.seconds)
        if call.delivered and self._gone():
            # Also without a fault: a machine that stalls makes a client give up on an answer that was computed in time.
            self.server.house.ledger.gone(call)
        if kind in ("silent", "lost", "cut before", "cut after"):
            self._cut()
            return
        self._write(answer, len(answer.body) // 2 if kind == "cut midway" else None)
        if kind in ("cut midway", "stale"):
            self._cut()

    def _write(self, answer: Reply, only: int | None = None) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[:only])
        self.wfile.flush()

    def _wait(self, seconds: float) -> None:
        """Until the time is over, the caller has left or the server stops."""
        stop, left = self.server.house.world.stop, seconds
        while left > 0 and not self._gone() and not stop.wait(min(0.05, left)):
            left -= 0.05

    def _gone(self) -> bool:
        if not select.select([self.connection], [], [], 0)[0]:
            return False
        if isinstance(self.connection, ssl.SSLSocket):
            return True  # nothing but a farewell comes before the answer
        return not self.connection.recv(1, socket.MSG_PEEK)

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
