"""Where two troubles meet: a disk that fails while the broker is away, the clock is set, somebody purges, or the file is lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent import along, config
from agent.board import Board
from agent.clerk.items import Wanted
from agent.clerk.purge import purge
from agent.clock import Clock
from agent.domain import EncodedImage, Event, Reading
from agent.errors import AgentError, Rejected, RetryLater
from agent.mqtt import Link
from agent.opening import Opening
from agent.publish import Publisher, Tally
from agent.stages import Read
from agent.stopping import Stopping
from agent.store import Store
from agent.topics import Topics
from tests.disks import failing
from tests.readers import Scripted
from tests.samples import FACTS, event
from tests.test_fallback import NOW, SETTINGS, VIN, at, leave, seen


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, SETTINGS, NOW) as opened:
        yield opened


def told(store: Store, read_id: str, number: int = 1) -> int:
    return store.outbox.put(replace(event(number), id=read_id), NOW)


def doubtful(read_id: str) -> Event:
    """As told before anybody vouched for the clock."""
    data = event(1).payload["data"]
    payload = {**event(1).payload, "data": {**data, "clock": {**data["clock"], "trust": "coarse", "boot_id": "this boot"}}}
    return replace(event(1), id=read_id, payload=payload)


@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_no_number_is_given_twice_where_the_file_is_lost_while_the_agent_is_in_memory(store: Store, tmp_path: Path, how: str) -> None:
    """Everything was sent: no row that went along says how far the numbers had come."""
    assert [told(store, name) for name in "ABC"] == [1, 2, 3]
    store.outbox.sent([1, 2, 3], NOW)
    leave(store)
    told(store, "D")
    for name in ("agent.db", "agent.db-wal", "agent.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    if how == "damaged":
        (tmp_path / "agent.db").write_bytes(b"no database" * 1000)

    assert store.come_back(at(20))

    assert [(each.event.id, each.sequence) for each in store.outbox.next(9)] == [("D", 4)]
    assert told(store, "E") == 5


def test_a_correction_waits_for_an_event_that_stayed_on_the_failing_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker was away for so long that memory has no room for the backlog; then the clock is set."""
    for number in range(3):
        wrong = doubtful(f"told{number}")
        with store.transaction():
            store.outbox.put(wrong, NOW)
            store.unsure.note(wrong)
    store.outbox.sent([1], NOW)
    monkeypatch.setitem(along._ALONG, "outbox", 900 / 4_000_000)  # one event
    leave(store)
    assert [each.event.id for each in store.outbox.next(9)] == ["told2"]

    assert [each.read_id for each in store.unsure.due("this boot", 9)] == ["told0"]
    store.outbox.sent([3], NOW)
    assert [each.read_id for each in store.unsure.due("this boot", 9)] == ["told0", "told2"]
    store.come_back(at(20))
    assert len(store.unsure) == 3, "what stayed on the disk is corrected from there"


def test_a_correction_waits_for_an_event_whose_copy_had_to_make_room_in_memory(store: Store) -> None:
    wrong = doubtful("told")
    with store.transaction():
        store.outbox.put(wrong, NOW)
        store.unsure.note(wrong)
    leave(store)

    store._retention._forget.copies()

    assert store.unsure.due("this boot", 9) == []
    store.come_back(at(20))
    assert [each.event.id for each in store.outbox.next(9)] == ["told"]
    assert len(store.unsure) == 1


def test_a_purge_of_the_file_is_not_undone_by_what_memory_took_along(store: Store, tmp_path: Path) -> None:
    payload = {"id": "A", "data": {"gate": "a", "vin": VIN}}
    told(store, "A")
    store.put("last/gate/a/vin", {"sequence": 1, "put_ms": NOW, "topic": "gate/a/vin", "payload": payload})
    store.arrivals[f"a/{VIN}"] = {"read_id": "A", "put_ms": NOW}
    with store.transaction():
        store.unsure.note(doubtful("A"))
    leave(store)
    settings: Any = SimpleNamespace(agent=SimpleNamespace(state_dir=tmp_path), store=SETTINGS)
    assert purge(settings, Wanted(vin=VIN, names=()), confirmed=lambda _: True, say=lambda _: None)

    assert store.come_back(at(20))

    assert store.get("last/gate/a/vin")["payload"] is None
    assert list(store.arrivals) == []
    assert len(store.unsure) == 0


class Broken:
    """An outbox on a disk that does not give a page."""

    def __len__(self) -> int:
        raise RetryLater("agent.db could not be read or written")


