"""A disk that cannot be written costs no vehicle: it is told from memory, and the disk has it as soon as it takes it."""

import json
import logging
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from agent import along, config, shape
from agent.clock import Clock
from agent.domain import Stamp
from agent.errors import BadConfig, RetryLater
from agent.events import UNNUMBERED, Message, delivered
from agent.mqtt import Link
from agent.ocr.budget import Budget
from agent.ocr.chain import Chain
from agent.publish import Publisher, Tally
from agent.refuge import Behind
from agent.schema import MIGRATIONS
from agent.sqlite import Connection
from agent.store import Store
from agent.topics import Topics
from tests.broker import Broker, Subscriber
from tests.disks import failing
from tests.gateway import Gateway
from tests.payloads import valid
from tests.readers import Scripted
from tests.samples import CAPTURE, IMAGE, READINGS, TAKEN, event, noise

NOW = 1_800_000_000_000
SETTINGS = config.Store(free_mb=1, memory_mb=4)
VIN = "1HGCM82633A004352"
CLOCK = Clock(synced=lambda: True)
PICTURE = bytes(range(256)) * 80  # 20 KB


def at(seconds: float) -> Stamp:
    return replace(TAKEN, utc_ms=NOW + round(seconds * 1000), monotonic_ms=TAKEN.monotonic_ms + round(seconds * 1000))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, SETTINGS, NOW) as opened:
        yield opened


def seen(store: Store, read_id: str, picture: bytes = PICTURE, when: float = 0.0) -> bool:
    vehicle = replace(CAPTURE, read_id=read_id, images=(replace(IMAGE, read_id=read_id, jpeg=picture),))
    return store.insist(partial(store.spool.put, vehicle, NOW), at(when))


def leave(store: Store) -> None:
    """The disk fails at the next thing that is written."""
    with failing():
        assert seen(store, "the last straw")
        store.spool.forget("the last straw")
    assert store.unwritable


def told(store: Store, read_id: str, number: int = 1) -> int:
    with store.transaction():
        sequence = store.outbox.put(replace(event(number), id=read_id), NOW)
        store.spool.done(read_id)
    return sequence


