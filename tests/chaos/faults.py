"""The faults that are done to the agent, by number, each a function of a folder to work in and whether to run the full form."""

from collections.abc import Callable
from pathlib import Path

from tests.chaos import (
    cameras,
    canaries,
    clocks,
    cuts,
    damage,
    days,
    disk,
    forgetful,
    frozen,
    hangs,
    memory,
    outage,
    passing,
    pictures,
    points,
    providers,
    refused,
    releases,
    reloads,
    replays,
    soak,
    stops,
    vote,
    ways,
    writes,
    wrong,
)
from tests.chaos.row import Row

Fault = Callable[[Path, bool], Row]

FAULTS: dict[str, Fault] = {
    "R1": cuts.fault,
    "R3": points.fault,
    "R4": stops.fault,
    "R5": disk.full,
    "R6": disk.unwritable,
    "R7": damage.fault,
    "R8": releases.fault,
    "R9": outage.fault,
    "R10": frozen.fault,
    "R11": forgetful.fault,
    "R12": refused.fault,
    "R13": providers.answers,
    "R14": providers.off,
    "R15": providers.once_more,
    "R16": ways.fault,
    "R17": clocks.fault,
    "R18": cameras.fault,
    "R22": pictures.fault,
    "R23": passing.fault,
    "R24": vote.fault,
    "R25": hangs.fault,
    "R26": hangs.fault_of_the_dead,
    "R28": memory.fault,
    "R29": canaries.fault,
    "R30": wrong.fault,
    "R31": reloads.fault,
    "R32": writes.fault,
    "R33": soak.fault,
    "R34": days.fault,
    "R36": replays.fault,
}
