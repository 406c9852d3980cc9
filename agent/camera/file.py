"""A picture in a file that anybody may have put there: a file of its own, of a size a picture has, decoded as its header promises."""

import stat
from pathlib import Path

from agent.domain import Pixels
from agent.errors import Rejected
from agent.vision.decode import decode

MOST_BYTES = 200_000_000  # a BMP of 50 million pixels has 150


def opened(file: Path) -> Pixels:
    """(height, width, 3) BGR; raises `Rejected`, a sentence without its subject, where there is no picture."""
    try:
        about = file.stat()
        # Whoever opens a pipe waits for a writer, and a device may have no end.
        if not stat.S_ISREG(about.st_mode):
            raise Rejected("is no file")
        if about.st_size > MOST_BYTES:
            raise Rejected(f"has {about.st_size / 1e6:.0f} MB; the most is {MOST_BYTES / 1e6:.0f} MB")
        with file.open("rb") as content:
            data = content.read(MOST_BYTES)
    except OSError as exc:
        raise Rejected(f"cannot be read: {exc.strerror}") from exc
    return decode(data)
