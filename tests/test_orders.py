"""Commands that come twice, too many at once, retained, wrong or slow: each is done once at most, and nothing else suffers."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from agent import orders
from agent.commands import Command
from agent.errors import Rejected
from agent.events import Message, Payload
from agent.inbox import MOST, Inbox, Post
from agent.orders import Errand, Handler, Orders
from tests.payloads import valid

ROOT = "vinagent/v1/hamburg/gate-3"


class Desk:
    """Orders over an inbox that is filled by hand, and everything that was answered, told and done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **handlers: Handler) -> None:
        self.now_s = 100.0
        monkeypatch.setattr("agent.orders.time.monotonic", lambda: self.now_s)
        self.inbox, self.sent, self.told, self.done = Inbox(()), list[Message](), list[str](), list[Command]()
        usual: dict[str, Handler] = {"reload": self._do, "doctor": self._do, "log_level": self._do, "read_now": self._do}
        self.orders = Orders(self.inbox, ROOT, {**usual, **handlers}, lambda command: self.told.append(command.txn))
        self.orders.publish = self._publish

    def _do(self, command: Command) -> Payload:
        self.done.append(command)
        return {"times": len(self.done)}

    def _publish(self, messages: Sequence[Message]) -> None:
        self.sent.extend(messages)

    def post(self, name: str, txn: str = "t1", args: Any = None, *, retained: bool = False, to: str = "", word: bytes = b"") -> None:
        payload = json.dumps({"txn": txn, "args": args or {}}).encode()
        self.inbox._waiting.append(Post(f"{ROOT}/cmd/{name}", payload, retained, to, word))

    def work(self, seconds: float = 1.0) -> None:
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            self.orders.step()

    def answers(self, name: str) -> list[dict[str, Any]]:
        return [valid(each.topic, each.payload) for each in self.sent if each.topic == f"{ROOT}/rsp/{name}"]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


def test_a_command_that_comes_twice_is_answered_twice_and_done_once(desk: Desk) -> None:
    for _ in range(2):
        desk.post("reload")
        desk.work()
    assert desk.answers("reload") == [{"txn": "t1", "status": "ok", "data": {"times": 1}}] * 2
    assert len(desk.done) == len(desk.told) == 1


def test_after_its_answer_was_forgotten_the_same_txn_is_a_new_request(desk: Desk) -> None:
    desk.post("reload")
    desk.work()
    desk.now_s += orders.KEPT_S
    desk.post("reload")
    desk.work()
    assert len(desk.done) == 2


def test_a_txn_that_meant_something_else_is_refused(desk: Desk) -> None:
    desk.post("log_level", args={"level": "debug"})
    desk.post("log_level", args={"level": "error"})
    desk.work()
    assert [answer["status"] for answer in desk.answers("log_level")] == ["ok", "error"]
    assert [command.args["level"] for command in desk.done] == ["debug"]


def test_an_answer_that_could_not_be_sent_is_there_when_the_request_comes_again(desk: Desk) -> None:
    desk.orders.publish = None
    desk.post("reload")
    desk.work()
    desk.orders.publish = desk._publish
    desk.post("reload")
    desk.work()
    assert len(desk.done) == len(desk.answers("reload")) == 1


def test_what_fails_is_answered_with_why_and_told_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_command: Command) -> Payload:
        raise Rejected("there is no camera cam9")

    desk = Desk(monkeypatch, reload=fails)
    desk.post("reload")
    desk.work()
    assert desk.answers("reload") == [{"txn": "t1", "status": "error", "error": "there is no camera cam9"}]
    assert desk.told == []


def test_what_takes_time_holds_nothing_up_and_is_answered_when_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    result: list[Payload] = []
    dropped: list[bool] = []
    waited = Errand(lambda: next(iter(result), None), 20, "late", lambda: dropped.append(True))
    desk = Desk(monkeypatch, doctor=lambda _: waited)
    desk.post("doctor", "slow")
    desk.post("doctor", "slow")
    desk.post("reload", "quick")
    desk.work()
    assert (len(desk.answers("reload")), desk.answers("doctor"), dropped) == (1, [], [])
    result.append({"well": True})
    desk.work()
    assert desk.answers("doctor") == [{"txn": "slow", "status": "ok", "data": {"well": True}}]
    assert dropped == [True]


def test_what_never_comes_back_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch, doctor=lambda _: Errand(lambda: None, 20, "the doctor did not come back"))
    for number in range(orders.MOST_PENDING + 1):
        desk.post("doctor", f"{number}")
        desk.work()
    assert [answer["error"] for answer in desk.answers("doctor")] == ["too much is being done already; ask again later"]
    desk.work(21)
    assert len(desk.answers("doctor")) == orders.MOST_PENDING + 1
    assert desk.answers("doctor")[-1]["error"] == "the doctor did not come back"


def test_a_retained_command_is_neither_done_nor_answered_but_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.post("reload", retained=True)
    desk.work()
    assert (desk.done, desk.sent) == ([], [])
    assert "a retained command is not carried out" in caplog.text


def test_a_flood_costs_no_more_than_so_many_in_a_second_and_a_line_in_the_log(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    message = MQTTMessage(topic=f"{ROOT}/cmd/nonsense".encode())
    message.payload, client = b"x" * 100_000, Client(CallbackAPIVersion.VERSION2)
    for _ in range(100):
        for _ in range(100):
            desk.inbox._on_message(client, None, message)
        desk.work(0.1)
    assert len(desk.sent) <= 10 * orders.PER_S + 1
    assert desk.inbox.dropped >= 10_000 - MOST - len(desk.sent)
    assert len(caplog.records) <= 2
    assert max(len(post.payload) for post in desk.inbox._waiting) < 5000
    assert desk.orders.health().refused == len(desk.sent)


def test_the_answer_also_goes_where_the_asker_wants_it(desk: Desk) -> None:
    desk.post("reload", to="yard/answers", word=b"\x01\x02")
    desk.work()
    (own, other) = desk.sent
    assert (own.topic, own.correlation) == (f"{ROOT}/rsp/reload", b"")
    assert (other.topic, other.correlation, other.payload, other.retain) == ("yard/answers", b"\x01\x02", own.payload, False)


OWN = (f"{ROOT}/status", f"{ROOT}/gate/north/vin", f"{ROOT}/cmd/reload", ROOT)


@pytest.mark.parametrize("to", [*OWN, "a/#", "a/+/b", "$SYS/x", "a\0b", "/" * 250, "a\x01b"])
def test_nobody_has_the_agent_speak_where_its_word_is_believed(desk: Desk, to: str) -> None:
    desk.post("reload", to=to)
    desk.work()
    assert [each.topic for each in desk.sent] == [f"{ROOT}/rsp/reload"]


def test_memory_is_bounded_however_many_ask(desk: Desk) -> None:
    for number in range(orders.MOST_KEPT + 50):
        desk.post("reload", f"{number}")
        desk.work(0.3)
    assert len(desk.orders._kept) <= orders.MOST_KEPT + 1


def test_a_subscription_that_is_denied_is_said_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    desk.inbox.refusals.append("Not authorized")
    desk.work(5)
    assert caplog.text.count("the broker takes no subscription (Not authorized)") == 1
