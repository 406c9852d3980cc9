"""What the yard is told about a vehicle: the event and its limits. The version of the schema lives here only."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.domain import Before, Candidate, Capture, Decision, EncodedImage, Event, Quality, Reading, Stamp, Vin, rfc3339
from agent.topics import level
from agent.vin_code import BARCODE, asked, bare
from agent.vin_text import plausible

Payload = dict[str, Any]

VERSION = 1
MOST_BYTES = 4096  # small controllers read into fixed buffers
UNNUMBERED = 10**12  # numbers from here on were given in memory, have no room in twelve digits, and are never told
READ, UNREAD, CORRECTED, AUDIT = (f"io.vinagent.{name}.v{VERSION}" for name in ("read.final", "read.unread", "read.corrected", "audit"))
# The last level of a topic → where its JSON schema is published; a camera's status has one of its own.
SCHEMAS = {
    name: f"https://vin-agent.example/schema/{file}-{VERSION}.json"
    for name, file in (
        ("vin", "vin-read"), ("unread", "vin-unread"), ("last", "last"), ("corrected", "vin-corrected"),
        ("status", "status"), ("info", "info"), ("health", "health"), ("camera", "camera-status"), ("alarm", "camera-alarm"),
        ("audit", "audit"), ("cmd", "cmd"), ("rsp", "rsp"),
    )
}  # fmt: skip

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Message:
    """One publication: `properties` are MQTT 5 user properties, left out together with the content type under 3.1.1.

    `correlation` is what an asker gave us, to know the answer by (MQTT 5).
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    content_type: str = "application/json"
    properties: tuple[tuple[str, str], ...] = ()
    correlation: bytes = b""


def encode(payload: Payload) -> bytes:
    """Compact UTF-8 JSON in the order the fields were made; half a surrogate pair, which UTF-8 lacks, becomes `?`."""
    return _JSON.encode(payload).encode("utf-8", "replace")


