"""A card that spoils the store costs what was on it, never the next vehicle, and never in silence."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent import config, shape
from agent.errors import NeedsOperator, RetryLater
from agent.store import Audit, Store
from tests.samples import capture, event
from tests.test_store import PowerCut, cut_off

NOW = 1_800_000_000_000


def open_store(state_dir: Path, now_ms: int = NOW) -> Store:
    return Store.open(state_dir, config.Store(), now_ms)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store in which vehicles wait and events were numbered up to 40."""
    with open_store(tmp_path) as store, store.transaction():
        for number in range(40):
            store.spool.put(capture(f"A{number}"), NOW)
            store.outbox.put(event(number), NOW)
    return tmp_path / "agent.db"


def zero_the_header(file: Path) -> None:
    with file.open("r+b") as raw:
        raw.write(bytes(100))


def cut_in_half(file: Path) -> None:
    with file.open("r+b") as raw:
        raw.truncate(file.stat().st_size // 2 // 4096 * 4096)


def overwrite_what_came_last(file: Path) -> None:
    with file.open("r+b") as raw:
        raw.seek(file.stat().st_size * 3 // 4 // 4096 * 4096)
        raw.write(b"\xa5" * 8192)


def write_a_letter(file: Path) -> None:
    file.write_bytes(b"Dear operator, this is not a database." * 200)


@pytest.mark.parametrize("spoil", [zero_the_header, cut_in_half, overwrite_what_came_last, write_a_letter])
def test_a_damaged_store_is_kept_beside_a_new_one(file: Path, spoil: Callable[[Path], None]) -> None:
    spoil(file)
    spoiled = file.read_bytes()

    with open_store(file.parent, NOW + 5) as store:
        (loss,) = store.losses
        assert (loss.reason, loss.kept, loss.at_ms) == ("damaged", f"agent.db.damaged-{NOW + 5}", NOW + 5)
        assert file.with_name(f"agent.db.damaged-{NOW + 5}").read_bytes() == spoiled
        assert len(store.spool) == len(store.outbox) == 0
        assert store.spool.put(capture("B"), NOW)
        (audit,) = store.take_audits()
        assert audit.what == "lost"
        assert audit.id == loss.kept
        assert audit.why.startswith("damaged: ")

    with open_store(file.parent) as store:
        assert store.losses == ()
        assert len(store.spool) == 1


def test_the_numbers_of_events_go_on_where_the_damaged_store_could_still_be_read(file: Path) -> None:
    overwrite_what_came_last(file)

    with open_store(file.parent) as store:
        assert store.losses[0].last_sequence == 40
        assert store.outbox.put(event(41), NOW) == 41


@pytest.mark.parametrize(("table", "column"), [("spool", "put_ms"), ("spool", "attempts"), ("outbox", "put_ms"), ("sent", "put_ms")])
def test_a_number_that_damage_made_a_text_of_keeps_no_vehicle_and_no_start(file: Path, table: str, column: str) -> None:
    """No checksum covers the numbers beside a row, and a check of the pages does not look at them."""
    with open_store(file.parent) as store:
        store.outbox.sent([1], NOW)
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"UPDATE {table} SET {column} = x'e5e61fd0'")  # noqa: S608  # our own names
        database.commit()

    with open_store(file.parent) as store:
        head, first = store.spool.head(NOW), store.outbox.next(1)[0]
        assert head is not None
        assert [type(number) for number in (head.attempts, head.put_ms, first.put_ms)] == [int] * 3
        assert [type(each.put_ms) for each in store.outbox.history(0, 2**62)] == [int]
        assert [type(queue.oldest_ms()) for queue in (store.spool, store.outbox)] == [int, int]


def test_a_loss_is_told_until_it_was_taken(file: Path) -> None:
    zero_the_header(file)
    open_store(file.parent).close()

    with open_store(file.parent) as store:
        assert store.losses == ()
        assert [audit.what for audit in store.take_audits()] == ["lost"]
        assert store.take_audits() == []


def test_a_loss_is_told_also_if_the_first_start_after_it_is_cut_off(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object) -> None:
        raise PowerCut

    zero_the_header(file)
    with monkeypatch.context() as moment:
        moment.setattr(Store, "_tell_losses", cut)
        with pytest.raises(PowerCut):
            open_store(file.parent)

    with open_store(file.parent) as store:
        assert [audit.what for audit in store.take_audits()] == ["lost"]


def test_an_audit_that_could_not_be_told_is_not_lost(file: Path) -> None:
    zero_the_header(file)
    with open_store(file.parent) as store:
        with cut_off(store):
            assert store.take_audits()

        assert len(store.take_audits()) == 1


def test_an_emptied_store_is_a_loss(file: Path) -> None:
    file.write_bytes(b"")

    with open_store(file.parent) as store:
        assert [loss.reason for loss in store.losses] == ["emptied"]
        assert store.spool.put(capture("B"), NOW)


def test_a_store_without_its_tables_is_a_loss(file: Path) -> None:
    file.unlink()
    bare = sqlite3.connect(file)
    bare.execute("PRAGMA page_size = 1024")
    bare.execute("VACUUM")
    bare.close()

    with open_store(file.parent) as store:
        assert [(loss.reason, loss.detail) for loss in store.losses] == [("emptied", "the file had no tables")]


def test_a_missing_store_is_a_loss_and_not_a_first_start(file: Path) -> None:
    file.unlink()

    with open_store(file.parent) as store:
        assert [(loss.reason, loss.kept) for loss in store.losses] == [("missing", None)]
        assert store.take_audits() == [Audit("lost", "store", "", None, "missing: the file was gone")]


def test_a_first_start_is_no_loss(tmp_path: Path) -> None:
    with open_store(tmp_path / "new" / "state") as store:
        assert store.losses == ()
        assert store.take_audits() == []


def test_a_first_start_that_was_cut_off_is_no_loss(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    (tmp_path / "installed").unlink()
    (tmp_path / "agent.db").write_bytes(b"")

    with open_store(tmp_path) as store:
        assert store.losses == ()


def test_the_log_of_a_damaged_store_goes_with_it(file: Path) -> None:
    zero_the_header(file)
    log, index = Path(f"{file}-wal"), Path(f"{file}-shm")
    log.write_bytes(b"log")
    index.write_bytes(b"index")

    with open_store(file.parent) as store:
        kept = store.losses[0].kept
        assert (file.parent / f"{kept}-wal").read_bytes() == b"log"
        assert (file.parent / f"{kept}-shm").exists()
        assert store.spool.head(NOW) is None


def test_two_damaged_stores_of_one_moment_are_both_kept(file: Path) -> None:
    for _ in range(2):
        zero_the_header(file)
        open_store(file.parent).close()

    assert sorted(kept.name for kept in file.parent.glob("*.damaged-*")) == [f"agent.db.damaged-{NOW}", f"agent.db.damaged-{NOW + 1}"]


def test_a_committed_vehicle_in_the_log_of_a_killed_agent_is_there(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.spool.put(capture("A"), NOW)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("agent.db", "agent.db-wal", "installed"):
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    store.close()

    with open_store(copy) as store:
        assert store.losses == ()
        assert [each.capture.read_id for each in [store.spool.head(NOW)] if each] == ["A"]


def test_damage_met_at_work_is_found_by_the_next_start_also_where_the_quick_check_is_blind(file: Path) -> None:
    with open_store(file.parent) as store:
        store.spool.postpone("A0", NOW)
        # An index that lacks an entry of its table: sound pages, wrong content.
        store._db.execute("PRAGMA writable_schema = ON")
        store._db.execute("UPDATE sqlite_master SET sql = sql || ' AND attempts < 0' WHERE name = 'spool_waits'")
        shape.remember(store._db)  # which would see the trick, not the damage
    with open_store(file.parent) as store:
        assert store.losses == (), "the quick check does not see it"
        store._db.damaged = True

    with open_store(file.parent) as store:
        assert [loss.reason for loss in store.losses] == ["damaged"]
    with open_store(file.parent) as store:
        assert store.losses == ()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("PRAGMA user_version = 2", "its version was"),
        ("PRAGMA user_version = 966930839", "its version was"),
        ("UPDATE facts SET value = x'00'; PRAGMA user_version = 23", "its version is 23, and what it was cannot be read"),
        ("UPDATE sqlite_master SET sql = replace(sql, 'value', 'valux') WHERE name = 'audits'", "audits is not described"),
        ("UPDATE sqlite_master SET sql = replace(sql, 'value', 'valux') WHERE name = 'facts'", "facts is not described"),
        ("UPDATE facts SET value = x'00'; PRAGMA user_version = 2", "but it has the table"),
        (
            "UPDATE facts SET value = x'00'; UPDATE sqlite_master SET sql = replace(sql, 'value', 'valux') WHERE name = 'audits'",
            "audits is not described",
        ),
    ],
)
def test_a_store_whose_description_of_itself_is_damaged_ends_no_start(file: Path, what: str, words: str) -> None:
    """Each of these ended every start with an error of SQLite's, or with a release that nobody had installed."""
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.executescript(what)

    with open_store(file.parent) as store:
        assert [loss.reason for loss in store.losses] == ["damaged"]
        assert words in store.losses[0].detail
        assert store.losses[0].last_sequence > 0, "no number may mean two events"
    with open_store(file.parent) as store:
        assert store.losses == ()


def test_a_store_that_says_it_may_not_be_written_is_damaged_and_no_disk_without_rights(file: Path) -> None:
    with file.open("r+b") as raw:
        raw.seek(18)
        raw.write(b"\x07")
    with open_store(file.parent) as store:
        assert [(loss.reason, loss.detail) for loss in store.losses] == [("damaged", "it says that it may not be written")]
        assert store.losses[0].last_sequence > 0


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file", "ascii")

    with pytest.raises(RetryLater, match="state cannot be used"):
        open_store(tmp_path / "state")


def test_a_store_that_may_not_be_written_needs_a_person(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may do everything: only the answer can be changed

    with pytest.raises(NeedsOperator, match="let the service's user own it"):
        open_store(file.parent)
    assert file.exists()
