"""Who this agent is: a name that outlives a new card, and one hash for what it was told to do."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from agent import __version__, config
from agent.errors import BadConfig
from agent.events import Facts
from agent.topics import Topics

_MACHINE_ID = Path("/etc/machine-id")


@dataclass(frozen=True, slots=True)
class Identity:
    """The names an agent goes by: in topics, at the broker, in its events."""

    facts: Facts
    topics: Topics
    client_id: str


def identify(settings: config.Settings) -> Identity:
    """The identity behind a configuration; raises `BadConfig` where no name is set and the machine has none."""
    agent = settings.agent.id or machine_name()
    digest = hashlib.sha256(json.dumps(config.as_dict(settings), sort_keys=True).encode()).hexdigest()
    facts = Facts(site=settings.agent.site, agent=agent, version=__version__, config=digest[:12])
    return Identity(facts, Topics(settings.mqtt.prefix, settings.agent.site, agent), settings.mqtt.client_id or f"vinagent-{agent}")


def machine_name() -> str:
    """`vin-` and twelve letters made from the machine id, which itself is to stay on the machine (machine-id(5))."""
    try:
        machine = _MACHINE_ID.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        machine = ""
    if not machine:
        raise BadConfig(f"agent.id is empty and {_MACHINE_ID} gives no id to make one from: set agent.id")
    return "vin-" + hashlib.sha256(b"vin-capture-agent " + machine.encode()).hexdigest()[:12]
