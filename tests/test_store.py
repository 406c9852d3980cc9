"""What was acknowledged is there after anything, once, and in its order."""

import json
import random
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import sqlitedict

from agent import config
from agent.domain import Capture, Event
from agent.errors import Rejected, RetryLater
from agent.packed import unpacked
from agent.store import Audit, Queued, Spent, Store
from agent.table import unpack
from tests.samples import CAPTURE, IMAGE, READINGS, capture, noise

NOW = 1_800_000_000_000


Reopen = Callable[[Store], Store]


@pytest.fixture
def reopen() -> Iterator[Reopen]:
    """Ends the agent's hold on a store and begins again over the same folder."""
    with ExitStack() as stack:

        def close_and_open(store: Store) -> Store:
            store.close()
            return stack.enter_context(Store.open(store._dir, config.Store(), NOW))

        yield close_and_open


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, config.Store(), NOW) as opened:
        yield opened


def pictured(read_id: str, *jpegs: bytes) -> Capture:
    return replace(CAPTURE, read_id=read_id, images=tuple(replace(IMAGE, read_id=read_id, jpeg=jpeg) for jpeg in jpegs))


def event(id: str, text: str = "") -> Event:  # noqa: A002  # the field's own name
    return Event(id, "gate/a/vin", {"text": text})


class PowerCut(Exception):
    """What a test raises where the agent's life would end."""


@contextmanager
def cut_off(store: Store) -> Iterator[None]:
    """A transaction whose end is never reached."""
    with suppress(PowerCut), store.transaction():
        yield
        raise PowerCut


def heads(store: Store, now_ms: int = NOW) -> list[str]:
    """The whole spool in its order, by finishing one after the other; nothing of it is kept."""
    found = []
    with cut_off(store):
        while head := store.spool.head(now_ms):
            found.append(head.capture.read_id)
            store.spool.done(head.capture.read_id)
    return found


def numbers(queued: list[Queued]) -> list[int]:
    return [each.sequence for each in queued]


def spoil(store: Store, table: str, key: str) -> None:
    """One byte in the middle of a row's value, as a worn card does it."""
    (raw,) = store._db.select_one(f"SELECT value FROM {table} WHERE key = ?", (key,)) or (b"",)  # noqa: S608
    middle = len(raw) // 2
    store._db.execute(f"UPDATE {table} SET value = ? WHERE key = ?", (raw[:middle] + b"~" + raw[middle + 1 :], key))  # noqa: S608


def test_a_vehicle_comes_back_as_it_was_seen_also_after_a_restart(store: Store, reopen: Reopen) -> None:
    seen = pictured("A", b"\xff\xd8 best", b"\xff\xd8 second")
    assert store.spool.put(seen, NOW)

    head = reopen(store).spool.head(NOW)

    assert head
    assert (head.capture, head.readings, head.attempts, head.put_ms, head.calls) == (seen, (), 0, NOW, 0)


def test_the_queues_are_tables_of_sqlitedict(store: Store) -> None:
    store.spool.put(capture("A"), NOW)
    store.outbox.put(event("E"), NOW)

    for name in ("spool", "outbox", "sent", "pictures", "ledger", "facts", "audits"):
        assert {"key", "value"} <= {column[1] for column in store._db.select(f"PRAGMA table_info({name})")}
    assert isinstance(store.spool._rows, sqlitedict.SqliteDict)


def test_a_capture_sent_twice_by_its_camera_is_one_vehicle(store: Store) -> None:
    assert store.spool.put(pictured("A", b"first"), NOW)
    assert not store.spool.put(pictured("A", b"second"), NOW + 1)
    assert store.spool.pictures("A") == [b"first"]

    store.spool.done("A")
    sequence = store.outbox.put(event("A"), NOW)
    assert not store.spool.put(pictured("A", b"third"), NOW)
    store.outbox.sent([sequence], NOW)
    assert not store.spool.put(pictured("A", b"fourth"), NOW)
    assert (len(store.spool), store.spool.pictures("A")) == (0, [b"first"])


def test_a_capture_that_cannot_be_kept_whole_is_not_kept_at_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RetryLater("the disk is full")

    monkeypatch.setattr(store.spool._pictures, "put", fail)
    with pytest.raises(RetryLater):
        store.spool.put(capture("A"), NOW)

    assert len(store.spool) == 0
    assert heads(store) == []


