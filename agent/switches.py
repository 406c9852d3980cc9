"""What commands have set over the configuration: cameras that are switched off, and for a while another log level."""

import time
from dataclasses import dataclass, replace

from agent import config
from agent.store import Store

_FACT = "cameras_off"


@dataclass(slots=True)
class Switches:
    """Changed by the main thread alone. Cameras stay off over restarts, until a command switches them on; the log level does not stay."""

    off: frozenset[str] = frozenset()
    level: str = ""
    until_s: float = float("inf")  # monotonic

    @classmethod
    def kept(cls, store: Store) -> "Switches":
        return cls(frozenset(store.get(_FACT, ())))

    def over(self, settings: config.Settings) -> config.Settings:
        """The settings as they hold at present."""
        return replace(settings, agent=replace(settings.agent, log_level=self.level)) if self.level else settings

    def camera(self, name: str, store: Store, *, enabled: bool) -> None:
        """On the disk when this returns: a camera that is under repair must not wake up with the machine."""
        off = self.off - {name} if enabled else self.off | {name}
        store.put(_FACT, sorted(off))
        self.off = off

    def log_at(self, level: str, minutes: float | None) -> None:
        """Until somebody says otherwise, or for so long."""
        self.level, self.until_s = level, float("inf") if minutes is None else time.monotonic() + 60 * minutes

    def goes_back(self, now_s: float) -> bool:
        """Whether the time of the log level has just ended."""
        if now_s < self.until_s:
            return False
        self.level, self.until_s = "", float("inf")
        return True
