"""One connection to the broker: opened with a will, used until it is lost, never reopened by itself."""

import contextlib
import socket
import ssl
import threading
import time
from collections import deque
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent import config, tls
from agent.errors import NeedsOperator, RetryLater
from agent.events import Message
from agent.inbox import Inbox
from agent.mqtt_client import MOST_TAKEN, Capped
from agent.mqtt_properties import Packed, of_connect, of_will

CONNECT_S = 5.0  # for the connection, for TLS and for the broker's answer, each
CLOSE_S = 1.0
NOT_YET_VALID = 9  # OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID

PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
BUSY = {136, 137, 151, 159}  # server unavailable, busy, quota exceeded, connection rate exceeded
# Reason code of a refusal → what to check; anything else is shown as the broker named it.
REFUSALS = {
    132: 'it does not speak MQTT {protocol}: set mqtt.protocol to "3.1.1" or "5", whichever it does',
    133: "it refuses the client id {client_id}: set another mqtt.client_id",
    134: "it refuses the login of {user}: check mqtt.user and mqtt.password against its list of users",
    135: "it refuses the login of {user}: check mqtt.user and mqtt.password, and what its access list allows",
    138: "it has banned {user}: ask whoever runs it",
}
CUT_OFF, TAKEN_OVER = 128, 142  # a connection that was closed without a word counts as the first
# Reason code of a loss → the same in words that help.
LOSSES = {
    CUT_OFF: "closed without a reason; if this repeats, the broker may be stopping, or another client may use the client id {client_id}",
    141: "the broker did not answer for two keepalives",
    TAKEN_OVER: "another client logged in as {client_id}; give each agent its own mqtt.client_id",
}
# What a broker may say it cannot do, the least the agent needs, and that need in words (MQTT 5, CONNACK).
DEMANDS = (
    ("MaximumQoS", 1, "messages of QoS 1"),
    ("RetainAvailable", 1, "retained messages"),
    ("MaximumPacketSize", 8192, "packets of 8 KB"),
)


