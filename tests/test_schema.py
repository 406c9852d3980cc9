"""A store grows up with the agent, and is left alone by an older one."""

import hashlib
from pathlib import Path

import pytest

from agent import config, schema, shape
from agent.errors import BadConfig
from agent.schema import MIGRATIONS, migrate
from agent.sqlite import Connection
from agent.store import Store
from tests.samples import capture


def open_store(state_dir: Path) -> Store:
    return Store.open(state_dir, config.Store(), 1_000)


def test_a_new_store_has_all_tables_and_says_which_version_it_is(tmp_path: Path) -> None:
    db = Connection(tmp_path / "agent.db", 1)
    migrate(db)

    tables = {name for (name,) in db.select("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"spool", "pictures", "outbox", "sent", "ledger", "facts", "audits", "damaged", "seen"} <= tables
    assert db.number("PRAGMA user_version") == len(MIGRATIONS)
    migrate(db)  # nothing runs twice
    db.close()


def test_a_store_of_an_earlier_release_keeps_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(schema, "MIGRATIONS", MIGRATIONS[:1])
        db = Connection(tmp_path / "agent.db", 1)
        migrate(db)
        db.execute("INSERT INTO outbox (key, value, put_ms) VALUES ('old', x'00', 5)")
        db.close()

    db = Connection(tmp_path / "agent.db", 1)
    migrate(db)

    assert list(db.select("SELECT sequence, key, put_ms FROM outbox")) == [(1, "old", 5)]
    assert db.number("SELECT count(*) FROM ledger") == 0
    assert db.number("PRAGMA user_version") == len(MIGRATIONS)
    db.close()


def test_a_gate_in_service_gets_the_memory_of_pictures_and_keeps_its_books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(schema, "MIGRATIONS", MIGRATIONS[:3])
        db = Connection(tmp_path / "agent.db", 1)
        migrate(db)
        db.execute("INSERT INTO ledger (key, value, provider, read_id, price, booked_ms) VALUES ('1', x'00', 'tencent', 'A', 0.1, 5)")
        db.close()

    with open_store(tmp_path) as store:
        assert (store.ledger.calls("A"), store.ledger.spent("tencent", 0).money) == (1, 0.1)
        store.seen["tencent/00"] = {"reading": None, "why": "no VIN", "read_id": "A", "put_ms": 5}
    with open_store(tmp_path) as store:
        assert store.seen["tencent/00"]["why"] == "no VIN"


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(db: Connection) -> None:
        db.execute("CREATE TABLE half (key TEXT)")
        raise KeyError("the power was cut here")

    db = Connection(tmp_path / "agent.db", 1)
    migrate(db)
    with monkeypatch.context() as later:
        later.setattr(schema, "MIGRATIONS", [*MIGRATIONS, half])
        with pytest.raises(KeyError):
            migrate(db)

    assert db.number("PRAGMA user_version") == len(MIGRATIONS)
    assert db.number("SELECT count(*) FROM sqlite_master WHERE name = 'half'") == 0
    db.close()


def test_a_store_of_a_newer_release_is_refused_and_left_untouched(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.spool.put(capture("A"), 1_000)
        store._db.execute("PRAGMA user_version = 99")
        shape.remember(store._db)  # as every release does that changes tables
    before = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in tmp_path.iterdir()}

    with pytest.raises(BadConfig, match=r"agent\.db: a newer release wrote this store \(version 99, this one knows \d+\)"):
        open_store(tmp_path)

    after = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in tmp_path.iterdir()}
    assert {name: after[name] for name in before} == before
    assert not [name for name in after if "damaged" in name]


def test_every_time_in_the_tables_says_that_it_counts_milliseconds(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        columns = {
            column[1]: column[2]
            for (table,) in list(store._db.select("SELECT name FROM sqlite_master WHERE type = 'table'"))
            for column in store._db.select(f"PRAGMA table_info({table})")
        }

    assert {name for name in columns if name.endswith("_ms")} == {"put_ms", "next_ms", "sent_ms", "booked_ms", "asked_ms"}
    assert not [name for name in columns if name.endswith(("_at", "_s", "time", "date"))]
    assert {columns[name] for name in columns if name.endswith("_ms")} == {"INTEGER"}
