"""kill -9 of the parent and of the camera process at random moments, wherever in the code that is, counted by a subscriber."""

import json
import os
import random
import re
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.broker import Broker, Received, Subscriber
from tests.chaos.busy import named
from tests.gateway import Gateway

_SEEN = re.compile(r"vehicle seen .*read_id (\w+)")
FINALS = "/gate/north-in/"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of kills did: `committed` captures, `lost` ones among them, copies of an event, and copies that differ."""

    kills: int
    committed: int
    lost: int
    duplicates: int
    differing: int


def run(times: int, folder: Path, seed: int = 1) -> Outcome:
    """Kill the parent and the child in turn at random moments, then let everything on the disk reach the subscriber."""
    dice = random.Random(seed)
    with Broker(folder / "broker") as broker, Subscriber(broker.port) as yard:
        gateway = Gateway(folder, broker.port, vehicles=10_000, replay_per_s=1000.0)
        # A killed camera shows its first vehicles again: each time they are told.
        gateway.configure(lambda text: text.replace("[reading]", "[reading]\nagain_s = 0"))
        gateway.start()
        for count in range(times):
            time.sleep(dice.uniform(0.5, 8.0))
            if count % 2 == 0:
                gateway.kill()
                gateway.start()
            elif children := gateway.children():
                os.kill(children[0], signal.SIGKILL)
        gateway.wait_for(lambda: gateway.process.poll() is None and "connected to the broker" in gateway.log())
        gateway.stop()
        drain(gateway)
        return _counted(times, gateway, yard)


def drain(gateway: Gateway) -> None:
    """Start once more without a camera: what waits is read and sent, and nothing new comes."""
    gateway.configure(lambda text: re.sub(r"(?s)\[\[camera\]\].*?(?=\n\[)", "", text))
    gateway.start()
    gateway.wait_for(lambda: not any(map(gateway.stored, ("spool", "audits", "outbox"))), 60)
    gateway.stop()


def _counted(times: int, gateway: Gateway, yard: Subscriber) -> Outcome:
    yard.catch_up(60)
    finals = [each for each in yard.collect(FINALS) if each.topic.endswith(("/vin", "/unread"))]
    committed = set(_SEEN.findall(gateway.log())) | set(gateway.stored("sent"))
    copies = Counter(_id(each) for each in finals)
    contents = {(_id(each), json.dumps(json.loads(each.payload)["data"].get("vin"))) for each in finals}
    lost = named(committed - set(copies), gateway.folder)
    return Outcome(times, len(committed), lost, copies.total() - len(copies), len(contents) - len(copies))


def _id(message: Received) -> str:
    return str(json.loads(message.payload)["id"])
