"""Where the log goes: to standard error, with priorities the journal understands when systemd started us."""

import logging
import os
import sys

# Syslog priorities as sd-daemon(3) wants them in front of a line.
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class JournalFormatter(logging.Formatter):
    """`<4>…`: the journal takes the number off again and files the line under that priority."""

    def format(self, record: logging.LogRecord) -> str:
        priority = _PRIORITY.get(record.levelno, 6)
        # Every line of a traceback needs its own number, or the journal files it as a notice of its own.
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def to_stderr(level: str, name: str = "") -> None:
    """Log at `level` ("info", …) to standard error; `name` stands in front of what a camera's process says."""
    handler = logging.StreamHandler(sys.stderr)
    start = f"{name}: " if name else ""
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(JournalFormatter(f"{start}%(message)s"))
    else:
        handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)-7s {start}%(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # httpx logs every URL at INFO, and a signature may stand in one.
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