def test_vehicles_are_read_in_the_order_they_came(store: Store) -> None:
    for read_id in "CABED":
        store.spool.put(capture(read_id), NOW)
    assert store.spool.oldest_ms() == NOW

    store.spool.note("C", READINGS[0])
    store.spool.postpone("A", NOW - 1)

    assert heads(store) == list("CABED")


def test_a_vehicle_that_waits_lets_others_pass_and_keeps_its_place(store: Store) -> None:
    for read_id in "ABC":
        store.spool.put(capture(read_id), NOW)
    store.spool.postpone("A", NOW + 1000)
    store.spool.postpone("B", NOW + 500)
    store.spool.postpone("B", NOW + 2000)

    assert heads(store, NOW + 999) == ["C"]
    assert heads(store, NOW + 1000) == ["A", "C"]
    assert heads(store, NOW + 2000) == ["A", "B", "C"]
    store.spool.done("A")
    head = store.spool.head(NOW + 2000)
    assert head
    assert (head.capture.read_id, head.attempts) == ("B", 2)


def test_waiting_outlives_a_restart(store: Store, reopen: Reopen) -> None:
    store.spool.put(capture("A"), NOW)
    store.spool.postpone("A", NOW + 60_000)

    store = reopen(store)

    assert store.spool.head(NOW + 1000) is None
    assert store.spool.head(NOW + 60_000)


def test_a_clock_that_is_set_back_strands_no_vehicle(store: Store, reopen: Reopen) -> None:
    store.spool.put(capture("A"), NOW)
    store.spool.postpone("A", NOW + 60_000)
    assert store.spool.head(NOW) is None

    year_ms = 365 * 86_400_000
    assert store.spool.head(NOW - year_ms)
    store.spool.postpone("A", NOW + 60_000)
    store = reopen(store)
    assert store.spool.head(NOW - year_ms), "also over a restart"


def test_a_reading_that_was_paid_for_outlives_a_crash(store: Store, reopen: Reopen) -> None:
    store.spool.put(capture("A"), NOW)
    booking = store.ledger.book("cloud", "A", 0.01, NOW)
    with store.transaction():
        store.spool.note("A", READINGS[0])
        store.ledger.settle(booking, "read")
    store.spool.note("A", READINGS[1])
    store.spool.note("unknown", READINGS[0])

    head = reopen(store).spool.head(NOW)

    assert head
    assert head.readings == READINGS
    assert head.calls == 1


def test_a_vehicle_is_in_one_queue_or_the_other(store: Store) -> None:
    store.spool.put(capture("A"), NOW)
    with cut_off(store):
        store.outbox.put(event("A"), NOW)
        store.spool.done("A")
    assert (len(store.spool), len(store.outbox)) == (1, 0)

    with store.transaction():
        store.outbox.put(event("A"), NOW)
        store.spool.done("A")
    assert (len(store.spool), len(store.outbox)) == (0, 1)


def test_events_are_numbered_without_gaps_over_restarts_rollbacks_and_repeats(store: Store, reopen: Reopen) -> None:
    assert store.outbox.last_sequence() == 0
    assert [store.outbox.put(event(name), NOW) for name in ("A", "B", "A")] == [1, 2, 1]
    with cut_off(store):
        assert store.outbox.put(event("C"), NOW) == 3
    store.outbox.sent([1, 2], NOW)
    assert store.outbox.put(event("B", "changed"), NOW) == 2, "sent, and still known"
    store = reopen(store)

    assert store.outbox.put(event("D"), NOW) == 3
    assert store.outbox.last_sequence() == 3


def test_the_first_event_under_an_id_is_the_one_that_counts(store: Store) -> None:
    store.outbox.put(event("A", "first"), NOW)
    store.outbox.put(event("A", "second"), NOW + 1)

    assert store.outbox.next(10) == [Queued(1, event("A", "first"), NOW, 0)]