def on_disk(store: Store, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{store._db.file}?mode=ro", uri=True)) as db:
        return db.execute(question).fetchall()


def test_a_vehicle_seen_while_the_disk_fails_is_kept_in_memory_and_written_down_later(store: Store) -> None:
    with failing():
        assert seen(store, "A")
        assert not seen(store, "A"), "it is known"
        assert store.unwritable
        assert not store.come_back(at(10)), "not while it fails"
        head = store.spool.head(NOW)
        assert head
        assert [image.jpeg for image in head.capture.images] == [PICTURE]
    assert on_disk(store, "SELECT key FROM spool") == []

    assert store.come_back(at(20))

    assert store.unwritable == ""
    assert on_disk(store, "SELECT key FROM spool") == [("A",)]
    assert store.spool.pictures("A") == [PICTURE]
    assert on_disk(store, "PRAGMA integrity_check") == [("ok",)]


def test_the_log_says_it_once_at_each_change(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with failing():
        for number in range(5):
            seen(store, f"V{number}")
            store.look_after(at(number))
        store.look_after(at(11))
    store.look_after(at(22))
    store.look_after(at(33))

    said = [(record.levelno, record.getMessage().partition(": ")[2]) for record in caplog.records if record.levelno >= logging.WARNING]
    assert [level for level, _ in said] == [logging.ERROR, logging.WARNING]
    assert "in memory alone, are told as not durable" in said[0][1]
    assert said[1][1] == "can be written again; from memory came 0 events and 5 vehicles to be read"


def test_the_disk_is_tried_every_few_seconds_and_not_at_every_look(store: Store) -> None:
    leave(store)
    store._refuge._next_s = at(10).seconds

    assert not store.look_after(at(9.9))
    assert store.look_after(at(10))


def test_an_event_told_from_memory_has_no_number_until_the_disk_gives_it_one(store: Store) -> None:
    seen(store, "A")
    assert told(store, "A", 1) == 1
    leave(store)
    seen(store, "B")
    number = told(store, "B", 2)

    assert number > UNNUMBERED
    queued = store.outbox.next(9)
    assert [(each.event.id, each.sequence) for each in queued] == [("A", 1), ("B", number)]
    payload = valid("gate/north-in/vin", delivered(queued[1].event.payload, number, replay=False, attempt=1, queued_ms=5))
    assert "sequence" not in payload
    assert payload["data"]["delivery"]["durable"] is False
    store.outbox.sent([number], NOW)
    assert store.come_back(at(20))

    assert [(each.event.id, each.sequence) for each in store.outbox.next(9)] == [("A", 1), ("B", 2)], "sent once more, numbered"
    seen(store, "C")
    assert told(store, "C", 3) == 3, "without a gap"
    store.outbox.sent([number], NOW)
    assert len(store.outbox) == 3, "an acknowledgement that comes late marks nothing else"


def test_what_waits_on_the_disk_goes_along_and_is_sent_and_read_once(store: Store) -> None:
    for name in ("sent", "unsent", "read", "unread"):
        seen(store, name)
    told(store, "sent", 1)
    told(store, "unsent", 2)
    leave(store)

    store.outbox.sent([1], NOW)
    told(store, "read", 3)
    store.spool.note("unread", READINGS[0])
    assert store.come_back(at(20))

    assert [(each.event.id, each.sequence) for each in store.outbox.next(9)] == [("unsent", 2), ("read", 3)]
    assert on_disk(store, "SELECT key FROM sent") == [("sent",)]
    head = store.spool.head(NOW)
    assert head
    assert (head.capture.read_id, head.readings) == ("unread", READINGS[:1])
    assert len(store.spool) == 1
    assert on_disk(store, "SELECT key FROM pictures ORDER BY key") == [("read/00",), ("sent/00",), ("unread/00",), ("unsent/00",)]


def test_what_does_not_fit_into_memory_stays_on_the_disk_and_is_counted(store: Store) -> None:
    for number in range(80):
        seen(store, f"V{number:02d}")
    for number in range(3):
        told(store, f"V{number:02d}", number)

    leave(store)

    assert 20 < len(store.spool) < 77, "a quarter of 4 MB"
    assert store.behind() == Behind(events=0, vehicles=77 - len(store.spool))
    assert store.come_back(at(20))
    assert (len(store.spool), store.behind()) == (77, Behind())
    assert [each.capture.read_id for each in [store.spool.head(NOW)] if each] == ["V03"], "in their order"


def test_a_vehicle_that_was_none_is_forgotten_on_the_disk_too(store: Store) -> None:
    seen(store, "a sign")
    store.spots.put("cam1", "gone", {"x": 1}, NOW)
    store.spots.put("cam1", "stays", {"x": 1}, NOW)
    leave(store)

    store.spool.forget("a sign")
    store.spots.put("cam1", "gone", None, NOW)
    store.spots.put("cam1", "new", {"x": 2}, NOW)
    store.come_back(at(20))

    assert len(store.spool) == 0
    assert store.spool.pictures("a sign") == []
    assert [name for name, _ in store.spots.of("cam1")] == ["stays", "new"]


def test_a_commit_that_was_reported_as_failed_and_is_there_is_not_made_twice(store: Store) -> None:
    seen(store, "A")
    told(store, "A", 1)
    leave(store)
    other = along.memory(store._db.file, 4)
    store._db.exchange(other)  # nothing could be read from the disk when it failed
    seen(store, "A")
    told(store, "A", 1)

    assert store.come_back(at(20))

    assert [(each.event.id, each.sequence) for each in store.outbox.next(9)] == [("A", 1)]
    assert len(store.spool) == 0


def test_in_memory_too_the_oldest_goes_last_and_is_told(store: Store) -> None:
    seen(store, "on the disk too")
    leave(store)
    for number in range(300):
        seen(store, f"V{number:03d}")
    assert len(store.spool) == 300, "what the disk has goes first, then pictures"
    assert store.behind() == Behind(vehicles=1)
    for number in range(300):
        with store.transaction():
            store.outbox.put(replace(event(number), id=f"V{number:03d}", payload={"text": noise(20_000)}), NOW)
            store.spool.done(f"V{number:03d}")
        store.trim(NOW)

    gone = store.take_audits(1000)
    assert gone
    assert {(audit.what, audit.source, audit.sequence, audit.why) for audit in gone} == {("evicted", "outbox", None, "room")}
    assert [audit.id for audit in gone] == [f"V{number:03d}" for number in range(len(gone))]
    assert store.size().cap_bytes == 4_000_000
    assert store.size().used_bytes <= 0.9 * 4_000_000
    assert store.get("evicted") == len(gone)
    assert store.come_back(at(20))
    assert store.get("evicted") == len(gone)
    assert len(store.outbox) == 300 - len(gone)
    assert [each.capture.read_id for each in [store.spool.head(NOW)] if each] == ["on the disk too"]


def test_coming_back_evicts_nothing_that_waits_for_the_sake_of_pictures(tmp_path: Path) -> None:
    with Store.open(tmp_path, replace(SETTINGS, max_mb=1), NOW) as store:
        number = 0
        while store.size().used_bytes < 780_000:
            number += 1
            store.outbox.put(event(number), NOW)
        leave(store)
        for late in range(10):
            seen(store, f"V{late}", bytes(20_000))
            told(store, f"V{late}", number + 1 + late)

        assert store.come_back(at(20))

        assert store.get("evicted", 0) == 0
        assert len(store.outbox) == number + 10
        assert store.spool.pictures("V9"), "the newest that fit are kept"
        assert store.spool.pictures("V0") == []


def test_evictions_of_both_places_add_up(store: Store) -> None:
    store.put("evicted", 7)
    leave(store)
    store.put("evicted", 9)
    on_the_disk = Connection(store._db.file, 10)
    on_the_disk.execute("DELETE FROM facts WHERE key = 'evicted'")
    on_the_disk.close()

    store.come_back(at(20))

    assert store.get("evicted") == 2


def test_no_paid_call_is_made_while_the_books_cannot_be_written(store: Store) -> None:
    leave(store)
    paid, free = Scripted("paid", VIN), Scripted("free", VIN, metered=False)
    budget = Budget(config.Reading(), store.ledger)
    now = at(0)
    with Chain([paid, free], store.ledger, budget, lambda: now, lambda: now.seconds, facts=store) as chain:
        assert chain.read(IMAGE).reading.provider == "free"
        assert paid.calls == 0
        assert chain.circuits["paid"].failures == 0, "it is not the provider that fails"
        assert "the books cannot be written" in chain.circuits["paid"].reason
        store.come_back(at(20))
        now = at(11)

        answer = chain.read(IMAGE)

    assert (answer.reading.provider, paid.calls) == ("paid", 1)
    assert store.ledger.spent("paid", 0).calls == 1


def test_the_books_are_known_in_memory_and_an_answer_that_comes_late_is_settled(store: Store) -> None:
    first, second = (store.ledger.book("paid", name, 0.5, NOW) for name in "AB")
    store.ledger.settle(first, "read")
    leave(store)

    assert store.ledger.spent(None, 0).calls == 2
    store.ledger.settle(second, "free")
    with pytest.raises(RetryLater, match="books cannot be written"):
        store.ledger.book("paid", "C", 0.5, NOW)
    store.come_back(at(20))

    assert store.ledger.open_bookings() == 0
    assert store.ledger.spent(None, 0).money == 0.5


def test_what_the_clock_and_the_vendors_change_in_memory_is_changed_on_the_disk(store: Store) -> None:
    asked, never_asked = (store.ledger.book("paid", name, 0.5, NOW) for name in "AB")
    for name in ("corrected", "waits"):
        data = event(1).payload["data"]
        coarse = {**event(1).payload, "data": {**data, "clock": {**data["clock"], "trust": "coarse"}}}
        store.unsure.note(replace(event(1), id=name, payload=coarse))
    leave(store)

    store.ledger.cancel(never_asked)
    store.ledger.redate(NOW, NOW, 1_000)
    store.unsure.forget(["corrected"])
    store.come_back(at(20))

    assert asked
    assert on_disk(store, "SELECT read_id, booked_ms FROM ledger") == [("A", NOW + 1_000)]
    assert on_disk(store, "SELECT key FROM unsure") == [("waits",)]


def test_a_full_disk_is_left_only_when_no_more_room_can_be_made(store: Store) -> None:
    store._db.full = True
    assert not store.look_after(at(0)) or not store.unwritable
    assert not store._db.full, "room was made"

    store._db.full = True
    store.look_after(at(30))

    assert "full" in store.unwritable


def test_a_store_at_its_own_cap_is_no_full_disk(tmp_path: Path) -> None:
    with Store.open(tmp_path, replace(SETTINGS, max_mb=1), NOW) as store:
        for number in range(150):  # nobody makes room before an event is put
            store.insist(partial(store.outbox.put, replace(event(number), payload={"text": noise(20_000)}), NOW), at(number / 10))

        assert store.take_audits(), "it was full three times within fifteen seconds"
        assert store.unwritable == ""


def test_a_disk_that_is_full_of_somebody_elses_files_is_not_tried(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(store)
    monkeypatch.setattr("agent.refuge.free_bytes", lambda _: 100_000)

    assert not store.come_back(at(20))
    assert store.unwritable


def test_a_file_system_that_became_read_only_is_noticed_also_where_nothing_is_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not store.look_after(at(0))
    with monkeypatch.context() as remounted:
        remounted.setattr("agent.refuge.read_only", lambda _: "the file system is mounted read-only")
        store.look_after(at(1))
        assert store.unwritable == "the file system is mounted read-only"
        assert not store.look_after(at(12))

    assert store.look_after(at(23))
    assert store.unwritable == ""


def test_the_folder_below_a_file_system_that_is_not_mounted_is_not_taken_for_it(store: Store, tmp_path: Path) -> None:
    leave(store)
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    elsewhere.mkdir()
    for file in list(tmp_path.iterdir()):
        file.rename(elsewhere / file.name)

    assert not store.come_back(at(20))
    assert list(tmp_path.iterdir()) == []

    for file in list(elsewhere.iterdir()):
        file.rename(tmp_path / file.name)
    assert store.come_back(at(40))
    assert store.losses == ()


def test_a_file_that_came_back_damaged_is_put_aside_and_memory_goes_into_a_new_one(store: Store, tmp_path: Path) -> None:
    leave(store)
    seen(store, "A")
    (tmp_path / "agent.db").write_bytes(b"no database" * 1000)
    for name in ("agent.db-wal", "agent.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)

    assert store.come_back(at(20))

    assert [loss.reason for loss in store.losses] == ["damaged"]
    assert [audit.what for audit in store.take_audits()] == ["lost"]
    assert on_disk(store, "SELECT key FROM spool") == [("A",)]


def test_what_memory_took_along_outlives_a_file_that_came_back_damaged(store: Store, tmp_path: Path) -> None:
    for name in ("sent", "unsent", "unread"):
        seen(store, name)
    told(store, "sent", 1)
    told(store, "unsent", 2)
    paid = [store.ledger.book("paid", name, 0.5, NOW) for name in "ABC"]
    store.ledger.cancel(paid[0])
    leave(store)
    store.outbox.sent([1], NOW)
    (tmp_path / "agent.db").write_bytes(b"no database" * 1000)
    for name in ("agent.db-wal", "agent.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)

    assert store.come_back(at(20))

    assert [(each.event.id, each.sequence) for each in store.outbox.next(9)] == [("unsent", 2)], "under its number"
    assert [each.capture.read_id for each in [store.spool.head(NOW)] if each] == ["unread"]
    assert store.ledger.spent("paid", 0).calls == 2, "what was paid is not paid again"
    assert store.ledger.book("paid", "D", 0.5, NOW) not in paid
    assert store.ledger.spent("paid", 0).calls == 3
    seen(store, "next")
    assert told(store, "next", 3) == 3


def test_a_vehicle_that_was_taken_out_of_the_file_meanwhile_stays_out(store: Store) -> None:
    """By hand, or because there was no room for it when the file was opened again; the yard has been told."""
    for name in ("purged", "stays"):
        seen(store, name)
    leave(store)
    with closing(sqlite3.connect(store._db.file)) as db, db:
        db.execute("DELETE FROM spool WHERE key = 'purged'")
        db.execute("DELETE FROM pictures WHERE key = 'purged/00'")
    store.spool.note("stays", READINGS[0])

    assert store.come_back(at(20))

    assert on_disk(store, "SELECT key FROM spool") == [("stays",)]
    assert on_disk(store, "SELECT key FROM pictures") == [("stays/00",)]
    assert [each.readings for each in [store.spool.head(NOW)] if each] == [READINGS[:1]]


def test_an_event_that_memory_evicted_leaves_no_picture_on_the_disk(store: Store) -> None:
    seen(store, "A")
    told(store, "A")
    leave(store)
    store._db.execute("DELETE FROM outbox")

    assert store.come_back(at(20))

    assert on_disk(store, "SELECT key FROM outbox UNION ALL SELECT key FROM pictures") == []


def test_a_file_whose_tables_are_not_ours_is_a_disk_that_gives_nothing(tmp_path: Path) -> None:
    file = tmp_path / "agent.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    memory = along.memory(file, 4)

    with along.looked_into(file) as select:
        assert select
        with pytest.raises(RetryLater, match="no such table"):
            list(select("SELECT key FROM outbox", ()))
        along.take_along(select, memory, 4)

    assert memory.number("SELECT count(*) FROM copied") == 0


def test_a_page_that_the_disk_does_not_give_is_no_reason_to_put_the_file_aside(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite calls both damage: whether the bytes can be had at all tells them apart."""
    for number in range(50):
        seen(store, f"V{number}")
    store.close()
    file = tmp_path / "agent.db"
    sound = file.read_bytes()
    file.write_bytes(sound[:40_960] + bytes(len(sound) - 40_960))
    for module in ("sqlite", "damage"):
        monkeypatch.setattr(f"agent.{module}.unreadable", lambda _: "Input/output error")

    with pytest.raises(RetryLater, match="cannot be read: Input/output error"):
        Store.open(tmp_path, SETTINGS, NOW)
    assert not list(tmp_path.glob("*.damaged-*"))
    with Store.start(tmp_path, SETTINGS, NOW) as again:
        assert seen(again, "late")
        file.write_bytes(sound)
        assert again.come_back(at(20))
        assert (len(again.spool), again.losses) == (51, ())


def test_an_agent_at_work_goes_into_memory_where_the_disk_does_not_give_a_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen(store, "A")
    store._db.execute("CREATE TABLE broken (value BLOB)")
    store._db.execute("PRAGMA writable_schema = ON")
    store._db.execute("UPDATE sqlite_master SET rootpage = 2 WHERE name = 'broken'")  # a page of the map of pages, which is no table
    store.close()
    with closing(Connection(store._db.file, 10)) as db:
        monkeypatch.setattr("agent.sqlite.unreadable", lambda _: "Input/output error")
        with pytest.raises(RetryLater, match="could not be read or written"):
            list(db.select("SELECT * FROM broken"))
        assert (db.damaged, db.refused) == (False, "Input/output error")
        monkeypatch.setattr("agent.sqlite.unreadable", lambda _: "")
        with pytest.raises(RetryLater, match="is damaged"):
            list(db.select("SELECT * FROM broken"))
        assert db.damaged


def test_a_row_that_is_damaged_stays_on_the_disk_and_is_told_from_there(store: Store) -> None:
    seen(store, "sound")
    seen(store, "spoiled")
    store._db.execute("UPDATE spool SET value = x'00' WHERE key = 'spoiled'")
    leave(store)

    assert [each.capture.read_id for each in [store.spool.head(NOW)] if each] == ["sound"]
    told(store, "sound")
    assert store.spool.head(NOW) is None
    assert store.take_audits() == []
    store.come_back(at(20))

    assert store.spool.head(NOW) is None
    assert [(audit.what, audit.id) for audit in store.take_audits()] == [("damaged", "spoiled")]


def test_damage_is_left_to_the_next_start(store: Store) -> None:
    store._db.damaged = store._db.full = True

    with pytest.raises(RetryLater, match="some error"):
        store.insist(fail, at(0))
    assert not store.look_after(at(0))
    assert (store.unwritable, store.damaged) == ("", True)


def fail() -> None:
    raise RetryLater("some error")


def test_an_error_that_is_not_the_disks_is_not_taken_for_one(store: Store) -> None:
    with pytest.raises(RetryLater, match="some error"):
        store.insist(fail, at(0))

    assert store.unwritable == ""


def test_inside_a_transaction_nothing_changes_places(store: Store) -> None:
    with store.transaction():
        store._db.refused = "disk I/O error"
        assert not store._refuge.rescued(at(0))
        with pytest.raises(RuntimeError, match="begin in one database"):
            store._db.exchange(along.memory(store._db.file, 4))

    assert store.look_after(at(0))


def test_rows_that_are_read_while_they_change_places_are_asked_for_again(store: Store) -> None:
    for number in range(200):
        store.put(f"fact{number}", number)
    rows = store._db.select("SELECT key FROM facts")
    next(rows)
    leave(store)

    with pytest.raises(RetryLater, match="changed places"):
        list(rows)


def test_a_start_on_a_disk_that_cannot_be_used_is_a_start_in_memory(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, where a folder should be", "ascii")

    with Store.start(tmp_path / "state", SETTINGS, NOW) as store:
        assert "state cannot be used" in store.unwritable
        assert seen(store, "A")
        assert not store.come_back(at(10))
        assert store.size().bytes > 0
        (tmp_path / "state").unlink()
        assert store.come_back(at(20))
        assert on_disk(store, "SELECT key FROM spool") == [("A",)]


def test_a_start_without_the_rights_tells_what_the_file_has_and_waits_for_a_person(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen(store, "waits")
    told(store, "waits")
    store.put("exit", {"state": "running"})
    store.close()
    with monkeypatch.context() as rights:
        rights.setattr("os.access", lambda path, mode: False)  # root may do everything: only the answer can be changed
        with Store.start(tmp_path, SETTINGS, NOW) as again:
            assert "let the service's user own it" in again.unwritable
            assert [(each.event.id, each.sequence) for each in again.outbox.next(9)] == [("waits", 1)]
            assert again.get("exit") == {"state": "running"}
            assert not again.come_back(at(10))
            again.outbox.sent([1], NOW)
            rights.undo()
            assert again.come_back(at(20))
            assert on_disk(again, "SELECT key FROM sent") == [("waits",)]


def test_a_store_of_a_newer_release_or_of_an_agent_that_runs_is_no_failing_disk(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.sqlite.BUSY_S", 0.05)
    monkeypatch.setattr("agent.damage.BUSY_S", 0.05)
    other = sqlite3.connect(store._db.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RetryLater, match="locked by another program"):
        Store.start(tmp_path, SETTINGS, NOW)
    other.execute("ROLLBACK")
    other.close()
    store._db.execute("PRAGMA user_version = 99")
    shape.remember(store._db)

    with pytest.raises(BadConfig, match="newer release"):
        Store.start(tmp_path, SETTINGS, NOW)


def test_an_agent_that_ends_in_memory_knows_what_it_takes_with_it(store: Store) -> None:
    seen(store, "on the disk")
    leave(store)
    assert store.alone() == 0

    seen(store, "in memory")
    told(store, "in memory")

    assert store.alone() == 1


def test_the_last_vin_of_a_gate_gets_its_number_when_the_disk_is_back(store: Store) -> None:
    leave(store)
    number = told(store, "A")
    store.put("last/gate/a/vin", {"sequence": number, "put_ms": NOW, "topic": "gate/a/vin", "payload": {"id": "A"}})

    store.come_back(at(20))

    assert store.get("last/gate/a/vin")["sequence"] == 1


def test_an_agent_starts_tells_and_leaves_without_a_disk(tmp_path: Path, broker: Broker, yard: Subscriber) -> None:
    (tmp_path / "state").write_text("a file, where a folder should be", "ascii")
    with systemd(tmp_path / "notify") as said, Gateway(tmp_path, broker.port, vehicles=50) as gateway:
        yard.wait_for(lambda seen: any(b'"durable":false' in each.payload for each in seen if each.topic.endswith("/vin")), 40)
        broker.stop()
        vehicles = gateway.log().count("vehicle seen")
        gateway.wait_for(lambda: gateway.log().count("vehicle seen") > vehicles)
        gateway.wait_for(lambda: any("STATUS=the store cannot be written" in each for each in said()))
        code, seconds = gateway.stop()

    assert (code, seconds < 10) == (0, True)
    assert "that were in memory alone are lost" in gateway.log()
    health = [valid(each.topic, each.payload) for each in yard.collect("/health")]
    assert {each["state"] for each in health} == {"degraded"}
    assert {each["reasons"][0] for each in health} == {"store_unwritable"}
    assert health[-1]["queue"]["cap_bytes"] == 32_000_000


@contextmanager
def systemd(place: Path) -> Iterator[Callable[[], list[str]]]:
    """Where a service manager listens; what was said to it until now."""
    words: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening, pytest.MonkeyPatch.context() as environ:
        listening.bind(str(place))
        listening.setblocking(False)
        environ.setenv("NOTIFY_SOCKET", str(place))

        def said() -> list[str]:
            with suppress(BlockingIOError):
                while True:
                    words.append(listening.recv(4096).decode())
            return words

        yield said


def test_every_table_has_its_way_back() -> None:
    """A table that is new has to be thought of: what happens to its rows while the disk fails?"""
    db = along.memory(Path("agent.db"), 4)
    tables = {name for (name,) in db.select("SELECT name FROM sqlite_master WHERE type = 'table'")}

    assert tables == {
        "sqlite_sequence", "copied",
        "spool", "pictures", "outbox", "sent", "replays", "facts", "audits", "damaged", "ledger", "seen", "standing", "arrivals",
        "unsure",
    }  # fmt: skip


def test_what_was_told_from_memory_is_told_once_more_with_its_number(broker: Broker, yard: Subscriber, store: Store) -> None:
    topics, settings, tally = Topics("vinagent/v1", "hamburg", "gate-3-pi"), config.Mqtt(port=broker.port, replay_per_s=0), Tally()
    with Link(settings, "vinagent-gate-3-pi", Message("will", b"")) as link:
        publisher = Publisher(link, store.outbox, topics, settings, lambda: (), CLOCK.now(), tally)

        def all_sent() -> None:
            end = time.monotonic() + 10
            while len(store.outbox):
                assert time.monotonic() < end
                publisher.recount(lambda: {topics.last(event(2)): 2})
                publisher.step(CLOCK.now())

        told(store, "A", 1)
        all_sent()
        leave(store)
        told(store, "B", 2)
        all_sent()
        store.come_back(at(20))
        told(store, "C", 3)
        all_sent()
    finals = [json.loads(each.payload) for each in yard.wait_count(4, "/vin")]

    heard = [(each["id"][-1], each.get("sequence"), each["data"]["delivery"]["durable"]) for each in finals]
    assert heard == [("1", "000000000001", True), ("2", None, False), ("2", "000000000002", True), ("3", "000000000003", True)]
    assert tally.last == {topics.last(event(2)): 3}


def test_what_is_on_its_way_when_the_disk_comes_back_is_not_taken_for_another(broker: Broker, yard: Subscriber, store: Store) -> None:
    settings = config.Mqtt(port=broker.port, replay_per_s=0, last=False)
    leave(store)
    with Link(settings, "vinagent-gate-3-pi", Message("will", b"")) as link:
        publisher = Publisher(link, store.outbox, Topics("v", "s", "a"), settings, lambda: (), CLOCK.now())
        told(store, "A", 1)
        publisher.step(CLOCK.now())
        store.come_back(at(20))
        told(store, "B", 2)
        yard.wait_count(1, "/vin")
        for _ in range(20):
            publisher.step(CLOCK.now())
        assert [each.sequence for each in store.outbox.next(9)] == [1, 2], "neither was sent with its number"
        publisher.recount(dict)
        end = time.monotonic() + 10
        while len(store.outbox):
            assert time.monotonic() < end
            publisher.step(CLOCK.now())

    assert [json.loads(each.payload).get("sequence") for each in yard.wait_count(3, "/vin")] == [None, "000000000001", "000000000002"]
