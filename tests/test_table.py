"""The mapping: JSON with a checksum, updates in place, and a connection it does not own."""

import gc
import sqlite3
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlitedict
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NeedsOperator, Rejected
from agent.schema import migrate
from agent.sqlite import Connection
from agent.table import Damaged, Table, from_row, pack, to_row, unpack
from tests.test_sqlite import cut_off


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Connection]:
    connection = Connection(tmp_path / "agent.db", max_mb=50)
    migrate(connection)
    yield connection
    connection.close()


@pytest.fixture
def table(db: Connection) -> Table:
    return Table(db, "facts")


def flip(db: Connection, key: str, at: int = -3) -> None:
    """One bit of a row's value, behind the back of everybody."""
    (raw,) = db.select_one("SELECT value FROM facts WHERE key = ?", (key,)) or (b"",)
    changed = bytearray(raw)
    changed[at] ^= 1
    db.execute("UPDATE facts SET value = ? WHERE key = ?", (bytes(changed), key))


def test_the_seam_is_the_one_this_was_written_for() -> None:
    assert sqlitedict.__version__.startswith("2.1.")
    assert {"_new_conn", "__del__", "close", "update", "iteritems"} <= set(vars(sqlitedict.SqliteDict))


def test_all_tables_share_one_connection_in_the_callers_thread(db: Connection) -> None:
    before = threading.active_count()

    tables = [Table(db, name) for name in ("facts", "audits", "spool")]

    assert threading.active_count() == before
    assert {id(table.conn) for table in tables} == {id(db)}


def test_it_is_a_mapping(table: Table) -> None:
    table["a"] = {"one": [1, 2.5, None, "ü"]}
    table.update({"b": 2}, c=3)
    table.setdefault("d", 4)

    assert dict(table.items()) == {"a": {"one": [1, 2.5, None, "ü"]}, "b": 2, "c": 3, "d": 4}
    assert (len(table), bool(table), "a" in table, "z" in table) == (4, True, True, False)
    assert table.pop("b") == 2
    assert list(table) == ["a", "c", "d"]
    assert list(table.values())[1:] == [3, 4]
    assert table.get("b", "nothing") == "nothing"
    with pytest.raises(KeyError):
        table["b"]
    with pytest.raises(KeyError):
        del table["b"]
    table.clear()
    assert not table


def test_a_retry_counter_does_not_move_a_row_to_the_end(table: Table) -> None:
    for key in "abc":
        table[key] = {"attempts": 0}

    table["a"] = {"attempts": 1}
    table.update({"b": {"attempts": 7}})

    assert list(table.items()) == [("a", {"attempts": 1}), ("b", {"attempts": 7}), ("c", {"attempts": 0})]


def test_values_can_be_read_without_the_agent(db: Connection, table: Table) -> None:
    table["a"] = {"vin": "1HGCM82633A004352"}

    raw = sqlite3.connect(db.file)
    assert raw.execute("SELECT substr(value, 9) FROM facts").fetchone() == (b'{"vin":"1HGCM82633A004352"}',)
    raw.close()


@given(st.binary(max_size=300), st.data())
def test_any_changed_bit_of_a_row_is_noticed(content: bytes, data: st.DataObject) -> None:
    raw = bytearray(pack(content))
    assert unpack(bytes(raw)) == content

    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8

    with pytest.raises(Damaged):
        unpack(bytes(raw))


@pytest.mark.parametrize("raw", [None, 7, "text", b"", b"1234567", pack(b"cut short")[:-1]])
def test_what_was_never_a_row_is_damaged(raw: object) -> None:
    with pytest.raises(Damaged):
        from_row(raw)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1, 2}])
def test_what_json_cannot_say_is_refused_before_it_is_stored(table: Table, value: Any) -> None:
    with pytest.raises(Rejected, match="cannot be kept as JSON"):
        table["a"] = {"value": value}

    assert "a" not in table


def test_a_damaged_row_is_moved_aside_and_the_others_are_there(db: Connection, table: Table) -> None:
    table.update({key: key * 3 for key in "abcd"})
    flip(db, "b")
    flip(db, "d")

    assert table.get("b", "gone") == "gone"
    assert dict(table.items()) == {"a": "aaa", "c": "ccc"}
    assert len(table) == 2
    kept = list(db.select("SELECT source, key, value FROM damaged ORDER BY id"))
    assert [row[:2] for row in kept] == [("facts", "b"), ("facts", "d")]
    assert kept[0][2][8:] == b'"bcb"', "the bytes stay as they were found"


def test_a_key_that_is_no_text_any_more_stops_nobody(db: Connection, table: Table) -> None:
    table.update(a=1, b=2)
    db.execute("UPDATE facts SET key = CAST(x'ff62' AS TEXT) WHERE key = 'a'")

    assert list(table.values()) == [1, 2]


def test_a_table_that_is_dropped_or_closed_leaves_the_connection_to_the_others(db: Connection, table: Table) -> None:
    table["a"] = 1
    Table(db, "audits")["b"] = 2
    gc.collect()
    with Table(db, "audits") as other:
        other["c"] = 3
    other.close(force=True)

    assert table["a"] == 1
    assert dict(Table(db, "audits").items()) == {"b": 2, "c": 3}


def test_no_call_of_the_mapping_ends_the_transaction_around_it(db: Connection, table: Table) -> None:
    table["a"] = 1
    with cut_off(db):
        table["b"] = 2
        table.commit()
        table.clear()
        Table(db, "made_inside")
        table.sync()

    assert dict(table.items()) == {"a": 1}


def test_the_file_of_all_tables_is_not_deleted_through_one(db: Connection, table: Table) -> None:
    with pytest.raises(NeedsOperator):
        table.terminate()

    assert db.file.exists()


def test_walking_over_a_long_table_takes_little_memory(table: Table) -> None:
    table.update({str(number): "x" * 1000 for number in range(5_000)})

    tracemalloc.start()
    count = sum(1 for _ in table.items())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 5_000
    assert most < 1_000_000, "the table has 5 MB"


def test_a_row_says_the_same_after_the_way_there_and_back() -> None:
    value = {"text": "Straße \ud800", "numbers": [0.1, -0.0, 2**53], "nothing": None}

    assert from_row(to_row(value)) == value