def test_a_stop_goes_on_to_the_goodbye_where_the_disk_fails_while_it_waits_for_the_outbox() -> None:
    part: Any = SimpleNamespace(_store=SimpleNamespace(outbox=Broken()), _workers={"send": SimpleNamespace(trouble="")})
    assert Stopping.all_sent(part) is False


class Wire:
    """A link whose broker answers when the test says so."""

    where, lost, room, in_flight = "b:1883", None, 20, 0

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.answers: list[tuple[int, str | None]] = []

    def publish(self, message: Any) -> int:
        self.sent.append((message.topic, message.payload))
        return len(self.sent)

    def take_acknowledged(self) -> list[tuple[int, str | None]]:
        taken, self.answers = self.answers, []
        return taken

    def oldest_in_flight_s(self) -> float:
        return 0.0

    def check(self) -> None: ...
    def wake(self) -> None: ...
    def wait(self, seconds: float, answers: int = 1) -> None: ...


def test_an_answer_to_what_was_told_from_memory_is_no_answer_to_another_event_of_the_next_time_in_memory(store: Store) -> None:
    """The broker is slow, and the disk fails twice meanwhile: numbers given in memory begin anew each time."""
    wire, tally, topics = Wire(), Tally(), Topics("v", "s", "a")
    link: Link = wire  # type: ignore[assignment]
    publisher = Publisher(link, store.outbox, topics, config.Mqtt(replay_per_s=0), lambda: (), at(0), tally)
    leave(store)
    first = told(store, "A", 1)
    publisher.step(at(1))
    store.come_back(at(20))
    publisher.recount(dict)
    store.outbox.sent([1], NOW)
    leave(store)
    assert told(store, "B", 2) == first, "one number, two events"

    wire.answers = [(1, None)]
    publisher.step(at(30))

    assert [each.event.id for each in store.outbox.next(9)] == ["B"], "nobody has it"
    assert tally.last.get(topics.last(event(1)), 0) < first, "or no VIN with a number of the disk would be shown any more"


class Vendor(Scripted):
    """Something happens while it reads."""

    def __init__(self, meanwhile: Callable[[], object], *answers: str | AgentError) -> None:
        super().__init__("paid", *answers, price=0.5)
        self.meanwhile, self.time_known = meanwhile, True

    def read(self, image: EncodedImage) -> Reading:
        self.meanwhile()
        return super().read(image)


def reading(store: Store) -> Read:
    """The stage as the agent opens it."""
    clock = Clock(synced=lambda: True)
    opening: Any = SimpleNamespace(
        settings=SimpleNamespace(reading=config.Reading(chain=("paid",))), identity=SimpleNamespace(facts=FACTS),
        store=store, clock=clock, stop_reading=threading.Event(), board=Board(clock.now(), "s", "clean"), speakers={},
    )  # fmt: skip
    return ExitStack().enter_context(Opening.read(opening))


def test_a_refusal_that_was_paid_for_and_meets_a_failing_disk_is_not_bought_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = ExitStack()
    vendor = Vendor(lambda: disk.enter_context(failing()), Rejected("no VIN", charged=True), Rejected("no VIN", charged=True))
    monkeypatch.setattr("agent.opening.open_providers", lambda _: [vendor])
    seen(store, "A")
    stage = reading(store)
    with disk, suppress(RetryLater):
        stage.step()
    store.come_back(Clock(synced=lambda: True).now())
    while stage.step():
        pass

    assert store.unwritable == ""
    assert len(store.outbox) == 1
    assert vendor.calls == 1
    assert store.ledger.calls("A") == 1


def test_an_answer_that_comes_while_its_vehicle_is_purged_leaves_no_vin_behind(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: Any = SimpleNamespace(agent=SimpleNamespace(state_dir=tmp_path), store=SETTINGS)
    vendor = Vendor(lambda: purge(settings, Wanted(names=()), confirmed=lambda _: True, say=lambda _: None), VIN)
    monkeypatch.setattr("agent.opening.open_providers", lambda _: [vendor])
    seen(store, "A")
    reading(store).step()

    assert vendor.calls == 1
    assert list(store.seen) == []
    assert (store.ledger.calls("A"), store.ledger.open_bookings()) == (1, 0), "what it cost is on the books"


def test_a_disk_that_fails_again_while_it_is_opened_is_let_go_of(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(store)

    def fails(*_: object) -> None:
        raise RetryLater("agent.db could not be read or written")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "given_up", fails)
        assert not store.come_back(at(20))
    assert [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink() and str(link.readlink()).startswith(str(tmp_path))] == []
    assert store.come_back(at(200))
