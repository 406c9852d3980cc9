"""The program itself: one loopback port, HTTP/1.1 with kept connections or TLS, and what a test asks of the vendors behind it."""

import ssl
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.broker import Authority
from tests.vendors import desk
from tests.vendors.errors import Code, code
from tests.vendors.faults import KINDS, Fault, Kind, chance
from tests.vendors.ledger import Tally
from tests.vendors.listener import House, Listener
from tests.vendors.wire import Call
from tests.vendors.world import VENDORS, Accounts, Card, Reader, World, documents


class VendorServer:
    """All vendors behind one port, from `with` to its end; see the package for what can be asked of it."""

    def __init__(
        self, vins: Mapping[bytes, str | Card] | None = None, *, reader: Reader | None = None, accounts: Accounts | None = None,
        port: int = 0, tls: Authority | None = None,
    ) -> None:  # fmt: skip
        self.house = House(World(accounts or Accounts(), documents(vins or {}), reader))
        self.world, self.plan, self.ledger = self.house.world, self.house.plan, self.house.ledger
        self._port, self._tls = port, tls

    def __enter__(self) -> Self:
        self._ssl = _context(self._tls) if self._tls else None
        self._http = Listener(self.house, self._port, self._ssl)
        self.port: int = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="vendors", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.world.stop.set()
        self._http.shutdown()
        self._thread.join()
        self._http.hang_up()
        self._http.server_close()
        if self.house.crashes and error is None:
            raise self.house.crashes[0]

    @property
    def host(self) -> str:
        """Host and port, for clients that take no address with a scheme."""
        return f"127.0.0.1:{self.port}"

    def url(self, vendor: str = "tencent") -> str:
        """The address that stands for `https://<the vendor's host>`, without a slash at its end."""
        if vendor not in VENDORS:
            raise KeyError(vendor)
        return f"http{'s' if self._tls else ''}://{self.host}"

    def certify(self, certificate: tuple[Path, Path]) -> None:
        """New connections get this certificate, with its key."""
        assert self._ssl is not None
        self._ssl.load_cert_chain(*certificate)

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
