"""One connection, durable on return, and honest about errors."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from agent.errors import NeedsOperator, RetryLater
from agent.sqlite import Connection


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Connection]:
    connection = Connection(tmp_path / "agent.db", max_mb=1)
    connection.execute("CREATE TABLE t (key TEXT PRIMARY KEY, value BLOB)")
    yield connection
    connection.close()


class PowerCut(Exception):
    """What a test raises where the agent's life would end."""


@contextmanager
def cut_off(db: Connection) -> Iterator[None]:
    """A transaction whose end is never reached."""
    with suppress(PowerCut), db.transaction():
        yield
        raise PowerCut


def keys(db: Connection) -> list[str]:
    return [key for (key,) in db.select("SELECT key FROM t ORDER BY rowid")]


def put(db: Connection, key: str, value: bytes = b"") -> None:
    db.execute("INSERT INTO t VALUES (?, ?)", (key, value))


def test_the_connection_survives_power_cuts_and_waits_its_turn(db: Connection) -> None:
    asked = ("journal_mode", "synchronous", "busy_timeout", "max_page_count", "auto_vacuum", "page_size")

    answers = {name: (db.select_one(f"PRAGMA {name}") or ("nothing",))[0] for name in asked}

    assert answers == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "busy_timeout": 5000,
        "max_page_count": 1_000_000 // 1024,
        "auto_vacuum": 2,  # INCREMENTAL
        "page_size": 1024,
    }


def test_a_statement_is_committed_when_its_call_returns(db: Connection) -> None:
    put(db, "a")

    with sqlite3.connect(db.file) as other:
        assert other.execute("SELECT key FROM t").fetchall() == [("a",)]
    other.close()


def test_a_transaction_is_seen_by_others_as_a_whole_or_not_at_all(db: Connection) -> None:
    other = sqlite3.connect(db.file)
    with db.transaction():
        put(db, "a")
        put(db, "b")
        db.commit()
        assert other.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert other.execute("SELECT count(*) FROM t").fetchone() == (2,)
    other.close()


def test_an_exception_takes_the_whole_transaction_back(db: Connection) -> None:
    with cut_off(db):
        put(db, "a")
        with db.transaction():
            put(db, "b")

    assert keys(db) == []
    assert not db.in_transaction


def test_a_transaction_inside_another_fails_alone_if_the_outer_one_goes_on(db: Connection) -> None:
    with db.transaction():
        put(db, "a")
        with cut_off(db):
            put(db, "half a move")
        put(db, "b")

    assert keys(db) == ["a", "b"]


def test_nothing_is_committed_alone_after_sqlite_took_a_transaction_back(db: Connection) -> None:
    with cut_off(db):
        put(db, "a")
        db._db.execute("ROLLBACK")  # as SQLite does by itself on some I/O errors
        with pytest.raises(RetryLater, match="taken back"):
            put(db, "b")

    assert keys(db) == []
    put(db, "c")
    assert keys(db) == ["c"]


def test_threads_take_turns_and_no_step_of_theirs_is_lost(db: Connection) -> None:
    put(db, "count", b"0")

    def add() -> None:
        for _ in range(50):
            with db.transaction():
                (value,) = db.select_one("SELECT value FROM t") or (b"",)
                db.execute("UPDATE t SET value = ?", (b"%d" % (int(value) + 1),))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert db.select_one("SELECT value FROM t") == (b"200",)


def test_a_transaction_belongs_to_its_thread(db: Connection) -> None:
    seen: list[bool] = []
    with db.transaction():
        assert db.in_transaction
    thread = threading.Thread(target=lambda: seen.append(db.in_transaction))
    thread.start()
    thread.join()

    assert seen == [False]


def test_a_full_store_says_so_at_once_and_to_the_one_who_asked(db: Connection) -> None:
    put(db, "small")
    with pytest.raises(RetryLater, match=r"agent\.db the disk, or the room that store\.max_mb leaves, is full"):
        put(db, "large", bytes(1_100_000))

    assert db.full
    assert keys(db) == ["small"]
    put(db, "small too")
    assert keys(db) == ["small", "small too"]


def test_deleting_works_where_the_cap_stopped_inserting(db: Connection) -> None:
    with suppress(RetryLater):
        for number in range(200):
            put(db, str(number), bytes(10_000))
    stored = len(keys(db))
    assert stored < 100, "1 MB holds no more"

    db.execute("DELETE FROM t WHERE key = '0'")
    put(db, "again", bytes(5_000))

    assert len(keys(db)) == stored
    assert db.select_one("PRAGMA integrity_check") == ("ok",)


