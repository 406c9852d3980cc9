"""An operator looks into the store and changes it by hand, beside an agent that runs, and nobody is locked out or left in the dark."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from agent import config, pictures
from agent.children import Children
from agent.clerk import counter
from agent.clerk.show import _written
from agent.cli import main
from agent.clock import Clock
from agent.domain import Event, Reading
from agent.errors import RetryLater
from agent.events import audit, delivered
from agent.schema import MIGRATIONS
from agent.store import Audit, Store
from agent.take import Take
from tests.gateway import COMMAND
from tests.payloads import valid
from tests.samples import CAPTURE, FACTS, HONDA, IMAGE, NOW, UNREAD, event
from tests.test_bundle import closed

DAY_MS = 86_400_000
VIN = HONDA.value
Told = Callable[..., tuple[int, str, str]]


def utc_ms() -> int:
    return Clock().now().utc_ms


def seen(store: Store, read_id: str, put_ms: int, pictures: int = 2, size: int = 1000) -> None:
    images = tuple(replace(IMAGE, read_id=read_id, number=number, jpeg=bytes([number]) * size) for number in range(pictures))
    store.spool.put(replace(CAPTURE, read_id=read_id, images=images), put_ms)


def told(store: Store, number: int, put_ms: int, gate: str = "north-in", *, is_sent: bool = True) -> Event:
    """A vehicle that was read, and sent where that is wanted; with what the agent remembers of it beside."""
    made = event(number, gate)
    seen(store, made.id, put_ms)
    store.spool.done(made.id)
    sequence = store.outbox.put(made, put_ms)
    store.put(f"last/{made.topic}", {"sequence": sequence, "put_ms": put_ms, "topic": made.topic, "payload": made.payload})
    store.arrivals[f"{gate}/{VIN}"] = {"read_id": made.id, "seen_at": asdict(NOW), "accepted": True, "way": ["1", "in"], "put_ms": put_ms}
    store.seen[f"tencent/{number}"] = {"reading": None, "why": "", "read_id": made.id, "put_ms": put_ms}
    if is_sent:
        store.outbox.sent([sequence], put_ms + 500)
    return made


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(state_dir: Path) -> Iterator[Store]:
    """Open throughout, as by an agent that runs: WAITS is to be read, number 1 was sent, number 2 is to be sent."""
    now = utc_ms()
    state_dir.mkdir()
    with Store.open(state_dir, config.Store(free_mb=1), now) as store:
        told(store, 1, now - 3 * DAY_MS, "south-out")
        told(store, 2, now - 3_600_000, is_sent=False)
        seen(store, "WAITS", now - 60_000, pictures=3, size=50_000)
        store.spool.note("WAITS", Reading("1HGCM82633A 004352", None, "huawei", 0, None, 512))
        yield store


@pytest.fixture
def vin_agent(tmp_path: Path, state_dir: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    """The command in this process: exit code, output, complaints."""
    file = tmp_path / "agent.toml"
    file.write_text(f"[agent]\nsite = 'hamburg'\nid = 'gate'\nstate_dir = '{state_dir}'\n", "utf-8")

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([*map(str, arguments), "--config", str(file)])
        except SystemExit as left:
            code = int(str(left.code))
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def rows(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def states(output: str) -> dict[str, str]:
    return {row["read_id"]: row["state"] for row in rows(output)}


ONE, TWO = event(1).id, event(2).id


def test_what_waits_is_listed_and_on_wish_what_was_sent(store: Store, vin_agent: Told) -> None:
    assert states(vin_agent("queue", "list", "--json")[1]) == {"WAITS": "to be read", TWO: "to be sent"}
    assert states(vin_agent("queue", "list", "--sent", "--json")[1]) == {"WAITS": "to be read", TWO: "to be sent", ONE: "sent"}
    waits, two = rows(vin_agent("queue", "list", "--json")[1])
    assert (waits["sequence"], waits["gate"], waits["attempts"], waits["picture_bytes"]) == (None, "north-in", 0, 150_000)
    assert (two["sequence"], two["vin"], two["picture_bytes"], round(two["age_s"] / 3600, 1)) == (2, VIN, 2000, 1.0)


def test_a_person_gets_a_table(store: Store, vin_agent: Told) -> None:
    code, output, _ = vin_agent("queue", "list", "--sent")
    head, waits, two, one = output.splitlines()
    assert code == 0
    assert head.split()[:3] == ["number", "read_id", "gate"]
    assert "to be read" in waits
    assert "150 KB" in waits
    assert VIN in two
    assert "60 min" in two
    assert "3.0 d" in one
    assert max(map(len, output.splitlines())) <= 120


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("--older-than", "2h"), {ONE}),
        (("--older-than", "30m"), {ONE, TWO}),
        (("--larger-than", "100K"), {"WAITS"}),
        (("--larger-than", "1M"), set()),
        (("--gate", "south-out"), {ONE}),
        (("--vin", VIN), {"WAITS", ONE, TWO}),
        (("--vin", "1hgcm"), {"WAITS", ONE, TWO}),
        (("--vin", "WVW"), set()),
        (("--vin", VIN, "--gate", "north-in", "--older-than", "30m"), {TWO}),
    ],
)
def test_a_filter_leaves_out_the_others(store: Store, vin_agent: Told, filters: Sequence[str], expected: set[str]) -> None:
    assert set(states(vin_agent("queue", "list", "--sent", "--json", *filters)[1])) == expected


def test_an_unread_vehicle_is_listed_with_its_reason_and_what_the_agent_says_of_itself_as_that(store: Store, vin_agent: Told) -> None:
    now = utc_ms()
    store.outbox.put(event(3, decision=UNREAD), now)
    store.outbox.put(audit("A1", asdict(Audit("evicted", "outbox", "X", 7, "age")), facts=FACTS, now=NOW), now)
    listed = rows(vin_agent("queue", "list", "--json")[1])
    assert [row["reason"] for row in listed] == [None, None, "glare", "audit: evicted"]


@pytest.mark.parametrize(
    "arguments", [("list", "--older-than", "soon"), ("list", "--larger-than", "big"), (), ("fly",), ("retry",), ("purge",)]
)
def test_wrong_usage_ends_with_2(store: Store, vin_agent: Told, arguments: Sequence[str]) -> None:
    code, output, error = vin_agent("queue", *arguments)
    assert (code, output) == (2, "")
    assert "Traceback" not in error


def most_memory(*command: object) -> int:
    """The most kilobytes a command ever had."""
    process = subprocess.Popen([str(each) for each in command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss


def test_a_hundred_thousand_rows_take_no_more_memory_than_a_page(tmp_path: Path, state_dir: Path, vin_agent: Told) -> None:
    with Store.open(state_dir, config.Store(free_mb=1), 1) as store:
        told(store, 1, 1, is_sent=False)
        listing = (COMMAND, "queue", "list", "--config", tmp_path / "agent.toml")
        few = most_memory(*listing)
        # Written at once: a hundred thousand commits are not the subject.
        copies = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
        store._db.execute(
            f"INSERT INTO outbox (key, value, put_ms) {copies} SELECT 'ID' || i, value, put_ms FROM n, (SELECT value, put_ms FROM outbox)"  # noqa: S608
        )
        assert most_memory(*listing) < few + 10_000, "SQLite keeps 2 MB of pages, and all rows are 200 MB"
        assert vin_agent("queue", "list")[1].count("\n") == 100_001


def test_one_vehicle_is_shown_with_pictures_readings_and_calls(store: Store, vin_agent: Told) -> None:
    store.ledger.book("huawei", "WAITS", 0.1, utc_ms())
    store.spool.postpone("WAITS", utc_ms() + 90_000)
    known = json.loads(vin_agent("queue", "show", "WAITS", "--json")[1])
    assert (known["state"], known["gate"], known["camera"], known["attempts"]) == ("to be read", "north-in", "cam1", 1)
    assert known["waits_until"]
    assert [(each["name"], each["bytes"], each["width"]) for each in known["pictures"]] == [(f"WAITS-0{n}", 50_000, 612) for n in range(3)]
    assert [each["text"] for each in known["readings"]] == ["1HGCM82633A 004352"]
    assert [each["provider"] for each in known["calls"]] == ["huawei"]
    text = vin_agent("queue", "show", "WAITS")[1]
    assert "huawei, picture 0: '1HGCM82633A 004352'" in text
    assert known["pictures"][0]["sha256"] in text


def test_pictures_and_event_of_a_vehicle_are_saved(store: Store, vin_agent: Told, tmp_path: Path) -> None:
    assert vin_agent("queue", "show", TWO, "--save", tmp_path / "out")[0] == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [f"{TWO}-00.jpg", f"{TWO}-01.jpg", f"{TWO}.json"]
    assert (tmp_path / "out" / f"{TWO}-01.jpg").read_bytes() == bytes([1]) * 1000
    valid("gate/north-in/vin", json.loads((tmp_path / "out" / f"{TWO}.json").read_text("utf-8")))


def test_a_vehicle_nobody_knows_is_said_in_one_sentence(store: Store, vin_agent: Told) -> None:
    for task in ("show", "retry"):
        code, output, error = vin_agent("queue", task, "NOBODY")
        assert (code, output, error.count("\n")) == (1, "", 1)
        assert "knows no NOBODY" in error


def test_a_retry_ends_the_wait_of_one_or_of_all_and_the_agent_sees_it(store: Store, vin_agent: Told) -> None:
    now = utc_ms()
    seen(store, "OTHER", now)
    for read_id in ("WAITS", "OTHER"):
        store.spool.postpone(read_id, now + 3_600_000)
    assert store.spool.head(now) is None
    assert vin_agent("queue", "retry", "OTHER")[0] == 0
    head = store.spool.head(now)
    assert head
    assert head.capture.read_id == "OTHER"
    store.spool.done("OTHER")
    assert store.spool.head(now) is None
    assert "1 vehicles" in vin_agent("queue", "retry", "--all")[1]
    assert store.spool.head(now)


def test_a_retry_of_what_only_waits_for_the_broker_says_so(store: Store, vin_agent: Told) -> None:
    assert "waits for the broker" in vin_agent("queue", "retry", TWO)[1]
    assert "vin-agent replay" in vin_agent("queue", "retry", ONE)[1]


def test_events_are_exported_as_the_yard_would_get_them(store: Store, vin_agent: Told, tmp_path: Path) -> None:
    code, output, error = vin_agent("queue", "export", "-", "--pictures", tmp_path / "pictures")
    assert (code, error) == (0, "2 events written\n")
    lines = rows(output)
    assert [(line["state"], line["event"]["id"], line["topic"]) for line in lines] == [
        ("to be sent", TWO, "gate/north-in/vin"),
        ("sent", ONE, "gate/south-out/vin"),
    ]
    for line in lines:
        assert valid(line["topic"], line["event"])["data"]["delivery"]["replay"] is True
    assert len(list((tmp_path / "pictures").iterdir())) == 4
    assert vin_agent("queue", "export", tmp_path / "out.jsonl", "--only", "sent")[0] == 0
    assert [line["event"]["id"] for line in rows((tmp_path / "out.jsonl").read_text("utf-8"))] == [ONE]


def test_an_export_that_cannot_be_written_leaves_no_half_of_it(store: Store, vin_agent: Told, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").mkdir()
    code, _, error = vin_agent("queue", "export", tmp_path / "out.jsonl")
    assert (code, error.count("\n")) == (1, 1)
    assert not (tmp_path / "out.jsonl.part").exists()


@pytest.mark.parametrize("task", [("list",), ("list", "--json"), ("export", "-"), ("show", ONE), ("verify",)])
def test_a_disk_that_takes_no_more_of_the_output_is_said_in_one_sentence(store: Store, tmp_path: Path, task: tuple[str, ...]) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(f"[agent]\nsite = 'hamburg'\nid = 'gate'\nstate_dir = '{tmp_path / 'state'}'\n", "utf-8")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [COMMAND, "queue", *task, "--config", str(file)], stdout=full, stderr=subprocess.PIPE, encoding="utf-8", check=False
        )
    assert done.returncode == 1
    assert "vin-agent: the output cannot be written: [Errno 28] No space left on device\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_an_export_into_a_folder_that_is_closed_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    with closed(tmp_path / "closed"), pytest.raises(RetryLater, match="cannot be written"), _written(f"{tmp_path}/closed/out"):
        raise AssertionError("nothing can be written there")


def test_an_export_into_what_is_no_file_leaves_it_what_it_is(store: Store, vin_agent: Told, tmp_path: Path) -> None:
    """Such as /dev/null, which every program needs, or a pipe; and a name that leads to a file goes on leading there."""
    pipe, name, file = tmp_path / "pipe", tmp_path / "name", tmp_path / "file"
    os.mkfifo(pipe)
    name.symlink_to(file)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert vin_agent("queue", "export", pipe)[0] == 0
    assert pipe.is_fifo()
    assert len(rows(os.read(reader, 65_536).decode())) == 2
    os.close(reader)
    assert vin_agent("queue", "export", name)[0] == 0
    assert name.is_symlink()
    assert len(rows(file.read_text("utf-8"))) == 2


def test_a_picture_whose_name_is_damaged_is_shown_with_what_is_left_of_it(store: Store, vin_agent: Told) -> None:
    store._db.execute("UPDATE pictures SET key = 'WAITS/0p' WHERE key = 'WAITS/02'")
    code, output, error = vin_agent("queue", "show", "WAITS", "--json")
    assert (code, error) == (0, "")
    assert [picture["name"] for picture in json.loads(output)["pictures"]] == ["WAITS-00", "WAITS-01", "WAITS-0p"]


@pytest.mark.parametrize("task", ["verify", "repair"])
def test_looking_a_store_over_needs_no_room_elsewhere(
    store: Store, vin_agent: Told, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, task: str
) -> None:
    """A disk that is full is when somebody looks."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "there is no such folder"))
    assert vin_agent("queue", task)[0] == 0


