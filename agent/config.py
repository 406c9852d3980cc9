"""The settings, as frozen values checked once: every section, every key, its default and what it may be.

`config/agent.toml` shows the same keys with one line of reason each; a test holds the two together.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from agent import config_accounts, config_picamera
from agent.config_alarm import Alarm
from agent.config_camera import NAME, NAME_WORDS, Camera
from agent.config_http import Http
from agent.config_network import Stream, V4l2, unclear
from agent.config_power import Power
from agent.config_providers import (
    Aliyun,
    Baidu,
    Huawei,
    HuaweiVehicleLicence,
    Providers,
    Tencent,
    TencentLegacyLicence,
    TencentLegacyVin,
    TencentVehicleLicence,
)
from agent.errors import BadConfig
from agent.settings import Builder, Secret, checked, is_file, is_host, is_path, masked, number, one_of, parse, pattern, some_of, text
from agent.topics import LONGEST_PREFIX, is_prefix

__all__ = [
    "Agent", "Alarm", "Aliyun", "Baidu", "Camera", "Health", "Http", "Huawei", "HuaweiVehicleLicence", "Mqtt", "Power", "Providers",
    "Reading", "Secret", "Settings", "Store", "Stream", "Tencent", "TencentLegacyLicence", "TencentLegacyVin", "TencentVehicleLicence",
    "V4l2", "Vision", "as_dict", "load",
]  # fmt: skip

T = TypeVar("T")
_LONGEST_SECRET = 65_536  # bytes; a password or a key has some dozens


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    site: str = pattern("site", NAME, NAME_WORDS)
    id: str = pattern("", f"|{NAME}", f"empty, or {NAME_WORDS}")  # empty: made from the machine id
    state_dir: Path = checked(Path("/var/lib/vin-agent"), is_path, "the path of a folder")  # noqa: RUF009  # it makes a field
    log_level: str = one_of("info", "debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vision:
    motion: float = number(0.002, 0, 1)
    awake_s: float = number(3.0, 0.1, 600)
    dark: float = number(12.0, 0, 255)
    bright: float = number(250.0, 0, 255)
    min_text_px: int = number(12, 4, 200)
    gap_s: float = number(0.8, 0.1, 60)
    settle_s: float = number(0.6, 0.1, 600)
    longest_s: float = number(6.0, 0.5, 600)
    pictures: int = number(3, 1, 8)
    margin_x: float = number(4.0, 0, 10)
    margin_y: float = number(2.0, 0, 10)
    barcodes: bool = True
    hidden_s: float = number(120.0, 1, 86_400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    chain: tuple[str, ...] = some_of(*config_accounts.READERS, default=("embedded",))
    second_opinion: str = one_of("never", "never", "unsure", "always")
    second_wait_s: float = number(60.0, 0, 86_400)
    calls_per_vehicle: int = number(3, 1, 10)
    calls_per_minute: int = number(0, 0, 1_000_000)  # 0: no limit
    calls_per_day: int = number(0, 0, 10_000_000)
    calls_per_month: int = number(0, 0, 100_000_000)
    money_per_month: float = number(0.0, 0, 1_000_000)
    again_s: float = number(60.0, 0, 86_400)  # 0: every pass is told
    local_veto: str = one_of("other", "never", "other", "all")
    give_up_h: float = number(72.0, 0.01, 8760)
    accept_alone: float = number(0.95, 0, 1)
    accept_checked: float = number(0.62, 0, 1)
    review_from: float = number(0.27, 0, 1)
    threads: int = number(1, 1, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    max_mb: int = number(256, 1, 1_000_000)
    free_mb: int = number(64, 0, 1_000_000)
    ballast_kb: int = number(256, 0, 1_000_000)
    memory_mb: int = number(32, 4, 10_000)
    keep_days: float = number(7.0, 0, 3650)
    unsent_days: float = number(30.0, 0.01, 3650)
    max_write_mb_per_day: int = number(5000, 0, 10_000_000)  # 0: no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Mqtt:
    host: str = checked("127.0.0.1", is_host, "the name or address of the broker")
    port: int = number(1883, 1, 65535)
    protocol: str = one_of("5", "5", "3.1.1")
    client_id: str = text("")  # empty: vinagent-<agent id>
    user: str = text("")
    password: Secret = field(default=Secret(""))
    tls: bool = False
    ca_file: str = text("")
    cert_file: str = text("")
    key_file: str = text("")
    prefix: str = checked("vinagent/v1", is_prefix, f"topic levels without + and #, at most {LONGEST_PREFIX} characters")
    keepalive_s: int = number(15, 5, 3600)
    inflight: int = number(10, 1, 1000)
    replay_per_s: float = number(10.0, 0, 100_000)  # 0: no limit
    last: bool = True
    commands: bool = True
    discovery: str = pattern("", r"([^#+/\x00-\x1f]+(/[^#+/\x00-\x1f]+)*)?", "topic levels without + and #, or nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    every_s: float = number(60.0, 1, 86_400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything `agent.toml` can say; each part of the agent receives its own section, never the whole."""

    agent: Agent = field(default_factory=Agent)
    camera: tuple[Camera, ...] = ()
    vision: Vision = field(default_factory=Vision)
    alarm: Alarm = field(default_factory=Alarm)
    reading: Reading = field(default_factory=Reading)
    store: Store = field(default_factory=Store)
    mqtt: Mqtt = field(default_factory=Mqtt)
    health: Health = field(default_factory=Health)
    power: Power = field(default_factory=Power)
    http: Http = field(default_factory=Http)
    provider: Providers = field(default_factory=Providers)


