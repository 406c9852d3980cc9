"""How long the yard waits: from the last frame of a pass, and from its hand-over, to the acknowledged event, the vendor's time taken out.

    python -m tests.bench.latency [VEHICLES]

The agent runs whole on one core: rendered vehicles, a vendor server and a broker on loopback, which have the other cores to themselves.
"""

import json
import os
import re
import sqlite3
import statistics
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from agent.shipped import shipped
from tests import clouds
from tests.broker import Broker, Subscriber
from tests.gateway import Gateway
from tests.vendors.server import VendorServer

_SEEN = re.compile(r"(\w+): plate seen until (\d+), handed over at (\d+)")


def accounts(url: str) -> str:
    """The sections of all cloud providers, pointed at the vendor server."""
    return re.sub(r'(?m)^(url|iam_url) = ""$', rf'\1 = "{url}"', shipped("demo-accounts.toml").read_text("utf-8"))


def on_one_core(gateway: Gateway) -> None:
    """Start the agent with all its processes on the first core this process may use."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        gateway.start()
    finally:
        os.sched_setaffinity(0, cores)


def acknowledged(state: Path) -> dict[str, int]:
    """Event id → when its acknowledgement was taken in, ms UTC."""
    with closing(sqlite3.connect(f"file:{state / 'agent.db'}?mode=ro", uri=True)) as database:
        return dict(database.execute("SELECT key, sent_ms FROM sent"))


def vendor_ms(payload: dict[str, Any]) -> int:
    return int(payload["data"]["ocr"]["latency_ms"]) * int(payload["data"]["ocr"]["attempts"])


def measure(folder: Path, vehicles: int) -> tuple[list[int], list[int]]:
    """Milliseconds from the last frame, and from the hand-over, to the acknowledgement; one figure for each vehicle."""
    with VendorServer(reader=lambda _: clouds.VIN) as vendor, Broker(folder / "broker") as broker:
        told = {"vehicles": vehicles, "chain": ["tencent"], "log_level": "debug"}
        gateway = Gateway(folder / "gateway", broker.port, more=accounts(vendor.url("tencent")), **told)
        with Subscriber(broker.port, "vinagent/#") as yard:
            on_one_core(gateway)
            finals = [json.loads(each.payload) for each in yard.wait_count(vehicles, "/vin", 20 + 8 * vehicles)]
            gateway.wait_for(lambda: len(acknowledged(gateway.state)) >= vehicles)
            gateway.stop()
    at = acknowledged(gateway.state)
    seen = {found[1]: (int(found[2]), int(found[3])) for found in _SEEN.finditer(gateway.log())}
    pairs = [(at[each["id"]] - vendor_ms(each), *seen[each["id"]]) for each in finals]
    return [done - last for done, last, _ in pairs], [done - handed for done, _, handed in pairs]


def line(label: str, figures: list[int]) -> str:
    ordered = sorted(figures)
    middle = statistics.median(ordered)
    return f"{label} to PUBACK, vendor's time taken out: median {middle:.0f} ms, worst {ordered[-1]} ms of {len(ordered)}"


def main(vehicles: int = 12) -> None:
    with tempfile.TemporaryDirectory() as folder:
        last, handed = measure(Path(folder), vehicles)
    print(line("last frame of a pass", last))
    print(line("hand-over of its pictures", handed))


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:2]))