class Link:
    """A context manager around one connection: leaving it in order says goodbye, leaving it by an error lets the will speak."""

    def __init__(self, settings: config.Mqtt, client_id: str, will: Message, inbox: Inbox | None = None) -> None:
        """What is to be brought to the inbox is asked for as soon as the connection is open."""
        self._settings, self.client_id, self._will, self._inbox = settings, client_id, will, inbox
        self.where = f"{settings.host}:{settings.port}"
        self.lost: str | None = None  # one sentence, once the connection is gone
        self.cut_off = self.taken_over = False  # lost without a reason; lost to another client of this id
        self._answer: tuple[ReasonCode, Properties | None] | None = None
        self._complaint = ""
        self._answered, self._closed, self._news = threading.Event(), threading.Event(), threading.Event()
        self._acknowledged: deque[tuple[int, str | None]] = deque()
        self._in_flight: dict[int, float] = {}
        self._wanted = float("inf")  # so many answers wake the owner
        self._most = settings.inflight

    def __enter__(self) -> Self:
        """Raises `RetryLater` where nothing answers (each stage has 5 s), `NeedsOperator` where a person must change something."""
        self._client = self._made()
        self._connect()
        self._client.loop_start()
        try:
            self._greet()
            if self._inbox is not None:
                self._inbox.subscribe(self._client)
        except BaseException:
            self._drop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self.lost is None:
            self._client.disconnect()
            # In this order: loop_stop() first would wait for acknowledgements that nobody asks for any more.
            self._closed.wait(CLOSE_S)
        self._drop()

    def publish(self, message: Message) -> int:
        """Hand a message over; the token comes back from `take_acknowledged`. Raises `RetryLater` when the connection is gone."""
        self.check()
        properties: Any = Packed(message) if self._settings.protocol == "5" else None
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain, properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            # The client would send it after a reconnect, but this one never reconnects: it goes away with the link.
            raise RetryLater(f"the broker at {self.where} took no message: the connection was lost meanwhile")
        self._in_flight[info.mid] = time.monotonic()
        return info.mid

    def take_acknowledged(self) -> list[tuple[int, str | None]]:
        """Tokens answered since the last call, each with None or the broker's reason for refusing it.

        Only MQTT 5 tells of a refusal: under 3.1.1 a broker acknowledges what its access list makes it throw away.
        """
        taken = []
        while self._acknowledged:
            taken.append(self._acknowledged.popleft())
            self._in_flight.pop(taken[-1][0], None)
        return taken

    def check(self) -> None:
        """Raises `RetryLater` once the connection is gone, with the reason."""
        if self.lost is not None:
            raise RetryLater(self.lost)

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def room(self) -> int:
        """How many more messages may be on their way; a broker throws out who sends more than it said it takes."""
        return self._most - len(self._in_flight)

    def oldest_in_flight_s(self) -> float:
        """Seconds since the oldest message without an answer was handed over; 0 when there is none."""
        oldest = next(iter(self._in_flight.values()), None)
        return 0.0 if oldest is None else time.monotonic() - oldest

    def wait(self, seconds: float, answers: int = 1) -> None:
        """Until so many messages are answered, the connection is lost or `wake` is called, at most `seconds`."""
        self._wanted = answers
        # The network thread looks at `_wanted` after it has noted an answer: one that it missed is counted here.
        if len(self._acknowledged) < answers:
            self._news.wait(seconds)
        self._wanted = float("inf")
        # Cleared before the caller looks, so that what comes after its look wakes the next wait.
        self._news.clear()

    def takes_calls(self) -> bool:
        """Whether anything listens there at this moment; nothing is said to it."""
        try:
            socket.create_connection((self._settings.host, self._settings.port), CONNECT_S).close()
        except OSError:
            return False
        return True

    def wake(self) -> None:
        """Ends a `wait` early; may be called from any thread, but from no signal handler."""
        self._news.set()

    def _made(self) -> Client:
        settings = self._settings
        client = Capped(CallbackAPIVersion.VERSION2, self.client_id, protocol=PROTOCOLS[settings.protocol], reconnect_on_failure=False)
        # An exception in a callback would end the network thread, while the client still called itself connected.
        client.suppress_exceptions = True
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(0)  # it cannot take over the broker's limit, which `room` keeps
        if settings.user:
            client.username_pw_set(settings.user, settings.password.reveal() or None)
        if settings.tls:
            client.tls_set_context(tls.context(settings))
        properties = of_will(self._will) if settings.protocol == "5" else None
        client.will_set(self._will.topic, self._will.payload, self._will.qos, self._will.retain, properties)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish, client.on_log = self._on_publish, self._on_log
        return client

    def _connect(self) -> None:
        where, settings = self.where, self._settings
        limits = of_connect(MOST_TAKEN) if settings.protocol == "5" else None
        try:
            self._client.connect(settings.host, settings.port, settings.keepalive_s, properties=limits)
        except ssl.SSLCertVerificationError as exc:
            if exc.verify_code == NOT_YET_VALID:
                raise RetryLater(f"the certificate of {where} is not valid yet by this device's clock, which may not be set") from exc
            advice = "check mqtt.ca_file, and that mqtt.host is a name in the broker's certificate"
            raise NeedsOperator(f"the certificate of {where} is not trusted: {exc.verify_message}; {advice}") from exc
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError) as exc:
            raise RetryLater(f"{where} closed the connection while it was being opened") from exc
        except ssl.SSLError as exc:
            raise NeedsOperator(f"no TLS with {where}: {exc.reason}; check that mqtt.port is the broker's TLS port") from exc
        except TimeoutError as exc:
            raise RetryLater(f"{where} did not answer within {CONNECT_S:.0f} s; check mqtt.host, and the network between") from exc
        except socket.gaierror as exc:
            raise RetryLater(f"no address is known for {settings.host}; check mqtt.host, and that the network is up") from exc
        except OSError as exc:
            raise RetryLater(f"no connection to {where}: {exc.strerror or exc}; check that the broker runs") from exc

    def _greet(self) -> None:
        """Wait for the broker's answer to the login and take its limits over."""
        if not self._answered.wait(CONNECT_S):
            raise RetryLater(f"{self.where} took the connection but did not answer within {CONNECT_S:.0f} s; is it an MQTT broker?")
        if self._answer is None:
            raise self._unanswered()
        reason, properties = self._answer
        if reason.is_failure:
            raise self._refused(reason)
        for name, least, words in DEMANDS:
            if getattr(properties, name, least) < least:
                raise NeedsOperator(f"the broker at {self.where} does not take {words}: allow them there")
        self._client.on_log = None  # from here on it would be formatted twice for each message, a fifth of the time a message takes
        self._most = min(self._most, getattr(properties, "ReceiveMaximum", self._most))

    def _unanswered(self) -> RetryLater | NeedsOperator:
        closed = f"the broker at {self.where} closed the connection without answering the login"
        if self._settings.tls:
            # TLS 1.3 lets a client believe in success before the broker has looked at its certificate.
            advice = "it may want another client certificate: check mqtt.cert_file, mqtt.key_file and their authority"
            return NeedsOperator(f"{closed}; {advice}{self._complaint}")
        return RetryLater(f"{closed}; is this its TLS port, or is it just starting?{self._complaint}")

    def _refused(self, reason: ReasonCode) -> RetryLater | NeedsOperator:
        said = f"the broker at {self.where} says {str(reason)!r}"
        if reason.value in BUSY:
            return RetryLater(said)
        settings = self._settings
        advice = REFUSALS.get(reason.value, "look into its log for client {client_id}")
        user = repr(settings.user) if settings.user else "a client without a user name"
        return NeedsOperator(f"{said}: {advice.format(protocol=settings.protocol, client_id=self.client_id, user=user)}")

    def _drop(self) -> None:
        """End the network thread at once; without a goodbye before it, the broker publishes the will."""
        with contextlib.suppress(OSError):
            if isinstance(transport := self._client.socket(), socket.socket):
                transport.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()
        self.lost = self.lost or f"the connection to {self.where} was closed"
        # The client's callbacks hold this link and this link the client: without this, sockets stay open until the next collection.
        del self._client

    # The network thread calls what follows: take a note, wake the owner, nothing else.

    def _on_connect(self, client: Client, data: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        self._answer = reason, properties
        self._answered.set()

    def _on_publish(self, client: Client, data: Any, mid: int, reason: ReasonCode, properties: Properties) -> None:
        self._acknowledged.append((mid, str(reason) if reason.is_failure else None))
        if len(self._acknowledged) >= self._wanted:
            self._news.set()

    def _on_disconnect(self, client: Client, data: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if self.lost is None:
            self.cut_off, self.taken_over = reason.value == CUT_OFF, reason.value == TAKEN_OVER
            words = LOSSES.get(reason.value, str(reason)).format(client_id=self.client_id)
            self.lost = f"the connection to {self.where} was lost: {words}{self._complaint}"
        for event in (self._answered, self._closed, self._news):
            event.set()

    def _on_log(self, client: Client, data: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._complaint = f" ({text})"
