"""A broker that will not have the agent, for five reasons: each is named, it is left in peace, and vehicles go on being kept."""

import contextlib
import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from agent import config, rounds
from agent.errors import AgentError
from agent.mqtt import Link
from agent.state import retained
from tests.broker import Authority, Broker, Rules, Subscriber
from tests.chaos.row import Row
from tests.gateway import Gateway

ROOT = "vinagent/v1/demo/gateway"
ACL = f"user gate\ntopic write {ROOT}/status\n"
APART_S, WATCHED_S, IDLE_S = 30.0, 70.0, 1.0
MOST_SHARE = 0.3  # of one core, once every vehicle is read
TWIN = "another client logs in"
_SEEN = re.compile(r"vehicle seen .*read_id (\w+)")
_TRIED = re.compile(r"(?m)^(\d+): (?:New|Client) connection from")  # the second where TLS fails at once
_LOGGED_IN = re.compile(r"(?m)^(\d\d):(\d\d):(\d\d) .*connected to the broker")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the broker asks for, what the agent has instead, and the words the log and the doctor must have for it."""

    name: str
    rules: Rules
    settings: str
    logged: str
    told: str


@dataclass(slots=True)
class Seen:
    """Over all refusals: what nobody named or what was tried again too soon, and the largest share of a core."""

    wrong: list[str] = field(default_factory=list)
    share: float = 0.0


def refusals(folder: Path) -> list[Refusal]:
    ours, rogue = Authority(folder / "ours"), Authority(folder / "rogue", "rogue")
    expired = Rules(tls=ours, certificate=ours.issue("expired", starts=-20, ends=-10))
    users, trusting = Rules(login=("gate", "right"), acl=ACL), f'tls = true\nca_file = "{ours.file}"'
    return [
        Refusal("bad password", users, login("wrong"), "refuses the login of 'gate'", "refuses the login of 'gate'"),
        Refusal("access list", users, login("right"), f"refuses {ROOT}/", f"refuses messages below {ROOT}"),
        Refusal("certificate expired", expired, trusting, "not trusted: certificate has expired", "certificate has expired"),
        Refusal("unknown authority", Rules(tls=rogue), trusting, "is not trusted: ", "is not trusted: "),
        Refusal("client id taken", Rules(), "", TWIN, TWIN),
    ]


def login(password: str) -> str:
    return f'user = "gate"\npassword = "{password}"'


def fault(folder: Path, full: bool) -> Row:
    """One agent meets them all by changed configurations, each in the full form for a minute and with a vehicle of its own."""
    *cases, last = refusals(folder)
    gateway, seen = Gateway(folder, 1, vehicles=1), Seen()
    try:
        for number, case in enumerate(cases):
            with Broker(folder / f"broker{number}", case.rules) as broker:
                meet(gateway, broker, case, seen, number if full else None)
        gateway.wait_for(lambda: bool(kept(gateway)) and not gateway.stored("spool"), 30)
        seen.share = max(seen.share, busy(gateway.process.pid))
        with Broker(folder / "broker", last.rules) as broker, Subscriber(broker.port) as yard:
            with twin(broker.port):
                meet(gateway, broker, last, seen, len(cases) if full else None)
            lost, twice, well_s = delivered(gateway, broker, yard)
    finally:
        gateway.__exit__()
    names = ", ".join(case.name for case in (*cases, last))
    return Row(
        fault=f"broker refuses: {names}",
        times="a minute each" if full else "once each",
        lost=lost,
        twice=twice,
        worst_s=well_s,
        note="; ".join(seen.wrong) or f"each named, {APART_S:.0f} s between two tries, {seen.share:.0%} of a core",
        ok=not seen.wrong and seen.share <= MOST_SHARE,
    )


def configure(gateway: Gateway, port: int, settings: str, seed: int | None = None) -> None:
    """Other settings of the broker; another seed has the camera begin anew, and so a vehicle come."""
    section = f"[mqtt]\nport = {port}\nreplay_per_s = 100.0\n{settings}\n"
    gateway.configure(lambda text: re.sub(r"(?s)\[mqtt\].*?(?=\n\[)", lambda _: section, text))
    if seed is not None:
        gateway.configure(lambda text: re.sub(r"(?m)^seed = .*$", f"seed = {seed}", text))


def meet(gateway: Gateway, broker: Broker, case: Refusal, seen: Seen, seed: int | None) -> None:
    """The agent is sent to this broker; with a seed it is watched for a while, and a vehicle comes that has to be kept."""
    configure(gateway, broker.port, case.settings, seed)
    before = len(gateway.log()) if (gateway.folder / "agent.log").exists() else 0
    if before:
        gateway.process.send_signal(signal.SIGHUP)
    else:
        gateway.start()

    def line() -> str:
        return next((each for each in gateway.log()[before:].splitlines() if case.logged in each), "")

    gateway.wait_for(lambda: bool(line()), 30)
    stays = case.name == "access list"  # let in, and refused what it has to say
    if not stays and f"next try in {APART_S:.0f} s" not in line():
        seen.wrong.append(f"{case.name}: tried again too soon: {line()}")
    if not any(case.told in each.text for each in rounds.broker(config.load(gateway.config)) if not each.good):
        seen.wrong.append(f"{case.name}: the doctor does not name it")
    if seed is not None:
        tries = in_the_meantime(lambda: attempts(gateway, broker, case), WATCHED_S)
        if any(later - sooner < APART_S - 1.0 for sooner, later in pairwise(tries)) or (not stays and len(tries) < 2):
            seen.wrong.append(f"{case.name}: tried at {tries}")
        if len(kept(gateway)) <= seed:
            seen.wrong.append(f"{case.name}: the vehicle was not kept")
        seen.share = max(seen.share, busy(gateway.process.pid))


def in_the_meantime(tries: Callable[[], list[int]], seconds: float) -> list[int]:
    """What was tried in the next so many seconds."""
    before = len(tries())
    time.sleep(seconds)
    return tries()[before:]


def attempts(gateway: Gateway, broker: Broker, case: Refusal) -> list[int]:
    """When the agent came to the broker, in seconds: by the broker's log, or by its own where another comes as well."""
    if case.logged != TWIN:
        return [int(at) for at in _TRIED.findall(broker.log())]
    return [int(hours) * 3600 + int(minutes) * 60 + int(seconds) for hours, minutes, seconds in _LOGGED_IN.findall(gateway.log())]


