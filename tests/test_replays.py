"""What was sent goes out once more when an operator asks: under the same id, after everything that waits, at the rate of a backlog."""

import contextvars
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent import config, promise
from agent.events import Message
from agent.mqtt import Link
from agent.publish import Publisher
from agent.retention import DAY_MS
from agent.settings import Secret
from agent.store import Store
from tests.broker import Broker, Rules, Subscriber
from tests.payloads import valid
from tests.samples import MemoryOutbox, event
from tests.test_publish import CLOCK, TOPICS, ids, publisher, said, settings, work

NOW = 1_800_000_000_000
MINUTE_MS = 60_000


def opened(state_dir: Path) -> Store:
    return Store.open(state_dir, config.Store(free_mb=1), NOW)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Ten events were sent, one each minute, from two gates in turn."""
    with opened(tmp_path / "state") as store:
        for number in range(10):
            store.outbox.put(event(number, ("east", "west")[number % 2]), NOW + number * MINUTE_MS)
        store.outbox.sent(range(1, 11), NOW + DAY_MS)
        yield store


def marked(store: Store) -> list[int]:
    return [row.sequence for row in store.outbox.replays(100)]


def test_a_time_is_from_its_first_millisecond_until_before_its_last(store: Store) -> None:
    assert store.outbox.replay(NOW + 2 * MINUTE_MS, NOW + 5 * MINUTE_MS, NOW) == 3
    assert marked(store) == [3, 4, 5]


def test_one_gate_or_one_vin_may_be_meant(store: Store) -> None:
    assert store.outbox.replay(0, 2**60, NOW, gate="west") == 5
    assert marked(store) == [2, 4, 6, 8, 10]
    assert store.outbox.replay(0, 2**60, NOW, vin="WVWZZZ1JZ3W386752") == 0


def test_a_vin_may_be_named_by_how_it_begins(store: Store) -> None:
    told = str(event(0).payload["data"]["vin"])
    assert store.outbox.replay(0, 2**60, NOW, vin=told[1:]) == 0
    assert store.outbox.replay(0, 2**60, NOW, vin=told[:9]) == 10


def test_a_long_search_does_not_count_as_stuck(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.queues._PAGE_ROWS", 2)
    heard: list[float] = []

    def search() -> None:
        promise.heard_by(heard.append)
        store.outbox.replay(0, 1, NOW)

    contextvars.copy_context().run(search)
    assert len(heard) >= 5


def test_what_is_asked_for_again_before_it_was_sent_is_sent_once_and_afterwards_once_more(store: Store) -> None:
    assert store.outbox.replay(0, 2**60, NOW) == 10
    assert store.outbox.replay(0, 2**60, NOW) == 0
    store.outbox.sent(marked(store)[:4], NOW)
    assert marked(store) == [5, 6, 7, 8, 9, 10]
    assert store.outbox.replay(0, 2**60, NOW) == 4


def test_what_is_to_be_sent_again_outlives_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.outbox.sent([store.outbox.put(event(1), NOW)], NOW)
        store.outbox.replay(0, 2**60, NOW)
    with opened(tmp_path) as store:
        assert marked(store) == [1]


def test_what_waits_for_its_first_sending_is_no_replay(store: Store) -> None:
    store.outbox.put(event(11), NOW)
    assert store.outbox.replay(0, 2**60, NOW) == 10


def trimmed_later(store: Store, now_ms: int) -> int:
    """How many sent events went; ages are believed once the clock was steady for an hour."""
    store.trim(now_ms)
    return store.trim(now_ms + 60 * MINUTE_MS).sent_events


def test_a_replay_does_not_keep_an_event_longer_than_its_days(store: Store) -> None:
    store.outbox.replay(0, 2**60, NOW)
    store.outbox.sent(marked(store), NOW + 7 * DAY_MS)
    assert trimmed_later(store, NOW + 8 * DAY_MS + 1) == 10
    assert store._db.number("SELECT count(*) FROM replays") == 0


def test_days_that_are_over_end_a_replay_that_was_not_done(store: Store) -> None:
    store.outbox.replay(0, 2**60, NOW)
    trimmed_later(store, NOW + 8 * DAY_MS + 1)
    assert store._db.number("SELECT count(*) FROM replays") == 0


def test_the_yard_hears_it_once_more_marked_as_a_replay_under_its_own_id_and_number(store: Store, broker: Broker, yard: Subscriber) -> None:
    store.outbox.replay(NOW, NOW + 4 * MINUTE_MS, NOW)
    chosen = settings(broker, last=False)
    with Link(chosen, "vinagent-gate-3-pi", said("offline")) as link:
        started = Publisher(link, store.outbox, TOPICS, chosen, tuple, CLOCK.now())
        work(started, lambda: not marked(store))
    heard = yard.wait_count(4)
    assert ids(heard) == [event(number).id for number in range(4)]
    told = [valid(each.topic, each.payload) for each in heard]
    assert [int(each["sequence"]) for each in told] == [1, 2, 3, 4]
    assert {each["data"]["delivery"]["replay"] for each in told} == {True}
    assert [int(queued.sequence) for queued in store.outbox.history(0, 2**60)] == list(range(1, 11)), "it stays where it was"


def filled(again: int) -> MemoryOutbox:
    outbox = MemoryOutbox()
    for number in range(again):
        outbox.put(event(number))
    outbox.rows, outbox.again = {}, outbox.rows
    return outbox


def test_live_events_and_the_backlog_go_before_it(broker: Broker, yard: Subscriber) -> None:
    outbox = filled(20)
    backlog = [outbox.put(event(100 + number)) for number in range(20)]
    with publisher(broker, outbox, inflight=5, last=False) as started:
        work(started, lambda: len(outbox.again) < 15)
        live = outbox.put(event(999))
        work(started, lambda: not outbox.again)
    numbers = [int(valid(each.topic, each.payload)["sequence"]) for each in yard.wait_count(41)]
    assert numbers[:20] == backlog
    assert numbers.index(live) <= 35, "it waits for what is on its way alone"
    assert sorted(numbers) == list(range(1, 42))


def test_it_keeps_to_the_rate_of_a_backlog(broker: Broker) -> None:
    start, outbox, sent = CLOCK.now(), filled(50), list[int]()
    with publisher(broker, outbox, now=start, replay_per_s=10, last=False) as started:
        for tenth in range(31):
            started.step(replace(start, monotonic_ms=start.monotonic_ms + 100 * tenth))
            sent.append(started.health().published)
    assert sent[10] <= 10
    assert sent[30] <= 30
    assert sent[30] > 15


def test_what_is_asked_for_while_a_replay_runs_is_found_also_where_its_numbers_are_lower(broker: Broker, yard: Subscriber) -> None:
    outbox = filled(10)
    later = {number: outbox.again.pop(number) for number in (1, 2)}
    with publisher(broker, outbox, last=False) as started:
        work(started, lambda: not outbox.again)
        outbox.again.update(later)
        work(started, lambda: not outbox.again)
    assert len(yard.wait_count(10)) == 10


def test_an_answer_the_broker_refuses_holds_up_no_replay(tmp_path: Path) -> None:
    acl = "user gate\ntopic write vinagent/v1/hamburg/gate-3-pi/#\n"
    with Broker(tmp_path / "broker", Rules(login=("gate", "geheim"), acl=acl)) as broker:
        outbox = filled(10)
        later = {number: outbox.again.pop(number) for number in (1, 2)}
        with publisher(broker, outbox, last=False, user="gate", password=Secret("geheim")) as started:
            started.publish_state([Message("somewhere/else", b"{}")])
            work(started, lambda: not outbox.again and started.health().published == 9 and not started.health().in_flight)
            outbox.again.update(later)
            work(started, lambda: not outbox.again)


def test_what_the_broker_refuses_does_not_go_round_in_a_loop(tmp_path: Path) -> None:
    acl = "user gate\ntopic write vinagent/v1/hamburg/gate-3-pi/gate/north-in/#\n"
    with Broker(tmp_path / "broker", Rules(login=("gate", "geheim"), acl=acl)) as broker:
        outbox = MemoryOutbox()
        for number in range(6):
            outbox.put(event(number, ("north-in", "secret")[number % 2]))
        outbox.rows, outbox.again = {}, outbox.rows
        with publisher(broker, outbox, last=False, user="gate", password=Secret("geheim")) as started:
            work(started, lambda: len(outbox.again) == 3)
            for _ in range(20):
                started.step(CLOCK.now())
            assert started.health().published == 6


def test_a_vin_that_was_taken_out_while_its_event_was_on_its_way_does_not_come_back_as_the_last_of_its_gate(
    broker: Broker, yard: Subscriber
) -> None:
    outbox, topic = MemoryOutbox(), TOPICS.last(event(1))
    outbox.put(event(1))
    with publisher(broker, outbox, last=True) as started:
        broker.freeze()
        started.step(CLOCK.now())
        started.publish_state([Message(topic, b"", retain=True)])
        broker.thaw()
        work(started, lambda: not outbox.rows)
        started.farewell(said("offline"), CLOCK.now)
    yard.wait_for(lambda seen: any(each.topic == TOPICS.status for each in seen))
    assert [each.payload for each in yard.collect(topic)] == [b""]
    with publisher(broker, outbox, last=True) as started:
        outbox.put(event(2))
        work(started, lambda: not outbox.rows)
        started.farewell(said("offline"), CLOCK.now)
    assert yard.wait_count(2, topic)[-1].payload, "the next vehicle stands there again"
