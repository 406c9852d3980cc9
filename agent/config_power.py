"""The `[power]` section: when the processor is too hot, and how far the cameras are then slowed down."""

from dataclasses import dataclass

from agent.settings import number


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    every_s: float = number(10.0, 0.1, 30)
    soft_c: float = number(70.0, 0, 120)
    hard_c: float = number(80.0, 0, 120)
    cooler_c: float = number(5.0, 0, 40)
    soft_rate: float = number(0.5, 0.01, 1)
    hard_rate: float = number(0.25, 0.01, 1)
    reboot_after_min: float = number(0.0, 0, 10_080)  # 0: never