def test_the_outbox_hands_out_what_is_unsent_after_a_number_and_not_in_flight(store: Store) -> None:
    for number in range(1, 11):
        store.outbox.put(event(f"E{number}"), NOW + number)
    store.outbox.sent([3, 4], NOW)

    assert numbers(store.outbox.next(3)) == [1, 2, 5]
    assert numbers(store.outbox.next(3, after=5)) == [6, 7, 8]
    assert numbers(store.outbox.next(3, exclude={1, 5, 6, 7, 9})) == [2, 8, 10]
    assert numbers(store.outbox.next(3, after=10)) == []
    assert store.outbox.oldest_ms() == NOW + 1
    assert len(store.outbox) == 8


def test_what_was_sent_is_kept_with_its_pictures_and_can_be_sent_again(store: Store) -> None:
    for number, read_id in enumerate("ABC", 1):
        store.spool.put(pictured(read_id, read_id.encode()), NOW)
        with store.transaction():
            store.outbox.put(event(read_id), NOW + number)
            store.spool.done(read_id)
    store.outbox.sent([2, 1, 99], NOW + 50)
    store.outbox.sent([1], NOW + 60)

    assert numbers(list(store.outbox.history(NOW, NOW + 10))) == [1, 2]
    assert numbers(list(store.outbox.history(NOW + 2, NOW + 3))) == [2]
    assert store.spool.pictures("A") == [b"A"]
    assert numbers(store.outbox.next(10)) == [3]
    assert (store.outbox.oldest_ms(), store.spool.oldest_ms()) == (NOW + 3, None)


def test_sendings_are_counted_until_the_broker_has_the_event(store: Store) -> None:
    store.outbox.put(event("A"), NOW)
    store.outbox.tried([1])
    store.outbox.tried([1])
    assert [queued.attempts for queued in store.outbox.next(1)] == [2]

    store.outbox.sent([1], NOW)
    assert store.outbox._tries == {}


def test_a_damaged_vehicle_is_told_and_blocks_nobody(store: Store) -> None:
    for read_id in "ABC":
        store.spool.put(capture(read_id), NOW)
    spoil(store, "spool", "A")

    head = store.spool.head(NOW)

    assert head
    assert head.capture.read_id == "B"
    assert len(store.spool) == 2
    assert store.take_audits() == [Audit("damaged", "spool", "A", None, "checksum")]
    assert store.take_audits() == []


def test_a_row_that_speaks_of_another_vehicle_is_damaged(store: Store) -> None:
    store.spool.put(capture("A"), NOW)
    store.spool.put(capture("B"), NOW)
    store._db.execute("UPDATE spool SET key = 'Q' WHERE key = 'A'")
    store.outbox.put(event("E"), NOW)
    store._db.execute("UPDATE outbox SET key = 'F'")

    assert heads(store) == ["B"]
    store.spool.head(NOW)
    assert store.outbox.next(1) == []
    assert {(audit.source, audit.id) for audit in store.take_audits()} == {("spool", "Q"), ("outbox", "F")}


def test_a_damaged_picture_costs_that_picture_only(store: Store) -> None:
    store.spool.put(pictured("A", b"the best picture", b"the second", b"the third"), NOW)
    spoil(store, "pictures", "A/01")

    head = store.spool.head(NOW)

    assert head
    assert [image.jpeg for image in head.capture.images] == [b"the best picture", b"the third"]
    assert store.spool.pictures("A") == [b"the best picture", b"the third"]
    assert [(audit.source, audit.id) for audit in store.take_audits()] == [("pictures", "A/01")]


def test_damaged_events_are_told_with_their_numbers_and_the_rest_is_sent(store: Store) -> None:
    for number in range(1, 31):
        store.outbox.put(event(f"E{number}", "x" * 50), NOW)
    for number in range(1, 21):
        spoil(store, "outbox", f"E{number}")

    assert numbers(store.outbox.next(5)) == [21, 22, 23, 24, 25]
    assert len(store.outbox) == 10
    told = store.take_audits(limit=7) + store.take_audits(limit=100)
    assert [audit.sequence for audit in told] == list(range(1, 21))


def test_a_damaged_event_of_the_past_does_not_stop_its_history(store: Store) -> None:
    for number in range(1, 4):
        store.outbox.put(event(f"E{number}", "x" * 50), NOW)
    store.outbox.sent([1, 2, 3], NOW)
    spoil(store, "sent", "E2")

    assert numbers(list(store.outbox.history(0, NOW + 1))) == [1, 3]


