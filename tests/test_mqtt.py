"""The link meets a real broker that refuses, freezes, dies and comes back."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.clock import boot_id
from agent.config import Mqtt
from agent.errors import AgentError, NeedsOperator, RetryLater
from agent.events import Message, delivered, event_message, final
from agent.inbox import MOST_KEPT, Inbox
from agent.mqtt import Link
from agent.mqtt_client import MOST_TAKEN
from agent.mqtt_properties import Packed
from agent.settings import Secret
from agent.state import retained, status
from agent.topics import Topics
from tests.broker import Authority, Broker, Rules, Subscriber, free_port
from tests.payloads import valid
from tests.samples import ACCEPTED, CAPTURE, FACTS, NOW, READINGS

TOPICS = Topics("vinagent/v1", "hamburg", "gate-3-pi")
CLIENT = "vinagent-gate-3-pi"
EVENT = final(CAPTURE, ACCEPTED, READINGS, facts=FACTS, now=NOW)


def said(state: str) -> Message:
    payload = status(state, boot_id=boot_id(), session="s1", version="1", since=NOW, last_exit="clean")  # type: ignore[arg-type]  # literal
    return retained(TOPICS.status, payload)


WILL, ONLINE = said("offline"), said("online")
FINAL = event_message(TOPICS.event(EVENT), delivered(EVENT.payload, 1, replay=False, attempt=1, queued_ms=5))


def settings(port: int, protocol: str = "5") -> Mqtt:
    return Mqtt(port=port, protocol=protocol, keepalive_s=5)


def link(to: Mqtt, client_id: str = CLIENT) -> Link:
    return Link(to, client_id, WILL)


def answers(on: Link, *tokens: int, seconds: float = 5.0) -> dict[int, str | None]:
    """The broker's answer to each token."""
    found: dict[int, str | None] = {}
    end = time.monotonic() + seconds
    while set(tokens) - found.keys() and time.monotonic() < end:
        on.wait(0.1)
        found.update(on.take_acknowledged())
    assert set(tokens) <= found.keys(), "the broker did not answer"
    return found


def lost(on: Link, seconds: float) -> str:
    """Why the connection was lost."""
    end = time.monotonic() + seconds
    while on.lost is None and time.monotonic() < end:
        on.wait(0.1)
    assert on.lost is not None, f"still connected after {seconds} s"
    with pytest.raises(RetryLater):
        on.check()
    return on.lost


def trouble(kind: type[AgentError], to: Mqtt) -> str:
    """What opening the link says about why it cannot be opened."""
    with pytest.raises(kind) as caught, link(to):
        pass
    return str(caught.value)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_state_and_event_reach_the_yard_as_the_contract_says(broker: Broker, protocol: str) -> None:
    with Subscriber(broker.port) as yard, link(settings(broker.port, protocol)) as open_link:
        tokens = [open_link.publish(each) for each in (ONLINE, FINAL)]
        assert answers(open_link, *tokens) == dict.fromkeys(tokens)
        assert open_link.in_flight == 0
        messages = {each.topic: each for each in yard.wait_count(2)}

    event = messages[TOPICS.event(EVENT)]
    assert valid(event.topic, event.payload)["id"] == EVENT.id
    assert (event.qos, event.retain) == (1, False)
    assert event.properties == (dict(FINAL.properties) if protocol == "5" else {})
    assert event.content_type == ("application/cloudevents+json" if protocol == "5" else "")
    with Subscriber(broker.port) as late:
        (kept,) = late.wait_count(1)
        assert (kept.topic, kept.retain, valid(kept.topic, kept.payload)["state"]) == (TOPICS.status, True, "online")


