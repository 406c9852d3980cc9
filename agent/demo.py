"""The whole agent on one machine: rendered vehicles drive past, and each event is shown as the yard would see it."""

import json
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent import config
from agent.demo_broker import DemoBroker
from agent.errors import NeedsOperator, RetryLater
from agent.ocr import open_providers
from agent.shipped import shipped

Payload = dict[str, Any]

TOPIC = "vinagent/v1/demo/gateway/gate/north-in/"
_NEXT_TRY = re.compile(r"next try in (\d+) s")
_PATIENCE_S = 40.0  # without a sign of life: a slow board renders and reads a vehicle in less


def run(vehicles: int, seed: int, *, as_json: bool, outage: bool, provider: str = "embedded", url: str = "") -> int:
    """Drive `vehicles` past; 0 only if each one was told right, once, and nothing else was told.

    `provider` reads, at `url` where it is a cloud reader; raises `BadConfig` where that is no reader or no address.
    """
    with tempfile.TemporaryDirectory(prefix="vin-agent-demo-") as folder:
        return Demo(Path(folder), vehicles, seed, as_json, outage, provider, url).run()


@dataclass(slots=True)
class Result:
    """What came over the broker: the first copy of each event, in the order of their arrival."""

    events: dict[str, Payload] = field(default_factory=dict)
    copies: int = 0

    def add(self, event: Payload) -> bool:
        known = event["id"] in self.events
        self.copies += known
        self.events.setdefault(event["id"], event)
        return not known

    def vins(self) -> list[str]:
        """By sequence, which is the order the vehicles were decided in; an unread vehicle is an empty text."""
        ordered = sorted(self.events.values(), key=lambda event: str(event["sequence"]))
        return [event["data"].get("vin", "") for event in ordered]


