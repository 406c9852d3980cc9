"""Takes the yard's commands from the inbox and has each done once, a few in a second and beside the sending, and answers every one."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent import commands, failpoint
from agent.bucket import Bucket
from agent.commands import Command, Refusal
from agent.errors import AgentError
from agent.events import Message, Payload, encode
from agent.inbox import Inbox, Post
from agent.state import CommandsHealth

log = logging.getLogger(__name__)

PER_S = 5.0  # commands a second, and so many at once; answers take the sending's time
KEPT_S, MOST_KEPT = 600.0, 512  # answers are kept so long, so many of them, for a request that comes twice
MOST_PENDING = 8
MOST_LEVELS = 100  # of a topic to answer on: mosquitto throws out who publishes on one with more than 200
COMPLAIN_S = 30.0  # between two lines in the log about messages that are no commands
REST_S, LOOK_S = 1.0, 0.05


@dataclass(frozen=True, slots=True)
class Errand:
    """Something that is done elsewhere: `poll` gives its data once there are any, or raises; `late` tells what took too long."""

    poll: Callable[[], Payload | None]
    seconds: float
    late: str
    drop: Callable[[], None] = lambda: None  # nobody waits for it any more


Handler = Callable[[Command], Payload | Errand]


@dataclass(slots=True)
class _Kept:
    """What became of a request; without an answer it is still being done."""

    args: dict[str, Any]
    at_s: float
    answer: Payload | None = None


@dataclass(frozen=True, slots=True)
class _Pending:
    command: Command
    post: Post
    errand: Errand
    until_s: float


class Orders:
    """A stage that outlives connections: an answer that could not be sent is there when the same request comes again."""

    def __init__(self, inbox: Inbox, root: str, handlers: Mapping[str, Handler], tell: Callable[[Command], None]) -> None:
        """`tell` is called after every command that has changed something; raises `AgentError` where it cannot be told."""
        self.inbox, self._root, self._handlers, self._tell = inbox, root, handlers, tell
        self.publish: Callable[[Sequence[Message]], None] | None = None  # while there is a connection
        self._bucket = Bucket(PER_S, time.monotonic())
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._pending: list[_Pending] = []
        self._done = self._refused = 0
        self.rest_s = REST_S
        self._denied: set[str] = set()
        self._complained_at, self._dropped = float("-inf"), 0

    def health(self) -> CommandsHealth:
        return CommandsHealth(done=self._done, refused=self._refused, dropped=self.inbox.dropped)

    def step(self) -> bool:
        """One command, where there is one and its turn has come."""
        failpoint.passed("command.step")
        self._complain()
        self._finish()
        post = self.inbox.take() if self._bucket.room(time.monotonic(), 1) else None
        if post is not None:
            self._bucket.take(1)
            self._act(post)
        self.rest_s = LOOK_S if self._pending or len(self.inbox) else REST_S
        return post is not None

    def _complain(self) -> None:
        while self.inbox.refusals:
            if (why := self.inbox.refusals.popleft()) in self._denied:
                continue  # at every connect again
            self._denied.add(why)
            log.warning(
                "the broker takes no subscription (%s): allow it in its access list, or turn mqtt.commands and mqtt.discovery off", why
            )
        if (more := self.inbox.dropped - self._dropped) and self._may_complain():
            self._dropped += more
            log.warning("%d commands were not looked at: more come than are done, %g in a second", more, PER_S)

    def _may_complain(self) -> bool:
        """A flood of nonsense must not become a flood in the log."""
        now = time.monotonic()
        if now - self._complained_at < COMPLAIN_S:
            return False
        self._complained_at = now
        return True

    def _act(self, post: Post) -> None:
        name = post.topic.removeprefix(f"{self._root}/cmd/")
        if post.retained:
            self._refused += 1
            if self._may_complain():
                log.warning("a retained command is not carried out, or it would be done again at every connect: %.100r", post.topic)
            return
        asked = commands.parse(name, post.payload)
        if isinstance(asked, Refusal):
            self._refuse(asked, post)
        elif (known := self._known(asked)) is None:
            self._do(asked, post)
        elif known.args != asked.args:
            self._refuse(Refusal(asked.name, asked.txn, f"txn {asked.txn} was another {asked.name} just before: take a new one"), post)
        elif known.answer is not None:
            self._send(asked.name, known.answer, post)

    def _known(self, asked: Command) -> _Kept | None:
        """What became of the same request before: QoS 1 brings a message twice, and an asker without an answer asks again."""
        now = time.monotonic()
        for key, kept in list(self._kept.items()):
            if now - kept.at_s < KEPT_S and len(self._kept) <= MOST_KEPT:
                break
            del self._kept[key]
        return self._kept.get((asked.name, asked.txn))

    def _do(self, command: Command, post: Post) -> None:
        if len(self._pending) >= MOST_PENDING:
            self._refuse(Refusal(command.name, command.txn, "too much is being done already; ask again later"), post)
            return
        self._kept[command.name, command.txn] = _Kept(command.args, time.monotonic())
        log.info("command %s, %s (txn %s)", command.name, commands.shown(command.args), command.txn)
        try:
            result = self._handlers[command.name](command)
        except AgentError as trouble:
            self._answer(command, commands.failed(command.txn, str(trouble)), post)
            return
        if isinstance(result, Errand):
            self._pending.append(_Pending(command, post, result, time.monotonic() + result.seconds))
        else:
            self._succeed(command, result, post)

    def _finish(self) -> None:
        """Answers what has been done elsewhere meanwhile."""
        for each in list(self._pending):
            try:
                data = each.errand.poll()
            except AgentError as trouble:
                self._answer(each.command, commands.failed(each.command.txn, str(trouble)), each.post)
            else:
                if data is not None:
                    self._succeed(each.command, data, each.post)
                elif time.monotonic() >= each.until_s:
                    self._answer(each.command, commands.failed(each.command.txn, each.errand.late), each.post)
                else:
                    continue
            each.errand.drop()
            self._pending.remove(each)

    def _succeed(self, command: Command, data: Payload, post: Post) -> None:
        self._done += 1
        if commands.KINDS[command.name].changes:
            try:
                self._tell(command)
            except AgentError as trouble:
                log.warning("the yard is not told of the command %s: %s", command.name, trouble)
        self._answer(command, commands.done(command.txn, data), post)

    def _answer(self, command: Command, answer: Payload, post: Post) -> None:
        if "error" in answer:
            log.info("command %s (txn %s) was not done: %s", command.name, command.txn, answer["error"])
        if kept := self._kept.get((command.name, command.txn)):
            kept.answer = answer
        self._send(command.name, answer, post)

    def _refuse(self, refusal: Refusal, post: Post) -> None:
        self._refused += 1
        if self._may_complain():
            log.warning("a command was refused: %s", refusal.why)
        if refusal.name:
            self._send(refusal.name, commands.failed(refusal.txn, refusal.why), post)

    def _send(self, name: str, answer: Payload, post: Post) -> None:
        if self.publish is None:
            return
        payload = encode(answer)
        messages = [Message(f"{self._root}/rsp/{name}", payload)]
        if self._may_answer_to(post.answer_to):
            messages.append(Message(post.answer_to, payload, correlation=post.correlation))
        self.publish(messages)

    def _may_answer_to(self, topic: str) -> bool:
        """Nobody has us speak in our own name where events and commands are, nor where a broker would throw us out for it."""
        if not topic.isprintable() or not topic or topic.startswith("$") or set("+#") & set(topic) or topic.count("/") > MOST_LEVELS:
            return False
        return not f"{topic}/".startswith(f"{self._root}/") or topic.startswith(f"{self._root}/rsp/")