@pytest.mark.parametrize("content_type", ["application/cloudevents+json", "x" * 200])
def test_properties_go_over_the_wire_as_the_library_would_write_them(content_type: str) -> None:
    message = replace(FINAL, content_type=content_type, properties=(*FINAL.properties, ("näme", "")), correlation=b"\x00txn")
    theirs = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho types its methods only
    theirs.ContentType, theirs.UserProperty, theirs.CorrelationData = content_type, list(message.properties), message.correlation

    assert Packed(message).pack() == theirs.pack()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_the_will_speaks_when_the_agent_is_gone_without_a_word(broker: Broker, protocol: str) -> None:
    with Subscriber(broker.port) as yard:
        with contextlib.suppress(ZeroDivisionError), link(settings(broker.port, protocol)) as open_link:
            answers(open_link, open_link.publish(ONLINE))
            raise ZeroDivisionError  # whatever ends the agent
        states = [valid(each.topic, each.payload)["state"] for each in yard.wait_count(2)]

    assert states == ["online", "offline"]


def test_a_goodbye_in_order_keeps_the_will_silent_and_takes_no_time(broker: Broker) -> None:
    with Subscriber(broker.port) as yard:
        with link(settings(broker.port)) as open_link:
            answers(open_link, open_link.publish(ONLINE))
            started = time.monotonic()
        assert time.monotonic() - started < 1.0
        with link(settings(broker.port), "other") as other:  # what the broker had to say about the first came before this
            answers(other, other.publish(FINAL))
        yard.wait_count(1, "/vin")

        assert len(yard.collect("/status")) == 1


def test_a_goodbye_with_unanswered_messages_does_not_wait_for_them(broker: Broker) -> None:
    with link(settings(broker.port)) as open_link:
        broker.freeze()
        open_link.publish(FINAL)
        assert open_link.in_flight == 1
        time.sleep(0.05)
        assert open_link.oldest_in_flight_s() >= 0.05
        started = time.monotonic()

    assert time.monotonic() - started < 2.5


def test_no_thread_and_no_file_is_left_behind(broker: Broker) -> None:
    def reopen() -> None:
        with link(settings(broker.port)) as open_link:
            answers(open_link, open_link.publish(ONLINE))

    reopen()
    files, threads = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    for _ in range(10):
        reopen()

    assert (len(list(Path("/proc/self/fd").iterdir())), threading.active_count()) == (files, threads)


def test_where_nothing_listens_the_agent_tries_later() -> None:
    port = free_port()

    assert trouble(RetryLater, settings(port)).startswith(
        f"no connection to 127.0.0.1:{port}: Connection refused; check that the broker runs"
    )


def test_a_name_without_address_is_tried_later() -> None:
    assert trouble(RetryLater, Mqtt(host="broker.invalid")).startswith("no address is known for broker.invalid; check mqtt.host")


def test_something_that_never_answers_the_login_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.mqtt.CONNECT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "is it an MQTT broker?" in trouble(RetryLater, settings(silent.getsockname()[1]))


