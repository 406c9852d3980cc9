"""All camera processes of this gateway: renewed with the configuration, looked after, paced and stopped together."""

import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from agent.child import Child, View
from agent.wire import FromChild, FromParent, Job, Kept


class Children:
    """All camera processes of this gateway; one that is dead never holds up another."""

    def __init__(self, jobs: list[Job], recall: Callable[[str], Kept] = lambda _camera: ()) -> None:
        self._recall = recall
        self.all = [Child(job, recall) for job in jobs]
        self._leaving: list[Child] = []
        self._share = 1.0

    def renew(self, jobs: list[Job]) -> None:
        """Have these jobs done from now on; a camera whose job is the same is not touched."""
        now = time.monotonic()
        wanted = [next((child for child in self.all if child.will_do(job)), None) or Child(job, self._recall) for job in jobs]
        leaving = [child for child in self.all if child not in wanted]
        for child in leaving:
            child.leave(now)
        # Lists are replaced, never changed: the take and send threads walk through them.
        self._leaving, self.all = [*self._leaving, *leaving], wanted
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
        return [child.view.at(now) for child in self.all]

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
