"""How fast the store commits and moves vehicles, and what a backlog costs in memory and in looking for its head.

python -m tests.bench.store [rows of the backlog, 100000] [folder on the disk to be measured]
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from agent import config
from agent.domain import Box, Capture, EncodedImage, Event, Quality, Stamp
from agent.store import Store

STAMP = Stamp(1_800_000_000_000, 1_000, "boot", "synced")
JPEG = bytes(range(256)) * 234  # 60 KB, as a plate at its best
PAYLOAD = {"data": {"vin": "1HGCM82633A004352", "text": "x" * 1000}}


def capture(number: int, jpeg: bytes = JPEG) -> Capture:
    read_id = f"{number:026d}"
    image = EncodedImage(read_id, 1, STAMP, jpeg, 600, 60, Box(1, 2, 3, 4), Quality(20.0, (500, 40), 0.0))
    return Capture(read_id, "cam1", "gate", None, None, "motion", STAMP, 14, (image,))


def per_second(what: str, count: int, act: Callable[[int], object]) -> None:
    begun = time.perf_counter()
    for number in range(count):
        act(number)
    print(f"{what:44} {count / (time.perf_counter() - begun):10.0f} /s")


def move(store: Store, now_ms: int) -> None:
    head = store.spool.head(now_ms)
    assert head
    with store.transaction():
        store.outbox.put(Event(head.capture.read_id, "gate/gate/vin", PAYLOAD), now_ms)
        store.spool.done(head.capture.read_id)


def send(store: Store, now_ms: int) -> None:
    store.outbox.sent([queued.sequence for queued in store.outbox.next(10)], now_ms)


def backlog(store: Store, rows: int) -> None:
    """As the gate would build it, but with many vehicles in one transaction."""
    for start in range(0, rows, 1000):
        with store.transaction():
            for number in range(start, start + 1000):
                store.spool.put(capture(10_000_000 + number, b"x" * 200), number)
                store.outbox.put(Event(f"e{number}", "gate/gate/vin", PAYLOAD), number)


def resident_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() // 1024


def main(rows: int, folder: str | None) -> None:
    settings = config.Store(max_mb=2000)
    with tempfile.TemporaryDirectory(dir=folder) as state_dir:
        with Store.open(Path(state_dir), settings, 0) as store:
            per_second("captures of 60 KB committed", 500, lambda number: store.spool.put(capture(number), number))
            per_second("spool to outbox, with the event", 500, lambda number: move(store, number))
            per_second("batches of ten marked sent", 50, lambda number: send(store, number))
            before = resident_kb()
            backlog(store, rows)
            print(f"{'memory without, with a backlog':44} {before:10} {resident_kb()} KB")
            for step, act in LOOKS.items():
                per_second(step, 50, lambda _, act=act: act(store))  # type: ignore[misc]  # mypy cannot infer a lambda's default
            now = 2**40
            per_second("spool to outbox, behind the backlog", 500, lambda _: move(store, now))
            for each in range(0, rows, 1000):
                with store.transaction():
                    for number in range(each, each + 1000):
                        store.spool.postpone(f"{10_000_000 + number:026d}", now + 1)
            per_second("head, everything postponed", 50, lambda _: store.spool.head(now))
            per_second("head, everything due at once", 1, lambda _: store.spool.head(now + 1))
            per_second("head, after that", 50, lambda _: store.spool.head(now + 1))
            print(f"{'memory at the end, most ever':44} {resident_kb():10} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} KB")
        begun = time.perf_counter()
        Store.open(Path(state_dir), settings, 2**40).close()
        print(f"{'start over the backlog':44} {time.perf_counter() - begun:10.2f} s")


LOOKS: dict[str, Callable[[Store], object]] = {
    "head of the spool": lambda store: store.spool.head(2**40),
    "the next ten of the outbox": lambda store: store.outbox.next(10),
    "the next ten behind the middle": lambda store: store.outbox.next(10, after=50_000, exclude=range(50_001, 50_011)),
    "length of both queues": lambda store: (len(store.spool), len(store.outbox)),
    "trim with nothing to do": lambda store: store.trim(2**20),
    "size": lambda store: store.size(),
}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, sys.argv[2] if len(sys.argv) > 2 else None)
