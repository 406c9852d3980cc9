"""Nothing committed is lost between the outbox and a real broker, and what is live goes first."""

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import state
from agent.bucket import Bucket
from agent.clock import Clock
from agent.config import Mqtt
from agent.domain import Stamp
from agent.errors import RetryLater
from agent.events import Message
from agent.mqtt import Link
from agent.publish import Publisher, Tally
from agent.settings import Secret
from agent.topics import Topics
from tests.broker import Broker, Received, Rules, Subscriber
from tests.payloads import valid
from tests.samples import FACTS, NOW, UNREAD, MemoryOutbox, event

TOPICS = Topics("vinagent/v1", "hamburg", "gate-3-pi")
CLOCK = Clock(synced=lambda: True)


def said(name: state.Running) -> Message:
    payload = state.status(name, boot_id="b", session="s1", version="1", since=NOW, last_exit="clean")
    return state.retained(TOPICS.status, payload)


HEALTH = state.retained(TOPICS.health, state.health(state.Health(state="ok", uptime_s=1, boot_id="b", last_exit="clean"), NOW))
STATE = (
    said("online"),
    state.retained(TOPICS.info, state.info(FACTS, (), ("embedded",))),
    state.retained(TOPICS.camera_status("cam1"), state.camera_status("online", NOW)),
    HEALTH,
)


def settings(broker: Broker, **changes: Any) -> Mqtt:
    return replace(Mqtt(port=broker.port, keepalive_s=60, replay_per_s=0), **changes)


@contextlib.contextmanager
def publisher(
    broker: Broker,
    outbox: MemoryOutbox,
    tally: Tally | None = None,
    now: Stamp | None = None,
    says: Sequence[Message] = (),
    **changes: Any,
) -> Iterator[Publisher]:
    """A publisher over a link of its own."""
    chosen = settings(broker, **changes)
    with Link(chosen, "vinagent-gate-3-pi", said("offline")) as link:
        yield Publisher(link, outbox, TOPICS, chosen, lambda: says, now or CLOCK.now(), tally)


