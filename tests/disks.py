"""A disk that takes nothing more, for the process of the test alone: whatever would make a file grow is refused."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def failing() -> Iterator[None]:
    """Every write to a file fails, as on a card that has given up; reading works."""
    least, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (least, most))
