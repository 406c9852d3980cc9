"""The parent's side of the camera processes: started, listened to, judged by their progress, killed and started again."""

import logging
import multiprocessing
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Literal

from agent.wire import Ack, Captured, Ended, FromChild, Job, Progress

log = logging.getLogger(__name__)

# A fresh interpreter: a fork would share the parent's database connection and threads' locks.
_SPAWN = multiprocessing.get_context("spawn")
FIRST_WAIT_S, LONGEST_WAIT_S, STOP_S = 1.0, 60.0, 4.0

State = Literal["starting", "online", "degraded", "offline", "ended"]


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

    def age_s(self, now: float) -> float | None:
        return None if self.last_frame_at is None else max(0.0, now - self.last_frame_at)


def _watch(job: Job, pipe: "Connection[FromChild, Ack]") -> None:
    """The process of a camera. Imported there alone: the parent has no need of OpenCV, nor its memory."""
    from agent import watch

    watch.main(job, pipe)


class Child:
    """One camera's process. The main thread starts and kills it; the take thread reads its pipe, to the end also after a kill."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.view = View(job.camera.name, job.camera.gate, "starting")
        self.pipe: Connection[Ack, FromChild] | None = None
        self._process: BaseProcess | None = None
        self._deadline = 0.0
        self._failures = 0
        self._ended: Ended | None = None

    @property
    def finished(self) -> bool:
        """True once the camera has said that there are no more frames, and everything it sent was taken."""
        return self.pipe is None and self._ended is not None and self._ended.trouble is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def look_after(self, now: float) -> None:
        """Start the process when it is due, kill it when it is late. Called by the main thread, never blocks."""
        if self._process is None and self.pipe is None:
            if now >= self._deadline and not self.finished:
                self._start(now)
        elif self._process is not None and self._process.exitcode is not None:
            if self.pipe is None:
                self._bury(now)
        elif self._process is not None and now > self._deadline and not self._unheard():
            self._say_offline("no_progress")
            log.warning("%s: camera process made no progress and is killed", self.view.name)
            self._process.kill()

    def _unheard(self) -> bool:
        """True while words lie in the pipe: then it is the taking that is late, not the camera."""
        try:
            return self.pipe is not None and self.pipe.poll()
        except (OSError, EOFError):
            return False

    def heard(self, word: FromChild, now: float) -> Captured | None:
        """Take in one message; a capture is handed back for the spool."""
        if isinstance(word, Captured):
            return word
        if isinstance(word, Ended):
            self._ended = word
            return None
        self._deadline = now + self.job.camera.stall_s
        self._failures = 0
        self._heard_progress(word, now)
        return None

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

    def _heard_progress(self, word: Progress, now: float) -> None:
        state: State = "degraded" if word.view in ("dark", "bright", "spool_blocked") else "online"
        if self.view.state != state:
            log.info("%s: camera is %s%s", self.view.name, state, f" ({word.view})" if state == "degraded" else "")
        self.view = replace(
            self.view,
            state=state,
            reason=word.view if state == "degraded" else "",
            frames=word.frames,
            fps=word.fps,
            sharpness=word.sharpness,
            last_frame_at=now - word.age_s,
        )

    def _start(self, now: float) -> None:
        ours, theirs = _SPAWN.Pipe()
        self._ended, self._deadline = None, now + self.job.camera.start_s
        process = _SPAWN.Process(target=_watch, args=(self.job, theirs), name=self.view.name, daemon=True)
        process.start()
        # Only the child may hold its end, or its death would never read as the end of the pipe.
        theirs.close()
        self._process, self.pipe = process, ours

    def _bury(self, now: float) -> None:
        process, self._process = self._process, None
        code = process.exitcode if process else None
        if self.finished:
            log.info("%s: no more frames", self.view.name)
            self.view = replace(self.view, state="ended", reason="no_more_frames")
            return
        self._failures += 1
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._failures - 1, 6))
        trouble = self._ended.trouble if self._ended and self._ended.trouble else f"the camera process ended with code {code}"
        self._deadline = now + (LONGEST_WAIT_S if self._ended and self._ended.operator else wait)
        log.warning("%s: %s; started again in %.0f s", self.view.name, trouble, self._deadline - now)
        self._say_offline(trouble)

    def _say_offline(self, reason: str) -> None:
        self.view = replace(self.view, state="offline", reason=reason, restarts=self.view.restarts + (self._process is None))


class Children:
    """All camera processes of this gateway; one that is dead never holds up another."""

    def __init__(self, jobs: list[Job]) -> None:
        self.all = [Child(job) for job in jobs]

    def look_after(self) -> None:
        now = time.monotonic()
        for child in self.all:
            child.look_after(now)

    def views(self) -> list[View]:
        return [child.view for child in self.all]

    def pipes(self) -> dict["Connection[Ack, FromChild]", Child]:
        return {child.pipe: child for child in self.all if child.pipe is not None}

    def stop(self) -> None:
        """Ask every process to hand over what it has and leave."""
        for child in self.all:
            child.terminate()

    def kill(self) -> None:
        for child in self.all:
            child.kill()

    def gone(self) -> bool:
        """True when no process runs and everything they said was taken."""
        return all(not child.running() and child.pipe is None for child in self.all)

    def finished(self) -> bool:
        """True when every camera has come to its end by itself, as a folder or a video does."""
        return bool(self.all) and all(child.finished and not child.running() for child in self.all)
