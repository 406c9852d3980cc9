"""The parent's side of one camera process: started, listened to, judged by its progress, killed and started again."""

import logging
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Literal

from agent import orphan
from agent.domain import Alarm
from agent.incoming import Incoming
from agent.wire import Captured, Ended, FromChild, FromParent, Job, Kept, Level, Look, Looked, Progress, Rate, Stands

log = logging.getLogger(__name__)

# A fresh interpreter: a fork would share the parent's database connection and threads' locks.
_SPAWN = multiprocessing.get_context("spawn")
FIRST_WAIT_S, LONGEST_WAIT_S, STOP_S = 1.0, 60.0, 4.0
SECOND_FRAME = 1.25  # times the deadline: how slow a camera is shows only then
GAPS = 2.0  # times the gap between its frames, as set or as the last two had it, a slow camera may be silent
NO_PROGRESS = "no_progress"
STALE = 0.75  # of its deadline: without a good frame for so long a camera is not online
LOOKS = 8  # that may be under way
_POOR = ("dark", "bright", "spool_blocked")  # what no plate can be read in

State = Literal["starting", "online", "degraded", "offline", "ended", "disabled"]


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a camera, replaced as a whole whenever something is heard: any thread may read it."""

    name: str
    gate: str
    state: State
    reason: str = ""
    frames: int = 0
    fps: float = 0.0
    sharpness: float | None = None
    last_frame_at: float | None = None  # monotonic seconds
    restarts: int = 0
    last_good_at: float | None = None  # of the newest frame in which a plate could have been read
    patience_s: float = 10.0  # how long it may be silent
    alarms: tuple[Alarm, ...] = ()
    repeats: int = 0  # of this process: passes that were what stands there anyway

    def at(self, now: float) -> "View":
        """The same at a later moment: online is a camera whose last good frame is young."""
        stale = self.last_good_at is None or now - self.last_good_at > STALE * self.patience_s
        if self.state == "online" and (self.reason or stale):
            return replace(self, state="degraded", reason=self.reason or "no_frame")
        return self


@contextmanager
def _unheeded(*signals: signal.Signals) -> Iterator[None]:
    """Processes started meanwhile never hear of them: a terminal sends them to the whole group, and the parent alone decides.

    Ignoring them there would come too late for one that has just begun. Here another thread takes them.
    """
    resource_tracker.ensure_running()  # started by the way it would undo the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(job: Job, pipe: "Connection[FromChild, FromParent]", kept: Kept) -> None:
    """The process of a camera. Imported there alone: the parent has no need of OpenCV, nor its memory."""
    orphan.die_with_parent()
    from agent import watch

    watch.main(job, pipe, kept)


class Child:
    """One camera's process. The main thread starts and kills it; the take thread reads its pipe, to the end also after a kill."""

    def __init__(self, job: Job, recall: Callable[[str], Kept] = lambda _camera: ()) -> None:
        """`recall` gives what stands before a camera, for its next process."""
        self.job, self._recall = job, recall
        self.view = View(job.camera.name, job.camera.gate, "starting")
        self.pipe: Connection[FromParent, FromChild] | None = None
        self._incoming = Incoming()
        self._process: BaseProcess | None = None
        self._deadline = 0.0
        self._failures = 0
        self._ended: Ended | None = None
        self._leaving = self._late = False
        self._said: tuple[State, str] = "starting", ""
        self._framed_at: float | None = None
        self.fps = self._told_fps = job.camera.fps
        self._told_level = job.log_level
        self._looks: deque[Look] = deque(maxlen=LOOKS)
        self.looked: deque[Looked] = deque(maxlen=LOOKS)  # answers to them

    @property
    def finished(self) -> bool:
        """True once the camera has said that there are no more frames, and everything it sent was taken."""
        return self.pipe is None and self._ended is not None and self._ended.trouble is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def will_do(self, job: Job) -> bool:
        """Whether its process can go on with this job: how much it logs can be told while it runs."""
        if replace(self.job, log_level=job.log_level) != job:
            return False
        self.job = job
        return True

    def leave(self, now: float) -> None:
        """Ask the process to hand over what it has and go; from then on nothing starts it again."""
        self._leaving, self._deadline = True, now + STOP_S
        self.terminate()

    @property
    def gone(self) -> bool:
        """True when no process runs and everything it said was taken."""
        return not self.running() and self.pipe is None

    def look_after(self, now: float) -> None:
        """Start the process when it is due, kill it when it is late. Called by the main thread, never blocks."""
        self._say_change(self.view.at(now))
        if self._process is None and self.pipe is None:
            if now >= self._deadline and not self.finished and not self._leaving:
                self._start(now)
        elif self._process is not None and self._process.exitcode is not None:
            if self.pipe is None:
                self._bury(now)
        elif self._process is not None and now > self._deadline and not self._unheard():
            self._late = True
            self._say_offline(NO_PROGRESS)
            late = "does not leave" if self._leaving else "made no progress"
            log.warning("%s: camera process %s and is killed", self.view.name, late)
            self._process.kill()

    def _unheard(self) -> bool:
        """True while words lie in the pipe: then it is the taking that is late, not the camera."""
        pipe = self.pipe  # the take thread may find it at its end at any moment
        try:
            return pipe is not None and pipe.poll()
        except (OSError, EOFError):
            return False

    def word(self) -> FromChild | None:
        """What the process has said next, if it has said all of it; raises `EOFError` or `OSError` at the end of its pipe."""
        return None if self.pipe is None else self._incoming.take(self.pipe)

    def heard(self, word: FromChild, now: float) -> Captured | Stands | None:
        """Take in one message; what has to be kept is handed back for the store."""
        if isinstance(word, Captured | Stands):
            return word
        if isinstance(word, Looked):
            self.looked.append(word)
            return None
        if isinstance(word, Ended):
            self._ended = word
            return None
        self._failures = 0
        patience_s = self._patience_s(word, now)
        if not self._leaving:
            self._deadline = now + patience_s
        self._heard_progress(word, now, patience_s)
        return None

    def _patience_s(self, word: Progress, now: float) -> float:
        """How long this camera may be silent: a slow one is not dead as long as its frames come."""
        usual_s = max(self.job.camera.stall_s, GAPS / self.fps)
        if word.frames == self.view.frames and self._framed_at is not None:
            return self.view.patience_s
        before, self._framed_at = self._framed_at, now
        return SECOND_FRAME * usual_s if before is None else max(usual_s, GAPS * (now - before))

    def rate(self) -> Rate | None:
        """What the process has to be told about its frame rate, once."""
        if self._told_fps == self.fps:
            return None
        self._told_fps = self.fps
        return Rate(self.fps)

    def level(self) -> Level | None:
        """What the process has to be told about its log, once."""
        if self._told_level == self.job.log_level:
            return None
        self._told_level = self.job.log_level
        return Level(self._told_level)

    def look(self, token: str) -> None:
        """Have what is in view now committed; the answer comes into `looked`. May be called from any thread."""
        self._looks.append(Look(token))

    def asked(self) -> Look | None:
        """What the process has to be asked for, once."""
        return self._looks.popleft() if self._looks else None

    def hung_up(self) -> None:
        """The pipe is at its end: everything the process ever said was read. Called by the take thread."""
        if self.pipe is not None:
            self.pipe.close()
            self.pipe = None

    def terminate(self) -> None:
        if self._process is not None and self._process.exitcode is None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None and self._process.exitcode is None:
            self._process.kill()

    def running(self) -> bool:
        return self._process is not None and self._process.exitcode is None

    def _say_change(self, view: View) -> None:
        """One line for each change; what makes a camera offline has said so itself."""
        reason = view.reason if view.state == "degraded" else ""
        if (view.state, reason) != self._said:
            self._said = view.state, reason
            if view.state in ("online", "degraded"):
                log.info("%s: camera is %s%s", view.name, view.state, f" ({reason})" if reason else "")

    def _heard_progress(self, word: Progress, now: float, patience_s: float) -> None:
        self._say_alarms(word.alarms)
        alarms = ", ".join(alarm.name for alarm in word.alarms if alarm.on)
        good_at = None if word.good_age_s is None else now - word.good_age_s
        poor = word.view in _POOR and (good_at is None or now - good_at > STALE * patience_s or word.view == "spool_blocked")
        self.view = replace(
            self.view,
            state="online",
            reason=alarms or (word.view if poor else ""),
            frames=word.frames,
            fps=word.fps,
            sharpness=word.sharpness,
            last_frame_at=now - word.age_s,
            last_good_at=good_at,
            patience_s=patience_s,
            alarms=word.alarms,
            repeats=word.repeats,
        )

    def _say_alarms(self, alarms: tuple[Alarm, ...]) -> None:
        before = {alarm.name for alarm in self.view.alarms if alarm.on}
        for alarm in alarms:
            if alarm.on and alarm.name not in before:
                log.warning("%s: alarm: the picture is %s", self.view.name, alarm.name)
            elif not alarm.on and alarm.name in before:
                log.info("%s: alarm over: the picture is no longer %s", self.view.name, alarm.name)

    def _start(self, now: float) -> None:
        ours, theirs = _SPAWN.Pipe()
        self._ended, self._late, self._deadline = None, False, now + self.job.camera.start_s
        self._framed_at, self._told_fps, self._told_level = None, self.job.camera.fps, self.job.log_level
        process = _SPAWN.Process(
            target=_watch, args=(self.job, theirs, self._recall(self.job.camera.name)), name=self.view.name, daemon=True
        )
        with _unheeded(signal.SIGINT, signal.SIGHUP):
            process.start()
        # Only the child may hold its end, or its death would never read as the end of the pipe.
        theirs.close()
        self._incoming = Incoming()
        self._process, self.pipe = process, ours

    def _bury(self, now: float) -> None:
        process, self._process = self._process, None
        code = process.exitcode if process else None
        if self._leaving:
            return
        if self.finished:
            log.info("%s: no more frames", self.view.name)
            self.view = replace(self.view, state="ended", reason="no_more_frames")
            return
        self._failures += 1
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._failures - 1, 6))
        # What it ended with when we killed it says nothing about the camera.
        how = NO_PROGRESS if self._late else f"the camera process ended with code {code}"
        trouble = self._ended.trouble if self._ended and self._ended.trouble else how
        self._deadline = now + (LONGEST_WAIT_S if self._ended and self._ended.operator else wait)
        log.warning("%s: %s; started again in %.0f s", self.view.name, trouble, self._deadline - now)
        self._say_offline(trouble)

    def _say_offline(self, reason: str) -> None:
        self.view = replace(self.view, state="offline", reason=reason, restarts=self.view.restarts + (self._process is None))
