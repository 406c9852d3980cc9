"""A busy gate for every fault: two plates a second before each camera, a vendor that reads them, a broker, a yard that counts."""

import json
import os
import re
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from agent import config
from agent.clock import Clock
from agent.domain import ALARMS
from agent.store import Store
from tests import clouds
from tests.broker import Broker, Received, Subscriber
from tests.chaos import shift
from tests.gateway import Gateway
from tests.labels import label
from tests.samples import CAPTURE, IMAGE
from tests.vendors import VendorServer, digest

ROOT = "vinagent/v1/demo/gateway"
SEEN = re.compile(r"vehicle seen .*read_id (\w+)")
PLATES, SHOWN, EMPTY, FPS = 8, 5, 5, 20.0


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it: `committed` vehicles, `lost` ones among them, copies of an event, and copies that differ."""

    committed: int
    lost: int
    twice: int
    differing: int


class Busy:
    """In `with`: broker, vendors and yard; the agent itself is started and stopped by who uses it, as `gateway`."""

    def __init__(self, folder: Path, *, more: str = "") -> None:
        self.folder, self._more = folder, more
        self.gateway = Gateway(folder / "agent", 0)
        self.cameras: tuple[str, ...] = ()
        self._preloaded: list[str] = []

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self.broker = opening.enter_context(Broker(self.folder / "broker"))
            self.vendors = opening.enter_context(VendorServer(reader=lambda jpeg: shift.vin(int(digest(jpeg)[:5], 16) % 1_000_000)))
            self.vendors.limit("tencent", 0)
            self.yard = opening.enter_context(Subscriber(self.broker.port))
            opening.callback(self.gateway.__exit__)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def write(self, *cameras: str, more: str = "", mqtt: str = "", reading: str = "", agent: str = "") -> None:
        """The configuration from now on; each camera is a name, or a name and more keys: `north\\nfps = 5`."""
        keys, self.cameras = self.vendors.accounts, tuple(each.partition("\n")[0] for each in cameras)
        if cameras and not (self.folder / "frames").exists():
            draw(self.folder / "frames")
        text = f"[agent]\nsite = 'demo'\nid = 'gateway'\nstate_dir = '{self.gateway.state}'\n{agent}\n"
        for each in cameras:
            name, _, rest = each.partition("\n")
            fps = "" if "fps" in rest else f"fps = {FPS}\n"
            text += f"[[camera]]\nname = '{name}'\ngate = '{name}'\ndriver = 'replay'\nsource = '{self.folder / 'frames'}'\n"
            text += f"loop = true\n{fps}{rest}\n"
        text += "[vision]\nsettle_s = 0.1\ngap_s = 0.1\nhidden_s = 1.0\nbarcodes = false\n"
        text += f"[reading]\nchain = ['tencent']\nagain_s = 0\n{reading}\n[store]\nfree_mb = 1\n[health]\nevery_s = 1\n"
        text += f"[alarm]\noff = {list(ALARMS)}\n"  # a few drawn frames, again and again, are no yard whose view could be learnt
        text += f"[mqtt]\nport = {self.broker.port}\nreplay_per_s = 0\n{mqtt}\n"
        text += f"[provider.tencent]\nurl = '{self.vendors.url()}'\nper_s = 1000\n"
        text += f"secret_id = '{keys.tencent_id}'\nsecret_key = '{keys.tencent_key}'\n{self._more}\n{more}\n"
        # Renamed, so that an agent that reads it anew never reads half a file.
        draft = self.gateway.config.with_suffix(".draft")
        draft.write_text(text, "utf-8")
        draft.replace(self.gateway.config)

    def preload(self, count: int) -> None:
        """Vehicles that wait to be read, each with a picture of its own, while the agent is down."""
        now = Clock().now()
        self.gateway.state.mkdir(parents=True, exist_ok=True)
        with Store.open(self.gateway.state, config.Store(free_mb=1), now.utc_ms) as store:
            for number in range(len(self._preloaded), len(self._preloaded) + count):
                read_id = shift.read_id(number)
                image = replace(IMAGE, read_id=read_id, taken_at=now, width=320, height=80, jpeg=clouds.jpeg(320, 80, number))
                assert store.spool.put(replace(CAPTURE, read_id=read_id, taken_at=now, images=(image,)), now.utc_ms)
                self._preloaded.append(read_id)

    def waiting(self) -> int:
        return len(self.gateway.stored("spool")) if (self.gateway.state / "agent.db").exists() else 0

    def start(self, environ: Mapping[str, str] | None = None, seconds: float = 30.0) -> float:
        """Start the agent and wait until it is connected; the seconds that took."""
        before, began = self.said("connected to the broker"), time.monotonic()
        self.gateway.start(environ)
        self.gateway.wait_for(lambda: self.said("connected to the broker") > before, seconds)
        return time.monotonic() - began

    def said(self, words: str) -> int:
        """How often the log has these words; 0 before there is one."""
        return self.gateway.log().count(words) if (self.gateway.folder / "agent.log").exists() else 0

    def drain(self) -> None:
        """Start once more without a camera: what waits is read and told, and nothing new comes."""
        self.write()
        self.start()
        self.emptied()

    def emptied(self) -> None:
        """Until nothing waits any more, then a stop in order."""
        self.gateway.wait_for(lambda: not self.gateway.stored("spool") and not self.gateway.stored("outbox"), 120)
        code, _ = self.gateway.stop()
        assert code == 0, self.gateway.log()[-3000:]

    def committed(self) -> set[str]:
        """Every vehicle that the agent has said it has, or whose pictures lie on its disk."""
        on_disk = {key.partition("/")[0] for key in self.gateway.stored("pictures")}
        return {*SEEN.findall(self.gateway.log()), *self._preloaded, *on_disk}

    def told(self) -> Told:
        """To be asked after `drain`."""
        committed = self.committed()
        self.yard.catch_up(60)  # what the agent has rid itself of may still be on its way to us
        gates = [each for each in self.yard.collect("/gate/") if _is_final(each)]
        copies = finals(gates)
        vins = {(_id(each), json.loads(each.payload)["data"].get("vin")) for each in gates}
        lost = named(committed - set(copies), self.folder)
        return Told(len(committed), lost, copies.total() - len(copies), len(vins) - len(copies))


def named(lost: set[str], folder: Path) -> int:
    """How many were lost; which ones is written down beside what the agent left, for whoever wants to know why."""
    if lost:
        (folder / "lost").write_text("\n".join(sorted(lost)) + "\n", "utf-8")
    return len(lost)


def finals(messages: list[Received]) -> Counter[str]:
    """How often the final event of each vehicle came."""
    return Counter(_id(each) for each in messages if _is_final(each))


def _is_final(message: Received) -> bool:
    return message.topic.endswith(("/vin", "/unread"))


def _id(message: Received) -> str:
    return str(json.loads(message.payload)["id"])


def draw(folder: Path) -> None:
    """Plates that come and go, a different one each time, in a view small enough to be searched in no time."""
    folder.mkdir()
    road = np.full((270, 480, 3), 90, np.uint8)
    for plate in range(PLATES):
        shown = cv2.resize(label(shift.vin(plate)), (480, 270), interpolation=cv2.INTER_AREA)
        for place in range(SHOWN + EMPTY):
            # A little lighter in every second frame: a sensor is never quite still.
            picture = (shown if place < SHOWN else road) + np.uint8(place % 2)
            number = plate * (SHOWN + EMPTY) + place
            (folder / f"{number:03d}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def figures(pid: int) -> tuple[int, int, float]:
    """Open files, threads and resident megabytes of a process."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    rss_kb = int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]  # every process has memory
    return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task")), rss_kb / 1024  # noqa: PTH208
