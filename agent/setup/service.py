"""The service after setup: its start, and what the yard hears of it."""

import subprocess
import threading
import time
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from agent import config, logs, tls
from agent.errors import AgentError, NeedsOperator
from agent.identity import identify
from agent.mqtt import PROTOCOLS

UNIT = "vin-agent.service"
_START_S, _LISTEN_S = 60.0, 10.0


def there() -> bool:
    """Whether systemd runs this machine, and knows the unit."""
    return Path("/run/systemd/system").is_dir() and _systemctl("cat", UNIT).returncode == 0


def stop() -> None:
    """Ends the service of a setup before, so that the doctor can have the camera."""
    _systemctl("stop", UNIT)


def begin(settings: config.Settings) -> bool:
    """Enables and starts the service, waits until it says that it is ready, and shows what the broker hears."""
    with Ear(settings) as ear:
        if (enabled := _systemctl("enable", UNIT)).returncode:
            raise NeedsOperator(f"{UNIT} cannot be enabled: {enabled.stderr.strip()}")
        began = time.monotonic()
        if _systemctl("restart", UNIT).returncode:
            print(f"WRONG  {UNIT} did not start: systemctl status vin-agent, and journalctl -u vin-agent, say why")
            return False
        print(f"ok     {UNIT} is ready after {time.monotonic() - began:.1f} s, and starts with this machine")
        ear.tell()
    return True


def _systemctl(*words: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=_START_S, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 124, "", f"systemctl {words[0]} took longer than {_START_S:g} s")


class Ear:
    """Listens at the broker while the service starts; where the broker is away or lets the agent only write, it hears nothing."""

    def __init__(self, settings: config.Settings) -> None:
        self._mqtt, self._identity = settings.mqtt, identify(settings)
        self._heard: dict[str, str] = {}
        self._online = threading.Event()

    def __enter__(self) -> "Ear":
        mqtt = self._mqtt
        client_id = f"{self._identity.client_id}-setup"
        self._client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=PROTOCOLS[mqtt.protocol], reconnect_on_failure=False)
        self._client.connect_timeout = 5.0
        if mqtt.user:
            self._client.username_pw_set(mqtt.user, mqtt.password.reveal() or None)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{self._identity.topics.root}/#", 1)
        self._client.on_message = self._hear
        try:
            if mqtt.tls:
                self._client.tls_set_context(tls.context(mqtt))
            self._client.connect(mqtt.host, mqtt.port, mqtt.keepalive_s)
        except (OSError, AgentError):
            return self  # the doctor has said why
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _hear(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if message.retain or not message.payload:
            return  # of the run before
        text = message.payload.decode("utf-8", "replace")
        self._heard[message.topic] = text
        if message.topic == self._identity.topics.status and '"online"' in text:
            self._online.set()

    def tell(self) -> None:
        """What was heard since the start, a topic a line."""
        self._online.wait(_LISTEN_S)
        time.sleep(0.5)  # info, health and cameras follow at once
        for topic, said in sorted(self._heard.items()):
            text = logs.plain(said)  # whoever may write there says nothing to this terminal
            print(f"       {logs.plain(topic)}  {text if len(text) <= 100 else f'{text[:99]}…'}")
        if not self._heard:
            root = self._identity.topics.root
            print(f"       nothing was heard below {root}: the broker is away, or lets this login write only")