def event_message(topic: str, payload: Payload, *, retain: bool = False) -> Message:
    """A final event, or its retained copy, as it goes over the wire."""
    named = (("id", payload["id"]), ("type", payload["type"]), ("source", payload["source"]), ("schema", payload["dataschema"]))
    return Message(topic, encode(payload), 1, retain, "application/cloudevents+json", named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Who speaks: the agent's place and identity, its version and the hash of its configuration."""

    site: str
    agent: str
    version: str
    config: str

    @property
    def source(self) -> str:
        return f"/site/{self.site}/agent/{self.agent}"


def final(
    capture: Capture,
    decision: Decision,
    readings: Sequence[Reading],
    *,
    facts: Facts,
    now: Stamp,
    attempts: int | None = None,
    fallback: bool = False,
    previous: Before | None = None,
    corrected_ms: int | None = None,
) -> Event:
    """The one final event about a vehicle, under the id it got at capture: a VIN, or `unread` with the reason.

    `attempts` counts the calls made for this vehicle (default: the readings that were asked for), `fallback` tells that a later
    provider of the chain had to answer, `previous` is the pass of the same VIN before this one, `corrected_ms` how far the clock was
    behind when the picture was taken, where that has been put right since. What only the sending knows is added by `delivered`.
    """
    found = decision.vin is not None
    behind = _behind(decision, readings)
    chosen = [image for image in capture.images if behind and image.number == behind.image]
    best = next(iter((*chosen, *capture.images)), None)
    taken = best.taken_at if best else capture.taken_at
    payload = _without_none({
        "specversion": "1.0",
        "id": capture.read_id,
        "source": facts.source,
        "type": READ if found else UNREAD,
        "subject": decision.vin.value if decision.vin else None,
        "time": rfc3339(taken.utc_ms),
        "datacontenttype": "application/json",
        "dataschema": SCHEMAS["vin" if found else "unread"],
        "recordedtime": rfc3339(now.utc_ms),
        "data": _without_none({
            "read_id": capture.read_id,
            "phase": "final",
            **(_vin(decision, decision.vin) if decision.vin else {"decision": "unread", "reason": decision.reason or "no_plate"}),
            "raw": decision.raw[:256],
            "candidates": [_candidate(each) for each in sorted(decision.candidates, key=lambda each: -each.score)[:8]],
            "frames": {"seen": capture.frames_seen, "sent": len({each.image for each in asked(readings)}), "agreeing": decision.agreeing},
            "barcodes": _barcodes(readings) or None,
            **_where(capture),
            "quality": _quality(best.quality) if best else None,
            "previous": _previous(previous) if previous else None,
            "document": _document(readings) or None,
            "ocr": _ocr(behind, len(asked(readings)) if attempts is None else attempts, fallback) if behind else None,
            "image": _image(best, taken) if best else None,
            "clock": clock(taken, corrected_ms),
            "agent": agent(facts),
        }),
    })  # fmt: skip
    return Event(capture.read_id, f"gate/{level('gate', capture.gate)}/{'vin' if found else 'unread'}", _fitted(payload))


def audit(event_id: str, told: Mapping[str, str | int | None], *, facts: Facts, now: Stamp) -> Event:
    """What the yard would not hear of in the ordinary way: `told` has `what` happened, `source`, `id`, `sequence` and `why`."""
    payload = {
        "specversion": "1.0",
        "id": event_id,
        "source": facts.source,
        "type": AUDIT,
        "time": rfc3339(now.utc_ms),
        "datacontenttype": "application/json",
        "dataschema": SCHEMAS["audit"],
        "recordedtime": rfc3339(now.utc_ms),
        "data": _without_none({
            **{key: value[:256] if isinstance(value, str) else value for key, value in told.items()},
            "clock": clock(now),
            "agent": agent(facts),
        }),
    }  # fmt: skip
    return Event(event_id, "audit", payload)


def clock(stamp: Stamp, corrected_ms: int | None = None) -> Payload:
    """How far to believe a time, and by how much it was put right."""
    told = {"trust": stamp.trust, "boot_id": _short(stamp.boot_id), "monotonic_ms": stamp.monotonic_ms, "corrected_ms": corrected_ms}
    return _without_none(told)


def agent(facts: Facts) -> Payload:
    """Who speaks."""
    return {"version": _short(facts.version), "config": _short(facts.config)}


def delivered(payload: Payload, sequence: int, *, replay: bool, attempt: int, queued_ms: int) -> Payload:
    """The stored event with what only this sending knows; `queued_ms` counts from capture, so that time + queued_ms is now.

    An event that is in memory alone has no number yet: the disk gives it one, under which it is sent once more.
    """
    durable = sequence < UNNUMBERED
    delivery = {"replay": replay, "attempt": attempt, "queued_ms": queued_ms, "durable": durable}
    numbered = {"sequence": f"{sequence:012d}"} if durable else {}
    return {**payload, **numbered, "data": {**payload["data"], "delivery": delivery}}


def queued_ms(payload: Payload, put_ms: int, now: Stamp) -> int:
    """Milliseconds since capture, by monotonic time within one boot, else since the commit by the clock."""
    taken: Payload = payload["data"].get("clock", {})
    within = taken.get("boot_id") == now.boot_id
    return max(0, now.monotonic_ms - int(taken["monotonic_ms"]) if within else now.utc_ms - put_ms)


def last(payload: Payload) -> Payload:
    """The copy of a final event that stays on the broker, for screens; nothing that opens a gate may read it."""
    return {**payload, "retained": True}


def _vin(decision: Decision, vin: Vin) -> Payload:
    return {
        "vin": vin.value,
        "decision": decision.outcome,
        "valid": {"length": True, "alphabet": True, "check_digit": vin.check_digit, "wmi_known": vin.wmi_known},
        "decoded": {
            "region": _short(vin.region),
            "country": _short(vin.country),
            "manufacturer": _short(vin.manufacturer),
            "model_years": list(vin.years[:4]),
        },
        "confidence": _figure(decision.confidence) or 0.0,
        "char_confidence": [_figure(each) or 0.0 for each in decision.char_confidence[:17]],
    }


def _where(capture: Capture) -> Payload:
    return {
        "gate": capture.gate,
        "lane": _short(capture.lane) if capture.lane else None,
        "direction": capture.direction,
        "camera": _short(capture.camera),
        "trigger": _short(capture.trigger),
    }


def _candidate(candidate: Candidate) -> Payload:
    return {"vin": candidate.vin[:17], "score": _figure(candidate.score) or 0.0, "votes": candidate.votes}


def _quality(quality: Quality) -> Payload:
    return _without_none({
        "sharpness": _figure(quality.sharpness),
        "plate_px": list(quality.plate_px),
        "glare": _figure(quality.glare),
        "exposure_ms": _figure(quality.exposure_ms),
        "gain": _figure(quality.gain),
        "lens_position": _figure(quality.lens_position),
    })  # fmt: skip


def _previous(before: Before) -> Payload:
    return _without_none({"read_id": _short(before.read_id), "ago_s": None if before.ago_s is None else round(before.ago_s)})


def _behind(decision: Decision, readings: Sequence[Reading]) -> Reading | None:
    """The reading behind the decision: the first whose text is the raw text published, else the first of all."""
    return next((each for each in readings if each.text == decision.raw), readings[0] if readings else None)


def _ocr(behind: Reading, attempts: int, fallback: bool) -> Payload:
    return _without_none({
        "provider": _short(behind.provider),
        "attempts": attempts,
        "latency_ms": behind.latency_ms,
        "request_id": _short(behind.request_id) if behind.request_id else None,
        "fallback": fallback,
    })  # fmt: skip


def _document(readings: Sequence[Reading]) -> dict[str, str]:
    """What the operator wanted told of a licence; the first reading of each field counts."""
    return {_short(name): _short(text) for reading in reversed(readings) for name, text in reading.fields}


def _barcodes(readings: Sequence[Reading]) -> list[str]:
    """The words that hold a VIN, import mark and all; labels repeat themselves."""
    return list(dict.fromkeys(each.text for each in readings if each.provider == BARCODE and plausible(bare(each.text))))[:4]


def _image(image: EncodedImage, taken: Stamp) -> Payload:
    day = rfc3339(taken.utc_ms)[:10].replace("-", "/")
    sha256 = hashlib.sha256(image.jpeg).hexdigest()
    return {"ref": f"vin/{day}/{image.read_id}.jpg", "sha256": sha256, "bytes": len(image.jpeg)}


def _short(text: str) -> str:
    """At most 64 characters and 96 bytes, and blanks for what JSON spells with six."""
    cut = "".join(each if each.isprintable() else " " for each in text[:64])
    return cut.encode("utf-8", "replace")[:96].decode("utf-8", "ignore")


def _figure(value: float | None) -> float | None:
    """Three decimals, or nothing for what JSON has no number for."""
    return None if value is None or not math.isfinite(value) else round(value, 3)


def _without_none(payload: Mapping[str, Any]) -> Payload:
    return {key: value for key, value in payload.items() if value is not None}


def _fitted(payload: Payload) -> Payload:
    """The payload made to fit with all that sending may add: the weakest candidates go first, then raw text, then what a licence said."""
    data: Payload = payload["data"]
    while len(encode(last(delivered(payload, 0, replay=False, attempt=10**9, queued_ms=10**15)))) > MOST_BYTES:
        if len(data["candidates"]) > 1:
            data["candidates"].pop()
        elif data["raw"]:
            data["raw"] = data["raw"][: len(data["raw"]) // 2]
        elif data.get("document"):
            data["document"].popitem()
        else:
            break  # every other field is bounded, and all of them together stay below the limit
    return payload