def test_a_sound_store_is_found_sound_and_left_as_it_is(store: Store, vin_agent: Told, state_dir: Path) -> None:
    before = (state_dir / "agent.db").read_bytes(), (state_dir / "agent.db-wal").read_bytes()
    code, output, _ = vin_agent("queue", "verify")
    assert (code, output.count("ok ")) == (0, 6)
    assert ((state_dir / "agent.db").read_bytes(), (state_dir / "agent.db-wal").read_bytes()) == before


Break = Callable[[Store], object]
BROKEN: list[tuple[str, Break, str]] = [
    ("a changed byte in an event", lambda s: s._db.execute("UPDATE sent SET value = CAST('x' AS BLOB) || value"), "rows: "),
    ("a changed byte in a picture", lambda s: s._db.execute("UPDATE pictures SET value = x'00' WHERE key = 'WAITS/00'"), "1 in pictures"),
    ("an index that is gone", lambda s: s._db.execute("DROP INDEX spool_waits"), "missing: spool_waits"),
    (
        "pictures without a vehicle",
        lambda s: s._db.execute("INSERT INTO pictures (key, value) VALUES ('GONE/00', x'00')"),
        "pictures: 1 belong",
    ),
]


@pytest.mark.parametrize(("spoil", "said"), [pytest.param(*each[1:], id=each[0]) for each in BROKEN])
def test_what_is_wrong_is_said_and_mended_and_what_is_sound_stays(store: Store, vin_agent: Told, spoil: Break, said: str) -> None:
    spoil(store)
    code, output, _ = vin_agent("queue", "verify")
    assert code == 1
    (wrong, *_) = [line for line in output.splitlines() if line.startswith("WRONG") and said in line]
    assert "queue repair" in wrong
    assert vin_agent("queue", "repair")[0] == 0
    code, output, _ = vin_agent("queue", "verify")
    assert code == 0, output
    assert TWO in states(vin_agent("queue", "list", "--json")[1])
    assert store.spool.head(utc_ms()), "the agent goes on beside"


