"""A clean machine of either release, the broker of its yard, and what an operator would type there."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import cv2

from agent.camera.scene import Scene
from tests.broker import Broker, Rules, Subscriber
from tests.device.boot import Machine
from tests.device.trees import scratch, tree

# What the package depends on, a first process, and one module of apt's that was compiled against the system's NumPy.
PACKAGES: Final = ("adduser", "dbus", "procps", "python3", "python3-bottleneck", "python3-numpy", "systemd", "systemd-sysv")
SUITES: Final = {"bookworm": "1.24.", "trixie": "2.2."}
LOGIN: Final = ("gate", "geheim")
MANY_S: Final = 90.0


@cache
def vehicle() -> tuple[Path, str]:
    """A folder of pictures in which one vehicle drives past, and its VIN."""
    folder, scene = Path(mkdtemp(prefix="vin-pass-")), Scene(1, 1)
    for number, view in enumerate(scene):
        cv2.imwrite(str(folder / f"{number:04}.jpg"), view.pixels)
    folder.chmod(0o755)
    return folder, scene.truth[0]


class Device:
    """A booted machine with nothing of ours on it, the broker of its yard, and what an operator would type."""

    def __init__(self, suite: str, machine: Machine, broker: Broker, yard: Subscriber, folder: Path) -> None:
        self.suite, self.machine, self.broker, self.yard, self.folder = suite, machine, broker, yard, folder
        shutil.copytree(vehicle()[0], machine.root / "srv/pass")

    def dpkg(self, *words: str | Path, wrong: bool = False) -> tuple[str, float]:
        """What dpkg said and how long it took; packages are brought in first."""
        inside = []
        for word in words:
            inside.append(f"/root/{word.name}" if isinstance(word, Path) else word)
            if isinstance(word, Path) and word.parent != self.machine.root / "root":
                shutil.copy(word, self.machine.root / "root" / word.name)
        began = time.monotonic()
        said = self.sh(f"dpkg {' '.join(inside)} 2>&1; echo ended with $?")
        assert said.endswith("ended with 1" if wrong else "ended with 0"), said
        return said, time.monotonic() - began

    def sh(self, command: str) -> str:
        return self.machine.run("sh", "-c", f"PATH=/usr/local/bin:$PATH; {command}", timeout_s=300.0)

    def set_up(self) -> str:
        (self.machine.root / "root/secret").write_text(LOGIN[1])
        where = f"--site hamburg --gate north-in --camera /srv/pass --port {self.broker.port}"
        told = self.sh(f"vin-agent setup --yes {where} --user {LOGIN[0]} --secret password=/root/secret")
        # There is but one vehicle here: it arrives again whenever the agent is started, however soon.
        self.sh("sed -i '/^chain = /a again_s = 0' /etc/vin-agent/agent.toml && systemctl reload vin-agent")
        return told

    def state(self) -> str:
        return self.machine.run("systemctl", "is-active", "vin-agent", check=False)

    def pid(self) -> str:
        return self.machine.show("vin-agent", "MainPID")["MainPID"]

    def version(self) -> str:
        """Of the agent that runs, by what the yard was told last."""
        told = [json.loads(each.payload) for each in self.yard.collect("/status") if each.topic.count("/") == 4]
        return str(told[-1]["version"]) if told and told[-1]["state"] == "online" else ""

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(each.payload) for each in self.yard.collect("/gate/north-in/vin")]

    def wait(self, true: Any, what: str) -> float:
        return self.machine.wait(true, what, MANY_S, "vin-agent")

    def stored(self, query: str) -> list[Any]:
        """What the agent's store answers, asked inside by the system's Python."""
        open_ = "sqlite3.connect('file:/var/lib/vin-agent/agent.db?mode=ro', uri=True)"
        code = f"import json, sqlite3; print(json.dumps({open_}.execute({query!r}).fetchall()))"
        rows: list[Any] = json.loads(self.machine.run("python3", "-c", code))
        return rows


@contextmanager
def device(suite: str, folder: Path, prepare: Callable[[Path], object] = lambda root: None) -> Iterator[Device]:
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(scratch(tree(suite, PACKAGES)))
        prepare(root)
        machine = stack.enter_context(Machine(root))
        broker = stack.enter_context(Broker(folder / "broker", Rules(login=LOGIN)))
        yield Device(suite, machine, broker, stack.enter_context(Subscriber(broker.port, login=LOGIN)), folder)
