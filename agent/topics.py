"""Where on the broker the agent publishes: the names of its topics."""

import re
from dataclasses import dataclass

from agent.domain import Event
from agent.errors import BadConfig

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
LONGEST_PREFIX = 200
_LEVELS = re.compile(r"[^#+/\x00-\x1f]+(/[^#+/\x00-\x1f]+)*")


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of everything one agent publishes; raises `BadConfig` for a name that cannot be one level of a topic."""

    prefix: str
    site: str
    agent: str

    def __post_init__(self) -> None:
        if not is_prefix(self.prefix):
            raise BadConfig(f"mqtt.prefix must be topic levels without + and #, not {self.prefix!r}")
        level("site", self.site)
        level("agent id", self.agent)

    @property
    def root(self) -> str:
        return f"{self.prefix}/{self.site}/{self.agent}"

    @property
    def status(self) -> str:
        return f"{self.root}/status"

    @property
    def info(self) -> str:
        return f"{self.root}/info"

    @property
    def health(self) -> str:
        return f"{self.root}/health"

    @property
    def commands(self) -> tuple[str, ...]:
        """What is subscribed: `cmd/#` would be one, and would bring what nobody has a name for."""
        return f"{self.root}/cmd/+", f"{self.root}/cmd/camera/+"

    def camera_status(self, camera: str) -> str:
        return f"{self.root}/camera/{level('camera', camera)}/status"

    def camera_alarm(self, camera: str) -> str:
        return f"{self.root}/camera/{level('camera', camera)}/alarm"

    def gate(self, gate: str) -> str:
        """What the topics of a gate begin with."""
        return f"{self.root}/gate/{level('gate', gate)}"

    def event(self, event: Event) -> str:
        """The whole topic of an event, whose own is relative to the agent's."""
        return f"{self.root}/{event.topic}"

    def last(self, event: Event) -> str:
        """Where the retained copy of a gate's final event goes."""
        return f"{self.root}/{event.topic.removesuffix('/vin')}/last"


def is_prefix(prefix: str) -> bool:
    """Levels of a topic, none of them empty, that leave room for what stands behind them."""
    return len(prefix) <= LONGEST_PREFIX and prefix.isprintable() and bool(_LEVELS.fullmatch(prefix))


def level(what: str, name: str) -> str:
    """The name, if it can be one level of a topic; `what` it names is told in the error."""
    if not _NAME.fullmatch(name):
        raise BadConfig(f"the {what} {name!r} cannot be a topic level: use lower case letters, digits, - and _, at most 63")
    return name
