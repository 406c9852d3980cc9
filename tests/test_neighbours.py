"""What other gateways are known to lose or to leave undone, each as a test that this one passes."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent import config
from agent.clerk.desk import changing
from agent.domain import Event
from agent.errors import RetryLater
from agent.mqtt import Link
from agent.publish import Publisher
from agent.sqlite import MB
from agent.store import Store
from tests.broker import Broker, Subscriber
from tests.chaos.days import lived, plans
from tests.samples import CAPTURE, IMAGE, event
from tests.test_publish import CLOCK, TOPICS, ids, said, settings

NOW = 1_800_000_000_000
NO_FLOOR = config.Store(max_mb=1, free_mb=0, ballast_kb=0)

# A process that is told of nothing: it puts vehicles and events, and says the number of each once the call has returned.
PUTTING = """
import sys
from pathlib import Path
from agent import config
from agent.domain import Event
from agent.store import Store
from tests.samples import capture
with Store.open(Path(sys.argv[1]), config.Store(free_mb=1), 1) as store:
    for number in range(int(sys.argv[2])):
        kept = store.spool.put(capture(f"V{number}"), 1) if number % 2 else store.outbox.put(Event(f"E{number}", "gate/a/vin", {}), 1)
        sys.stdout.write(f"{number}\\n" if kept else "")
        sys.stdout.flush()
"""


def opened(state_dir: Path, settings: config.Store | None = None) -> Store:
    return Store.open(state_dir, settings or config.Store(free_mb=1), NOW)


def kept(state_dir: Path) -> set[int]:
    with closing(sqlite3.connect(state_dir / "agent.db")) as db:
        return {int(key[1:]) for (key,) in db.execute("SELECT key FROM spool UNION ALL SELECT key FROM outbox")}


@pytest.mark.parametrize("kills", range(5))
def test_what_was_accepted_outlives_a_kill_right_after(tmp_path: Path, kills: int) -> None:
    """Elsewhere "accepted" means a queue in memory: 9 to 44 messages went with each kill."""
    command = [sys.executable, "-c", PUTTING, str(tmp_path), "1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        accepted = [int(process.stdout.readline()) for _ in range(60 + 7 * kills)]
        process.send_signal(signal.SIGKILL)
        accepted += [int(line) for line in process.stdout.read().splitlines()]
    assert set(accepted) <= kept(tmp_path)


def test_five_thousand_accepted_puts_are_there_after_a_stop_right_behind_them(tmp_path: Path) -> None:
    """Elsewhere a normal stop wrote none of them."""
    with opened(tmp_path) as store:
        for number in range(5000):
            store.outbox.put(Event(f"E{number}", "gate/a/vin", {}), NOW)
    assert kept(tmp_path) == set(range(5000))


def test_an_age_limit_counts_in_the_unit_of_the_rows(tmp_path: Path) -> None:
    """Elsewhere rows of 400 days outlived a limit of 7: milliseconds were compared with seconds."""
    gate = lived(tmp_path, replace(plans(full=False)[0], days=20))
    assert gate.wrong == set()
    assert "age" in gate.gone.values()


@pytest.mark.parametrize(("name", "wrong"), [("DAY_MS", 86_400), ("DAY_MS", 86_400_000_000), ("_LEDGER_DAYS", 62_000)])
def test_an_age_limit_in_another_unit_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, wrong: int) -> None:
    monkeypatch.setattr(f"agent.retention.{name}", wrong)
    days = 70 if name == "_LEDGER_DAYS" else 20
    gate = lived(tmp_path, replace(plans(full=False)[0], days=days, per_day=1))
    assert gate.wrong or gate.lost


@contextlib.contextmanager
def locked(state_dir: Path) -> Iterator[sqlite3.Connection]:
    """Another program holds the store, as a backup or a browser for databases does."""
    with closing(sqlite3.connect(state_dir / "agent.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_a_store_that_is_locked_again_and_again_drops_no_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere a batch was dropped after four errors."""
    monkeypatch.setattr("agent.sqlite.BUSY_S", 0.05)
    with opened(tmp_path) as store:
        batch = [store.outbox.put(event(number), NOW) for number in range(20)]
        with locked(tmp_path):
            for _ in range(6):
                with pytest.raises(RetryLater, match="locked by another program"):
                    store.outbox.sent(batch, NOW)
                with pytest.raises(RetryLater):
                    store.spool.put(CAPTURE, NOW)
        assert [row.sequence for row in store.outbox.next(100)] == batch, "nothing counts as sent that was not written down"
        store.outbox.sent(batch, NOW)
        assert store.spool.put(CAPTURE, NOW), "a camera says it again until it is told that it is kept"
        assert (len(store.outbox), len(list(store.outbox.history(0, 2**60))), len(store.spool)) == (0, 20, 1)