@contextlib.contextmanager
def twin(port: int) -> Iterator[None]:
    """Another client with the agent's id, which comes back a second after it was thrown out, for ever."""
    over = threading.Event()

    def insist() -> None:
        while not over.wait(1.0):
            with contextlib.suppress(AgentError), Link(config.Mqtt(port=port), "vinagent-gateway", retained("twin", {})) as link:
                while not over.is_set():
                    link.wait(0.2)
                    link.check()

    thread = threading.Thread(target=insist)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def kept(gateway: Gateway) -> set[str]:
    """Vehicles on the disk."""
    on_disk = {key for table in ("spool", "outbox", "sent") for key in gateway.stored(table)}
    return on_disk & set(_SEEN.findall(gateway.log()))


def busy(pid: int) -> float:
    """The share of one core the parent takes."""
    before = used_s(pid)
    time.sleep(IDLE_S)
    return (used_s(pid) - before) / IDLE_S


def used_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def delivered(gateway: Gateway, broker: Broker, yard: Subscriber) -> tuple[int, int, float]:
    """The last refusal is over: vehicles lost, vehicles told twice, and the seconds until all were told from when the agent tries again."""
    configure(gateway, broker.port, "keepalive_s = 14")
    began, wanted, logins = time.monotonic(), kept(gateway), len(_LOGGED_IN.findall(gateway.log()))
    gateway.process.send_signal(signal.SIGHUP)
    gateway.wait_for(lambda: len(_LOGGED_IN.findall(gateway.log())) > logins and not gateway.stored("outbox"), 40)
    well_s = time.monotonic() - began
    yard.wait_for(lambda seen: wanted <= {each.properties.get("id") for each in seen}, 10)
    copies = Counter(json.loads(each.payload)["id"] for each in yard.collect("/gate/") if not each.topic.endswith("/last"))
    return len(wanted - set(copies)), copies.total() - len(copies), well_s