def test_something_that_never_answers_tls_is_given_up(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    monkeypatch.setattr("agent.mqtt.CONNECT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "did not answer within" in trouble(RetryLater, secured(silent.getsockname()[1], authority))


CONNACK = b"\x20\x03\x00%c\x00"


def test_a_broker_of_the_older_protocol_is_named() -> None:
    with one_answer(b"\x20\x02\x00\x01") as port:
        assert 'does not speak MQTT 5: set mqtt.protocol to "3.1.1"' in trouble(NeedsOperator, settings(port))


def test_a_busy_broker_is_tried_later() -> None:
    with one_answer(CONNACK % 137) as port:
        assert "'Server busy'" in trouble(RetryLater, settings(port))


def test_a_refusal_without_advice_of_its_own_points_to_the_brokers_log() -> None:
    with one_answer(CONNACK % 157) as port:
        assert trouble(NeedsOperator, settings(port)).endswith(f"says 'Server moved': look into its log for client {CLIENT}")


def test_a_broker_that_keeps_nothing_is_refused_before_it_throws_the_agent_out() -> None:
    with one_answer(b"\x20\x05\x00\x00\x02\x25\x00") as port:  # success, but retain available 0
        assert "does not take retained messages" in trouble(NeedsOperator, settings(port))


def test_two_agents_of_one_name_are_told_so() -> None:
    with one_answer(CONNACK % 0 + b"\xe0\x02\x8e\x00") as port, link(settings(port)) as first:
        assert lost(first, 2.0).endswith(f"another client logged in as {CLIENT}; give each agent its own mqtt.client_id")


def test_a_broker_that_throws_a_twin_out_without_a_word_leaves_a_hint(broker: Broker) -> None:
    with link(settings(broker.port)) as first, link(settings(broker.port)):
        assert f"another client may use the client id {CLIENT}" in lost(first, 2.0)


@contextlib.contextmanager
def one_answer(packet: bytes) -> Iterator[int]:
    """The port of something that answers one login with one packet."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(ConnectionResetError):
                connection.recv(4096)
                connection.sendall(packet)
                connection.recv(4096)

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_wrong_password_names_the_login_and_never_the_password(tmp_path: Path, protocol: str) -> None:
    with Broker(tmp_path, Rules(login=("gate", "right"))) as broker:
        right = replace(settings(broker.port, protocol), user="gate", password=Secret("right"))
        with link(right) as open_link:
            answers(open_link, open_link.publish(ONLINE))
        refused = trouble(NeedsOperator, replace(right, password=Secret("hunter2")))
        assert "refuses the login of 'gate': check mqtt.user and mqtt.password" in refused
        assert "hunter2" not in refused
        assert "a client without a user name" in trouble(NeedsOperator, settings(broker.port, protocol))


ACL = f"user gate\ntopic write {TOPICS.root}/status\ntopic readwrite {TOPICS.root}/info\n"


def test_a_refusal_by_the_access_list_is_seen_with_mqtt_5(tmp_path: Path) -> None:
    with Broker(tmp_path, Rules(login=("gate", "right"), acl=ACL)) as broker:
        login = replace(settings(broker.port), user="gate", password=Secret("right"))
        with link(login) as open_link:
            allowed, refused = open_link.publish(ONLINE), open_link.publish(FINAL)
            assert answers(open_link, allowed, refused) == {allowed: None, refused: "Not authorized"}
        with link(replace(login, protocol="3.1.1")) as open_link:
            token = open_link.publish(FINAL)
            assert answers(open_link, token) == {token: None}  # the older protocol has no word for it


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def rogue(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("rogue"), "rogue")


def secured(port: int, trusted: Authority, certificate: tuple[Path, Path] | None = None) -> Mqtt:
    cert, key = certificate or ("", "")
    return replace(settings(port), tls=True, ca_file=str(trusted.file), cert_file=str(cert), key_file=str(key))


def test_tls_with_a_client_certificate_carries_the_event(tmp_path: Path, authority: Authority) -> None:
    mine = authority.issue("gate-3-pi")
    rules = Rules(tls=authority, client_certificate=True)
    with Broker(tmp_path, rules) as broker, Subscriber(broker.port, tls=(authority, mine)) as yard:
        with link(secured(broker.port, authority, mine)) as open_link:
            answers(open_link, open_link.publish(FINAL))
        (event,) = yard.wait_count(1)
        assert valid(event.topic, event.payload)["id"] == EVENT.id


def test_a_broker_of_a_rogue_authority_is_not_trusted(tmp_path: Path, authority: Authority, rogue: Authority) -> None:
    with Broker(tmp_path, Rules(tls=rogue)) as broker:
        refused = trouble(NeedsOperator, secured(broker.port, authority))
    assert refused.startswith(f"the certificate of 127.0.0.1:{broker.port} is not trusted: ")
    assert refused.endswith("; check mqtt.ca_file, and that mqtt.host is a name in the broker's certificate")


def test_a_broker_under_another_name_is_not_trusted(tmp_path: Path, authority: Authority) -> None:
    with Broker(tmp_path, Rules(tls=authority)) as broker, relay("127.0.0.2", broker.port):
        other = replace(secured(broker.port, authority), host="127.0.0.2")
        assert "certificate is not valid for '127.0.0.2'" in trouble(NeedsOperator, other)


def test_a_certificate_from_the_future_waits_for_the_clock(tmp_path: Path, authority: Authority) -> None:
    rules = Rules(tls=authority, certificate=authority.issue("future", starts=2))
    with Broker(tmp_path, rules) as broker:
        assert "is not valid yet by this device's clock" in trouble(RetryLater, secured(broker.port, authority))


@contextlib.contextmanager
def relay(host: str, port: int) -> Iterator[None]:
    """Passes one connection to the same port on another address on, as far as a client that hangs up early wants it."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    front = socket.create_server((host, port))

    def serve() -> None:
        client, _ = front.accept()
        with client, socket.create_connection(("127.0.0.1", port)) as backend:
            back = threading.Thread(target=pump, args=(backend, client))
            back.start()
            pump(client, backend)
            back.join(5)

    thread = threading.Thread(target=serve)
    thread.start()
    with front:
        yield
        thread.join(5)


@pytest.mark.parametrize("kind", ["none", "rogue", "expired"])
def test_a_client_certificate_the_broker_does_not_take_is_named(tmp_path: Path, authority: Authority, rogue: Authority, kind: str) -> None:
    shown = {"none": None, "rogue": rogue.issue("gate-3-pi"), "expired": authority.issue("old", starts=-2, ends=-1)}[kind]
    with Broker(tmp_path, Rules(tls=authority, client_certificate=True)) as broker:
        assert "check mqtt.cert_file, mqtt.key_file" in trouble(NeedsOperator, secured(broker.port, authority, shown))


def test_tls_to_a_plain_port_is_named(broker: Broker, authority: Authority) -> None:
    assert f"127.0.0.1:{broker.port}" in trouble(RetryLater, secured(broker.port, authority))


def test_tls_to_something_that_answers_otherwise_is_named(authority: Authority) -> None:
    with one_answer(b"HTTP/1.0 400 Bad Request\r\n\r\n") as port:
        assert "check that mqtt.port is the broker's TLS port" in trouble(NeedsOperator, secured(port, authority))


def test_no_tls_to_a_tls_port_is_named(tmp_path: Path, authority: Authority) -> None:
    with Broker(tmp_path, Rules(tls=authority)) as broker:
        assert "is this its TLS port" in trouble(RetryLater, settings(broker.port))


def test_a_key_file_that_is_none_is_named(broker: Broker, authority: Authority, tmp_path: Path) -> None:
    certificate, _ = authority.issue("gate-3-pi")
    (tmp_path / "bad.key").write_text("no key")

    assert "bad.key" in trouble(NeedsOperator, secured(broker.port, authority, (certificate, tmp_path / "bad.key")))


def test_a_broker_that_dies_is_noticed_at_once(broker: Broker) -> None:
    with link(settings(broker.port)) as open_link:
        broker.kill()
        assert f"the connection to 127.0.0.1:{broker.port} was lost" in lost(open_link, 2.0)
        with pytest.raises(RetryLater):
            open_link.publish(FINAL)


def test_a_frozen_broker_is_noticed_within_two_keepalives_and_five_seconds(broker: Broker) -> None:
    with link(settings(broker.port)) as open_link:
        broker.freeze()
        open_link.publish(FINAL)
        started = time.monotonic()
        assert "did not answer for two keepalives" in lost(open_link, 2 * 5 + 5)
        assert time.monotonic() - started < 2 * 5 + 5
        assert open_link.in_flight == 1


def test_waiting_ends_with_the_first_answer(broker: Broker) -> None:
    with link(settings(broker.port)) as open_link:
        open_link.publish(FINAL)
        started = time.monotonic()
        open_link.wait(5.0)
        assert time.monotonic() - started < 1.0


def test_waiting_for_all_answers_does_not_end_with_the_first_and_not_without_the_last(broker: Broker) -> None:
    with link(settings(broker.port)) as open_link:
        tokens = [open_link.publish(FINAL) for _ in range(10)]
        open_link.wait(5.0, answers=10)
        assert [token for token, _ in open_link.take_acknowledged()] == tokens
        broker.freeze()
        open_link.publish(FINAL)
        started = time.monotonic()
        open_link.wait(0.1, answers=1)
        assert 0.1 <= time.monotonic() - started < 1.0


def test_a_broker_that_takes_few_at_a_time_is_not_sent_more(tmp_path: Path) -> None:
    with Broker(tmp_path, Rules(extra="max_inflight_messages 2")) as broker, link(settings(broker.port)) as open_link:
        assert open_link.room == 2
        token = open_link.publish(FINAL)
        assert open_link.room == 1
        answers(open_link, token)
        assert open_link.room == 2


def test_the_example_for_the_broker_lets_an_agent_write_its_own_topics_only(tmp_path: Path) -> None:
    example = (Path(__file__).parents[1] / "config" / "mosquitto.acl.example").read_text("utf-8")
    with Broker(tmp_path, Rules(login=("gate-3-pi", "g"), more_logins={"yard": "y"}, acl=example)) as broker:
        own = replace(settings(broker.port), user="gate-3-pi", password=Secret("g"))
        with Subscriber(broker.port, "vinagent/v1/#", login=("yard", "y")) as yard, link(own) as open_link:
            mine = open_link.publish(FINAL)
            others = open_link.publish(replace(FINAL, topic=FINAL.topic.replace("gate-3-pi", "gate-4-pi")))
            assert answers(open_link, mine, others) == {mine: None, others: "Not authorized"}
            assert [each.topic for each in yard.wait_count(1, "/vin")] == [FINAL.topic]


def test_the_example_for_the_broker_is_one_it_starts_with(tmp_path: Path, authority: Authority) -> None:
    example = (Path(__file__).parents[1] / "config" / "mosquitto.conf.example").read_text("utf-8")
    certificate, key = authority.issue("broker")
    places = {
        "/etc/mosquitto/certs/ca.pem": authority.file,
        "/etc/mosquitto/certs/broker.pem": certificate,
        "/etc/mosquitto/certs/broker.key": key,
        "/etc/mosquitto/vin-agent.acl": tmp_path / "acl",
        "/etc/mosquitto/vin-agent.passwd": tmp_path / "logins",
        "/var/lib/mosquitto/": f"{tmp_path}/",
        "listener 8883": f"listener {free_port()} 127.0.0.1",
        "listener 1883 127.0.0.1": "",  # the test's own listener stands for it
        "allow_anonymous false": "",
    }
    for standard, here in places.items():
        assert standard in example
        example = example.replace(standard, str(here))
    (tmp_path / "acl").write_text(f"topic write {TOPICS.root}/#\n")
    (tmp_path / "logins").touch(0o600)
    with Broker(tmp_path, Rules(extra=example)) as broker, link(settings(broker.port)) as open_link:
        answers(open_link, open_link.publish(FINAL))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_command_of_twenty_megabytes_costs_no_memory_and_the_next_one_is_heard(broker: Broker, protocol: str) -> None:
    inbox, lengths = Inbox((f"{TOPICS.root}/cmd/#",)), list[int]()
    heard = inbox._on_message

    def measured(client: Client, data: object, message: MQTTMessage) -> None:
        lengths.append(len(message.payload))
        heard(client, data, message)

    inbox._on_message = measured  # type: ignore[method-assign]  # to see what the library made of it
    with Link(settings(broker.port, protocol), CLIENT, WILL, inbox) as open_link, Subscriber(broker.port, f"{TOPICS.root}/rsp/#") as yard:
        time.sleep(0.5)
        yard._client.publish(f"{TOPICS.root}/cmd/doctor", b"x" * 20_000_000, qos=1)
        yard._client.publish(f"{TOPICS.root}/cmd/reload", qos=1, payload=b'{"txn": "1"}')
        ends = time.monotonic() + 20
        while f"{TOPICS.root}/cmd/reload" not in [each.topic for each in inbox._waiting] and time.monotonic() < ends:
            time.sleep(0.05)
        open_link.check()
    *large, small = inbox._waiting
    assert small.payload == b'{"txn": "1"}'
    assert [len(each.payload) for each in large] == ([] if protocol == "5" else [MOST_KEPT]), "with MQTT 5 the broker keeps it"
    assert max(lengths) <= MOST_TAKEN