def test_a_damaged_row_is_set_aside_and_told_as_the_agent_would(store: Store, vin_agent: Told) -> None:
    store._db.execute("UPDATE outbox SET value = x'00' WHERE sequence = 2")
    store._db.execute("UPDATE spool SET value = x'00'")
    assert "damaged" in vin_agent("queue", "list")[1], "it is listed all the same"
    vin_agent("queue", "repair")
    assert {(told.what, told.source, told.id, told.sequence) for told in store.take_audits()} == {
        ("damaged", "outbox", TWO, 2),
        ("damaged", "spool", "WAITS", None),
    }
    assert len(store.spool.pictures("WAITS")) == 3, "the pictures of a vehicle whose row is damaged are all there is of it"
    assert vin_agent("queue", "verify")[0] == 0


def test_empty_pages_go_back_to_the_disk(store: Store, vin_agent: Told, state_dir: Path) -> None:
    for number in range(4):
        seen(store, f"BIG{number}", utc_ms(), pictures=8, size=10_000)
        store.spool.forget(f"BIG{number}")
    store._db.write_back()
    before = (state_dir / "agent.db").stat().st_size
    assert "given back" in vin_agent("queue", "repair")[1]
    assert (state_dir / "agent.db").stat().st_size < before - 50_000


def test_a_number_that_is_gone_without_a_word_is_found(store: Store, vin_agent: Told) -> None:
    for number in range(3, 9):
        told(store, number, utc_ms(), is_sent=False)
    assert vin_agent("queue", "verify")[0] == 0
    store._db.execute("DELETE FROM outbox WHERE sequence IN (4, 5, 8)")
    store._db.execute("DELETE FROM pictures")
    code, output, _ = vin_agent("queue", "verify")
    assert code == 1
    assert "numbers: 4 to 5, 8 are missing" in output


