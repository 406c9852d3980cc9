"""What a vehicle costs the card: bytes and flushes on the way from the camera to the broker, and what an idle agent writes."""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent import config
from agent.board import Board
from agent.clock import Clock
from agent.domain import Capture, EncodedImage, Reading
from agent.ocr.budget import Budget
from agent.ocr.chain import Chain
from agent.ocr.memory import Memory
from agent.stages import Read
from agent.store import Store
from tests.broker import Broker
from tests.chaos.loop_disk import LoopDisk, Written
from tests.chaos.row import Row
from tests.chaos.shift import read_id, vin
from tests.gateway import Gateway
from tests.readers import Scripted
from tests.samples import CAPTURE, FACTS, IMAGE

KIB = 1024
NO_PICTURE, PICTURE = 100, 60 * KIB
# For an event without a picture, and with one of 60 KiB, which is written once, to a file of its own. The disk is so small that ext4 takes
# blocks of 1 KB; with those of 4 KB that a card has every flush takes a few whole ones, and only what they cost is told.
BARE_KIB, PICTURE_KIB, IDLE_MB_PER_H = 30.0, 110.0, 1.0
DISK_MB, LARGE = 160, 4096
SETTLED_S, IDLE_S = 15.0, 120.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one vehicle, on average."""

    kib: float
    operations: float
    flushes: float

    @classmethod
    def of(cls, written: Written, events: int) -> "Cost":
        return cls(written.bytes / KIB / events, written.operations / events, written.flushes / events)

    def __str__(self) -> str:
        return f"{self.kib:.1f} KiB in {self.operations:.1f} writes and {self.flushes:.1f} flushes"


@contextmanager
def _gate(store: Store, *, paid: bool) -> Iterator[Read]:
    """The reading stage as it is opened for the embedded reader, or for one that is paid for."""
    clock, settings, ledger = Clock(lambda: True), config.Reading(), store.ledger
    reader = Sure("reader", metered=paid)
    with Chain([reader], ledger, Budget(settings, ledger), clock.now, facts=store, memory=Memory(store.seen), calls=3) as chain:
        yield Read(store, chain, settings, FACTS, clock, Board(clock.now(), "session", "clean"))


def measured(folder: Path, events: int, picture: int, *, paid: bool = False, page: int | None = None, block: int | None = None) -> Cost:
    """The cost of vehicles that come one after the other: seen, read, told, acknowledged, each on the disk before the next step.

    `page` is the size of the pages of a store from before, which keeps it, `block` that of the blocks of the file system.
    """
    dice = random.Random(1)
    with ExitStack() as stack:
        disk = stack.enter_context(LoopDisk(folder / f"{picture}-{paid}-{page}-{block}.img", folder / "disk", DISK_MB, block))
        if page is not None:
            _begin_with(page, disk.folder)
        store = stack.enter_context(Store.open(disk.folder, config.Store(max_mb=DISK_MB, free_mb=1), 1))
        stage = stack.enter_context(_gate(store, paid=paid))
        _pass(store, stage, 999_999, dice.randbytes(picture))
        disk.settle()
        before = disk.written()
        for number in range(events):
            _pass(store, stage, number, dice.randbytes(picture))
        disk.settle()
        return Cost.of(disk.written() - before, events)


def _begin_with(page: int, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "agent.db")) as database:
        database.execute(f"PRAGMA page_size = {page}")
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("VACUUM")


class Sure(Scripted):
    """Reads the next vehicle's VIN in every picture, beyond doubt."""

    def read(self, image: EncodedImage) -> Reading:
        self.calls += 1
        return Reading(vin(int(image.read_id[-6:])), (0.98765,) * 17, self.name, image.number, "a request of the vendor's", 640)


def _pass(store: Store, stage: Read, number: int, jpeg: bytes) -> None:
    now_ms = stage.clock.now().utc_ms
    assert store.spool.put(_vehicle(number, jpeg, stage), now_ms)
    assert stage.step()
    rows = store.outbox.next(10)
    assert [row.event.id for row in rows] == [read_id(number)]
    store.outbox.sent([row.sequence for row in rows], now_ms)


def _vehicle(number: int, jpeg: bytes, stage: Read) -> Capture:
    now = stage.clock.now()
    image = replace(IMAGE, read_id=read_id(number), taken_at=now, jpeg=b"\xff\xd8" + jpeg)
    return replace(CAPTURE, read_id=read_id(number), taken_at=now, images=(image,))


def idle_mb_per_h(folder: Path, seconds: float = IDLE_S) -> float:
    """What the whole agent writes while its camera sees an empty road, as the disk counts it."""
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(folder / "broker"))
        agent = Gateway(folder / "idle", broker.port, vehicles=0, width=640, height=360, loop=True)
        disk = stack.enter_context(LoopDisk(folder / "idle.img", agent.state))
        stack.enter_context(agent)
        agent.wait_for(lambda: "camera is online" in agent.log())
        time.sleep(SETTLED_S)
        disk.settle()
        before = disk.written()
        time.sleep(seconds)
        disk.settle()
        return (disk.written() - before).bytes / 1e6 * 3600 / seconds


def fault(folder: Path, full: bool) -> Row:
    """Counted by the disk itself."""
    events = 1000 if full else 100
    bare, with_picture = measured(folder, events, NO_PICTURE), measured(folder, events, PICTURE)
    ok = bare.kib <= BARE_KIB and with_picture.kib <= PICTURE_KIB
    note = f"an event costs {bare}, with a picture of 60 KiB {with_picture}"
    if full:
        pages = [measured(folder, events, picture, page=LARGE).kib for picture in (NO_PICTURE, PICTURE)]
        blocks = [measured(folder, events, picture, block=LARGE).kib for picture in (NO_PICTURE, PICTURE)]
        paid, idle = measured(folder, events, NO_PICTURE, paid=True), idle_mb_per_h(folder)
        ok = ok and idle <= IDLE_MB_PER_H
        note += f" ({bare.kib / pages[0]:.2f} and {with_picture.kib / pages[1]:.2f} of what pages of 4 KB cost)"
        note += f", where the file system has blocks of 4 KB {blocks[0]:.0f} and {blocks[1]:.0f} KiB"
        note += f", by a paid reader {paid}; idle {idle:.2f} MB an hour"
    return Row(fault="wear of the card", times=f"{events} vehicles", lost=0, ok=ok, note=note)
