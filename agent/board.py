"""What the threads note while they work, for whoever tells how the agent is."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agent import state
from agent.domain import Decision, Reason, Stamp
from agent.ocr.circuit import Circuit
from agent.power import Disk, Power
from agent.writes import Writes


@dataclass(slots=True)
class Board:
    """What the threads note while they work; each entry is written by one thread and read by any."""

    started: Stamp
    session: str
    last_exit: state.LastExit
    phase: state.Running = "online"
    refused: str = ""  # why a changed configuration was not taken over
    outcomes: Counter[str] = field(default_factory=Counter)
    unread: Counter[Reason] = field(default_factory=Counter)
    again: int = 0  # passes that belonged to an arrival that was told
    other_text: int = 0  # passes in which a sign or a licence plate was read, and nothing else
    circuits: Mapping[str, Circuit] = field(default_factory=dict)
    mqtt: Callable[[], state.MqttHealth] | None = None
    commands: Callable[[], state.CommandsHealth] | None = None
    power: Power = field(default_factory=Power)
    disk: Disk = field(default_factory=Disk)
    writes: Writes = field(default_factory=Writes)
    heat: state.Heat = "normal"
    rate: float = 1.0  # share of the cameras' frames that are looked at
    wake_send: Callable[[], None] = lambda: None

    def read(self, decision: Decision) -> None:
        self.outcomes[decision.outcome] += 1
        if decision.reason and decision.outcome == "unread":
            self.unread[decision.reason] += 1
