"""What each command does: in the main thread, in a camera's process or in one of its own, never in the thread that sends."""

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulid import ULID

from agent import config, events, logs
from agent.children import Children
from agent.clock import Clock
from agent.commands import Command, moment_ms, shown
from agent.domain import Stamp
from agent.errors import AgentError, NeedsOperator, Rejected, RetryLater
from agent.events import Payload
from agent.orders import Errand, Handler
from agent.store import Audit, Store
from agent.switches import Switches

if TYPE_CHECKING:
    from agent.child import Child

_SPAWN = multiprocessing.get_context("spawn")
# What is done apart from the agent: with the settings, saying what has come of it, each a text or a payload.
Apart = Callable[[config.Settings, Callable[[Any], None]], None]
MAIN_S = 20.0  # within which the main thread has done what it is asked for
LOOK_S, GAPS = 10.0, 3.0  # how long a camera has to look, or so many gaps between its pictures
DOCTOR_S, PURGE_S = 120.0, 600.0
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
        now: Callable[[], Stamp],
    ) -> None:
        """`settings` are those of the file that hold now; `renew` and `reload` are for the main thread."""
        self._store, self._children, self._main, self._switches = store, children, main, switches
        self._settings, self._renew, self._reload, self._now = settings, renew, reload, now
        self._process: _Apart | None = None

    def handlers(self) -> dict[str, Handler]:
        return {
            "read_now": self._read_now,
            "camera/set": lambda command: self._main.ask(lambda: self._camera_set(**command.args)),
            "log_level": lambda command: self._main.ask(lambda: self._log_level(**command.args)),
            "reload": lambda _command: self._main.ask(self._reload),
            "doctor": self._doctor,
            "replay": self._replay,
            "purge": self._purge,
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
        return self._apart(_examine, DOCTOR_S, _told_findings, "doctor")

    def _replay(self, command: Command) -> Payload:
        self._on_the_disk()
        now, args = self._now(), command.args
        since_ms, until_ms = moment_ms(args["from"]) or 0, moment_ms(args.get("to", now.utc_ms)) or 0
        if since_ms >= until_ms:
            raise Rejected("replay goes from an earlier time to a later one")
        asked = self._store.outbox.replay(since_ms, until_ms, now.utc_ms, gate=args.get("gate", ""), vin=args.get("vin", "").upper())
        return {"events": asked}

    def _purge(self, command: Command) -> Errand:
        if not command.args:
            raise Rejected("purge wants before, gate or vin: everything is removed by hand alone, with `vin-agent queue purge --all`")
        self._on_the_disk()
        return self._apart(partial(_take_out, command.args), PURGE_S, _told_lines, "purge")

    def _on_the_disk(self) -> None:
        if why := self._store.unwritable:
            raise RetryLater(f"what was kept lies on a disk that cannot be written at present: {why}")

    def _apart(self, work: Apart, seconds: float, told: Callable[[list[Any]], Payload], name: str) -> Errand:
        """In a process of its own, one at a time: it loads what the parent must not, and native code may hang."""
        if self._process is not None:
            raise RetryLater(f"the {self._process.name} is not done yet; ask again when it has answered")
        apart = self._process = _Apart(work, self._settings(), told, name)
        return Errand(apart.poll, seconds, f"the {name} was not done within {seconds:.0f} s and is broken off", self._end)

    def _end(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None


def _looked(child: "Child", token: str, name: str) -> Payload | None:
    answer = next((each for each in list(child.looked) if each.token == token), None)
    if answer is None:
        return None
    if answer.read_id is None:
        raise Rejected(f"{name}: {answer.why}")
    return {"camera": name, "read_id": answer.read_id}


class _Apart:
    """Work in a process of its own: what it says one after the other, and None when it is done."""

    def __init__(self, work: Apart, settings: config.Settings, told: Callable[[list[Any]], Payload], name: str) -> None:
        self.name, self._told = name, told
        self._said: list[Any] = []
        self._pipe, theirs = _SPAWN.Pipe(duplex=False)
        self._process = _SPAWN.Process(target=_in_the_background, args=(work, settings, theirs, name), name=name, daemon=True)
        self._process.start()
        theirs.close()

    def poll(self) -> Payload | None:
        try:
            while self._pipe.poll():
                if (word := self._pipe.recv()) is None:
                    return self._told(self._said)
                if isinstance(word, AgentError):
                    raise word
                self._said.append(word)
        except (EOFError, OSError):
            raise NeedsOperator(f"the {self.name} broke off: look into the log") from None
        return None

    def close(self) -> None:
        self._process.kill()
        self._process.join(1.0)
        self._pipe.close()


def _in_the_background(work: Apart, settings: config.Settings, pipe: "Connection[Any, None]", name: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the parent
    logs.to_stderr(settings.agent.log_level, name)
    os.nice(10)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")  # where memory is short this goes first
    try:
        work(settings, pipe.send)
    except AgentError as trouble:
        pipe.send(type(trouble)(str(trouble)))  # its text is what crosses the pipe
    else:
        pipe.send(None)


def _examine(settings: config.Settings, say: Callable[[Any], None]) -> None:
    from agent import rounds

    for finding in rounds.at_rest(settings):
        say({"good": finding.good, "text": finding.text[:_SHOWN]})


def _told_findings(findings: list[Any]) -> Payload:
    return {"well": all(each["good"] for each in findings), "findings": findings}


def _take_out(args: dict[str, Any], settings: config.Settings, say: Callable[[Any], None]) -> None:
    from agent.clerk.items import Wanted
    from agent.clerk.purge import purge

    before_ms = moment_ms(args["before"]) if "before" in args else None
    older_ms = None if before_ms is None else Clock().now().utc_ms - before_ms
    named = tuple(sorted(name for name in args if name != "vin"))
    wanted = Wanted(older_ms=older_ms, vin=args.get("vin", ""), gate=args.get("gate", ""), names=named)
    purge(settings, wanted, confirmed=lambda _question: True, say=say)


def _told_lines(lines: list[Any]) -> Payload:
    """The last line says what was removed; those before show vehicles, which is for the eyes of whoever stands at the device."""
    return {"done": lines[-1] if lines else ""}
