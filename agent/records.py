"""Captures, readings and events as JSON values and back: what the rows of the store say, without the pictures' bytes."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from agent.domain import Box, Capture, EncodedImage, Event, Quality, Reading, Stamp

Json = dict[str, Any]


def capture_to_json(capture: Capture) -> Json:
    """Everything a capture says but the JPEG bytes, which belong in rows of their own."""
    return {**_plain(capture, "images"), "images": [_plain(image, "jpeg") for image in capture.images]}


def capture_from_json(data: Json, jpegs: Mapping[int, bytes]) -> Capture:
    """The capture again; a picture whose place is not in `jpegs` is left out. Raises `ValueError` where `data` is no capture."""
    try:
        images = tuple(_image(image, jpegs[place]) for place, image in enumerate(data["images"]) if place in jpegs)
        return Capture(**{**data, "taken_at": Stamp(**data["taken_at"]), "images": images})
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"this is not a capture: {exc!r}") from exc


def reading_to_json(reading: Reading) -> Json:
    return asdict(reading)


def reading_from_json(data: Json) -> Reading:
    """The reading again; raises `ValueError` where `data` is none."""
    try:
        confidence, fields = data["confidence"], tuple((str(name), str(text)) for name, text in data.get("fields", ()))
        return Reading(**{**data, "confidence": None if confidence is None else tuple(confidence), "fields": fields})
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ValueError(f"this is not a reading: {exc!r}") from exc


def event_to_json(event: Event) -> Json:
    return {"id": event.id, "topic": event.topic, "payload": event.payload}


def event_from_json(data: Json) -> Event:
    """The event again; raises `ValueError` where `data` is none. Other keys may stand beside the event's own."""
    try:
        event = Event(data["id"], data["topic"], data["payload"])
    except (KeyError, TypeError) as exc:
        raise ValueError(f"this is not an event: {exc!r}") from exc
    if not (isinstance(event.id, str) and isinstance(event.topic, str) and isinstance(event.payload, dict)):
        raise ValueError("this is not an event: its id and topic have to be texts, its payload an object")
    return event


def _plain(record: Capture | EncodedImage, without: str) -> Json:
    """Field by field: `asdict` of the whole would copy the picture that is left out."""
    values = {name: getattr(record, name) for name in record.__dataclass_fields__ if name != without}
    return {name: asdict(value) if hasattr(value, "__dataclass_fields__") else value for name, value in values.items()}


def _image(data: Json, jpeg: bytes) -> EncodedImage:
    quality = Quality(**{**data["quality"], "plate_px": tuple(data["quality"]["plate_px"])})
    parts = {"taken_at": Stamp(**data["taken_at"]), "line": Box(**data["line"]), "quality": quality}
    return EncodedImage(**{**data, **parts, "jpeg": jpeg})
