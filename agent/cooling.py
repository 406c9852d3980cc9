"""Keeps an eye on supply, heat and disk, and slows the cameras down while the processor is too hot."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from agent import config, failpoint, power
from agent.board import Board
from agent.children import Children
from agent.clock import Clock
from agent.power import DiskWatch, Power
from agent.state import Heat
from agent.writes import WriteWatch

log = logging.getLogger(__name__)

_STEPS: tuple[Heat, ...] = ("normal", "hot", "too hot")


def heat(before: Heat, now: Power, settings: config.Power) -> Heat:
    """How hot it is: up a step at its limit, down again `cooler_c` below; without a temperature by the firmware's own throttling."""
    degrees = now.temperature_c
    if degrees is None:
        return "hot" if now.throttled else "normal"
    limits = settings.soft_c, max(settings.soft_c, settings.hard_c)
    reached = _STEPS.index(before)
    return _STEPS[sum(degrees >= limit - settings.cooler_c * (reached > step) for step, limit in enumerate(limits))]


@dataclass(slots=True)
class Cooling:
    """One look at the machine with every step; what it finds stands on the board, and what changes in the log."""

    settings: config.Power
    children: Children
    board: Board
    clock: Clock
    disk: DiskWatch
    root: Path = power.ROOT
    writes: WriteWatch = field(default_factory=WriteWatch)
    rest_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.rest_s = self.settings.every_s

    def step(self) -> bool:
        failpoint.passed("power.step")
        before, now = self.board.power, power.power(self.root)
        level = heat(self.board.heat, now, self.settings)
        self._say(before, now, level)
        self.board.power, self.board.heat = now, level
        utc_ms = self.clock.now().utc_ms
        self.board.disk, self.board.writes = self.disk.look(utc_ms), self.writes.look(utc_ms)
        self.board.rate = {"normal": 1.0, "hot": self.settings.soft_rate, "too hot": self.settings.hard_rate}[level]
        self.children.pace(self.board.rate)
        return False

    def _say(self, before: Power, now: Power, level: Heat) -> None:
        for name, was, is_ in (
            ("the supply's voltage is too low", before.under_voltage, now.under_voltage),
            ("the processor is throttled", before.throttled, now.throttled),
        ):
            if bool(was) != bool(is_):
                log.log(logging.WARNING if is_ else logging.INFO, "%s%s", name, "" if is_ else ": no longer")
        if level != self.board.heat:
            degrees = "unknown" if now.temperature_c is None else f"{now.temperature_c:.0f} °C"
            log.log(logging.INFO if level == "normal" else logging.WARNING, "the temperature is %s (%s)", level, degrees)
