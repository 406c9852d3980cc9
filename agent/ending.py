"""How the run before this one ended: what it left in the store, and what systemd left beside it."""

import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from agent.clock import boot_id
from agent.domain import Stamp
from agent.errors import RetryLater
from agent.reboot import Reboot
from agent.state import LastExit
from agent.store import Store

log = logging.getLogger(__name__)

# Written by ExecStopPost= of the unit: what systemd.exec(5) calls $SERVICE_RESULT and $INVOCATION_ID.
RESULT = "result"
REBOOT = "reboot"
# Results of a service that was ended by somebody else than itself, and what the yard is told about them.
_TOLD: dict[str, LastExit] = {"watchdog": "watchdog"}


def began(store: Store) -> None:
    """From here on an end without a word is a crash or a power cut."""
    _mark(store, "running")


def ended(store: Store) -> None:
    """The last thing an orderly run writes down."""
    try:
        reboot = last_reboot(store)
        _mark(store, "reboot" if reboot and reboot.boot_id == boot_id() else "clean")
    except RetryLater as trouble:
        log.warning("the next start will take this end for a crash, as it cannot be written down: %s", trouble)


def brought_back(store: Store, now: Stamp) -> None:
    """What is in memory alone goes to the disk, if that takes it at the last moment; else it is lost, and the log says how much."""
    try:
        if store.unwritable and not store.come_back(now) and (left := store.alone()):
            log.error("the disk cannot be written: %d vehicles and events that were in memory alone are lost", left)
    except RetryLater as trouble:
        log.error("%s", trouble)


def last_exit(store: Store, state_dir: Path) -> LastExit:
    """Without the mark of an orderly end and within the same boot it crashed, unless systemd knows better; else the power was cut.

    `reboot` is one the agent asked for itself: any other is a clean end.
    """
    before = store.get("exit")
    same_boot = before is not None and before["boot_id"] == boot_id()
    if before is None or before["state"] != "running":
        return "reboot" if before and before["state"] == "reboot" and not same_boot else "clean"
    if not same_boot:
        return "power"
    return _TOLD.get(_result(state_dir, before.get("invocation", "")), "crash")


def _mark(store: Store, state: Literal["running", "clean", "reboot"]) -> None:
    store.put("exit", {"state": state, "boot_id": boot_id(), "invocation": os.environ.get("INVOCATION_ID", "")})


def _result(state_dir: Path, invocation: str) -> str:
    """What systemd said about that very run; nothing where it was not systemd that ran it."""
    # Where the unit could write it: an operator may have another folder for the store.
    file = Path(os.environ.get("STATE_DIRECTORY", str(state_dir)).partition(":")[0]) / RESULT
    try:
        result, _, of = file.read_text("ascii", "replace").strip().partition(" ")
    except FileNotFoundError:
        return ""
    except OSError as exc:  # a disk that fails: no reason not to start
        log.warning("%s: how the last run ended cannot be read: %s", file, exc)
        return ""
    return result if invocation and of == invocation else ""


def last_reboot(store: Store) -> Reboot | None:
    """The newest reboot the agent asked for, of whatever age."""
    fact = store.get(REBOOT)
    return None if fact is None else Reboot(**fact)


def rebooting(store: Store, reboot: Reboot) -> None:
    """Written down before it is asked for: a machine that comes up again must know that it may not do so once more."""
    store.put(REBOOT, asdict(reboot))


def told(how: LastExit, store: Store) -> str:
    """The last end in words for the log."""
    reboot = last_reboot(store)
    return f"{how}, because {reboot.why}" if how == "reboot" and reboot else how