# Where a value may also come from: as VIN_AGENT_SECTION_KEY in the environment, as `section.key` among systemd's credentials.
SECRETS: tuple[tuple[str, ...], ...] = (("mqtt", "password"), ("mqtt", "user"), ("http", "proxy"), *config_accounts.secret_paths())


def load(file: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a TOML file with secrets from the environment and systemd's credentials laid over it.

    Raises `BadConfig` with one sentence: file, line, key, what was expected, the nearest known key.
    """
    data, lines = parse(file)
    builder = Builder(file, lines)
    settings = _with_secrets(builder.build(Settings, data), environ)
    _agree(settings, builder)
    return settings


def _agree(settings: Settings, builder: Builder) -> None:
    """What no single key can know: keys that exclude each other, files that must come in pairs."""
    _cameras_agree(settings, builder)
    if not settings.reading.chain:
        raise builder.wrong(("reading", "chain"), "a list of at least one provider", [])
    if len(set(settings.reading.chain)) < len(settings.reading.chain):
        raise builder.wrong(("reading", "chain"), "a list that names each provider once", list(settings.reading.chain))
    if settings.reading.second_opinion != "never" and len(settings.reading.chain) < 2:
        words = '"never" as long as reading.chain names one reader alone'
        raise builder.wrong(("reading", "second_opinion"), words, settings.reading.second_opinion)
    mqtt = settings.mqtt
    if bool(mqtt.cert_file) != bool(mqtt.key_file):
        key = "key_file" if mqtt.cert_file else "cert_file"
        raise builder.wrong(("mqtt", key), "set together with its other half, the certificate and its key", "")
    for key in ("ca_file", "cert_file", "key_file"):
        if (path := getattr(mqtt, key)) and not is_file(path):
            raise builder.wrong(("mqtt", key), "a file that exists", path)
    _can_be_asked(settings, builder)


def _cameras_agree(settings: Settings, builder: Builder) -> None:
    names = [camera.name for camera in settings.camera]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise builder.wrong(("camera", index, "name"), "a name no other camera has", name)
        if unclear(source := settings.camera[index].source):
            words = "an address with a host, and without @, / or : in a password, for which camera.password is the place"
            raise builder.wrong(("camera", index, "source"), words, source)
        for key, expected in config_picamera.problems(settings.camera[index].picamera2)[:1]:
            raise builder.wrong(("camera", index, "picamera2", key), expected, getattr(settings.camera[index].picamera2, key))


def _can_be_asked(settings: Settings, builder: Builder) -> None:
    """Every cloud reader of the chain has what it needs: a gate must not find out with its first vehicle."""
    for name in settings.reading.chain:
        for key, expected in config_accounts.problems(settings.provider, name)[:1]:
            value = getattr(config_accounts.section(settings.provider, name), key)
            plain = value.reveal() if isinstance(value, Secret) else value
            raise builder.wrong(("provider", config_accounts.section_name(name), key), expected, plain)


def _with_secrets(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """The environment wins over the file, a systemd credential over both."""
    for path in SECRETS:
        value = _credential(".".join(path), environ) or _variable("VIN_AGENT_" + "_".join(path).upper(), environ)
        if value:
            settings = _laid(settings, path, value)
    return replace(settings, camera=tuple(_with_login(camera, environ) for camera in settings.camera))


def _with_login(camera: Camera, environ: Mapping[str, str]) -> Camera:
    """A camera with its log-in from outside the file laid over: VIN_AGENT_CAMERA_<NAME>_USER, credential `camera.<name>.user`."""
    for key in ("user", "password"):
        variable = f"VIN_AGENT_CAMERA_{camera.name}_{key}".upper().replace("-", "_")
        value = _credential(f"camera.{camera.name}.{key}", environ) or _variable(variable, environ)
        if value:
            camera = _laid(camera, (key,), value)
    return camera


def _laid(section: T, path: tuple[str, ...], value: str) -> T:
    """The same settings with another value at the end of `path`."""
    inner = getattr(section, path[0])
    changed = _laid(inner, path[1:], value) if path[1:] else type(inner)(value)
    return replace(section, **{path[0]: changed})  # type: ignore[type-var]  # T is a settings class


def _variable(name: str, environ: Mapping[str, str]) -> str:
    """One secret of the environment; bytes that are no text come from the system as characters that nobody can send."""
    value = environ.get(name, "")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadConfig(f"{name} in the environment is no UTF-8 text") from None
    return value


def _credential(name: str, environ: Mapping[str, str]) -> str:
    """One secret that systemd laid into $CREDENTIALS_DIRECTORY, without its final line break, or nothing.

    A drop-in names it as it is, the unit takes a whole folder: systemd then puts the folder's own name before it.
    """
    for file in (Path(environ.get("CREDENTIALS_DIRECTORY", "/nonexistent")) / each for each in (name, f"vin-agent_{name}")):
        try:
            return _secret_in(file).decode("utf-8").rstrip("\n")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as exc:
            reason = (exc.strerror or exc) if isinstance(exc, OSError) else "it is something else"
            raise BadConfig(f"{file}: the credential cannot be read as UTF-8 text: {reason}") from None
    return ""


def _secret_in(file: Path) -> bytes:
    """The content of a credential; raises `OSError`, also for what is no file or longer than any secret."""
    # A pipe that nobody writes to would be waited for, and a device may have no end.
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as content:
        if not stat.S_ISREG(os.fstat(content.fileno()).st_mode):
            raise OSError("it is no file")
        raw = content.read(_LONGEST_SECRET + 1)
    if len(raw) > _LONGEST_SECRET:
        raise OSError(f"it has more than {_LONGEST_SECRET // 1024} kB")
    return raw


def as_dict(settings: Any) -> dict[str, Any]:
    """The settings as plain values with every secret masked: for the config hash and the support bundle."""
    return {key: _plain(getattr(settings, key)) for key in settings.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Secret | Path):
        return str(value)
    if isinstance(value, str) and "://" in value:
        return masked(value)
    return as_dict(value) if hasattr(value, "__dataclass_fields__") else value
