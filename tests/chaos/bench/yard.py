"""The bench computer's ears: what the device under test tells over the broker, and what it says of itself in its log."""

import argparse
import json
import os
import re
import shlex
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

SEEN = re.compile(r"vehicle seen .*read_id (\w+)")
# A pass that belongs to an event told before, or was none of a vehicle, has no event of its own.
SETTLED = re.compile(r"(\w+): (?:\w+ is still there, told as|no vehicle:)")
PASSWORD = "VIN_BENCH_PASSWORD"  # the name of a variable
ASK_S = 60.0  # what a command of the bench may take


@dataclass(slots=True)
class Record:
    """Everything heard so far. `sessions` are the starts of the agent in their order, `cameras` the states by name with the second."""

    committed: set[str] = field(default_factory=set)
    told: Counter[str] = field(default_factory=Counter)
    sessions: list[str] = field(default_factory=list)
    state: str = ""
    version: str = ""
    health: dict[str, Any] = field(default_factory=dict)
    healths: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    cameras: list[tuple[float, str, str]] = field(default_factory=list)

    def line(self, text: str) -> None:
        """A line of the device's log: a vehicle it calls seen is one it has committed."""
        self.committed.update(SEEN.findall(text))
        self.committed.difference_update(SETTLED.findall(text))

    def message(self, topic: str, payload: bytes, at: float) -> None:
        """A message of the device; what is no JSON is none of its own."""
        try:
            content = json.loads(payload)
        except ValueError:
            return
        if not isinstance(content, dict):
            return
        if re.search(r"/gate/[^/]+/(vin|unread)$", topic):
            self.told[str(content.get("id"))] += 1
        elif topic.endswith("/info"):
            self.version = str(content.get("version", ""))
        elif topic.endswith("/health"):
            self.health = content
            self.healths.append((at, content))
        elif found := re.search(r"/camera/([^/]+)/status$", topic):
            self.cameras.append((at, found[1], str(content.get("state"))))
        elif topic.endswith("/status"):
            self._status(content)

    def _status(self, content: dict[str, Any]) -> None:
        self.state, session = str(content.get("state")), str(content.get("session"))
        if self.state == "online" and session not in self.sessions:
            self.sessions.append(session)

    @property
    def missing(self) -> set[str]:
        """Committed, and not told yet."""
        return self.committed - set(self.told)

    @property
    def copies(self) -> int:
        return self.told.total() - len(self.told)


class Yard:
    """A subscriber with a session of its own, and the device's log as a command prints it; all of it in `record`."""

    def __init__(self, host: str, port: int, topics: str, user: str = "", *, name: str = "vin-bench") -> None:
        self.record, self._changed = Record(), threading.Condition()
        self._host, self._port, self._topics = host, port, topics
        self._client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5)
        if user:
            self._client.username_pw_set(user, os.environ.get(PASSWORD))
        self._client.on_connect, self._client.on_message = self._on_connect, self._on_message
        self._log: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._client.connect(self._host, self._port)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave_log()
        self._client.disconnect()
        self._client.loop_stop()

    def follow_log(self, command: str) -> None:
        """From now on the lines this command prints are the device's; a connection that ends is followed anew after the next start."""
        self.leave_log()
        self._log = subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")
        self._reader = threading.Thread(target=self._read, args=(self._log,), daemon=True)
        self._reader.start()

    def leave_log(self) -> None:
        if self._log is not None:
            self._log.kill()
            self._log.wait()
            self._reader.join(ASK_S)  # what it printed before is taken in
            self._log = None

    def wait_for(self, true: Callable[[Record], object], seconds: float) -> float | None:
        """The seconds until this was true of the record; None where it did not come to that in time."""
        began = time.monotonic()
        with self._changed:
            done = self._changed.wait_for(lambda: true(self.record), seconds)
        return time.monotonic() - began if done else None

    def _read(self, log: "subprocess.Popen[str]") -> None:
        assert log.stdout is not None
        with log.stdout as lines:
            for text in lines:
                with self._changed:
                    self.record.line(text)
                    self._changed.notify_all()

    def _on_connect(self, client: Client, data: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if not reason.is_failure:
            client.subscribe(self._topics, qos=1)

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        with self._changed:
            self.record.message(message.topic, bytes(message.payload), time.monotonic())
            self._changed.notify_all()


def run(command: str, seconds: float = ASK_S) -> str:
    """What a command of the bench prints; one that fails ends the run with its own words."""
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise SystemExit(f"`{command}` could not be run: {exc}") from exc
    if done.returncode:
        raise SystemExit(f"`{command}` ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def arguments(program: str, what: str) -> argparse.ArgumentParser:
    """What every program of the bench asks."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.chaos.bench.{program}", description=what)
    parser.add_argument("--broker", required=True, metavar="HOST[:PORT]", help="which the device tells; it must not be on the device")
    parser.add_argument("--user", default="", help=f"the login at the broker; its password stands in the environment as {PASSWORD}")
    parser.add_argument("--root", default="vinagent/v1/+/+", help="topics of the device, without the last levels (vinagent/v1/+/+)")
    return parser


def yard(asked: argparse.Namespace) -> Yard:
    host, _, port = asked.broker.partition(":")
    return Yard(host, int(port or 1883), f"{asked.root}/#", asked.user)
