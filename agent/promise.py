"""What a worker says before it does something that may last: it counts as stuck only after that, and everything else may be short."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


def _unheard(_seconds: float) -> None:
    """Outside a worker, as in a command, nobody waits for a sign of life."""


# One per thread: each worker hears its own.
_heard: ContextVar[Callable[[float], None]] = ContextVar("heard", default=_unheard)


def heard_by(worker: Callable[[float], None]) -> None:
    """From now on what this thread promises is told to `worker`: seconds on top of what any step may take."""
    _heard.set(worker)


def on_time(seconds: float = 0.0) -> None:
    """A sign of life in the middle of a step; what comes next may take so long."""
    _heard.get()(seconds)


@contextmanager
def taking(seconds: float) -> Iterator[None]:
    """What follows may take so long, and what comes after it no longer than any step."""
    on_time(seconds)
    try:
        yield
    finally:
        on_time()
