"""The last step for a camera that stays dead: one controlled reboot of the machine, at most one a day, off unless it is asked for."""

import logging
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.child import View
from agent.config import Camera
from agent.domain import Stamp
from agent.errors import AgentError, NeedsOperator

log = logging.getLogger(__name__)

DAY_S = 86_400.0
RESTARTS = 3  # of its process: before that the ladder's lower steps have not been tried
COMMAND = ("systemctl", "--no-ask-password", "--no-wall", "reboot")
LIMIT_S = 10.0  # well below the watchdog's time: it is the main thread that asks
WELL = ("online", "degraded", "ended")


@dataclass(frozen=True, slots=True)
class Reboot:
    """A reboot that was asked for, written down before it is: `at` in milliseconds of both clocks."""

    why: str
    utc_ms: int
    monotonic_ms: int
    boot_id: str
    trust: str


def allowed(before: Reboot | None, now: Stamp) -> bool:
    """Whether a day has passed since the last one, by the clock if both times are to be believed, else by how long this boot lasts."""
    if before is None:
        return True
    if before.boot_id == now.boot_id:
        return now.monotonic_ms - before.monotonic_ms >= DAY_S * 1000
    by_clock = before.trust == now.trust == "synced" and now.utc_ms - before.utc_ms >= DAY_S * 1000
    return by_clock or now.seconds >= DAY_S


def ask() -> None:
    """Have the machine rebooted; raises `NeedsOperator` where this user may not."""
    try:
        said = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise NeedsOperator(f"the machine cannot be rebooted: {exc}") from exc
    if said.returncode:
        words = " ".join(said.stderr.split()) or f"systemctl ended with {said.returncode}"
        raise NeedsOperator(f"the machine is not rebooted: {words}; allow it as systemd/examples/reboot.rules shows")


class Ladder:
    """Watches how long each camera of this machine has been dead; `noted` keeps a reboot, and is called before `ask`."""

    def __init__(self, before: Reboot | None, noted: Callable[[Reboot], None], ask: Callable[[], None] = ask) -> None:
        self._before, self._noted, self._ask = before, noted, ask
        self._dead: dict[str, tuple[float, int]] = {}  # name → since when (monotonic seconds), restarts until then

    def look(self, views: Sequence[View], after_min: float, now: Stamp) -> None:
        """To be called again and again; `after_min` 0 turns it off. A reboot that failed counts as one: the next try is a day away."""
        dead = {view.name: view for view in views if view.state not in WELL}
        self._dead = {name: self._dead.get(name, (now.seconds, view.restarts)) for name, view in dead.items()}
        for name, (since, restarts) in self._dead.items() if after_min else ():
            tried = dead[name].restarts - restarts
            if tried >= RESTARTS and now.seconds - since >= after_min * 60 and allowed(self._before, now):
                self._reboot(f"camera {name} was dead for {after_min:g} min, through {tried} restarts: {dead[name].reason}", now)
                return

    def _reboot(self, why: str, now: Stamp) -> None:
        self._before = Reboot(why[:500], now.utc_ms, now.monotonic_ms, now.boot_id, now.trust)
        log.error("%s; rebooting the machine, as power.reboot_after_min wants it", why)
        try:
            self._noted(self._before)
            self._ask()
        except AgentError as trouble:
            log.error("%s", trouble)


def of_this_machine(camera: Camera) -> bool:
    """Whether a reboot may help: it does nothing for a camera on the network, nor for a folder of pictures."""
    return camera.driver != "replay" and "://" not in camera.source