@pytest.mark.parametrize("is_told", [False, True])
def test_a_number_that_an_audit_speaks_of_is_explained(store: Store, vin_agent: Told, *, is_told: bool) -> None:
    for number in range(3, 6):
        told(store, number, utc_ms(), is_sent=False)
    vin_agent("queue", "purge", "--yes", "--older-than", "30m", "--only", "unsent")
    assert 2 not in [row["sequence"] for row in rows(vin_agent("queue", "list", "--json")[1])]
    if is_told:
        for line in store.take_audits():
            store.outbox.put(audit(f"A{line.sequence}", asdict(line), facts=FACTS, now=NOW), utc_ms())
    assert vin_agent("queue", "verify")[0] == 0
    store._db.execute("DELETE FROM audits")
    store._db.execute("DELETE FROM outbox WHERE key LIKE 'A%'")
    assert vin_agent("queue", "verify")[0] == 1


def test_pages_that_are_damaged_are_left_to_a_start_of_the_agent(store: Store, vin_agent: Told, state_dir: Path) -> None:
    told(store, 3, utc_ms())
    store.close()
    file = state_dir / "agent.db"
    content = bytearray(file.read_bytes())
    content[8192:] = bytes(len(content) - 8192)
    file.write_bytes(content)
    for task in ("verify", "repair"):
        code, output, error = vin_agent("queue", task)
        assert code == 1
        assert "restart the agent" in output + error
        assert "Traceback" not in error
    assert file.read_bytes() == content, "nothing was made worse"


