"""All camera processes of this gateway: renewed with the configuration, looked after, paced and stopped together."""

import time
from collections.abc import Callable, Collection
from multiprocessing.connection import Connection

from agent.child import Child, View
from agent.wire import FromChild, FromParent, Job, Kept


class Children:
    """All camera processes of this gateway; one that is dead never holds up another."""

    def __init__(self, jobs: list[Job], recall: Callable[[str], Kept] = lambda _camera: (), off: Collection[str] = ()) -> None:
        """Cameras named in `off` are known, and have no process."""
        self._recall = recall
        self.all = [Child(job, recall) for job in jobs if job.camera.name not in off]
        self._off = _switched_off(jobs, off)
        self._leaving: list[Child] = []
        self._share = 1.0

    def renew(self, jobs: list[Job], off: Collection[str] = ()) -> None:
        """Have these jobs done from now on, but those of cameras named in `off`; a camera whose job is the same is not touched."""
        now = time.monotonic()
        now_off, jobs = _switched_off(jobs, off), [job for job in jobs if job.camera.name not in off]
        self._off = [*self._off, *now_off]  # known twice for a moment rather than not at all, which would empty its topics
        wanted = [next((child for child in self.all if child.will_do(job)), None) or Child(job, self._recall) for job in jobs]
        leaving = [child for child in self.all if child not in wanted]
        for child in leaving:
            child.leave(now)
        # Lists are replaced, never changed: the take and send threads walk through them.
        self._leaving, self.all, self._off = [*self._leaving, *leaving], wanted, now_off
        self.pace(self._share)

    def look_after(self) -> None:
        now = time.monotonic()
        for child in self._leaving:
            child.look_after(now)
        self._leaving = [child for child in self._leaving if not child.gone]
        held = {child.job.camera.source for child in self._leaving}  # a device cannot be opened twice
        for child in self.all:
            if child.job.camera.source not in held:
                child.look_after(now)

    def views(self) -> list[View]:
        now = time.monotonic()
        return list({view.name: view for view in (*self._off, *(child.view.at(now) for child in self.all))}.values())

    def pace(self, share: float) -> None:
        """Have every camera look at so many of its frames alone, but at one a second at least, if it has that many."""
        self._share = share
        for child in self.all:
            fps = child.job.camera.fps
            child.fps = max(fps * share, min(fps, 1.0))

    def pipes(self) -> dict["Connection[FromParent, FromChild]", Child]:
        return {child.pipe: child for child in (*self._leaving, *self.all) if child.pipe is not None}

    def stop(self) -> None:
        """Ask every process to hand over what it has and leave."""
        for child in (*self._leaving, *self.all):
            child.terminate()

    def kill(self) -> None:
        for child in (*self._leaving, *self.all):
            child.kill()

    def gone(self) -> bool:
        """True when no process runs and everything they said was taken."""
        return all(child.gone for child in (*self._leaving, *self.all))

    def finished(self) -> bool:
        """True when every camera has come to its end by itself, as a folder or a video does."""
        return bool(self.all) and all(child.finished and not child.running() for child in self.all)


def _switched_off(jobs: list[Job], off: Collection[str]) -> list[View]:
    return [View(job.camera.name, job.camera.gate, "disabled", "switched off by a command") for job in jobs if job.camera.name in off]
