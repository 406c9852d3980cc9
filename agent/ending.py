"""How the run before this one ended: what it left in the store, and what systemd left beside it."""

import logging
import os
import signal
import threading
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


def refuse_two(store: Store) -> None:
    """Raises `RetryLater` where another agent works with this store: both would have every vehicle read, and paid for."""
    before = store.get("exit") or {}
    pid, since = before.get("process", (0, ""))
    same = before.get("state") == "running" and before["boot_id"] == boot_id() and before.get("file") == store.which_file() != []
    if same and pid != os.getpid() and since and since == _alive_since(pid):
        raise RetryLater(f"another agent (process {pid}) works with this agent.state_dir; stop it, or name another folder")


def _alive_since(pid: int) -> str:
    """When that process was started, in ticks since the boot: numbers are given again. Nothing for one that is gone, or as good as gone.

    One that was killed and hangs in a disk that fails does nothing any more, and must not keep the next from watching the gate.
    """
    try:
        state, *words = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        said = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    except OSError:
        return ""
    pending = [int(mask, 16) for name, _, mask in (line.partition(":") for line in said) if name in ("SigPnd", "ShdPnd")]
    killed = any(mask >> (signal.SIGKILL - 1) & 1 for mask in pending)
    return "" if state in "ZX" or killed else words[18]


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


def forced(seconds: float) -> threading.Timer:
    """Once started, it ends this process after so many seconds, unless it is cancelled; the next start takes that for a crash."""

    def leave() -> None:
        log.critical("the store does not answer after %.1f s of stopping: leaving without it; what it has not taken is lost", seconds)
        logging.shutdown()
        os._exit(1)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    return timer


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
    mine = {"process": [os.getpid(), _alive_since(os.getpid())], "file": store.which_file()}
    store.put("exit", {"state": state, "boot_id": boot_id(), "invocation": os.environ.get("INVOCATION_ID", ""), **mine})


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
