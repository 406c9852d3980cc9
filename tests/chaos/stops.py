"""SIGTERM under load: vehicles arriving, a backlog, calls on their way; a stop is in order, in time, and loses nothing."""

import json
import random
import time
from pathlib import Path

from tests.broker import Received, Subscriber
from tests.chaos.busy import ROOT, Busy
from tests.chaos.row import Row

ALLOWED_S = 10.0
CALL_S = 0.2  # of every call, so that a stop nearly always meets one
BACKLOG = 10  # vehicles that wait when the agent starts
IN_ORDER = ["online", "stopping", "offline"]


def fault(folder: Path, full: bool) -> Row:
    """Each run is stopped at another moment of the two seconds after its first vehicle."""
    runs, dice = 100 if full else 2, random.Random(4)
    worst_s, clean, said = 0.0, 0, 0
    with Busy(folder) as busy:
        busy.write("cam1", "cam2")
        busy.vendors.slow("tencent", CALL_S, None)
        for _ in range(runs):
            busy.preload(max(0, BACKLOG - busy.waiting()))
            code, seconds, phases = _stopped(busy, dice.uniform(0.0, 2.0))
            worst_s, clean, said = max(worst_s, seconds), clean + (code == 0), said + (phases == IN_ORDER)
        busy.vendors.heal("tencent")
        busy.drain()
        told = busy.told()
    return Row(
        fault="SIGTERM under load: two cameras, a backlog, a call on its way",
        times=f"{runs} stops, {told.committed} vehicles",
        lost=told.lost,
        twice=told.twice,
        ok=clean == said == runs and worst_s < ALLOWED_S and not told.differing and told.committed > BACKLOG,
        note=f"exit code 0 {clean} times, within {worst_s:.1f} s; `stopping` then `offline` {said} times",
    )


def _stopped(busy: Busy, after_s: float) -> tuple[int, float, list[str]]:
    """Exit code, seconds, and what the status topic said, with what the broker keeps of it as the last word."""
    before, known = len(_states(busy.yard.collect())), busy.said("vehicle seen")
    busy.start()
    busy.gateway.wait_for(lambda: busy.said("vehicle seen") > known)
    time.sleep(after_s)
    code, seconds = busy.gateway.stop()
    busy.yard.wait_for(lambda seen: _states(seen)[before:][-1:] == ["offline"], 10)
    with Subscriber(busy.broker.port, f"{ROOT}/status") as late:
        kept = _states(late.wait_count(1))
    phases = _states(busy.yard.collect())[before:]
    return code, seconds, phases if kept == phases[-1:] else [*phases, *kept]


def _states(messages: list[Received]) -> list[str]:
    return [str(json.loads(each.payload)["state"]) for each in messages if each.topic == f"{ROOT}/status"]
