"""Where the log goes: to standard error, with priorities the journal understands when standard error is the journal."""

import logging
import os
import sys

# Syslog priorities as sd-daemon(3) wants them in front of a line.
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def plain(text: str) -> str:
    """On one line, and with nothing in it that a terminal obeys: names of files and words of others may stand in any text."""
    return text if text.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


class Formatter(logging.Formatter):
    """One message, one line; a traceback after it has its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the library's name
        return plain(super().formatMessage(record))


class JournalFormatter(Formatter):
    """`<4>…`: the journal takes the number off again and files the line under that priority."""

    def format(self, record: logging.LogRecord) -> str:
        return marked(super().format(record), record.levelno)


def marked(text: str, level: int) -> str:
    """Every line of a traceback needs its own number, or the journal files it as a notice of its own."""
    priority = _PRIORITY.get(level, 6)
    return "\n".join(f"<{priority}>{line}" for line in text.splitlines())


def is_journal() -> bool:
    """Whether standard error is the journal: a program whose output goes elsewhere inherits $JOURNAL_STREAM too (systemd.exec(5))."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        stream = os.fstat(2)
    except OSError:
        return False
    return (device, inode) == (str(stream.st_dev), str(stream.st_ino))


def complain(text: str) -> None:
    """One sentence to whoever started this program, outside of any log."""
    text = plain(text)
    sys.stderr.write(f"{marked(text, logging.ERROR) if is_journal() else text}\n")


def to_stderr(level: str, name: str = "") -> None:
    """Log at `level` ("info", …) to standard error; `name` stands in front of what a camera's process says."""
    handler = logging.StreamHandler(sys.stderr)
    start = f"{name}: " if name else ""
    if is_journal():
        handler.setFormatter(JournalFormatter(f"{start}%(message)s"))
    else:
        handler.setFormatter(Formatter(f"%(asctime)s %(levelname)-7s {start}%(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # httpx logs every URL at INFO, and a signature may stand in one.
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def at(level: str) -> None:
    """From now on log at another level."""
    logging.getLogger().setLevel(level.upper())
