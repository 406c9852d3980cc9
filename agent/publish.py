"""From the outbox to the broker over one connection: live before backlog, and a row is sent only once it is acknowledged."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent import config, failpoint
from agent.bucket import Bucket
from agent.domain import Stamp
from agent.errors import RetryLater
from agent.events import UNNUMBERED, Message, Payload, delivered, event_message, last, queued_ms
from agent.mqtt import Link
from agent.outbox import Outbox, Row
from agent.state import MqttHealth
from agent.topics import Topics

log = logging.getLogger(__name__)

IDLE_S = 0.2  # how long a live event may wait to be noticed
SETTLE_S = 0.05  # how long an answered row waits for others to be marked with it
SILENT_S = 60.0  # a broker that acknowledges nothing for so long is given up
LAST_EVERY_S = 1.0
MOST_COMPLAINTS = 64  # where an answer goes is named by whoever asked
REFUSED_WAIT_S, REFUSED_LONGEST_S = 60.0, 3600.0
REPLAYS_EVERY_S = 1.0  # how often it is looked for what an operator wants once more


@dataclass(slots=True)
class Tally:
    """What outlives a connection: counters, and the number of the newest `last` told on each topic.

    Before each connection, give `last` the number of each gate's newest final: no older event may replace what the broker keeps.
    """

    connections: int = 0
    published: int = 0
    acknowledged: int = 0
    last: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flying:
    """A row on its way, with the payload it was sent as."""

    row: Row
    payload: Payload


class Publisher:
    """Owns the sending over one link; make a new one, with the same tally, for each connection."""

    def __init__(
        self,
        link: Link,
        outbox: Outbox,
        topics: Topics,
        settings: config.Mqtt,
        state: Callable[[], Sequence[Message]],
        now: Stamp,
        tally: Tally | None = None,
    ) -> None:
        """The first steps publish the retained state, in the order `state` gives it, before any event."""
        self._link, self._outbox, self._topics, self._settings = link, outbox, topics, settings
        self._tally = tally or Tally()
        self._tally.connections += 1
        self._bucket = Bucket(settings.replay_per_s, now.seconds)
        self._flying: dict[int, Flying] = {}
        self._unmarked: list[Flying] = []  # acknowledged, but the disk has not taken it yet: until it has, no other row is sent
        self._others: dict[int, str] = {}  # token → topic of what no row stands for
        self._asked: deque[Message] = deque(state())
        self._finals: dict[str, Message] = {}
        self._last_at = float("-inf")
        self._complained: set[tuple[str, str]] = set()
        self._retry_at, self._retry_s = float("inf"), REFUSED_WAIT_S
        # Rows up to the watermark are backlog. Each cursor stands behind the rows already tried over this connection.
        self._watermark = self._live = outbox.last_sequence()
        self._backlog = self._replayed = 0
        self._replays_at = float("-inf")

    def step(self, now: Stamp) -> bool:
        """Note acknowledgements, send what there is room for, wait for answers; False where there was nothing to do.

        Raises `RetryLater` when the connection is lost, or a broker has answered nothing for a minute.
        """
        settled = self._settle(now)
        self._link.check()
        if self._link.oldest_in_flight_s() > SILENT_S:
            raise RetryLater(f"the broker at {self._link.where} has acknowledged nothing for {SILENT_S:.0f} s")
        if self._finals and now.seconds - self._last_at >= LAST_EVERY_S:
            self._last_at = now.seconds
            self._ask_for_lasts()
        asked = self._send_asked()
        busy = (not self._unmarked and self._send_rows(now)) or asked or settled
        if (flying := self._link.in_flight) or not busy:
            # All that is on its way in one commit: one for each answer would cost more than the message.
            self._link.wait(SETTLE_S if flying else IDLE_S, answers=max(1, flying))
        return busy

    def recount(self, lasts: Callable[[], Mapping[str, int]]) -> None:
        """Begin again at the first unsent row where the numbers went back: those given in memory end when the disk returns."""
        newest = self._outbox.last_sequence()
        if newest >= self._live:
            return
        self._watermark, self._live, self._backlog, self._replayed = newest, newest, 0, 0
        self._let_go_of_memory()
        self._tally.last = {topic: sequence - 1 for topic, sequence in lasts().items() if sequence < UNNUMBERED}

    def _let_go_of_memory(self) -> None:
        """What was told under a number given in memory is told again under its own; the next time in memory gives that number anew."""
        for token, flying in list(self._flying.items()):
            if flying.row.sequence >= UNNUMBERED:
                del self._flying[token]
                self._others[token] = self._topics.event(flying.row.event)
        self._unmarked = [each for each in self._unmarked if each.row.sequence < UNNUMBERED]

    def publish_state(self, messages: Iterable[Message]) -> None:
        """Have retained messages published with the next step; may be called from any thread."""
        for message in messages:
            if not message.payload:
                # What was taken out may still be on its way: acknowledged, it must not come back as the last of its gate.
                self._finals.pop(message.topic, None)
                self._tally.last[message.topic] = max(self._tally.last.get(message.topic, 0), self._live)
            self._asked.append(message)
        self._link.wake()

    def farewell(self, offline: Message, clock: Callable[[], Stamp], seconds: float = 5.0) -> bool:
        """Wait for what is on its way, then say `offline`; False where something stayed unanswered.

        A goodbye in order keeps the broker from publishing the will, so the agent says itself that it is gone.
        """
        end = clock().seconds + seconds
        settled = self._settle_until(end - seconds / 4, clock)
        self._ask_for_lasts()  # of what was answered meanwhile
        self._asked.append(offline)
        return self._settle_until(end, clock) and settled

    def health(self) -> MqttHealth:
        tally = self._tally
        return MqttHealth(
            connected=self._link.lost is None,
            reconnects=tally.connections - 1,
            in_flight=self._link.in_flight,
            published=tally.published,
            acknowledged=tally.acknowledged,
        )

    def _settle_until(self, end: float, clock: Callable[[], Stamp]) -> bool:
        while True:
            self._settle(now := clock())
            if now.seconds >= end or self._link.lost is not None:
                return False
            if not self._send_asked() and not self._link.in_flight and not self._unmarked:
                return True
            self._link.wait(min(IDLE_S, max(0.0, end - now.seconds)))

    def _settle(self, now: Stamp) -> bool:
        """Mark every acknowledged row in one commit; a refused row stays and is tried again much later."""
        answers = self._link.take_acknowledged()
        for token, refusal in answers:
            flying = self._flying.pop(token, None)
            if refusal is not None:
                self._complain(self._topics.event(flying.row.event) if flying else self._others.get(token, ""), refusal)
                if flying:  # what else was refused is not sent again, and holds no row up
                    self._come_back(now)
            elif flying:
                self._unmarked.append(flying)
            self._others.pop(token, None)
        self._tally.acknowledged += sum(refusal is None for _, refusal in answers)
        self._mark(now)
        return bool(answers)

    def _mark(self, now: Stamp) -> None:
        """A disk that fails is no reason to leave the broker, which would be told all of them again: the next step tries once more."""
        if not (done := self._unmarked):
            return
        failpoint.passed("send.acknowledged")
        try:
            self._outbox.sent([each.row.sequence for each in done], now.utc_ms)
        except RetryLater as trouble:
            log.debug("%d acknowledged events are not marked yet: %s", len(done), trouble)
            return
        failpoint.passed("send.marked")
        self._unmarked = []
        self._keep_lasts(done)

    def _come_back(self, now: Stamp) -> None:
        """To the rows that were refused, after a minute, then two, up to an hour."""
        if self._retry_at == float("inf"):
            self._retry_at = now.seconds + self._retry_s
            self._retry_s = min(REFUSED_LONGEST_S, 2 * self._retry_s)

    def _complain(self, topic: str, refusal: str) -> None:
        """Once for each topic and reason."""
        if (topic, refusal) in self._complained or len(self._complained) >= MOST_COMPLAINTS:
            return
        self._complained.add((topic, refusal))
        log.warning(
            "the broker at %s refuses %s: %s; check its access list, events wait until it takes them", self._link.where, topic, refusal
        )

    def _send_asked(self) -> bool:
        sent = False
        while self._asked and self._link.room > 0:
            message = self._asked.popleft()
            self._others[self._publish(message)] = message.topic
            sent = True
        return sent

    def _send_rows(self, now: Stamp) -> bool:
        """Live events first; the backlog gets the room they leave, at its own rate."""
        if now.seconds >= self._retry_at:
            # What was tried and is still unsent was refused: all of it is backlog now, and the cursor starts again before it.
            self._retry_at, self._watermark, self._backlog = float("inf"), self._live, 0
        room = self._link.room
        live = self._outbox.next(room, after=self._live) if room > 0 else ()
        for row in live:
            self._live = row.sequence
            self._send(row, now, replay=False)
        backlog = self._next_of_backlog(room - len(live), now)
        for row in backlog:
            self._backlog = row.sequence
            self._send(row, now, replay=True)
        again = () if live or backlog else self._next_of_replays(room, now)
        for row in again:
            self._replayed = row.sequence
            self._send(row, now, replay=True)
        self._outbox.tried([row.sequence for row in (*live, *backlog, *again)])
        self._bucket.take(len(backlog) + len(again))
        return bool(live or backlog or again)

    def _next_of_backlog(self, room: int, now: Stamp) -> list[Row]:
        room = self._bucket.room(now.seconds, room)
        if room <= 0 or self._backlog >= self._watermark:
            return []
        flying = {each.row.sequence for each in self._flying.values()}
        rows = [row for row in self._outbox.next(room, after=self._backlog, exclude=flying) if row.sequence <= self._watermark]
        if not rows:
            self._backlog = self._watermark
        return rows

    def _next_of_replays(self, room: int, now: Stamp) -> Sequence[Row]:
        """What is wanted once more, at the rate of the backlog and after it; from the start again when all of it was tried."""
        if self._backlog < self._watermark or now.seconds < self._replays_at:
            return ()
        room = self._bucket.room(now.seconds, room)
        if room <= 0:
            return ()
        rows = self._outbox.replays(room, self._replayed, {each.row.sequence for each in self._flying.values()})
        if not rows:
            self._replays_at = now.seconds + REPLAYS_EVERY_S
            if not self._flying and self._retry_at == float("inf"):
                self._replayed = 0  # but what was refused is left until the refused rows of the outbox are tried again
        return rows

    def _send(self, row: Row, now: Stamp, *, replay: bool) -> None:
        waited_ms = queued_ms(row.event.payload, row.put_ms, now)
        payload = delivered(row.event.payload, row.sequence, replay=replay, attempt=row.attempts + 1, queued_ms=waited_ms)
        failpoint.passed("send.publishing")
        token = self._publish(event_message(self._topics.event(row.event), payload))
        self._flying[token] = Flying(row, payload)
        failpoint.passed("send.published")

    def _publish(self, message: Message) -> int:
        token = self._link.publish(message)
        self._tally.published += 1
        return token

    def _keep_lasts(self, done: Sequence[Flying]) -> None:
        """Remember the newest acknowledged final of each gate; a backlog would else double the traffic with copies nobody sees."""
        for each in done if self._settings.last else ():
            topic, sequence = self._topics.last(each.row.event), each.row.sequence
            if each.row.event.topic.endswith("/vin") and sequence > self._tally.last.get(topic, 0):
                self._tally.last[topic] = sequence
                self._finals[topic] = event_message(topic, last(each.payload), retain=True)

    def _ask_for_lasts(self) -> None:
        self._asked.extend(self._finals.values())
        self._finals.clear()
