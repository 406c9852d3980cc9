"""What each command does: in the main thread, in a camera's process or in one of its own, never in the thread that sends."""

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from ulid import ULID

from agent import config, events, logs
from agent.children import Children
from agent.commands import Command, shown
from agent.domain import Stamp
from agent.errors import AgentError, NeedsOperator, Rejected, RetryLater
from agent.events import Payload
from agent.orders import Errand, Handler
from agent.store import Audit, Store
from agent.switches import Switches

if TYPE_CHECKING:
    from agent.child import Child

_SPAWN = multiprocessing.get_context("spawn")
MAIN_S = 20.0  # within which the main thread has done what it is asked for
LOOK_S, GAPS = 10.0, 3.0  # how long a camera has to look, or so many gaps between its pictures
DOCTOR_S = 120.0
_SHOWN = 240  # characters of one finding


class Main:
    """Work for the main thread, which alone starts and ends cameras and takes settings over."""

    def __init__(self) -> None:
        self._waiting: deque[_Work] = deque()

    def ask(self, do: Callable[[], Payload]) -> Errand:
        work = _Work(do)
        self._waiting.append(work)
        return Errand(work.poll, MAIN_S, "the agent is busy: it may still be done, look at its status")

    def run(self) -> None:
        while self._waiting:
            self._waiting.popleft().run()


class _Work:
    def __init__(self, do: Callable[[], Payload]) -> None:
        self._do = do
        self._data: Payload | None = None
        self._trouble: AgentError | None = None

    def run(self) -> None:
        try:
            self._data = self._do()
        except AgentError as trouble:
            self._trouble = trouble

    def poll(self) -> Payload | None:
        if self._trouble:
            raise self._trouble
        return self._data


class Control:
    """The handler of every command, over the parts of a running agent."""

    def __init__(
        self,
        store: Store,
        children: Children,
        main: Main,
        switches: Switches,
        settings: Callable[[], config.Settings],
        renew: Callable[[], None],
        reload: Callable[[], Payload],
    ) -> None:
        """`settings` are those of the file that hold now; `renew` and `reload` are for the main thread."""
        self._store, self._children, self._main, self._switches = store, children, main, switches
        self._settings, self._renew, self._reload = settings, renew, reload
        self._checkup: _Checkup | None = None

    def handlers(self) -> dict[str, Handler]:
        return {
            "read_now": self._read_now,
            "camera/set": lambda command: self._main.ask(lambda: self._camera_set(**command.args)),
            "log_level": lambda command: self._main.ask(lambda: self._log_level(**command.args)),
            "reload": lambda _command: self._main.ask(self._reload),
            "doctor": self._doctor,
        }

    def tell(self, command: Command, facts: events.Facts, now: Stamp) -> None:
        """Have the yard told what somebody had done; raises `RetryLater` when the disk fails."""
        told = Audit("command", "command", command.txn, None, f"{command.name}: {shown(command.args)}")
        self._store.outbox.put(events.audit(str(ULID()), asdict(told), facts=facts, now=now), now.utc_ms)

    def _camera_set(self, camera: str, enabled: bool) -> Payload:
        self._named(camera)
        self._switches.camera(camera, self._store, enabled=enabled)
        self._renew()
        return {"camera": camera, "enabled": enabled}

    def _log_level(self, level: str, minutes: float | None = None) -> Payload:
        self._switches.log_at(level, minutes)
        self._renew()
        return {"level": level} if minutes is None else {"level": level, "minutes": minutes}

    def _read_now(self, command: Command) -> Errand:
        name = self._named(command.args.get("camera"))
        child = next((each for each in self._children.all if each.job.camera.name == name), None)
        view = child.view.at(time.monotonic()) if child else None
        if child is None or view is None or view.state not in ("online", "degraded"):
            said = f"{view.state}: {view.reason}" if view else "switched off by a command"
            raise RetryLater(f"{name} gives no pictures ({said.rstrip(': ')})")
        token = str(ULID())
        child.look(token)
        seconds = max(LOOK_S, GAPS / child.fps)
        return Errand(lambda: _looked(child, token, name), seconds, f"{name} gave no picture within {seconds:.0f} s")

    def _named(self, camera: str | None) -> str:
        """A camera of the configuration; the only one, where none is named."""
        names = [each.name for each in self._settings().camera]
        if camera is None and len(names) == 1:
            return names[0]
        if camera not in names:
            raise Rejected(f"there is no camera {camera or 'named'}: the cameras here are {', '.join(names) or 'none yet'}"[:300])
        return camera

    def _doctor(self, _command: Command) -> Errand:
        if self._checkup is not None:
            raise RetryLater("the doctor is on its rounds already; ask again when it has answered")
        checkup = self._checkup = _Checkup(self._settings())
        return Errand(checkup.poll, DOCTOR_S, f"the doctor did not come back within {DOCTOR_S:.0f} s", self._end_of_checkup)

    def _end_of_checkup(self) -> None:
        if self._checkup is not None:
            self._checkup.close()
            self._checkup = None


def _looked(child: "Child", token: str, name: str) -> Payload | None:
    answer = next((each for each in list(child.looked) if each.token == token), None)
    if answer is None:
        return None
    if answer.read_id is None:
        raise Rejected(f"{name}: {answer.why}")
    return {"camera": name, "read_id": answer.read_id}


class _Checkup:
    """The doctor's rounds at rest, in a process of their own: they load what the parent must not, and native code may hang."""

    def __init__(self, settings: config.Settings) -> None:
        self._findings: list[Payload] = []
        self._pipe, theirs = _SPAWN.Pipe(duplex=False)
        self._process = _SPAWN.Process(target=_examine, args=(settings, theirs), name="doctor", daemon=True)
        self._process.start()
        theirs.close()

    def poll(self) -> Payload | None:
        try:
            while self._pipe.poll():
                if (finding := self._pipe.recv()) is None:
                    return {"well": all(each["good"] for each in self._findings), "findings": self._findings}
                self._findings.append({"good": finding[0], "text": finding[1][:_SHOWN]})
        except (EOFError, OSError):
            raise NeedsOperator("the doctor broke off its rounds: look into the log") from None
        return None

    def close(self) -> None:
        self._process.kill()
        self._process.join(1.0)
        self._pipe.close()


def _examine(settings: config.Settings, pipe: "Connection[tuple[bool, str] | None, None]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the parent
    logs.to_stderr(settings.agent.log_level, "doctor")
    os.nice(10)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")  # where memory is short this goes first
    from agent import rounds

    for finding in rounds.at_rest(settings):
        pipe.send((finding.good, finding.text))
    pipe.send(None)
