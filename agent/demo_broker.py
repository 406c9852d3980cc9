"""A broker for the demo on a free loopback port: mosquitto where it is installed, otherwise the demo extra's own."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from agent.errors import NeedsOperator

# VIN_AGENT_DEMO_BROKER=amqtt asks for the Python broker also where mosquitto is installed.
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # where Debian puts mosquitto, and where few users look
_START_S = 15.0


class DemoBroker:
    """One broker process; `port` stays the same when it goes away and comes back, and so does what it has stored."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        wanted = os.environ.get("VIN_AGENT_DEMO_BROKER", "mosquitto")
        self._mosquitto = shutil.which(wanted, path=f"{os.environ.get('PATH', '')}:{_SBIN}") if wanted != "amqtt" else None
        self.name = "mosquitto" if self._mosquitto else "amqtt"
        self.protocol = "5" if self._mosquitto else "3.1.1"
        # A subscriber must be back before the agent, or this broker, which keeps no sessions, drops what it is sent meanwhile.
        self.returns_in_s = 1 if self._mosquitto else 6

    def start(self) -> None:
        self._process = subprocess.Popen(self._command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NeedsOperator(
                    f"the demo's broker ({self.name}) does not start on 127.0.0.1:{self.port}: install mosquitto and try again"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.5).close()
        except OSError:
            return False
        return True

    def _command(self) -> list[str]:
        if self._mosquitto is None:
            return [sys.executable, "-m", "agent.demo_broker", str(self.port)]
        settings = self._folder / "mosquitto.conf"
        # With persistence a subscriber's session outlives the outage, as at a well-kept yard.
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence true", f"persistence_location {self._folder}/"]
        if os.geteuid() == 0:
            lines.append("user root")  # or it would drop to a user that may not write here
        settings.write_text("\n".join(lines) + "\n", "utf-8")
        return [self._mosquitto, "-c", str(settings)]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def serve(port: int) -> None:
    """Run the Python broker until the process is ended."""
    from amqtt.broker import Broker

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