def test_facts_are_kept(store: Store, reopen: Reopen) -> None:
    store.put("last/gate/a", {"vin": "1HGCM82633A004352", "at_ms": NOW})
    store.put("count", 1)
    with store.transaction():
        store.put("count", store.get("count") + 1)
    store = reopen(store)

    assert store.get("count") == 2
    assert store.get("last/gate/a") == {"vin": "1HGCM82633A004352", "at_ms": NOW}
    assert store.get("unknown") is None
    assert store.get("unknown", 5) == 5


def test_a_fact_that_is_damaged_is_unknown(store: Store) -> None:
    store.put("a", "some text")
    spoil(store, "facts", "a")

    assert store.get("a", "default") == "default"


def test_an_event_json_cannot_say_is_put_aside_and_gets_no_number(store: Store) -> None:
    with pytest.raises(Rejected):
        store.outbox.put(Event("A", "t", {"confidence": float("nan")}), NOW)

    assert store.outbox.put(event("B"), NOW) == 1


def test_every_call_is_counted_by_provider_and_time(store: Store) -> None:
    for number in range(5):
        store.ledger.book("cloud", "A", 0.25, NOW + number * 1000)
    store.ledger.book("embedded", "A", 0.0, NOW)

    assert store.ledger.spent("cloud", NOW + 2000) == Spent(3, 0.75)
    assert store.ledger.spent(None, 0) == Spent(6, 1.25)
    assert store.ledger.spent("unknown", 0) == Spent(0, 0.0)


def test_a_call_whose_answer_never_came_stays_booked(store: Store, reopen: Reopen) -> None:
    first, second = (store.ledger.book("cloud", "A", 0.01, NOW) for _ in range(2))
    store.ledger.settle(first, "read")
    store = reopen(store)

    assert store.ledger.open_bookings() == 1
    store.ledger.settle(second, "timed out")
    store.ledger.settle(4711, "unknown")
    assert store.ledger.open_bookings() == 0
    assert store.ledger.spent("cloud", 0).calls == 2


def test_a_booking_is_on_the_disk_before_the_call_and_never_part_of_a_move(store: Store) -> None:
    with store.transaction(), pytest.raises(RuntimeError, match="before it is made"):
        store.ledger.book("cloud", "A", 0.01, NOW)

    assert store.ledger.spent(None, 0).calls == 0


def test_a_settlement_goes_with_the_transaction_of_its_reading(store: Store) -> None:
    booking = store.ledger.book("cloud", "A", 0.01, NOW)
    with cut_off(store):
        store.ledger.settle(booking, "read")

    assert store.ledger.open_bookings() == 1


def test_camera_reader_and_sender_work_at_the_same_time(store: Store) -> None:
    done = threading.Event()
    counted: list[int] = []

    def see() -> None:
        for number in range(60):
            store.spool.put(capture(f"V{number:02d}"), NOW)
        done.set()

    def read() -> None:
        while (head := store.spool.head(NOW)) or not done.is_set():
            if head:
                with store.transaction():
                    store.outbox.put(event(head.capture.read_id), NOW)
                    store.spool.done(head.capture.read_id)

    def send() -> None:
        while len(counted) < 60:
            sending = numbers(store.outbox.next(7))
            store.outbox.sent(sending, NOW)
            counted.extend(sending)

    threads = [threading.Thread(target=work) for work in (see, read, send)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert counted == list(range(1, 61))
    assert [queued.event.id for queued in store.outbox.history(0, NOW + 1)] == [f"V{number:02d}" for number in range(60)]


def test_a_long_backlog_is_not_held_in_memory(store: Store) -> None:
    with store.transaction():
        for number in range(5_000):
            store.outbox.put(event(f"E{number}", noise(1000)), NOW)
            store.spool._rows[f"V{number}"] = {"capture": {}, "readings": [], "put_ms": NOW, "text": noise(1000)}
    store.spool.put(capture("A"), NOW)

    tracemalloc.start()
    assert numbers(store.outbox.next(10, after=2_500)) == list(range(2_501, 2_511))
    store.outbox.sent(range(1, 2_001), NOW)
    assert sum(1 for _ in store.outbox.history(0, NOW + 1)) == 2_000
    store.trim(NOW)
    assert (len(store.spool), len(store.outbox)) == (5_001, 3_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 1_500_000, "the backlog has 10 MB"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT rowid, key, value, attempts FROM spool WHERE next_ms > 0 AND next_ms = 1 ORDER BY rowid LIMIT 1",
        "SELECT 1 FROM spool WHERE next_ms > 0 AND next_ms > 1 AND next_ms <= 1 LIMIT 1",
        "SELECT sequence, key, value, put_ms FROM outbox WHERE sequence > 1 ORDER BY sequence LIMIT 1",
        "DELETE FROM pictures WHERE key >= 'A/' AND key < 'A0'",
        "SELECT rowid, sent_ms < 1 FROM sent WHERE rowid > 1 ORDER BY rowid LIMIT 1",
        "SELECT count(*), total(price) FROM ledger WHERE booked_ms >= 1 AND (NULL IS NULL OR provider = NULL)",
    ],
)
def test_no_step_of_a_vehicle_walks_through_a_table_or_sorts_one(store: Store, query: str) -> None:
    plan = [row[3] for row in store._db.select(f"EXPLAIN QUERY PLAN {query}")]

    assert not [line for line in plan if "SCAN" in line or "TEMP B-TREE" in line], plan


