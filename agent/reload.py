"""What a changed configuration means for an agent that runs: which keys hold from now on, and which have to wait for a start."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any

from ulid import ULID

from agent import config, events
from agent.domain import Stamp
from agent.store import Audit, Store

# Names the yard knows the agent by, and files that are open: another value would make another agent of it.
AT_START = ("agent.site", "agent.id", "agent.state_dir", "mqtt.prefix", "store")


@dataclass(frozen=True, slots=True)
class Change:
    """`settings` hold from now on; `taken` and `waiting` name the keys that differ, as `camera.cam1.fps`, never their values."""

    settings: config.Settings
    taken: tuple[str, ...]
    waiting: tuple[str, ...]

    def touches(self, *sections: str) -> bool:
        """Whether anything taken belongs to one of the sections."""
        return any(within(key, sections) for key in self.taken)


def compared(old: config.Settings, new: config.Settings) -> Change:
    """The new settings with everything that is read at a start alone left as it was."""
    names = tuple(different("", old, new))
    agent = replace(new.agent, site=old.agent.site, id=old.agent.id, state_dir=old.agent.state_dir)
    kept = replace(new, agent=agent, store=old.store, mqtt=replace(new.mqtt, prefix=old.mqtt.prefix))
    waiting = tuple(name for name in names if within(name, AT_START))
    return Change(kept, tuple(name for name in names if name not in waiting), waiting)


def within(key: str, sections: tuple[str, ...]) -> bool:
    return any(f"{key}.".startswith(f"{section}.") for section in sections)


def different(name: str, old: Any, new: Any) -> Iterator[str]:
    """Dotted names of the keys whose values differ; sections of a list are told apart by their names."""
    if old == new:
        return
    start = f"{name}." if name else ""
    if is_dataclass(old) and type(old) is type(new) and not isinstance(old, config.Secret):
        for field in fields(old):
            yield from different(start + field.name, getattr(old, field.name), getattr(new, field.name))
    elif named(old) or named(new):
        before, after = ({each.name: each for each in sections} for sections in (old, new))
        for key in {**before, **after}:
            yield from different(start + key, before.get(key), after.get(key))
    else:
        yield name


def named(sections: Any) -> bool:
    return isinstance(sections, tuple) and any(is_dataclass(each) for each in sections)


def audit(change: Change, facts: events.Facts, store: Store, now: Stamp) -> None:
    """Have the yard told which keys have changed; raises `RetryLater` when the disk fails."""
    told = Audit("config", "configuration", facts.config, None, ", ".join(change.taken))
    store.outbox.put(events.audit(str(ULID()), asdict(told), facts=facts, now=now), now.utc_ms)