def test_a_short_lock_is_waited_for(tmp_path: Path) -> None:
    with opened(tmp_path) as store, locked(tmp_path) as other:
        freed = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
        freed.start()
        began = time.monotonic()
        assert store.outbox.put(event(1), NOW) == 1
        assert time.monotonic() - began >= 0.2
        freed.join()


def test_the_size_is_looked_at_before_every_put_and_what_is_new_goes_before_what_is_worth_less(tmp_path: Path) -> None:
    """Elsewhere it is looked at once a minute, and when all is full new data are refused."""
    with opened(tmp_path, NO_FLOOR) as store:
        for number in range(300):
            read_id, picture = f"V{number}", bytes([number % 256]) * 30_000
            image = replace(IMAGE, read_id=read_id, jpeg=picture)
            assert store.spool.put(replace(CAPTURE, read_id=read_id, images=(image,)), NOW + number), "nobody tidied in between"
            size = store.size()
            assert size.used_bytes <= size.cap_bytes
            assert store.spool.pictures(read_id) == [picture]
            if number % 3:
                store.outbox.put(Event(read_id, "gate/a/vin", {}), NOW)
                store.spool.done(read_id)
        assert (tmp_path / "agent.db").stat().st_size <= MB
        assert len(store.spool) + len(store.outbox) == 300, "pictures went, no vehicle did"


def test_a_connection_that_is_made_anew_leaves_the_store_alone(tmp_path: Path) -> None:
    """Elsewhere each reconnect made a new one in its place."""
    with Broker(tmp_path / "broker") as broker, Subscriber(broker.port) as yard, opened(tmp_path / "state") as store:
        file, chosen = tmp_path / "state" / "agent.db", settings(broker, last=False)
        inode = file.stat().st_ino
        for number in range(40):
            store.outbox.put(event(number), NOW)
        for lives in range(5):
            with contextlib.suppress(RetryLater), Link(chosen, "vinagent-gate-3-pi", said("offline")) as link:
                publisher, until = Publisher(link, store.outbox, TOPICS, chosen, tuple, CLOCK.now()), 40 - 8 * (lives + 1)
                while len(store.outbox) > until:
                    publisher.step(CLOCK.now())
                broker.restart()
                while True:
                    publisher.step(CLOCK.now())
            yard.wait_subscribed()
            store.outbox.put(event(100 + lives), NOW)
        assert (file.stat().st_ino, store.losses) == (inode, ())
        known = {row.event.id for row in store.outbox.next(100)} | {row.event.id for row in store.outbox.history(0, 2**60)}
        assert known == {event(number).id for number in (*range(40), *range(100, 105))}
        assert set(ids(yard.collect("/vin"))) <= known


def test_every_connection_flushes_each_commit_to_the_disk(tmp_path: Path) -> None:
    """Elsewhere it is NORMAL, with which a power cut takes what was acknowledged."""
    full = 2
    with opened(tmp_path) as store:
        assert store._db.number("PRAGMA synchronous") == full
        with changing(config.Settings(agent=config.Agent(state_dir=tmp_path))) as by_hand:
            assert by_hand.number("PRAGMA synchronous") == full
