"""What the disk gives back: rows whose bytes changed, rows that say something else, and a whole store with some of it overwritten."""

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from agent import damage
from agent.arrivals import Arrivals
from agent.config import Store as Caps
from agent.errors import AgentError, Rejected
from agent.ocr.circuit import kept_circuit
from agent.records import capture_from_json, event_from_json, reading_from_json
from agent.store import Store
from agent.table import from_row, to_row, unpack
from agent.vision import keeping
from tests import samples
from tests.fuzz.sentence import is_a_sentence

NOW_MS = samples.NOW.utc_ms
CAPS = Caps(max_mb=8, free_mb=0, ballast_kb=0)
_LOG_LIMIT = 512 * 1024


def rows(data: bytes) -> None:
    """A row is what was written, or said to be damaged; and JSON, here behind a first byte, is a record, or said to be none."""
    for make in (unpack, from_row):
        with suppress(ValueError):
            make(data)
    try:
        value = json.loads(data[1:])
    except (ValueError, RecursionError):
        return
    readers: tuple[Callable[[Any], object], ...] = (
        lambda said: capture_from_json(said, {0: b"\xff\xd8", 1: b""}), reading_from_json, event_from_json,
    )  # fmt: skip
    for read in readers:
        with suppress(ValueError):
            read(value)
    list(keeping.spots([("spot", value)]))


@cache
def _folder() -> Path:
    shared = Path("/dev/shm")  # noqa: S108  # in memory: a store is written for every input
    return Path(tempfile.mkdtemp(prefix="vin-agent-fuzz-", dir=shared if shared.is_dir() else None))


@cache
def _whole() -> bytes:
    """A store with a vehicle that waits, one that is read, one that was told, and something of everything else."""
    folder = _folder() / "whole"
    with Store.open(folder, CAPS, NOW_MS) as store:
        for number in range(3):
            event = samples.event(number)
            name, capture = event.id, samples.capture(event.id)
            store.spool.put(capture, NOW_MS, samples.READINGS[:number])
            if number:
                booked = store.ledger.book("tencent", name, 0.05, NOW_MS)
                store.ledger.settle(booked, "read")
                sequence = store.outbox.put(event, NOW_MS)
                store.spool.done(name)
            if number == 2:
                store.outbox.sent([sequence], NOW_MS)
        Arrivals(store.arrivals).note(samples.CAPTURE, samples.HONDA.value, samples.READ_ID, accepted=True, now_ms=NOW_MS)
        store.put("evicted", 3)
        store.spots.put("cam1", "a", {"png": ""}, NOW_MS)
    return (folder / damage.FILE).read_bytes()


def _walk(store: Store) -> None:
    """Everything a running agent asks its store."""
    for _ in range(5):
        if not (waits := store.spool.head(NOW_MS + 1)):
            break
        store.spool.note(waits.capture.read_id, samples.READINGS[0])
        store.spool.postpone(waits.capture.read_id, NOW_MS + 10)
    store.spool.pictures(samples.READ_ID)
    queued = store.outbox.next(10)
    store.outbox.put(samples.event(99), NOW_MS)
    store.outbox.sent([each.sequence for each in queued], NOW_MS)
    list(islice(store.outbox.history(0, 2**62), 20))
    store.take_audits()
    store.get("evicted")
    kept_circuit(store, "tencent")
    store.spots.of("cam1")
    Arrivals(store.arrivals).before(samples.CAPTURE, samples.HONDA.value)
    store.ledger.spent(None, 0)
    store.ledger.book("tencent", "another", 0.05, NOW_MS)
    store.trim(NOW_MS + 40 * 86_400_000)
    store.size()


def file(data: bytes) -> None:
    """Each six bytes say where something is overwritten, and the seventh with how many of the next: the agent starts, and works."""
    raw = bytearray(_whole())
    at = 0
    while at + 4 <= len(data):
        where, length = int.from_bytes(data[at : at + 3], "big") % len(raw), 1 + data[at + 3] % 32
        piece = data[at + 4 : at + 4 + length]
        raw[where : where + len(piece)] = piece
        at += 4 + length
    folder = _folder() / "changed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / damage.FILE).write_bytes(raw)
    damage.mark_installed(folder)
    _works(folder)


def _works(folder: Path) -> None:
    """Opened, asked for everything, and where damage was met opened anew: the third start is the last that may meet any."""
    for _ in range(3):
        try:
            with Store.open(folder, CAPS, NOW_MS) as store:
                _walk(store)
            return
        except AgentError as trouble:
            is_a_sentence(trouble)
    raise AssertionError("a damaged store was met again and again")


def poison(data: bytes) -> None:
    """Rows with a checksum that is right and a content that is not: put aside, never met twice."""
    kind, said = data[:1], data[1:]
    try:
        value = json.loads(said)
    except (ValueError, RecursionError):
        return
    try:
        row = to_row(value)
    except Rejected:
        return
    folder = _folder() / "poison"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / damage.FILE).write_bytes(_whole())
    with Store.open(folder, CAPS, NOW_MS) as store:
        tables = ("spool", "outbox", "sent")
        table = tables[kind[0] % len(tables)] if kind else "spool"
        store._db.execute(f"UPDATE {table} SET value = ?", (row,))  # noqa: S608  # our own names
    _works(folder)
