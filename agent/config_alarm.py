"""The `[alarm]` section: what is to be called wrong with a camera's picture, and how soon."""

from dataclasses import dataclass

from agent.domain import ALARMS
from agent.settings import number, some_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    off: tuple[str, ...] = some_of(*ALARMS)
    every_s: float = number(2.0, 0.1, 60)
    after_s: float = number(45.0, 1, 86_400)
    clear_s: float = number(10.0, 0, 86_400)
    learn_s: float = number(120.0, 1, 86_400)
    covered: float = number(0.75, 0.1, 1)
    blurred: float = number(0.75, 0.1, 0.95)
    lost_s: float = number(2400.0, 1, 86_400)
    relearn_h: float = number(12.0, 0, 8760)
