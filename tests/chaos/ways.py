"""The way to every vendor is broken: no name server, a certificate of the days to come, somebody else's page in between."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.domain import Trust
from tests.broker import Authority
from tests.chaos.row import Row
from tests.chaos.station import HASTY, Station
from tests.vendors import VendorServer

HOST = "ocr.example"
BACK_S = 60.0
HOUR_S = 3600.0
TRUSTS: tuple[Trust, ...] = ("synced", "coarse", "unknown")


class Early(Authority):
    """Its certificates begin in ten days, as those of a vendor look to a device whose clock is behind."""

    def issue(self, name: str, starts: int = 10, ends: int = 40) -> tuple[Path, Path]:
        return super().issue(name, starts, ends)


@dataclass(slots=True)
class Names:
    """A name server for one name, which means this machine while `there`."""

    there: bool = False

    @contextmanager
    def asked(self) -> Iterator[None]:
        real = socket.getaddrinfo

        def look_up(host: Any, *rest: Any, **more: Any) -> Any:
            if host != HOST:
                return real(host, *rest, **more)
            if not self.there:
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            return real("127.0.0.1", *rest, **more)

        socket.getaddrinfo = look_up
        try:
            yield
        finally:
            socket.getaddrinfo = real


@dataclass(slots=True)
class Outage:
    """What was seen of one: vehicles that were told as unread meanwhile, bills, and how long the last one took to be read after it."""

    what: str
    given_up: int
    billed: int
    booked: int
    again: int
    lost: int
    back_s: float

    def well(self) -> bool:
        return not (self.given_up or self.billed or self.booked or self.again) and self.back_s <= BACK_S


def _lived_through(what: str, station: Station, hours: float, repair: Callable[[], None]) -> Outage:
    """Vehicles come at the beginning, in the middle and at the end of the outage; it is over just after a call has failed."""
    for _ in range(3):
        station.arrive()
        station.work(hours * HOUR_S / 2, pace_s=10.0)
    station.arrive()
    station.work_until_a_call_fails()
    given_up, billed = len(station.told()), sum(tally.billed for tally in station.server.calls.values())
    booked = station.store.ledger.spent(None, 0).calls
    repair()
    back_s = station.work(HOUR_S)
    return Outage(what, given_up, billed, booked, station.bill().again, station.lost() + len(station.arrived) - station.right(), back_s)


def _no_names(folder: Path, hours: float) -> Outage:
    names = Names()
    with (
        VendorServer() as server,
        names.asked(),
        Station(folder, server, "tencent", "huawei", url=f"http://{HOST}:{server.port}") as station,
    ):
        _unlimited(server)
        return _lived_through("no name server", station, hours, lambda: setattr(names, "there", True))


def _no_way_round(folder: Path, hours: float, mood: Any) -> Outage:
    with VendorServer() as server, Station(folder, server, "tencent", "huawei") as station:
        _unlimited(server)
        for vendor in ("tencent", "huawei"):
            server.misbehave(vendor, mood, None)
        return _lived_through(f"captive portal ({mood})", station, hours, server.heal)


def _too_early(folder: Path, hours: float, trust: Trust) -> Outage:
    """Until the certificate is valid, and where the device's clock was the reason, until somebody vouches for it."""
    authority = Early(folder / "authority")
    http = replace(HASTY, ca_file=str(authority.file))
    with VendorServer(tls=authority) as server, Station(folder / "station", server, "tencent", "huawei", http=http) as station:
        _unlimited(server)
        station.clock.trust = trust

        def repair() -> None:
            station.clock.trust = "synced"
            server.certify(authority.issue("valid", 0, 30))

        return _lived_through(f"certificate not valid yet, clock {trust}", station, hours, repair)


def _unlimited(server: VendorServer) -> None:
    for vendor in ("tencent", "huawei"):
        server.limit(vendor, 0)


def fault(folder: Path, full: bool) -> Row:
    """Each way it may be broken, for a while and in full for hours; nothing is paid, nobody is given up, and soon after all are read."""
    outages = []
    for hours in (0.5, 3.0) if full else (0.2,):
        at = folder / f"{hours}"
        outages += [
            _no_names(at / "names", hours),
            _no_way_round(at / "portal", hours, "portal"),
            _no_way_round(at / "page", hours, "html"),
        ]
        outages += [_too_early(at / f"certificate-{trust}", hours, trust) for trust in TRUSTS]
    wrong = [each.what for each in outages if not each.well()]
    return Row(
        fault="no name server, a certificate that is not valid yet, a captive portal",
        times=f"{len(outages)} outages, {4 * len(outages)} vehicles",
        lost=sum(each.lost for each in outages),
        worst_s=max(each.back_s for each in outages),
        ok=not wrong,
        note=f"{sum(each.billed for each in outages)} calls paid meanwhile, {sum(each.given_up for each in outages)} vehicles given up"
        + (f"; not as it should be: {', '.join(wrong)}" if wrong else ""),
    )