def work(on: Publisher, done: Callable[[], object], seconds: float = 10.0) -> None:
    """Step until something holds."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not within {seconds} s: {on.health()}"
        on.step(CLOCK.now())


def filled(count: int) -> MemoryOutbox:
    outbox = MemoryOutbox()
    for number in range(count):
        outbox.put(event(number))
    return outbox


def ids(messages: Sequence[Received]) -> list[str]:
    return [str(valid(each.topic, each.payload)["id"]) for each in messages]


def test_the_yard_hears_how_the_agent_is_before_it_hears_of_vehicles(broker: Broker, yard: Subscriber) -> None:
    outbox = filled(20)
    with publisher(broker, outbox, says=STATE, last=False) as open_publisher:
        work(open_publisher, lambda: not outbox.rows)
    messages = yard.wait_count(24)

    assert [each.topic for each in messages[:4]] == [each.topic for each in STATE]
    assert ids(messages[4:]) == [event(number).id for number in range(20)]
    for each in messages:
        valid(each.topic, each.payload)
    with Subscriber(broker.port) as late:
        assert {each.topic for each in late.wait_count(4)} == {each.topic for each in STATE}


def test_every_row_is_marked_once_it_is_acknowledged_many_in_one_commit(broker: Broker, yard: Subscriber) -> None:
    outbox = filled(300)
    with publisher(broker, outbox, inflight=50, last=False) as open_publisher:
        work(open_publisher, lambda: not outbox.rows)
        health = open_publisher.health()

    assert Counter(ids(yard.wait_count(300))) == Counter(event(number).id for number in range(300))
    assert outbox.commits <= 300 / 10  # six where the broker answers all fifty in time
    assert (health.published, health.acknowledged, health.in_flight, health.connected) == (300, 300, 0, True)


def test_a_row_is_not_marked_before_the_broker_has_answered(broker: Broker) -> None:
    outbox = filled(30)
    with publisher(broker, outbox, inflight=10) as open_publisher:
        broker.freeze()
        for _ in range(5):
            open_publisher.step(CLOCK.now())
        assert (len(outbox.rows), open_publisher.health().in_flight) == (30, 10)
        broker.thaw()
        work(open_publisher, lambda: not outbox.rows)


def test_a_disk_that_fails_for_a_moment_has_nothing_told_twice(broker: Broker, yard: Subscriber, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, fails, mark = filled(60), [True] * 3, MemoryOutbox.sent

    def sent(self: MemoryOutbox, sequences: Sequence[int], now_ms: int) -> None:
        if fails:
            fails.pop()
            raise RetryLater("the disk is full")
        mark(self, sequences, now_ms)

    monkeypatch.setattr(MemoryOutbox, "sent", sent)
    with publisher(broker, outbox, inflight=5, last=False) as open_publisher:
        work(open_publisher, lambda: len(fails) == 0)
        assert open_publisher.health().published == 5, "and until it works again no more is sent than was on its way"
        work(open_publisher, lambda: not outbox.rows)
    assert ids(yard.wait_count(60)) == [event(number).id for number in range(60)]


def test_a_live_event_overtakes_the_backlog(broker: Broker, yard: Subscriber) -> None:
    outbox = filled(400)
    with publisher(broker, outbox, inflight=5, last=False) as open_publisher:
        work(open_publisher, lambda: len(outbox.rows) < 350)
        tried = open_publisher.health().published
        live = outbox.put(event(9999))
        work(open_publisher, lambda: not outbox.rows)
    payloads = [valid(each.topic, each.payload) for each in yard.wait_count(401)]

    assert [int(each["sequence"]) for each in payloads].index(live) <= tried + 5
    assert [int(each["sequence"]) for each in payloads if not each["data"]["delivery"]["replay"]] == [live]
    assert {each["data"]["delivery"]["attempt"] for each in payloads} == {1}


def test_the_backlog_keeps_to_its_rate_and_live_events_do_not_wait_for_it(broker: Broker, yard: Subscriber) -> None:
    outbox, start = filled(40), CLOCK.now()
    with publisher(broker, outbox, now=start, replay_per_s=10, last=False) as open_publisher:
        later = start
        for tenth in range(21):
            later = replace(start, monotonic_ms=start.monotonic_ms + 100 * tenth)
            open_publisher.step(later)
        outbox.put(event(9999))
        end = time.monotonic() + 5
        while len(outbox.rows) > 20 and time.monotonic() < end:
            open_publisher.step(later)
    payloads = [valid(each.topic, each.payload) for each in yard.wait_count(21)]

    assert sum(each["data"]["delivery"]["replay"] for each in payloads) == 20  # two seconds at ten a second
    assert len(payloads) == 21


def test_the_bucket_lets_no_second_have_more_than_its_rate_after_a_start() -> None:
    bucket, taken = Bucket(10.0, filled_at=0.0), 0
    for hundredth in range(1, 301):
        count = bucket.room(hundredth / 100, 7)
        bucket.take(count)
        taken += count
        assert taken <= hundredth / 100 * 10 + 1e-6
    assert taken >= 29
    assert Bucket(0, 0.0).room(0.0, 7) == 7
    assert Bucket(0.1, 0.0).room(10.0, 7) == 1


def frozen(broker: Broker) -> bool:
    broker.freeze()
    return True


def lose(broker: Broker, outbox: MemoryOutbox, tally: Tally, how: Callable[[], object], when: Callable[[], object]) -> None:
    """Publish until something holds, let something happen to the broker, and go on until the link is given up."""
    with publisher(broker, outbox, tally, last=False) as open_publisher:
        work(open_publisher, when)
        how()
        work(open_publisher, lambda: False)


def test_a_broker_that_stops_halfway_costs_no_row_and_repeats_only_under_the_same_id(tmp_path: Path) -> None:
    outbox, tally = filled(2000), Tally()
    with Broker(tmp_path, Rules(persistence=True)) as broker, Subscriber(broker.port, session=True) as yard:
        with pytest.raises(RetryLater, match="was lost"):
            lose(broker, outbox, tally, broker.stop, lambda: len(outbox.rows) < 1500)
        assert outbox.rows

        yard.wait_lost()
        broker.start()
        with publisher(broker, outbox, tally, last=False) as open_publisher:
            assert open_publisher.health().reconnects == 1
            work(open_publisher, lambda: not outbox.rows)
        yard.wait_for(lambda messages: len({each.properties["id"] for each in messages if each.properties}) == 2000)
        payloads = [valid(each.topic, each.payload) for each in yard.collect("/vin")]

    assert {each["id"] for each in payloads} == {event(number).id for number in range(2000)}
    # The broker may repeat to its consumers what it was just sending; what the agent itself repeats has another attempt.
    sendings = {(each["id"], each["data"]["delivery"]["attempt"]) for each in payloads}
    assert len(sendings) - 2000 <= Mqtt().inflight
    assert all(each["data"]["delivery"]["replay"] for each in payloads)


def test_what_was_sent_in_vain_says_so_the_next_time(broker: Broker, yard: Subscriber) -> None:
    outbox, tally = filled(1), Tally()
    with pytest.raises(RetryLater):
        lose(broker, outbox, tally, broker.kill, lambda: frozen(broker) and tally.published)
    yard.wait_lost()
    broker.start()
    yard.wait_subscribed()
    with publisher(broker, outbox, tally, last=False) as open_publisher:
        work(open_publisher, lambda: not outbox.rows)
    (message,) = yard.wait_count(1, "/vin")

    assert valid(message.topic, message.payload)["data"]["delivery"]["attempt"] == 2


def test_a_broker_that_acknowledges_nothing_is_given_up(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.publish.SILENT_S", 0.3)
    outbox = filled(1)
    with pytest.raises(RetryLater, match="has acknowledged nothing"):
        lose(broker, outbox, Tally(), lambda: None, lambda: frozen(broker))
    assert outbox.rows


ACL = f"user gate\ntopic write {TOPICS.root}/gate/+/vin\ntopic write {TOPICS.root}/status\nuser yard\ntopic read #\n"


def test_refused_rows_are_kept_named_once_and_delivered_when_the_broker_takes_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = Rules(login=("gate", "g"), more_logins={"yard": "y"}, acl=ACL)
    outbox = MemoryOutbox()
    for number in range(40):
        outbox.put(event(number, decision=UNREAD))
    outbox.put(event(100))
    with Broker(tmp_path, rules) as broker, Subscriber(broker.port, login=("yard", "y")) as yard:
        login: dict[str, Any] = {"user": "gate", "password": Secret("g"), "last": False}
        start = CLOCK.now()
        with caplog.at_level(logging.WARNING), publisher(broker, outbox, now=start, **login) as open_publisher:
            work(open_publisher, lambda: len(outbox.rows) == 40)  # one gate's refusals keep no other event back
            tried = open_publisher.health().published
            for _ in range(3):
                open_publisher.step(CLOCK.now())
            assert open_publisher.health().published == tried  # not again and again
            (complaint,) = (record.message for record in caplog.records)
            assert f"refuses {TOPICS.root}/gate/north-in/unread: Not authorized; check its access list" in complaint
            broker.allow(ACL.replace("user yard", f"topic write {TOPICS.root}/#\nuser yard"))
            later = replace(start, monotonic_ms=start.monotonic_ms + 70_000)
            end = time.monotonic() + 10
            while outbox.rows and time.monotonic() < end:
                later = replace(later, monotonic_ms=later.monotonic_ms + 70_000)  # should the list not have been read yet
                open_publisher.step(later)
        assert not outbox.rows
        payloads = [valid(each.topic, each.payload) for each in yard.wait_count(41)]

    assert len({each["id"] for each in payloads}) == 41
    assert {each["data"]["delivery"]["replay"] for each in payloads if each["data"]["decision"] == "unread"} == {True}


def test_the_newest_final_of_each_gate_stays_on_the_broker(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.publish.LAST_EVERY_S", 0.2)
    outbox, tally = filled(30), Tally()
    outbox.put(event(50, gate="south-out"))
    outbox.put(event(60, decision=UNREAD))
    north, south = (f"{TOPICS.root}/gate/{gate}/last" for gate in ("north-in", "south-out"))
    with publisher(broker, outbox, tally) as open_publisher:
        work(open_publisher, lambda: not outbox.rows)
        end = time.monotonic() + 0.3
        work(open_publisher, lambda: time.monotonic() > end)
    with Subscriber(broker.port) as late:
        kept = {each.topic: valid(each.topic, each.payload)["id"] for each in late.wait_count(2)}

    assert kept == {north: event(29).id, south: event(50).id}
    assert tally.published < 32 + 10  # a backlog is not told twice


def test_a_stop_does_not_leave_an_old_final_on_the_broker(broker: Broker, yard: Subscriber) -> None:
    outbox = filled(30)
    with publisher(broker, outbox) as open_publisher:
        work(open_publisher, lambda: not outbox.rows)
        assert open_publisher.farewell(said("offline"), CLOCK.now)
    yard.wait_for(lambda messages: any(b'"offline"' in each.payload for each in messages))

    assert ids(yard.collect("/last"))[-1] == event(29).id


def test_a_stop_leaves_on_the_broker_also_what_was_still_on_its_way(broker: Broker, yard: Subscriber) -> None:
    outbox = filled(1)
    with publisher(broker, outbox) as open_publisher:
        broker.freeze()
        open_publisher.step(CLOCK.now())
        assert outbox.rows
        broker.thaw()
        assert open_publisher.farewell(said("offline"), CLOCK.now)
    yard.wait_for(lambda messages: any(b'"offline"' in each.payload for each in messages))

    assert ids(yard.collect("/last")) == [event(0).id]
    assert yard.collect()[-1].topic == TOPICS.status


def test_a_silent_broker_costs_no_processor_time(broker: Broker) -> None:
    with publisher(broker, filled(50), says=STATE, inflight=2) as open_publisher:
        broker.freeze()
        end, before = time.monotonic() + 0.5, time.thread_time()
        work(open_publisher, lambda: time.monotonic() > end)
        assert time.thread_time() - before < 0.1


def test_an_older_final_does_not_replace_a_newer_one(broker: Broker) -> None:
    outbox, tally = filled(3), Tally(last={f"{TOPICS.root}/gate/north-in/last": 1000})
    with publisher(broker, outbox, tally) as open_publisher:
        work(open_publisher, lambda: not outbox.rows)
        open_publisher.step(CLOCK.now())
        assert open_publisher.health().published == 3


def test_a_site_that_wants_no_vin_kept_gets_none_kept(broker: Broker) -> None:
    outbox = filled(3)
    with publisher(broker, outbox, last=False) as open_publisher:
        work(open_publisher, lambda: not outbox.rows)
        open_publisher.step(CLOCK.now())
        assert open_publisher.health().published == 3


def test_a_stop_ends_with_offline_and_the_will_stays_silent(broker: Broker, yard: Subscriber) -> None:
    outbox = filled(5)
    with publisher(broker, outbox, says=[said("online")], last=False) as open_publisher:
        open_publisher.step(CLOCK.now())
        assert open_publisher.farewell(said("offline"), CLOCK.now)
    assert not outbox.rows  # what was on its way at the stop is marked

    states = [valid(each.topic, each.payload)["state"] for each in yard.wait_count(2, "/status")]
    assert states == ["online", "offline"]


def test_a_stop_with_a_silent_broker_takes_no_longer_than_it_may(broker: Broker) -> None:
    with publisher(broker, filled(5)) as open_publisher:
        open_publisher.step(CLOCK.now())
        broker.freeze()
        started = time.monotonic()
        assert not open_publisher.farewell(said("offline"), CLOCK.now, seconds=0.5)
        assert time.monotonic() - started < 1.0


def test_a_broker_that_takes_two_at_a_time_gets_everything_in_order(tmp_path: Path) -> None:
    outbox = filled(50)
    with Broker(tmp_path, Rules(extra="max_inflight_messages 2")) as broker, Subscriber(broker.port) as yard:
        with publisher(broker, outbox, says=STATE, last=False) as open_publisher:
            work(open_publisher, lambda: not outbox.rows)
        assert [each.topic for each in yard.wait_count(54)[:4]] == [each.topic for each in STATE]
        assert ids(yard.collect("/vin")) == [event(number).id for number in range(50)]


def test_news_from_another_thread_is_told_at_once(broker: Broker, yard: Subscriber) -> None:
    with publisher(broker, MemoryOutbox()) as open_publisher:
        other = threading.Timer(0.05, open_publisher.publish_state, [[HEALTH]])
        other.start()
        started = time.monotonic()
        work(open_publisher, lambda: open_publisher.health().acknowledged == 1)
        assert time.monotonic() - started < 1.0
        other.join()
    (message,) = yard.wait_count(1)

    assert valid(message.topic, message.payload)["state"] == "ok"


def test_time_since_capture_is_told_by_a_clock_nobody_sets(broker: Broker, yard: Subscriber) -> None:
    outbox = MemoryOutbox()
    captured = event(1)
    outbox.put(captured)
    now = replace(NOW, utc_ms=0, monotonic_ms=NOW.monotonic_ms + 2000)  # the same boot, but the wall clock fell back to 1970
    with publisher(broker, outbox, now=now, last=False) as open_publisher:
        open_publisher.step(now)
        work(open_publisher, lambda: not outbox.rows)
    (message,) = yard.wait_count(1)

    assert valid(message.topic, message.payload)["data"]["delivery"]["queued_ms"] == 1538 + 2000
