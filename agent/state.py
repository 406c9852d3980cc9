"""What the yard is told about the agent itself: the retained payloads of status, info, cameras and health."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

from agent.domain import ALARMS, Alarm, Reason, Stamp, Trust, rfc3339
from agent.events import SCHEMAS, Facts, Message, Payload, encode

Running = Literal["online", "stopping", "offline"]
LastExit = Literal["clean", "crash", "watchdog", "power", "reboot"]
CameraState = Literal["online", "starting", "degraded", "offline", "disabled"]
Condition = Literal["ok", "degraded", "failed"]
Heat = Literal["normal", "hot", "too hot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraInfo:
    """A camera as it is configured; never where its stream comes from, which may hold a password."""

    name: str
    gate: str
    driver: str
    lane: str | None = None
    direction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraHealth:
    name: str
    state: CameraState
    fps: float | None = None
    frame_age_ms: int | None = None
    good_frame_age_ms: int | None = None
    restarts: int | None = None
    sharpness: float | None = None
    alarms: tuple[str, ...] | None = None
    repeats: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueHealth:
    """The outbox; `oldest_age_s` is None while it is empty, `evicted` counts since the agent was installed."""

    events_unsent: int
    bytes: int
    cap_bytes: int
    evicted: int
    oldest_age_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolHealth:
    waiting: int
    oldest_age_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttHealth:
    connected: bool
    reconnects: int
    in_flight: int
    published: int
    acknowledged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandsHealth:
    """What came in below `cmd/` since the agent started; `dropped` were too many at once to be looked at."""

    done: int
    refused: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderHealth:
    state: str
    calls_today: int
    calls_month: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockHealth:
    trust: Trust
    offset_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerHealth:
    """What the machine tells; `frame_rate` is the share of the cameras' frames that are looked at, less than 1 while it is hot."""

    under_voltage: bool | None = None
    under_voltage_since_boot: bool | None = None
    throttled: bool | None = None
    throttled_since_boot: bool | None = None
    temperature_c: float | None = None
    frame_rate: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskHealth:
    """The figures for an event are what the agent itself wrote since it started, by the vehicles it told of."""

    free_bytes: int
    written_today_bytes: int | None = None
    life_used_percent: int | None = None
    spare: str | None = None
    agent_written_today_bytes: int | None = None
    bytes_per_event: int | None = None
    flushes_per_event: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessHealth:
    rss_bytes: int
    fds: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadsHealth:
    """Vehicles since the agent started, by how they ended; `again` and `other_text` are passes that were no vehicle of their own."""

    accepted: int = 0
    needs_review: int = 0
    unread: Mapping[Reason, int] = field(default_factory=dict)
    again: int = 0
    other_text: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the agent is; `reasons` are stable codes, a part that is None is left out of the payload."""

    state: Condition
    reasons: tuple[str, ...] = ()
    uptime_s: int
    boot_id: str
    last_exit: LastExit
    cameras: tuple[CameraHealth, ...] = ()
    queue: QueueHealth | None = None
    spool: SpoolHealth | None = None
    mqtt: MqttHealth | None = None
    commands: CommandsHealth | None = None
    providers: Mapping[str, ProviderHealth] | None = None
    clock: ClockHealth | None = None
    power: PowerHealth | None = None
    disk: DiskHealth | None = None
    process: ProcessHealth | None = None
    reads: ReadsHealth | None = None


def retained(topic: str, payload: Payload) -> Message:
    """A payload of this module as the message that stays on the broker."""
    return Message(topic, encode(payload), 1, retain=True)


def status(state: Running, *, boot_id: str, session: str, version: str, since: Stamp, last_exit: LastExit) -> Payload:
    """Whether the agent lives; with `offline` also the will. `session` is new with every start of the process."""
    return {
        "state": state,
        "boot_id": boot_id,
        "session": session,
        "version": version,
        "since": rfc3339(since.utc_ms),
        "last_exit": last_exit,
    }


def info(facts: Facts, cameras: Sequence[CameraInfo], providers: Sequence[str], capabilities: Sequence[str] = ()) -> Payload:
    """What this agent is made of, without secrets, and where the schemas of its topics are."""
    return {
        "version": facts.version,
        "config": facts.config,
        "site": facts.site,
        "agent": facts.agent,
        "source": facts.source,
        "cameras": [_plain(each) for each in cameras],
        "providers": list(providers),
        "capabilities": list(capabilities),
        "schemas": dict(SCHEMAS),
    }


def camera_status(
    state: CameraState, now: Stamp, *, reason: str | None = None, frame_age_ms: int | None = None, good_frame_age_ms: int | None = None
) -> Payload:
    """How one camera is; the ages count from its newest frame, and from the newest a plate could be read in, if there was one."""
    known = {"state": state, "time": rfc3339(now.utc_ms), "reason": reason, "frame_age_ms": frame_age_ms}
    known["good_frame_age_ms"] = good_frame_age_ms
    return {key: value for key, value in known.items() if value is not None}


def camera_alarm(alarms: Sequence[Alarm], now: Stamp) -> Payload:
    """What is wrong with a camera's picture: every alarm there is, on or off, and since when where it ever changed."""
    known = {name: Alarm(name, on=False) for name in ALARMS} | {alarm.name: alarm for alarm in alarms}
    return {"time": rfc3339(now.utc_ms), "alarms": {name: _alarm(alarm) for name, alarm in known.items()}}


def _alarm(alarm: Alarm) -> Payload:
    return {"on": alarm.on} if alarm.since_ms is None else {"on": alarm.on, "since": rfc3339(alarm.since_ms)}


def health(facts: Health, now: Stamp) -> Payload:
    """Everything known about how the agent is, under the time it was known."""
    return {"time": rfc3339(now.utc_ms), **_plain(facts)}


def _plain(value: Any) -> Any:
    """Records and mappings as JSON has them; what is None is left out, figures keep three decimals."""
    if is_dataclass(value):
        value = {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items() if each is not None}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return round(value, 3) if isinstance(value, float) else value
