"""The child's end of the pipe: what is said to the parent, and said again until it is known to lie on the disk."""

import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from agent import logs
from agent.wire import Captured, FromChild, FromParent, Level, Look, Rate

SAY_AGAIN_S = 10.0
MOST_UNACKNOWLEDGED = 32


@dataclass(slots=True)
class Outgoing:
    """Keeps each capture until the parent says that it lies on the disk, and takes in what it asks for meanwhile."""

    pipe: "Connection[FromChild, FromParent]"
    fps: float | None = None  # what the parent has asked for last
    waiting: dict[str, tuple[Captured, float]] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)  # what it has asked for since the last frame

    def say(self, word: FromChild) -> None:
        self.pipe.send(word)

    def put(self, word: Captured) -> None:
        self.waiting[word.capture.read_id] = (word, time.monotonic())
        self.say(word)

    def settle(self, wait_s: float = 0.0) -> None:
        """Take in acknowledgements; repeat what has waited too long. Raises `EOFError` once the parent is gone."""
        while self.pipe.poll(wait_s):
            self._hear(self.pipe.recv())
            wait_s = 0.0
        now = time.monotonic()
        for read_id, (word, said_at) in self.waiting.items():
            if now - said_at >= SAY_AGAIN_S:
                self.waiting[read_id] = (word, now)
                self.say(word)

    def _hear(self, word: FromParent) -> None:
        if isinstance(word, Rate):
            self.fps = word.fps
        elif isinstance(word, Level):
            logs.at(word.name)
        elif isinstance(word, Look):
            self.looks.append(word)
        else:
            self.waiting.pop(word.read_id, None)

    def full(self) -> bool:
        return len(self.waiting) >= MOST_UNACKNOWLEDGED

    def drain(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.waiting and time.monotonic() < deadline:
            self.settle(0.1)
