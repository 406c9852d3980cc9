"""The installed agent as a process of its own: configured, started, signalled, killed, and its store looked into afterwards."""

import os
import signal
import sqlite3
import subprocess
import sysconfig
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Self

from agent.demo import filled
from agent.shipped import shipped

COMMAND = str(Path(sysconfig.get_path("scripts")) / "vin-agent")


class Gateway:
    """`vin-agent run` on a rendered scene; what it logs is in `log()`."""

    def __init__(self, folder: Path, port: int, *, more: str = "", **settings: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.state = folder, folder / "state"
        self.config = folder / "agent.toml"
        values = {"state_dir": str(self.state), "port": port, "every_s": 1.0, **settings}
        self.config.write_text(filled(shipped("demo.toml").read_text("utf-8"), values) + more, "utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def configure(self, change: Callable[[str], str]) -> None:
        """Rewrite the configuration; it counts from the next start."""
        self.config.write_text(change(self.config.read_text("utf-8")), "utf-8")

    def start(self, environ: Mapping[str, str] | None = None) -> None:
        with (self.folder / "agent.log").open("ab") as log:
            command = [COMMAND, "run", "--config", str(self.config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(environ or {})})

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def log(self) -> str:
        return (self.folder / "agent.log").read_text("utf-8", "replace")

    def log_from(self, start: int) -> str:
        """The log from this byte on."""
        with (self.folder / "agent.log").open("rb") as log:
            log.seek(start)
            return log.read().decode("utf-8", "replace")

    def children(self) -> list[int]:
        """Process ids of the cameras; the resource tracker of multiprocessing is none."""
        listed = subprocess.run(["pgrep", "-f", "-P", str(self.process.pid), "spawn_main"], capture_output=True, text=True, check=False)
        return [int(pid) for pid in listed.stdout.split()]

    def wait_for(self, true: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"not within {seconds} s:\n{self.log()}"
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Ask the agent to leave; its exit code, and the seconds that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(20), time.monotonic() - began

    def kill(self) -> None:
        """What a power supply does to a process: no word, no handler. The cameras' processes must end with it."""
        children = self.children()
        self.process.kill()
        self.process.wait(10)
        self.wait_for(lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in children), 10)

    def stored(self, table: str) -> list[str]:
        """The keys of one table of the store, as the disk has them now."""
        with closing(sqlite3.connect(f"file:{self.state / 'agent.db'}?mode=ro", uri=True)) as database:
            return [key for (key,) in database.execute(f'SELECT key FROM "{table}"')]  # noqa: S608  # a table named by the test
