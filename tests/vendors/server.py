"""The program itself: one loopback port, HTTP/1.1 with kept connections or TLS, and what a test asks of the vendors behind it."""

import select
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.broker import Authority
from tests.vendors import desk
from tests.vendors.codes import Code, code
from tests.vendors.faults import KINDS, Fault, Kind, Plan, chance
from tests.vendors.ledger import Ledger, Tally
from tests.vendors.wire import Call, Reply
from tests.vendors.world import VENDORS, Accounts, Card, Reader, World, documents

_MOST_BODY = 64_000_000
_UNHEARD = (ConnectionError, ssl.SSLError, TimeoutError)  # the caller left; it is the caller who has to cope


class VendorServer:
    """All vendors behind one port, from `with` to its end; see the package for what can be asked of it."""

    def __init__(
        self, vins: Mapping[bytes, str | Card] | None = None, *, reader: Reader | None = None, accounts: Accounts | None = None,
        port: int = 0, tls: Authority | None = None,
    ) -> None:  # fmt: skip
        self.world = World(accounts or Accounts(), documents(vins or {}), reader)
        self.plan, self.ledger = Plan(), Ledger()
        self.crashes: list[BaseException] = []
        self.verbose = False
        self._port, self._tls = port, tls

    def __enter__(self) -> Self:
        self._http = _Listener(self, self._port, _context(self._tls) if self._tls else None)
        self.port: int = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="vendors", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.world.stop.set()
        self._http.shutdown()
        self._thread.join()
        self._http.hang_up()
        self._http.server_close()
        if self.crashes and error is None:
            raise self.crashes[0]

    @property
    def host(self) -> str:
        """Host and port, for clients that take no address with a scheme."""
        return f"127.0.0.1:{self.port}"

    def url(self, vendor: str = "tencent") -> str:
        """The address that stands for `https://<the vendor's host>`, without a slash at its end."""
        if vendor not in VENDORS:
            raise KeyError(vendor)
        return f"http{'s' if self._tls else ''}://{self.host}"

    @property
    def accounts(self) -> Accounts:
        return self.world.accounts

    @property
    def calls(self) -> Mapping[str, Tally]:
        """A tally of every vendor, from the start."""
        return {vendor: self.ledger.tally(vendor) for vendor in (*VENDORS, "nobody")}

    @property
    def last(self) -> Mapping[str, Call]:
        """The last call at every vendor that had one, its body whole."""
        return self.ledger.last

    def show(self, picture: bytes, card: str | Card) -> None:
        """From now on this picture shows this VIN."""
        self.world.pictures.update(documents({picture: card}))

    def shape(self, vendor: str, *words: str) -> None:
        """How the vendor answers from now on, in words of `SHAPES[vendor]`; none for the ordinary shape."""
        strange = set(words) - set(desk.DESKS[vendor].SHAPES)
        if strange:
            raise KeyError(f"{vendor} has no shape {min(strange)}")
        self.world.shapes[vendor] = frozenset(words)

    def limit(self, vendor: str, calls: int, seconds: float = 1.0) -> None:
        """So many calls in so many seconds; 0 lifts the limit."""
        self.world.limits[vendor] = (calls, seconds)

    def quota(self, vendor: str, calls: int | None) -> None:
        """So many more billed calls, then the vendor says that all it sold is used up; None lifts it."""
        self.world.quotas.pop(vendor, None)
        if calls is not None:
            self.world.quotas[vendor] = calls

    def set_clock(self, unix_s: float) -> None:
        """The servers' clock, and so the Date header, runs from this moment."""
        self.world.set_clock(unix_s)

    def fail(self, vendor: str, name: str, times: int | None = 1, *, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        """The next calls are answered with this error of the vendor's table; all of them when `times` is None."""
        more = tuple((headers or {}).items())
        self.plan.add(vendor, Fault("code", code=code(vendor, name), message=message, headers=more), times)

    def misbehave(self, vendor: str, kind: Kind, times: int | None = 1, *, seconds: float = 0.0) -> None:
        """The next calls meet this kind of fault; `seconds` is how long slow, silent and lost last, or Retry-After."""
        self.plan.add(vendor, Fault(kind, seconds or (60.0 if kind in ("silent", "lost") else 1.0)), times)

    def slow(self, vendor: str, seconds: float, times: int | None = 1) -> None:
        """The next answers are computed, and billed, at once and sent so many seconds later."""
        self.plan.add(vendor, Fault("slow", seconds), times)

    def at_random(
        self, rate: float, seed: int, *, vendors: Sequence[str] = VENDORS, kinds: Sequence[Kind] = KINDS, seconds: float = 1.0,
        among: Iterable[Code] = (),
    ) -> None:  # fmt: skip
        """Any fault of these kinds at this rate, the same ones for the same seed; `among` narrows the codes."""
        table = tuple(among)
        for vendor in vendors:
            own = [one for one in table if one.vendor == vendor]
            self.plan.at_random(vendor, chance(vendor, rate, seed, kinds, seconds, own))

    def heal(self, vendor: str | None = None) -> None:
        """Nothing that was asked for is to go wrong any more."""
        for one in VENDORS if vendor is None else (vendor,):
            self.plan.heal(one)

    def expire_tokens(self) -> None:
        """Every token that was handed out is unknown from now on."""
        self.world.tokens.clear()


def _context(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("vendors"))
    return context


class _Listener(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the handlers
    request_queue_size = 64

    def __init__(self, house: VendorServer, port: int, context: ssl.SSLContext | None) -> None:
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
        import sys

        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        if error is not None and not isinstance(error, _UNHEARD):
            self.house.crashes.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # head and body leave together
    disable_nagle_algorithm = True
    server: _Listener

    def do_POST(self) -> None:  # noqa: N802 - the name http.server looks for
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
        return super().date_time_string(self.server.house.world.now())  # type: ignore[arg-type]  # whole seconds are not needed

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
            if kind == "slow" and self._gone():
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