class Demo:
    """A broker, a subscriber and the installed agent, each in its own right, and a person to show it to."""

    def __init__(self, folder: Path, vehicles: int, seed: int, as_json: bool, outage: bool, provider: str, url: str) -> None:
        from agent.camera.scene import Scene

        self._folder, self._as_json, self._outage = folder, as_json, outage
        self._truth = Scene(seed, vehicles).truth
        self._broker = DemoBroker(folder)
        self._settings = self._written(vehicles, seed, provider, url)
        self._news: queue.Queue[Payload | str] = queue.Queue()
        self._result = Result()
        self._seen = 0
        self._out_at: int | None = None  # vehicles seen when the broker went away

    def run(self) -> int:
        self._say(f"{len(self._truth)} vehicles drive past a rendered gate; broker: {self._broker.name} on 127.0.0.1:{self._broker.port}")
        self._broker.start()
        try:
            client = self._subscribe()
            agent = self._start_agent()
            try:
                self._follow()
            finally:
                self._end_agent(agent)
                client.loop_stop()
        finally:
            self._broker.stop()
        return self._conclude()

    def _written(self, vehicles: int, seed: int, provider: str, url: str) -> Path:
        settings = {
            "state_dir": str(self._folder / "state"),
            "log_level": "debug",  # every failed attempt to connect is said, by which the outage is timed
            "port": self._broker.port,
            "protocol": self._broker.protocol,
            "vehicles": vehicles,
            "seed": seed,
            "chain": [provider],
        }
        file = self._folder / "demo.toml"
        accounts = shipped("demo-accounts.toml").read_text("utf-8") if url else ""
        accounts = re.sub(r'(?m)^(url|iam_url) = ""$', lambda found: f"{found[1]} = {json.dumps(url)}", accounts)
        file.write_text(filled(shipped("demo.toml").read_text("utf-8"), settings) + accounts, "utf-8")
        # Said here and now: the agent would leave without a word to whoever watches.
        open_providers(config.load(file))
        return file

    def _subscribe(self) -> Client:
        """A yard system as it should be: a fixed client id and a session that outlives the broker's absence."""
        client = Client(CallbackAPIVersion.VERSION2, "demo-yard", clean_session=False, protocol=MQTTProtocolVersion.MQTTv311)
        ready = threading.Event()
        client.reconnect_delay_set(0.1, 0.2)  # type: ignore[arg-type]  # it multiplies them, and whole seconds are too long here
        client.on_connect = lambda client, *_: client.subscribe(f"{TOPIC}#", qos=1)
        client.on_subscribe = lambda *_: ready.set()
        client.on_message = self._on_message
        client.connect("127.0.0.1", self._broker.port)
        client.loop_start()
        if not ready.wait(10):
            raise RetryLater("the demo's subscriber was not let in by the demo's own broker: try again")
        return client

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        # `last` is a retained copy for screens, `corrected` is about a vehicle that is known.
        if message.topic.endswith(("/vin", "/unread")):
            self._news.put(json.loads(message.payload))

    def _start_agent(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "agent", "run", "--config", str(self._settings)]
        agent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if agent.stderr is None:
            raise AssertionError("unreachable")
        threading.Thread(target=self._listen, args=(agent.stderr,), daemon=True).start()
        return agent

    def _listen(self, log: IO[str]) -> None:
        for line in log:
            self._news.put(line.rstrip())

    def _follow(self) -> None:
        """Until every vehicle was told, or nothing has happened for so long that nothing will."""
        quiet_since = time.monotonic()
        while len(self._result.events) < len(self._truth) and time.monotonic() - quiet_since < _PATIENCE_S:
            try:
                news = self._news.get(timeout=0.2)
            except queue.Empty:
                continue
            quiet_since = time.monotonic()
            if isinstance(news, str):
                self._heed(news)
            else:
                self._show(news)

    def _heed(self, line: str) -> None:
        """The agent's log: progress for whoever watches, and the clock by which the broker goes and comes."""
        if "vehicle seen" in line:
            self._seen += 1
            self._say(f"vehicle {self._seen} of {len(self._truth)} has passed")
        elif " INFO " not in line and " DEBUG " not in line:
            self._say(f"agent: {line}")
        if self._outage and self._out_at is None and self._seen >= max(1, len(self._truth) // 3):
            self._say("the broker goes away")
            self._broker.stop()
            self._out_at = self._seen
        elif self._out_at is not None and self._outage and self._may_return(line):
            self._outage = False
            self._say("the broker is back")
            self._broker.start()

    def _may_return(self, line: str) -> bool:
        """After two more vehicles, or all; and just after a failed attempt of the agent, so that the subscriber is back before it."""
        missed = self._seen - (self._out_at or 0)
        pause = _NEXT_TRY.search(line)
        return pause is not None and int(pause[1]) >= self._broker.returns_in_s and (missed >= 2 or self._seen >= len(self._truth))

    def _show(self, event: Payload) -> None:
        if not self._result.add(event):
            return
        if self._as_json:
            print(json.dumps(event, ensure_ascii=False), flush=True)
            return
        data = event["data"]
        name = "vin" if "vin" in data else "unread"
        late = ", from the backlog" if data["delivery"]["replay"] else ""
        right = "right" if data.get("vin") in self._truth else "WRONG"
        print(f"\n{TOPIC}{name}  ({data['delivery']['queued_ms'] / 1000:.1f} s after capture{late})")
        print(f"  {data.get('vin', '-----------------')}  {data.get('decision', data.get('reason'))}  {_decoded(data)}  -> {right}")
        print(f"  {json.dumps(event, ensure_ascii=False)}\n", flush=True)

    def _end_agent(self, agent: "subprocess.Popen[str]") -> None:
        agent.terminate()
        try:
            agent.wait(15)
        except subprocess.TimeoutExpired:
            agent.kill()
            agent.wait()
            raise NeedsOperator("the agent did not stop within 15 s; it was ended by force") from None

    def _conclude(self) -> int:
        told = self._result.vins()
        wrong = [vin for vin in told if vin not in self._truth]
        right = len(set(told) & set(self._truth))
        well = told == list(self._truth) or (sorted(told) == sorted(self._truth))
        self._say(
            f"{right} of {len(self._truth)} vehicles told right, {len(wrong)} wrong or unread, "
            f"{len(self._truth) - right} missing, {self._result.copies} copies under the same id"
        )
        return 0 if well else 1

    def _say(self, text: str) -> None:
        """Progress goes to standard error: standard output holds events alone."""
        print(f"demo: {text}", file=sys.stderr, flush=True)


def _decoded(data: Payload) -> str:
    decoded = data.get("decoded", {})
    return ", ".join(
        str(each) for each in (decoded.get("manufacturer"), decoded.get("country"), *decoded.get("model_years", [])[:1]) if each
    )


def filled(text: str, settings: Mapping[str, object]) -> str:
    """TOML text with the values of some keys exchanged; each key has to stand there once."""
    for key, value in settings.items():
        # Strings of TOML and JSON agree for everything a path or a protocol may hold.
        line = f"{key} = {json.dumps(value)}"
        text, count = re.subn(rf"(?m)^{key} = .*$", lambda _, line=line: line, text)  # type: ignore[misc]  # mypy knows no default here
        if count != 1:
            raise AssertionError(f"{key} stands {count} times in demo.toml")
    return text
