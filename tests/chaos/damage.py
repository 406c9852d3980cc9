"""Eight kinds of damage to the file of the store, each met by a real agent: started on it, or at work when it shows."""

import json
import random
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent import config
from agent.store import Store
from tests.broker import Broker, Received, Subscriber
from tests.chaos import account
from tests.chaos.row import Row
from tests.gateway import Gateway
from tests.samples import READINGS, capture, event

READY_S = 5.0
WAITING = 40  # events that wait in the prepared store
NOW = 1_800_000_000_000
_PAGE = 1024

Spoil = Callable[[Path, random.Random], None]


def zero_the_header(file: Path, _dice: random.Random) -> None:
    with file.open("r+b") as raw:
        raw.write(bytes(100))


def cut_in_half(file: Path, _dice: random.Random) -> None:
    with file.open("r+b") as raw:
        raw.truncate(file.stat().st_size // 2 // _PAGE * _PAGE)


def empty(file: Path, _dice: random.Random) -> None:
    file.write_bytes(b"")


def take_away(file: Path, _dice: random.Random) -> None:
    file.unlink()


def overwrite_pages(file: Path, dice: random.Random) -> None:
    """Three in a row, so that at least one of them is in use; never the first, which is another kind."""
    with file.open("r+b") as raw:
        raw.seek(dice.randrange(1, file.stat().st_size // _PAGE - 3) * _PAGE)
        raw.write(dice.randbytes(3 * _PAGE))


def change_a_byte(file: Path, dice: random.Random) -> None:
    """Of an event that waits to be told: no page is wrong, and nothing but the row's own checksum can see it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        number, value = dice.choice(db.execute("SELECT sequence, value FROM outbox").fetchall())
        place = dice.randrange(8, len(value))
        spoiled = value[:place] + bytes([value[place] ^ 0x01]) + value[place + 1 :]
        # By SQLite itself, as the row may lie in pieces: what the file holds afterwards is what a flipped bit would have left.
        db.execute("UPDATE outbox SET value = ? WHERE sequence = ?", (spoiled, number))


def spoil_the_log(file: Path, dice: random.Random) -> None:
    Path(f"{file}-wal").write_bytes(dice.randbytes(dice.randrange(100, 50_000)))


def spoil_an_index(file: Path, _dice: random.Random) -> None:
    """It lists rows that its table does not have: the quick look at the start passes over it, and the work meets it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        (index,) = db.execute("SELECT rootpage, sql FROM sqlite_master WHERE name = 'spool_waits'").fetchall()
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_master WHERE name = 'spool_waits'")
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("DELETE FROM spool")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("INSERT INTO sqlite_master VALUES ('index', 'spool_waits', 'spool', ?, ?)", index)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is expected: the file `aside`, a `loss` in health, so many of the waiting events `told`, so many `audits` and `restarts`.

    Where the audit is `late`, a row was met after the tidying at the start: it is told half a minute later, or by the next start.
    """

    spoil: Spoil
    aside: bool = True
    loss: bool = True
    told: int = 0
    audits: int = 1
    restarts: int = 0
    late: bool = False


KINDS = {
    "header zeroed": Kind(zero_the_header),
    "cut in half": Kind(cut_in_half),
    "emptied": Kind(empty),
    "missing": Kind(take_away, aside=False),
    "pages overwritten": Kind(overwrite_pages),
    "a byte of a row changed": Kind(change_a_byte, aside=False, loss=False, told=WAITING - 1, late=True),
    "garbage in the log": Kind(spoil_the_log, aside=False, loss=False, told=WAITING, audits=0),
    "an index that lies": Kind(spoil_an_index, restarts=1),
}


@dataclass(slots=True)
class Figures:
    """`lost` are events in rows that were sound, of a file that stays in use, which nobody was told."""

    times: int = 0
    lost: int = 0
    twice: int = 0
    ready_s: float = 0.0
    restarts: int = 0


def fault(folder: Path, full: bool) -> Row:
    """R7: every kind once, or twelve times in as many places."""
    figures, wrong = Figures(), []
    prepared = _prepared(folder / "prepared")
    for seed in range(12 if full else 1):
        for name, kind in KINDS.items():
            place = folder / f"{name}-{seed}"
            shutil.copytree(prepared, place / "state")
            kind.spoil(place / "state" / "agent.db", random.Random(seed))
            if trouble := _met(place, kind, figures):
                wrong.append(f"{name}: {trouble}")
            figures.times += 1
    # What was in such a file can no longer be told: that is no failure, but has to be said.
    gone = "the file kept, with what it held, and the loss told each time, which is not counted as lost"
    note = "; ".join(filter(None, (f"never more than {figures.restarts} restart", gone, ", ".join(wrong))))
    return Row(
        fault="damaged store, eight kinds",
        times=f"{figures.times} starts",
        lost=figures.lost,
        twice=figures.twice,
        worst_s=figures.ready_s,
        ok=not wrong and figures.ready_s <= READY_S and figures.restarts <= 1,
        note=note,
    )


def _prepared(state_dir: Path) -> Path:
    """A store in which events wait to be sent, and vehicles that came with a reading, for the index to speak of."""
    with Store.open(state_dir, config.Store(free_mb=0), NOW) as store:
        for number in range(WAITING):
            store.outbox.put(event(number), NOW)
        for number in range(8):
            store.spool.put(capture(f"W{number}"), NOW)
            store.spool.forget(f"W{number}") if number % 2 else store.spool.done(f"W{number}")
        for number in range(4):
            store.spool.put(capture(f"X{number}"), NOW, READINGS[:1])
    return state_dir


def _met(folder: Path, kind: Kind, figures: Figures) -> str:
    """Runs an agent on the spoiled store until everything it has to say is said; what was not as expected, in words."""
    with _started(folder) as (gateway, yard, ready_s):
        said = _watched(gateway, yard, kind, figures)
        gateway.stop()
        told = [found["id"] for found in map(_payload, yard.collect()) if found.get("id") in _EVENTS]
    figures.ready_s = max(figures.ready_s, ready_s)
    figures.lost += max(0, kind.told - len(set(told)))
    figures.twice += len(told) - len(set(told))
    return _unkept(folder / "state", kind) if said else f"not everything was said: {gateway.log()[-2000:]}"


def _watched(gateway: Gateway, yard: Subscriber, kind: Kind, figures: Figures) -> bool:
    """Does what a service manager does, but no oftener than the kind may have it; whether everything was said in the end."""
    end, restarts, late = time.monotonic() + 20, 0, kind.late
    while not _is_all_said(yard.collect(), kind) and time.monotonic() < end:
        if late and _is_all_said(yard.collect(), replace(kind, audits=0)):
            late = False
            gateway.stop()
            gateway.start()
        elif gateway.process.poll() is not None:
            restarts += 1
            figures.restarts = max(figures.restarts, restarts)
            if restarts > kind.restarts:
                return False
            gateway.start()
        time.sleep(0.02)
    return _is_all_said(yard.collect(), kind)


def _payload(message: Received) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(message.payload) if account.is_event(message) else {}
    return content


_EVENTS = frozenset(event(number).id for number in range(WAITING))


def _is_all_said(messages: list[Received], kind: Kind) -> bool:
    heard = [_payload(each) for each in messages]
    finals = {each["id"] for each in heard if each.get("id") in _EVENTS}
    audits = sum(each.get("data", {}).get("what") in ("lost", "damaged") for each in heard)
    in_health = any("store_loss" in account.reasons(each) for each in messages)
    return len(finals) >= kind.told and audits >= kind.audits and (in_health or not kind.loss)


def _unkept(state: Path, kind: Kind) -> str:
    kept = sorted(file.name for file in state.glob("agent.db.damaged-*") if file.suffix.removeprefix(".damaged-").isdigit())
    if len(kept) != kind.aside:
        return f"put aside were {kept}"
    with closing(sqlite3.connect(state / "agent.db")) as db:
        return "" if db.execute("PRAGMA integrity_check").fetchone() == ("ok",) else "the store is not sound afterwards"


@contextmanager
def _started(folder: Path) -> Iterator[tuple[Gateway, Subscriber, float]]:
    """An agent without a camera on the store in the folder, and the seconds until it said that it is ready."""
    with Broker(folder / "broker") as broker, Subscriber(broker.port) as yard:
        gateway = Gateway(folder, broker.port, replay_per_s=1000.0)
        gateway.configure(lambda text: re.sub(r"(?s)\[\[camera\]\].*?(?=\n\[)", "", text))
        began = time.monotonic()
        with gateway:
            gateway.wait_for(lambda: "watching" in gateway.log() or gateway.process.poll() is not None)
            yield gateway, yard, time.monotonic() - began
