"""A real mosquitto on a free loopback port, certificates for it, and a subscriber that collects what it publishes."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


def free_port() -> int:
    """A loopback port nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(*command: str | Path, folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


class Authority:
    """A certificate authority in a folder; makes certificates for the broker (127.0.0.1, localhost) and for clients."""

    names = "IP:127.0.0.1,DNS:localhost"

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.file = folder, folder / "ca.pem"
        ca = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out", "ca.pem")
        _run("openssl", "req", "-x509", *ca, "-days", "30", "-subj", f"/CN={name}", folder=folder)

    def issue(self, name: str, starts: int = 0, ends: int = 30) -> tuple[Path, Path]:
        """The certificate and key files for a common name, valid between two days counted from today, for the hosts in `names`."""
        key, request, certificate, settings = (self.folder / f"{name}.{ending}" for ending in ("key", "csr", "pem", "cnf"))
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", request)
        _run("openssl", "req", *new, "-subj", f"/CN={name}", folder=self.folder)
        (self.folder / "index").write_text("")
        settings.write_text(f"{_CA}subjectAltName = {self.names}\n")
        between = [f"{datetime.now(UTC) + timedelta(days, -60):%Y%m%d%H%M%SZ}" for days in (starts, ends)]
        dates = ("-startdate", between[0], "-enddate", between[1])
        _run("openssl", "ca", "-batch", "-notext", "-config", settings, *dates, "-in", request, "-out", certificate, folder=self.folder)
        return certificate, key


# The `ca` command alone lets a certificate begin on a given day.
_CA = """
[ca]
default_ca = this
[this]
certificate = ca.pem
private_key = ca.key
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = names
unique_subject = no
[any]
commonName = supplied
[names]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the broker asks of its clients: logins, an access list, TLS, a client certificate; nothing by default."""

    login: tuple[str, str] | None = None
    more_logins: Mapping[str, str] = field(default_factory=dict)
    acl: str = ""
    tls: Authority | None = None
    certificate: tuple[Path, Path] | None = None  # the broker's own; by default one of the authority
    client_certificate: bool = False
    persistence: bool = False  # what waits for a consumer outlives a stop
    extra: str = ""  # further lines of mosquitto.conf


class Broker:
    """Starts in `with`, keeps its port over restarts, and can be stopped, killed and frozen."""

    def __init__(self, folder: Path, rules: Rules | None = None, port: int | None = None) -> None:
        self.folder, self.rules, self.port = folder, rules or Rules(), port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Returns once a connection is taken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "mosquitto.conf"
        file.write_text(self._configuration())
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", file], stdout=log, stderr=log)
        end = time.monotonic() + 10
        while not _listens(self.port):
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"mosquitto did not start:\n{self.log()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Ends in order, as a service manager would end it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends at once; also wakes a frozen broker, which would not die otherwise."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Keeps every connection open and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Also while it is frozen."""
        return self._process is not None

    def allow(self, acl: str) -> None:
        """Put another access list in the place of the one of the rules while the broker runs."""
        (self.folder / "acl").write_text(acl)
        self._signal(signal.SIGHUP)

    def log(self) -> str:
        return (self.folder / "mosquitto.log").read_text("utf-8", "replace")

    def _signal(self, number: int) -> None:
        if self._process is None:
            raise AssertionError("the broker does not run")
        self._process.send_signal(number)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def _configuration(self) -> str:
        rules = self.rules
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {str(rules.login is None).lower()}", "set_tcp_nodelay true"]
        # By default it drops what a slow subscriber has not taken beyond a thousand; with 0 it throws out whoever it refuses a message.
        lines.append("max_queued_messages 1000000")
        if os.geteuid() == 0:
            lines.append("user root")  # else mosquitto becomes a user who may not look into the folder
        if rules.login:
            (self.folder / "logins").touch(0o600)
            for login in (rules.login, *rules.more_logins.items()):
                _run("mosquitto_passwd", "-b", "logins", *login, folder=self.folder)
            lines.append(f"password_file {self.folder / 'logins'}")
        if rules.acl:
            (self.folder / "acl").write_text(rules.acl)
            lines.append(f"acl_file {self.folder / 'acl'}")
        if rules.tls:
            certificate, key = rules.certificate or rules.tls.issue("broker")
            lines += [f"cafile {rules.tls.file}", f"certfile {certificate}", f"keyfile {key}"]
            lines.append(f"require_certificate {str(rules.client_certificate).lower()}")
        if rules.persistence:
            lines += ["persistence true", f"persistence_location {self.folder}/"]
        return "\n".join([*lines, rules.extra, ""])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Received:
    """One message as a subscriber got it; `properties` are its MQTT 5 user properties."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    content_type: str
    properties: dict[str, str]
    at: float  # monotonic seconds


class Subscriber:
    """A client in `with` that collects every message below a filter and subscribes anew when it is thrown out."""

    def __init__(
        self,
        port: int,
        topics: str = "#",
        *,
        login: tuple[str, str] | None = None,
        protocol: str = "5",
        tls: tuple[Authority, tuple[Path, Path] | None] | None = None,
        session: bool = False,
    ) -> None:
        """With `session` (MQTT 5) the broker keeps what comes while this client is away, as a consumer in the yard should have it."""
        self._port, self._topics, self._session = port, topics, session
        self._messages: list[Received] = []
        self._changed = threading.Condition()
        self._subscribed = False
        version = MQTTProtocolVersion.MQTTv5 if protocol == "5" else MQTTProtocolVersion.MQTTv311
        self._client = Client(CallbackAPIVersion.VERSION2, f"subscriber-{id(self):x}", protocol=version)
        self._client.reconnect_delay_set(0.05, 0.2)  # type: ignore[arg-type]  # it multiplies them, and whole seconds would be waited for
        if login:
            self._client.username_pw_set(*login)
        if tls:
            certificate, key = tls[1] or (None, None)
            self._client.tls_set(str(tls[0].file), str(certificate) if certificate else None, str(key) if key else None)
        self._client.on_connect, self._client.on_subscribe = self._on_connect, self._on_subscribe
        self._client.on_disconnect, self._client.on_message = self._on_disconnect, self._on_message

    def __enter__(self) -> Self:
        kept: Properties | None = None
        if self._session:
            kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho types its methods only
            kept.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", self._port, clean_start=not self._session, properties=kept)
        self._client.loop_start()
        self.wait_subscribed()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def collect(self, topic: str = "") -> list[Received]:
        """Everything received so far, in order, whose topic contains `topic`."""
        with self._changed:
            return [each for each in self._messages if topic in each.topic]

    def take(self) -> list[Received]:
        """Everything received since the last time, which is then forgotten."""
        with self._changed:
            taken, self._messages = self._messages, []
            return taken

    def forget(self) -> None:
        with self._changed:
            self._messages.clear()

    def wait_for(self, predicate: Callable[[list[Received]], object], seconds: float = 10.0) -> list[Received]:
        """Everything received once the predicate holds for it; fails with the topics there are when it does not in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self._messages), seconds):
                shown = "\n".join(f"{each.topic} {each.payload[:120]!r}" for each in self._messages[-20:])
                raise AssertionError(f"not within {seconds} s; {len(self._messages)} messages, the last of them:\n{shown}")
            return list(self._messages)

    def wait_count(self, count: int, topic: str = "", seconds: float = 10.0) -> list[Received]:
        """At least `count` messages whose topic contains `topic`."""
        self.wait_for(lambda messages: len(messages) >= count <= sum(topic in each.topic for each in messages), seconds)
        return self.collect(topic)

    def catch_up(self, seconds: float = 10.0) -> None:
        """What the broker has acknowledged to anybody until now is here when this returns: a message of our own came behind it."""
        marker = str(time.monotonic_ns()).encode()
        self._client.publish("subscriber/marker", marker, qos=1)
        self.wait_for(lambda messages: any(each.payload == marker for each in reversed(messages)), seconds)

    def wait_subscribed(self, seconds: float = 10.0) -> None:
        """Until messages arrive here; after a restart of the broker first `wait_lost`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._subscribed, seconds):
                raise AssertionError(f"no subscription within {seconds} s")

    def wait_lost(self, seconds: float = 10.0) -> None:
        """Until the end of the broker has been noticed."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._subscribed, seconds):
                raise AssertionError(f"still connected after {seconds} s")

    def _on_connect(self, client: Client, data: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if not reason.is_failure:
            client.subscribe(self._topics, qos=1)

    def _on_subscribe(self, client: Client, data: Any, mid: int, reasons: list[ReasonCode], properties: Properties | None) -> None:
        with self._changed:
            self._subscribed = not reasons[0].is_failure
            self._changed.notify_all()

    def _on_disconnect(self, client: Client, data: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        with self._changed:
            self._subscribed = False
            self._changed.notify_all()

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        named = dict(getattr(message.properties, "UserProperty", []))
        content_type = getattr(message.properties, "ContentType", "")
        received = Received(message.topic, bytes(message.payload), message.qos, message.retain, content_type, named, time.monotonic())
        with self._changed:
            self._messages.append(received)
            self._changed.notify_all()
