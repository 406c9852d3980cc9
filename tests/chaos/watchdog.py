"""Hangs under a systemd of their own: the service as it is installed, an agent for each part, hung again after every start. As root."""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from agent.failpoint import IN_SERVICE, VARIABLE
from tests.chaos.busy import SEEN, Busy, finals
from tests.device.boot import Machine
from tests.device.service import drop_in, example, installed_tree

UNIT, FRAMES = "vin-agent", "opt/frames"
WATCHDOG_S, GRACE_S = 30.0, 5.0
PARTS = {"take": "take.step=hang@40", "read": "read.answered=hang@4", "send": "send.acknowledged=hang@4", "loop": "supervisor.loop=hang@60"}
CYCLE_S = WATCHDOG_S + 30.0  # one hang, the way back and the passings up to the next


@dataclass(slots=True)
class Watchdog:
    """What became of every agent: seconds from each hang to the next READY, and what was wrong."""

    hangs: int = 0
    worst_s: float = 0.0
    committed: int = 0
    lost: int = 0
    twice: int = 0
    wrong: list[str] = field(default_factory=list)


def run(folder: Path, times: int, suite: str = "bookworm") -> Watchdog:
    """Every part hangs so often, all of them at the same time."""
    found = Watchdog()
    with Busy(folder) as busy, installed_tree(suite) as root, Machine(root) as machine:
        busy.write("cam1\nfps = 5.0")
        shutil.copytree(folder / "frames", root / FRAMES)
        with _agents(busy, machine):
            for name in PARTS:
                has_hung = partial(_has_hung, machine, name, times)
                machine.wait(has_hung, f"{name}: hung {times} times", times * CYCLE_S + 60, _unit(name))
            for name in PARTS:
                _judge(name, busy, machine, found)
            _drain(busy, machine)
        for name in PARTS:
            _count(name, busy, machine, found)
    return found


@contextmanager
def _agents(busy: Busy, machine: Machine) -> Iterator[None]:
    """Installed as two agents on one machine are, each with a hang of its own."""
    unit = (machine.root / f"etc/systemd/system/{UNIT}.service").read_text("utf-8")
    (machine.root / f"etc/systemd/system/{UNIT}@.service").write_text(unit, "utf-8")
    drop_in(machine, f"{UNIT}@.service", "instance", example("two-instances.conf"))
    for name, point in PARTS.items():
        machine.run("useradd", "--system", "--no-create-home", f"{UNIT}-{name}")
        (machine.root / f"etc/vin-agent/credentials-{name}").mkdir(mode=0o700)
        _configure(name, busy, machine)
        drop_in(machine, f"{_unit(name)}.service", "point", f'[Service]\nEnvironment="{VARIABLE}={point}" {IN_SERVICE}=yes\n')
    for name in PARTS:
        machine.run("systemctl", "start", _unit(name))
    yield
    for name in PARTS:
        machine.run("systemctl", "stop", _unit(name))


def _unit(name: str) -> str:
    return f"{UNIT}@{name}"


def _configure(name: str, busy: Busy, machine: Machine) -> None:
    text = busy.gateway.config.read_text("utf-8")
    text = text.replace("id = 'gateway'", f"id = '{name}'").replace(str(busy.gateway.state), f"/var/lib/{UNIT}-{name}")
    (machine.root / f"etc/vin-agent/{name}.toml").write_text(text.replace(str(busy.folder / "frames"), f"/{FRAMES}"), "utf-8")


def _has_hung(machine: Machine, name: str, times: int) -> bool:
    return len(_ways_back(machine, name)) >= times


def _ways_back(machine: Machine, name: str) -> list[float]:
    """Seconds from each hang to the READY of the next run, by the journal's clock."""
    hung_at, found = None, []
    for line in machine.journal(_unit(name), "--output=json").splitlines():
        entry = json.loads(line)
        at, message = int(entry["__REALTIME_TIMESTAMP"]) / 1e6, str(entry["MESSAGE"])
        if ": hang at passing" in message:
            hung_at = at
        elif message.startswith("watching ") and hung_at is not None:
            found.append(at - hung_at)
            hung_at = None
    return found


def _judge(name: str, busy: Busy, machine: Machine, found: Watchdog) -> None:
    ways, journal = _ways_back(machine, name), machine.journal(_unit(name), "--output=cat")
    found.hangs, found.worst_s = found.hangs + len(ways), max(found.worst_s, *ways)
    if name != "loop" and f"last status: the {name} worker is stuck" not in journal:
        found.wrong.append(f"the journal does not name the {name} worker")
    if "most recent call first" not in journal:
        found.wrong.append(f"{name}: no stack of what hung")
    said = [json.loads(each.payload) for each in busy.yard.collect(f"/{name}/status")]
    ends = [each["last_exit"] for each in said if each["state"] == "online"]
    if set(ends[1:]) != {"watchdog"}:
        found.wrong.append(f"{name}: the yard was told {ends}")


def _drain(busy: Busy, machine: Machine) -> None:
    """No fail points and no cameras any more: what waits is told."""
    busy.write()
    for name in PARTS:
        drop_in(machine, f"{_unit(name)}.service", "point", "")
        _configure(name, busy, machine)
        machine.run("systemctl", "restart", _unit(name))
    for name in PARTS:
        machine.wait(partial(_is_empty, machine, name), "drained", 60, _unit(name))


def _is_empty(machine: Machine, name: str) -> bool:
    return not (_keys(machine, name, "spool") or _keys(machine, name, "outbox"))


def _keys(machine: Machine, name: str, table: str) -> list[str]:
    file = machine.root / f"var/lib/{UNIT}-{name}/agent.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return [key for (key,) in database.execute(f"SELECT key FROM {table}")]  # noqa: S608  # a table of ours


def _count(name: str, busy: Busy, machine: Machine, found: Watchdog) -> None:
    on_disk = {key.partition("/")[0] for key in _keys(machine, name, "pictures")}
    committed = {*SEEN.findall(machine.journal(_unit(name), "--output=cat")), *on_disk}
    copies = finals([each for each in busy.yard.collect(f"/{name}/gate/") if re.search(r"/(vin|unread)$", each.topic)])
    found.committed, found.lost = found.committed + len(committed), found.lost + len(committed - set(copies))
    found.twice += copies.total() - len(copies)