def test_a_purge_shows_what_would_go_and_takes_nothing_without_a_yes(
    store: Store, vin_agent: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert vin_agent("queue", "purge", "--vin", VIN)[0] == 2, "nobody can be asked here"
    monkeypatch.setattr(counter, "_is_yes", lambda _question: False)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    code, output, _ = vin_agent("queue", "purge", "--vin", VIN)
    assert code == 1
    assert "1 to be read, 1 to be sent, 1 sent; pictures of 154 KB" in output
    assert "nothing was changed" in output
    assert set(states(vin_agent("queue", "list", "--sent", "--json")[1])) == {"WAITS", ONE, TWO}


def test_a_purge_leaves_nothing_of_a_vin_and_a_word_for_every_number(store: Store, vin_agent: Told, state_dir: Path) -> None:
    rows = [raw for table in ("outbox", "sent") for (raw,) in store._db.select(f"SELECT value FROM {table}")]  # noqa: S608  # our own names
    store._db.write_back()
    before = (state_dir / "agent.db").read_bytes()
    assert len(rows) == 2
    assert all(raw in before for raw in rows), "or what follows says nothing"
    code, output, _ = vin_agent("queue", "purge", "--vin", VIN, "--yes")
    assert code == 0, output
    assert vin_agent("queue", "list", "--sent", "--json")[1] == ""
    store._db.write_back()
    after = b"".join(file.read_bytes() for file in state_dir.rglob("*") if file.is_file())
    assert VIN.encode() not in after, "not even in pages that count as empty"
    assert not [raw for raw in rows if raw[-64:] in after], "nor in a row that is packed"
    audits = store.take_audits()
    assert [(each.what, each.source, each.id, each.sequence, each.until, each.count) for each in audits] == [
        ("purged", "spool", "WAITS", None, None, None),
        ("purged", "outbox", TWO, 2, None, None),
        ("purged", "sent", "", 1, 1, 1),
    ]
    for each in audits:
        assert VIN not in json.dumps(asdict(each)), "what is told of a purge must not tell what was purged"
        made = audit("01J8Z6Q4N7T0V9K3M2R5X8B1CE", asdict(each), facts=FACTS, now=NOW)
        valid("audit", delivered(made.payload, 9, replay=False, attempt=1, queued_ms=0))
    assert vin_agent("queue", "verify")[0] == 0


def test_a_purge_leaves_nothing_of_what_was_set_aside_either(store: Store, vin_agent: Told, state_dir: Path) -> None:
    small, large = b"a small picture" * 20, b"a large picture" * 2000
    images = tuple(replace(IMAGE, read_id="MIXED", number=number, jpeg=jpeg) for number, jpeg in enumerate((small, large)))
    store.spool.put(replace(CAPTURE, read_id="MIXED", gate="west", images=images), utc_ms())
    store._db.execute("UPDATE pictures SET value = CAST('x' AS BLOB) || value WHERE key LIKE 'MIXED/%'")
    assert store.spool.pictures("MIXED") == []
    seen(store, "ROW", utc_ms())
    row = store._db.select_one("SELECT value FROM spool WHERE key = 'ROW'")
    store._db.execute("UPDATE spool SET value = CAST('x' AS BLOB) || value WHERE key = 'ROW'")
    vin_agent("queue", "repair")

    assert vin_agent("queue", "purge", "--gate", "west", "--yes")[0] == 0

    def left() -> bytes:
        store._db.write_back()
        return b"".join(file.read_bytes() for file in state_dir.rglob("*") if file.is_file())

    assert small not in left()
    assert large[:5000] not in left()
    assert row is not None
    assert row[0] in left(), "nobody knows of which gate it is"
    assert len(store.spool.pictures("ROW")) == 2
    assert vin_agent("queue", "purge", "--all", "--yes")[0] == 0
    assert row[0] not in left()
    assert store.spool.pictures("ROW") == []
    assert {told.id for told in store.take_audits() if told.what == "damaged"} == {"MIXED/00", "MIXED/01", "ROW"}, "told all the same"


@pytest.mark.parametrize("task", ["verify", "repair"])
def test_what_the_agent_takes_away_meanwhile_is_not_taken_for_damage(
    store: Store, vin_agent: Told, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    """The row of a vehicle that comes next may get the number of the one that went."""
    seen(store, "LAST", utc_ms(), pictures=1, size=50_000)
    looked = pictures.jpeg_of

    def slowly(state_dir: Path, key: str, raw: object, size: int | None) -> bytes:
        if key == "LAST/00":
            store.spool.forget("LAST")
            seen(store, "NEXT", utc_ms(), pictures=1, size=50_000)
        return looked(state_dir, key, raw, size)

    monkeypatch.setattr("agent.clerk.check.jpeg_of", slowly)

    code, output, _ = vin_agent("queue", task)

    assert code == 0, output
    assert len(store.spool.pictures("NEXT")) == 1
    assert store.take_audits() == []


def test_a_purge_names_the_files_beside_the_store_that_may_hold_the_same(store: Store, vin_agent: Told, state_dir: Path) -> None:
    for name in ("agent.db.damaged-5", "agent.db.before-12"):
        (state_dir / name).touch()
    _, output, _ = vin_agent("queue", "purge", "--vin", VIN, "--yes")
    assert f"{state_dir}/agent.db.damaged-5 was put aside" in output
    assert f"{state_dir}/agent.db.before-12 was kept for the release before" in output


def test_events_that_were_sent_are_told_in_one_line(store: Store, vin_agent: Told) -> None:
    for number in range(3, 80):
        told(store, number, utc_ms() - 2 * DAY_MS, "west")
    vin_agent("queue", "purge", "--gate", "west", "--yes")
    assert [(each.sequence, each.until, each.count) for each in store.take_audits()] == [(3, 79, 77)]


def test_a_purge_keeps_what_does_not_fit_and_the_word_that_explains_a_gap(store: Store, vin_agent: Told) -> None:
    store.outbox.put(audit("A1", asdict(Audit("evicted", "outbox", "X", 7, "age")), facts=FACTS, now=NOW), utc_ms())
    vin_agent("queue", "purge", "--gate", "south-out", "--yes")
    assert set(states(vin_agent("queue", "list", "--sent", "--json")[1])) == {"WAITS", TWO, "A1"}
    assert store.get("last/gate/north-in/vin")["payload"]["id"] == TWO
    vin_agent("queue", "purge", "--all", "--yes")
    assert set(states(vin_agent("queue", "list", "--sent", "--json")[1])) == {"A1"}


def test_a_vin_that_only_the_last_of_a_gate_remembers_is_purged_too(store: Store, vin_agent: Told) -> None:
    """Its event is gone after `store.keep_days`, but the broker has it until the next vehicle comes."""
    for table in ("sent", "outbox", "spool"):
        store._db.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names
    assert vin_agent("queue", "purge", "--vin", VIN, "--yes")[0] == 0
    for gate, number in (("south-out", 1), ("north-in", 2)):
        kept = store.get(f"last/gate/{gate}/vin")
        assert (kept["payload"], kept["sequence"]) == (None, number)
    assert list(store.arrivals) == []


def test_a_replay_is_asked_for_by_time_gate_and_vin(store: Store, vin_agent: Told) -> None:
    code, output, _ = vin_agent("replay", "--from", "4d ago", "--to", "2d ago")
    assert (code, output) == (
        0,
        "1 events are sent again after what waits, which takes about 0 s at 10 a second; the same ids, marked replay\n",
    )
    assert [row.sequence for row in store.outbox.replays(10)] == [1]
    assert "nothing new" in vin_agent("replay", "--from", "4d ago")[1]
    assert "replay       is to be sent once more" in vin_agent("queue", "show", ONE)[1]
    for nothing in (("--gate", "north-in"), ("--vin", "WVWZZZ1JZ3W386752"), ("--to", "2020-01-01T00:00:00Z")):
        store._db.execute("DELETE FROM replays")
        assert "nothing new" in vin_agent("replay", "--from", "1970-01-01T00:00:00Z", *nothing)[1]


@pytest.mark.parametrize(
    "arguments", [(), ("--from", "2026-03-14T06:00:00"), ("--from", "yesterday"), ("--from", "2h"), ("--from", "1h ago", "--to", "2h ago")]
)
def test_a_time_that_may_mean_two_is_refused(store: Store, vin_agent: Told, arguments: Sequence[str]) -> None:
    assert vin_agent("replay", *arguments)[0] == 2


TASKS: list[tuple[str, ...]] = [
    ("queue", "list"),
    ("queue", "show", "WAITS"),
    ("queue", "retry", "--all"),
    ("queue", "export", "-"),
    ("queue", "verify"),
    ("queue", "repair"),
    ("queue", "purge", "--all", "--yes"),
    ("replay", "--from", "2h ago"),
]


@pytest.mark.parametrize("task", TASKS)
def test_without_a_store_nothing_is_made(vin_agent: Told, state_dir: Path, task: tuple[str, ...]) -> None:
    code, output, error = vin_agent(*task)
    assert (code, output, error.count("\n")) == (1, "", 1)
    assert "there is no store here" in error
    assert not state_dir.exists()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("version", "whose"), [(len(MIGRATIONS) + 1, "a newer release wrote"), (3, "of an older release")])
def test_a_store_of_another_release_is_left_as_it_is(
    store: Store, vin_agent: Told, state_dir: Path, task: tuple[str, ...], version: int, whose: str
) -> None:
    store._db.execute(f"PRAGMA user_version = {version}")
    store._db.write_back()
    before = (state_dir / "agent.db").read_bytes()
    code, output, error = vin_agent(*task)
    assert (code, output, error.count("\n")) == (1, "", 1)
    assert whose in error
    assert (state_dir / "agent.db").read_bytes() == before


def test_who_may_not_use_the_store_is_told_who_may(store: Store, vin_agent: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may do everything, and tests may run as root
    code, _, error = vin_agent("queue", "list")
    assert (code, error.count("\n")) == (1, 1)
    assert "run this as the service's user or as root" in error


def test_the_owner_of_the_store_keeps_every_file_of_it(vin_agent: Told, state_dir: Path) -> None:
    owner = 12345 if os.geteuid() == 0 else os.geteuid()
    with Store.open(state_dir, config.Store(free_mb=1), utc_ms()) as store:
        told(store, 1, utc_ms() - DAY_MS)
        seen(store, "WAITS", utc_ms())
    for file in (state_dir, *state_dir.iterdir()):
        os.chown(file, owner, -1)
    for task in TASKS:
        with sqlite3.connect(f"file:{state_dir / 'agent.db'}?mode=ro", uri=True) as held:
            held.execute("SELECT 1 FROM spool").fetchall()
            assert vin_agent(*task)[0] == 0, task
            assert {file.name: file.stat().st_uid for file in state_dir.iterdir() if file.stat().st_uid != owner} == {}, task
            assert {"agent.db-wal", "agent.db-shm"} <= {file.name for file in state_dir.iterdir()}, "which is what this is about"
        held.close()


def test_a_hundred_words_about_a_purge_are_not_told_two_a_minute(store: Store, vin_agent: Told) -> None:
    for number in range(3, 103):
        store.outbox.put(event(number), utc_ms() - 2 * DAY_MS)
    vin_agent("queue", "purge", "--older-than", "1d", "--only", "unsent", "--yes")
    take = Take(Children([]), store, FACTS, Clock())
    for _ in range(4):
        take._tidy()
    told = [row.event.payload["data"]["sequence"] for row in store.outbox.next(200) if row.event.topic == "audit"]
    assert sorted(told) == list(range(3, 103))
