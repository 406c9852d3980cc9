"""Dense traffic before the real cameras of the real agent, read by a vendor server: several vehicles a second on a small machine."""

import json
import os
import re
import signal
import socket
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from agent.camera.scene import Scene
from agent.demo import filled
from agent.domain import Pixels
from agent.vin import check_digit
from tests.broker import Broker, Received, Subscriber
from tests.gateway import Gateway
from tests.vendors import VendorServer

WIDTH, HEIGHT, FPS = 640, 360, 20.0
_STANDS, _ROAD = 2, 3  # pictures of each vehicle, and of the empty road behind it: the fewest that make it a pass of its own
_FINALS = "/gate/north-in/"
SEEN = re.compile(r"vehicle seen .*read_id (\w+)")
CAMERA = re.compile(r"(?s)\[\[camera\]\].*?(?=\n\[)")


def pictures(folder: Path, vehicles: int, seed: int) -> Path:
    """A folder for a camera: each vehicle stands before it for a tenth of a second, and the road is empty in between."""
    folder.mkdir(parents=True)
    standing: dict[int, Pixels] = {}
    road: Pixels | None = None
    for view in Scene(seed, vehicles, WIDTH, HEIGHT):
        if view.plate is None and road is None:
            road = view.pixels
        elif view.plate is not None and view.stands:
            standing[view.vehicle] = view.pixels
    assert road is not None
    for number, pixels in standing.items():
        for place, shown in enumerate([pixels] * _STANDS + [road] * _ROAD):
            cv2.imwrite(str(folder / f"{number:04d}-{place}.jpg"), shown)
    return folder


def vin_in(picture: bytes) -> str:
    """What the vendor reads: a VIN for every picture, the same one whenever it is shown again."""
    raw = f"LSGPC52H0F1{zlib.crc32(picture) % 1_000_000:06d}"
    return raw[:8] + check_digit(raw) + raw[9:]


def gateway(
    folder: Path, broker: Broker, vendors: VendorServer, sources: Iterable[Path | str], *, fps: float = FPS, max_mb: int = 64
) -> Gateway:
    """The installed agent with a camera for each folder of pictures, or "scene", and every vehicle told, however often it comes."""
    made = Gateway(
        folder, broker.port, width=WIDTH, height=HEIGHT, fps=fps, loop=True, replay_per_s=1000.0,
        more=_MORE.format(a=vendors.accounts, url=vendors.url()),
    )  # fmt: skip
    made.configure(lambda text: text.replace('chain = ["embedded"]', 'chain = ["tencent"]\nagain_s = 0'))
    made.configure(lambda text: text.replace("[store]", f"[store]\nmax_mb = {max_mb}"))
    made.configure(lambda text: CAMERA.sub(lambda found: _each(found[0], sources), text, count=1))
    return made


def _each(section: str, sources: Iterable[Path | str]) -> str:
    """The section of a camera for each of them; of the rendered scene each has its own vehicles."""
    settings = ({"name": f"cam{number}", "source": str(source), "seed": number} for number, source in enumerate(sources, 1))
    return "\n".join(filled(section, each) for each in settings)


_MORE = """
[vision]
gap_s = 0.1
settle_s = 0.1
longest_s = 0.5
hidden_s = 1.0

[provider.tencent]
secret_id = "{a.tencent_id}"
secret_key = "{a.tencent_key}"
url = "{url}"
per_s = 1000.0
"""


@dataclass(frozen=True, slots=True)
class Told:
    """One final event as the yard got it; `content` is all of it but what a sending may change."""

    id: str
    sequence: str
    content: str

    @classmethod
    def of(cls, message: Received) -> "Told":
        event: dict[str, Any] = json.loads(message.payload)
        event["data"].pop("delivery", None)
        return cls(event["id"], event["sequence"], json.dumps(event, sort_keys=True))


def is_final(message: Received) -> bool:
    return _FINALS in message.topic and not message.topic.endswith("/last")


def told(yard: Subscriber) -> list[Told]:
    """Every final event in the order of its coming, copies too."""
    return [Told.of(each) for each in yard.collect(_FINALS) if is_final(each)]


def committed(gateway: Gateway) -> set[str]:
    """The vehicles of which the agent has said, after the commit, that they were seen."""
    return set(SEEN.findall(gateway.log()))


@contextmanager
def standing_still(agent: Gateway) -> Iterator[None]:
    """Every process of the agent stops where it is; the parent first, for it is the one that writes."""
    pids = [agent.process.pid, *agent.children()]
    for pid in pids:
        tell(pid, signal.SIGSTOP)
    try:
        agent.wait_for(lambda: all(_stopped(pid) for pid in pids))
        yield
    finally:
        for pid in pids:
            tell(pid, signal.SIGCONT)


def tell(pid: int, number: signal.Signals) -> None:
    """A signal to a process that may have ended meanwhile, as a camera's does at any time."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _stopped(pid: int) -> bool:
    """Every thread of it: one that is in the middle of a system call ends that first."""
    try:
        stats = [stat.read_text("ascii", "replace") for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except (FileNotFoundError, ProcessLookupError):  # a thread that has just ended: look again
        return False
    return all(stat.rpartition(")")[2].split()[0] in "TZ" for stat in stats)


class Ready:
    """A socket in the place of systemd's: how long an agent takes from its start to `READY=1`."""

    def __init__(self, folder: Path) -> None:
        self._address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._address)

    def close(self) -> None:
        self._socket.close()

    def start(self, gateway: Gateway, seconds: float = 20.0) -> float:
        """Starts the agent; the seconds until it was ready."""
        began = time.monotonic()
        gateway.start({"NOTIFY_SOCKET": self._address})
        while (left := began + seconds - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                if b"READY=1" in self._socket.recv(4096):
                    return time.monotonic() - began
            except TimeoutError:
                break
        raise AssertionError(f"not ready within {seconds} s:\n{gateway.log()[-4000:]}")
