"""What the machine under the agent tells of itself: system, kernel, disk, unit, journal, certificates; without root as far as that goes."""

import os
import platform
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from agent import config

LINES = 2000  # of the journal
_PATIENCE_S = 20.0
_KERNEL = re.compile(
    r"(?i)under-?voltage|throttl|camera|v4l|uvc|unicam|rp1-cfe|pisp|imx\d|ov\d{4}|mmc\d?:|ext4|i/o error|oom|out of memory"
)
# Validity ::= SEQUENCE { notBefore, notAfter }, each UTCTime or GeneralizedTime (RFC 5280, 4.1.2.5).
_DATE = rb"(?:\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z)"
_VALIDITY = re.compile(rb"\x30[\x1e-\x22]" + _DATE + _DATE)


def asked(*command: str) -> str:
    """What a program prints, or why that could not be had."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False, env={**os.environ, "LC_ALL": "C"})
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"could not be had: {command[0]}: {exc.strerror if isinstance(exc, OSError) else 'no answer'}\n"
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    return said if done.returncode == 0 else f"could not be had: {' '.join(command)} ended with {done.returncode}: {said.strip()[:300]}\n"


def system() -> str:
    uname = platform.uname()
    parts = [f"{uname.system} {uname.release} {uname.version} {uname.machine}\n"]
    files = ("/etc/os-release", "/proc/device-tree/model", "/proc/meminfo", "/proc/uptime", "/proc/loadavg")
    return "".join((*parts, *(f"\n== {file}\n{_content(Path(file))}" for file in files)))


def _content(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace").rstrip("\0\n") + "\n"
    except OSError as exc:
        return f"could not be had: {exc.strerror}\n"


def disk(folder: Path) -> str:
    """Room and mount of the folder that the store lies in."""
    try:
        usage = shutil.disk_usage(folder)
        room = f"{folder}: {usage.free} bytes free of {usage.total}\n"
    except OSError as exc:
        room = f"{folder}: could not be had: {exc.strerror}\n"
    mounts = [line.split() for line in _content(Path("/proc/mounts")).splitlines()]
    over = [each for each in mounts if len(each) > 3 and f"{folder.resolve()}/".startswith(f"{each[1].rstrip('/')}/")]
    return room + "".join(f"{' '.join(each[:4])}\n" for each in sorted(over, key=lambda each: len(each[1]))[-1:])


def kernel() -> str:
    """Lines of the kernel about cameras, the supply, the card and memory."""
    said = asked("dmesg")
    return said if said.startswith("could not") else "".join(f"{line}\n" for line in said.splitlines() if _KERNEL.search(line))


def unit() -> str:
    return asked("systemctl", "show", "vin-agent.service", "--property=" + ",".join(_UNIT)) + asked("systemctl", "cat", "vin-agent.service")


_UNIT = (
    "ActiveState", "SubState", "Result", "NRestarts", "ExecMainStatus", "ActiveEnterTimestamp", "MemoryCurrent", "StatusText", "User",
)  # fmt: skip


def journal() -> str:
    return asked("journalctl", "--unit=vin-agent.service", f"--lines={LINES}", "--no-pager", "--output=short-iso-precise")


def certificates(settings: config.Settings) -> str:
    """From when until when each certificate of the settings holds; of keys nothing."""
    files = {settings.mqtt.ca_file, settings.mqtt.cert_file, settings.http.ca_file, *(camera.stream.ca_file for camera in settings.camera)}
    return "".join(line for file in sorted(files - {""}) for line in _dates(Path(file)))


def _dates(file: Path) -> Iterator[str]:
    try:
        blocks = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", file.read_text("ascii", "replace"), re.DOTALL)
    except OSError as exc:
        yield f"{file}: could not be had: {exc.strerror}\n"
        return
    for number, block in enumerate(blocks, 1):
        try:
            found = _VALIDITY.search(ssl.PEM_cert_to_DER_cert(block))
        except ValueError:
            found = None
        yield f"{file}, certificate {number}: {_span(found) if found else 'shows no dates'}\n"


def _span(found: "re.Match[bytes]") -> str:
    short, long = found.group(1) or found.group(2), found.group(3) or found.group(4)
    return f"holds from {_day(short)} to {_day(long)}"


def _day(digits: bytes) -> str:
    text = digits.decode()
    if len(text) == 12:  # RFC 5280: two digits from 50 on are of the last century
        text = f"{'19' if text[:2] >= '50' else '20'}{text}"
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC).isoformat()