def test_the_log_beside_the_file_stays_short_and_is_not_cut_back_at_every_turn(tmp_path: Path) -> None:
    db, lengths = Connection(tmp_path / "agent.db", max_mb=50), []
    db.execute("CREATE TABLE t (key TEXT PRIMARY KEY, value BLOB)")
    for number in range(200):  # about 20 pages each: the log is written back when it has 64, so it always has some more
        db.executemany("INSERT INTO t VALUES (?, ?)", [(f"{number}/{each}", b"x" * 1500) for each in range(40)])
        lengths.append(db.log_bytes())
    db.close()

    assert lengths == sorted(lengths), "cutting the log takes longer than the commit"
    assert lengths[-1] < 600_000


def test_a_file_locked_by_another_program_is_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.sqlite.BUSY_S", 0.05)
    db = Connection(tmp_path / "agent.db", max_mb=1)
    db.execute("CREATE TABLE t (key TEXT PRIMARY KEY, value BLOB)")
    other = sqlite3.connect(db.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(RetryLater, match="locked by another program"):
        put(db, "a")
    other.execute("ROLLBACK")
    other.close()

    put(db, "a")
    assert keys(db) == ["a"]
    db.close()


def test_a_file_that_cannot_be_written_is_tried_again_later(db: Connection) -> None:
    db.execute("PRAGMA query_only = ON")

    with pytest.raises(RetryLater, match="cannot be written"):
        put(db, "a")


def test_a_folder_that_is_gone_is_tried_again_later(tmp_path: Path) -> None:
    with pytest.raises(RetryLater, match="could not be opened"):
        Connection(tmp_path / "gone" / "agent.db", max_mb=1)


# The kernel refuses to let files grow: writing fails in the middle of a commit, as on a card that is giving up.
CUT_SHORT = """
import resource, sys
from pathlib import Path
from agent.errors import RetryLater
from agent.sqlite import Connection
db = Connection(Path(sys.argv[1]), max_mb=10)
db.execute("CREATE TABLE t (key TEXT PRIMARY KEY, value BLOB)")
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
stored = 0
try:
    while True:
        db.execute("INSERT INTO t VALUES (?, ?)", (str(stored), bytes(20_000)))
        stored += 1
except RetryLater as exc:
    assert "could not be read or written" in str(exc), exc
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
db.execute("INSERT INTO t VALUES ('after', '')")
print(stored)
db.close()
"""


def test_a_card_that_refuses_to_write_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    file = tmp_path / "agent.db"

    done = subprocess.run([sys.executable, "-c", CUT_SHORT, str(file)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    db = Connection(file, max_mb=10)
    assert keys(db) == [*map(str, range(int(done.stdout))), "after"]
    assert db.select_one("PRAGMA integrity_check") == ("ok",)
    db.close()


def test_damage_met_in_the_open_file_is_noted(tmp_path: Path) -> None:
    db = Connection(tmp_path / "agent.db", max_mb=10)
    db.execute("CREATE TABLE t (key TEXT PRIMARY KEY, value BLOB)")
    with db.transaction():
        for number in range(200):
            put(db, str(number), bytes(1000))
    db.close()
    with db.file.open("r+b") as file:
        file.seek(4096 * 4)
        file.write(b"\xa5" * 4096 * 40)

    db = Connection(db.file, max_mb=10)
    assert not db.damaged
    with pytest.raises(RetryLater, match="is damaged; close the store and open it again"):
        list(db.select("SELECT * FROM t"))
    assert db.damaged
    db.close()


def test_a_mistake_in_our_own_sql_is_not_taken_for_bad_weather(db: Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        db.select("SELECT * FROM nowhere")


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    db = Connection(tmp_path / "agent.db", max_mb=1)
    db.close()

    with pytest.raises(RetryLater, match="is closed"):
        db.execute("SELECT 1")


def test_a_place_without_a_write_ahead_log_needs_a_person() -> None:
    with pytest.raises(NeedsOperator, match="write-ahead log"):
        Connection(Path(":memory:"), max_mb=1)


def test_rows_are_read_a_few_at_a_time(db: Connection) -> None:
    with db.transaction():
        for number in range(200):
            put(db, str(number))

    rows = db.select("SELECT key FROM t ORDER BY rowid")
    assert next(rows) == ("0",)
    db.execute("DELETE FROM t WHERE key = '150'")

    assert len(list(rows)) in {198, 199}


def test_a_store_from_before_keeps_its_larger_pages_and_may_grow_as_far(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "agent.db")) as before:
        before.execute("PRAGMA page_size = 4096")
        before.execute("CREATE TABLE kept (value)")
    db = Connection(tmp_path / "agent.db", max_mb=2)
    assert db.page == 4096
    assert db.select_one("PRAGMA max_page_count") == (2_000_000 // 4096,)
    db.close()
