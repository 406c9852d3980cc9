"""How USB and network cameras are opened, as `[camera.v4l2]` and `[camera.stream]`, and where a log-in stands in an address."""

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from agent.settings import number, one_of, text


@dataclass(frozen=True, slots=True, kw_only=True)
class V4l2:
    pixel_format: str = one_of("MJPG", "MJPG", "YUYV", "UYVY", "NV12", "GREY")
    exposure_ms: float = number(0.0, 0, 10_000)  # 0: automatic
    gain: float = number(-1.0, -1, 1_000_000)  # -1: left as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    transport: str = one_of("tcp", "tcp", "udp")
    max_mb: float = number(8.0, 0.01, 100)
    verify: bool = True
    ca_file: str = text("")


def unclear(source: str) -> bool:
    """True for an address in which nobody can tell the host, or where the password ends, such as rtsp://user:p@ss/word@host."""
    if "://" not in source:
        return False
    try:
        parts = urlsplit(source)
        named = bool(parts.hostname) and parts.port != 0  # raises where a part of the password stands in the port's place
    except ValueError:
        return True
    return not named or source.partition("?")[0].count("@") > 1


def parted(source: str) -> tuple[str, str, str]:
    """An address without its log-in, and the user and password that stood in it, empty where none did."""
    if "://" not in source or unclear(source):
        return source, "", ""
    parts = urlsplit(source)
    login, at, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    return (parts._replace(netloc=host).geturl() if at else source), unquote(user), unquote(password)


def joined(source: str, user: str, password: str) -> str:
    """An address with a log-in in it, for those who take it in no other way; to be kept in memory and shown to nobody."""
    if not user and not password:
        return source
    return source.replace("://", f"://{quote(user, safe='')}:{quote(password, safe='')}@", 1)