def test_damage_at_work_asks_to_be_opened_again_and_is_then_put_aside(tmp_path: Path, reopen: Reopen) -> None:
    with Store.open(tmp_path, config.Store(), NOW) as store, store.transaction():
        for number in range(200):
            store.outbox.put(event(f"E{number}", noise(3000)), NOW)
    store = Store.open(tmp_path, config.Store(), NOW)
    with (tmp_path / "agent.db").open("r+b") as file:
        file.seek(60 * 4096)
        file.write(b"\xa5" * 4096 * 60)

    with pytest.raises(RetryLater, match="open it again"):
        store.outbox.next(200)
    assert store.damaged
    store = reopen(store)

    assert [loss.reason for loss in store.losses] == ["damaged"]
    assert not store.damaged
    assert store.outbox.put(event("after"), NOW) == 201, "the old numbers are not given again"


# Commits captures one after the other and says each aloud once it is acknowledged.
WRITER = """
import sys
from pathlib import Path
from agent import config
from agent.store import Store
from agent.domain import Event
from tests.samples import capture
store = Store.open(Path(sys.argv[1]), config.Store(), 1000)
print("open", flush=True)
for number in range(100_000):
    read_id = f"{sys.argv[2]}-{number:06d}"
    if store.spool.put(capture(read_id), 1000):
        print(read_id, flush=True)
    if number % 3 == 0:
        with store.transaction():
            store.outbox.put(Event(read_id, "t", {}), 1000)
            store.spool.done(read_id)
"""


def test_a_killed_agent_has_everything_it_acknowledged(tmp_path: Path) -> None:
    seed = random.Random(7)
    acknowledged: list[str] = []
    for life in range(20):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), f"{life:02d}"], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == "open\n"
            acknowledged += [writer.stdout.readline().strip() for _ in range(seed.randrange(1, 60))]
            writer.kill()
            rest = writer.stdout.read()
        acknowledged += [line for line in rest.split("\n")[:-1] if line]

    with Store.open(tmp_path, config.Store(), NOW) as store:
        assert store.losses == ()
        kept = {*store.spool._rows, *(queued.event.id for queued in store.outbox.next(100_000))}
        assert set(acknowledged) <= kept
        assert len(kept) - len(set(acknowledged)) <= 20, "at most one per life was committed and not yet said"
        assert numbers(store.outbox.next(100_000)) == list(range(1, len(store.outbox) + 1))
        assert store._db.select_one("PRAGMA integrity_check") == ("ok",)
        assert len(store.spool) + len(store.outbox) == len(kept), "in one queue or the other"


def test_the_row_of_a_vehicle_is_json_with_its_checksum(store: Store) -> None:
    store.spool.put(capture("A"), NOW)

    (raw,) = store._db.select_one("SELECT value FROM spool") or (b"",)

    assert json.loads(unpacked(unpack(raw)))["capture"]["read_id"] == "A"
