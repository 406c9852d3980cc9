"""What Home Assistant is told so that it shows the agent by itself: one device message that names every sensor and where its state is."""

from collections.abc import Iterable, Mapping

from agent import config
from agent.events import Facts, Message, Payload, encode
from agent.topics import Topics

NAME, SUPPORT = "VIN capture agent", "https://vin-agent.example/"
_CONNECTED = ["online", "starting", "degraded"]  # states of a camera


def topic(prefix: str, topics: Topics) -> str:
    return f"{prefix}/device/{topics.agent}/config"


def messages(settings: config.Settings, facts: Facts, topics: Topics, told: Iterable[str], gone: Mapping[str, str]) -> list[Message]:
    """The device where it is to be shown, and an empty message on every other topic where it was `told` of.

    Home Assistant keeps a component that is merely not named any more: each that is `gone`, with its kind, is taken out by a
    message of its own before the one that stays.
    """
    wanted = [device(settings, facts, topics)] if settings.mqtt.discovery else []
    before = [device(settings, facts, topics, gone)] if wanted and gone else []
    here = {each.topic for each in wanted}
    return [Message(each, b"", retain=True) for each in told if each not in here] + before + wanted


def parts(settings: config.Settings, topics: Topics) -> dict[str, str]:
    """The kind of each component, by its key."""
    return {key: str(each["p"]) for key, each in _components(settings, topics).items()}


def device(settings: config.Settings, facts: Facts, topics: Topics, gone: Mapping[str, str] | None = None) -> Message:
    """The retained discovery message: origin, device and components, each with an id that stays."""
    name = f"{topics.site}_{topics.agent}"
    components = {key: {"unique_id": f"{name}_{key}", "qos": 1, **each} for key, each in _components(settings, topics).items()}
    payload = {
        "o": {"name": NAME, "sw": facts.version, "url": SUPPORT},
        "dev": {"ids": [f"vin-agent_{name}"], "name": f"VIN {topics.agent}", "mf": NAME, "sw": facts.version, "sa": topics.site},
        "cmps": components | {key: {"p": kind} for key, kind in (gone or {}).items()},
    }
    return Message(topic(settings.mqtt.discovery, topics), encode(payload), 1, retain=True)


def _components(settings: config.Settings, topics: Topics) -> dict[str, Payload]:
    components = _of_agent(topics)
    for gate in dict.fromkeys(camera.gate for camera in settings.camera):
        components |= _of_gate(gate, topics, last=settings.mqtt.last)
    for camera in settings.camera:
        components |= _of_camera(camera.name, topics)
    return components


def _of_agent(topics: Topics) -> dict[str, Payload]:
    about = {"p": "sensor", "state_topic": topics.health, "entity_category": "diagnostic", "state_class": "measurement"}
    return {
        "unsent": {
            **about, "name": "Unsent events", "value_template": "{{ value_json.queue.events_unsent }}", **_while_alive(topics),
        },
        "oldest": {
            **about, "name": "Oldest unsent event", "value_template": "{{ value_json.queue.oldest_age_s | default(0) }}",
            "device_class": "duration", "unit_of_measurement": "s", **_while_alive(topics),
        },
    }  # fmt: skip


def _of_gate(gate: str, topics: Topics, *, last: bool) -> dict[str, Payload]:
    """No availability on the events: Home Assistant fires the last one again when that returns."""
    told = "'vin': value_json.data.vin, 'confidence': value_json.data.confidence"
    components: dict[str, Payload] = {
        f"gate_{gate}_read": {
            "p": "event", "name": f"{gate} VIN read", "state_topic": f"{topics.gate(gate)}/vin",
            "event_types": ["accepted", "needs_review"], "value_template": _event("value_json.data.decision", told),
        },
        f"gate_{gate}_unread": {
            "p": "event", "name": f"{gate} unread", "state_topic": f"{topics.gate(gate)}/unread",
            "event_types": ["unread"], "value_template": _event("'unread'", "'reason': value_json.data.reason"),
        },
    }  # fmt: skip
    if last:
        components[f"gate_{gate}_last"] = {
            "p": "sensor", "name": f"{gate} last VIN", "state_topic": f"{topics.gate(gate)}/last",
            "value_template": "{{ value_json.data.vin }}", **_while_alive(topics),
        }  # fmt: skip
    return components


def _event(kind: str, told: str) -> str:
    """An automation that opens a barrier has to look at `replay` and `time` as well."""
    always = "'id': value_json.id, 'time': value_json.time, 'replay': value_json.data.delivery.replay"
    return f"{{{{ {{'event_type': {kind}, {told}, {always}}} | tojson }}}}"


def _of_camera(camera: str, topics: Topics) -> dict[str, Payload]:
    status, alarm = topics.camera_status(camera), topics.camera_alarm(camera)
    sharpness = f"value_json.cameras | selectattr('name', 'eq', '{camera}') | map(attribute='sharpness') | first | default(none)"
    return {
        f"camera_{camera}_connectivity": {
            "p": "binary_sensor", "name": f"{camera} connectivity", "device_class": "connectivity", "state_topic": status,
            "value_template": f"{{{{ 'ON' if value_json.state in {_CONNECTED} else 'OFF' }}}}", **_while_alive(topics),
        },
        f"camera_{camera}_problem": {
            "p": "binary_sensor", "name": f"{camera} problem", "device_class": "problem", "state_topic": alarm,
            "value_template": "{{ 'ON' if value_json.alarms.values() | selectattr('on') | list else 'OFF' }}",
            **_while_alive(topics, camera),
        },
        f"camera_{camera}_sharpness": {
            "p": "sensor", "name": f"{camera} sharpness", "entity_category": "diagnostic", "state_class": "measurement",
            "state_topic": topics.health, "value_template": f"{{{{ {sharpness} }}}}", **_while_alive(topics, camera),
        },
    }  # fmt: skip


def _while_alive(topics: Topics, camera: str = "") -> Payload:
    """Shown as unavailable while the agent is, or the camera."""
    asked = {topics.status: ["online"]} | ({topics.camera_status(camera): _CONNECTED} if camera else {})
    return {
        "availability_mode": "all",
        "availability": [
            {"topic": each, "value_template": f"{{{{ 'online' if value_json.state in {well} else 'offline' }}}}"}
            for each, well in asked.items()
        ],
    }
