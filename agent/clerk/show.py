"""Everything the store knows about one vehicle, and its pictures and event as files; and all events as JSON lines."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from agent import config
from agent.clerk.desk import Asked, looking
from agent.clerk.items import STATES, Item, Wanted, items, of_vehicle
from agent.clock import Clock
from agent.domain import Stamp, rfc3339
from agent.errors import NeedsOperator, RetryLater
from agent.events import delivered, queued_ms
from agent.pictures import jpeg_of
from agent.spans import size_told
from agent.table import Damaged


def show(settings: config.Settings, read_id: str, *, save: Path | None, as_json: bool) -> None:
    """Raises `NeedsOperator` where the store does not know the vehicle."""
    now = Clock().now()
    with looking(settings) as db:
        found = of_vehicle(db, read_id)
        if not found:
            raise NeedsOperator(f"the store knows no {read_id}; `vin-agent queue list --sent` names those it knows")
        known = _known(db, read_id, found, now)
        print(json.dumps(known) if as_json else "\n".join(_told(known)))
        if save:
            _save(db, read_id, known["events"], save)


def export(settings: config.Settings, wanted: Wanted, file: str, pictures: Path | None) -> int:
    """One event a line, as a replay would send it, with where it stands; how many there were."""
    now, count = Clock().now(), 0
    with looking(settings) as db, _written(file) as out:
        for item in items(db, wanted, now.utc_ms):
            if item.value is None:
                print(f"vin-agent: {item.key} is damaged and left out; `vin-agent queue repair` sets it aside", file=sys.stderr)
                continue
            out.write(f"{json.dumps(_exported(item, now))}\n")
            count += 1
            if pictures:
                _save(db, item.key, [], pictures)
    return count


def _exported(item: Item, now: Stamp) -> dict[str, Any]:
    assert item.value is not None  # noqa: S101  # the caller has looked
    sent = {"sent": rfc3339(item.sent_ms)} if item.sent_ms else {}
    return {"state": STATES[item.table], **sent, "topic": item.value["topic"], "event": _event(item, now)}


def _event(item: Item, now: Stamp) -> dict[str, Any]:
    """Whoever takes events over MQTT can take these: by the same schema, marked as a replay."""
    assert item.value is not None  # noqa: S101  # the caller has looked
    payload = item.value["payload"]
    return delivered(payload, item.rowid, replay=True, attempt=1, queued_ms=queued_ms(payload, item.put_ms, now))


@contextmanager
def _written(file: str) -> Iterator[TextIO]:
    """Standard output, or a file that is there whole or not at all; what is none, such as a pipe or a device, stays what it is."""
    if file == "-":
        yield sys.stdout
        return
    place = Path(file).resolve()
    part = Path(f"{place}.part")
    try:
        if place.exists() and not place.is_file() and not place.is_dir():
            with place.open("w", encoding="utf-8") as out:
                yield out
            return
        with part.open("w", encoding="utf-8") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(place)
    except OSError as exc:
        raise RetryLater(f"{place} cannot be written: {exc}") from exc
    finally:
        with suppress(OSError):  # where none could be made, none can be taken away
            part.unlink(missing_ok=True)


def _known(db: Asked, read_id: str, found: list[Item], now: Stamp) -> dict[str, Any]:
    first = found[0]
    vehicle = next((item.value for item in found if item.table == "spool" and item.value), None)
    capture = vehicle["capture"] if vehicle else {}
    calls = db.select("SELECT provider, price, booked_ms, outcome FROM ledger WHERE read_id = ? ORDER BY booked_ms", (read_id,))
    return {
        "read_id": read_id,
        "state": STATES[first.table],
        "gate": first.gate,
        "camera": capture.get("camera"),
        "vin": next((item.vin for item in found if item.vin), None),
        "reason": next((item.reason for item in found if item.reason), None),
        "put": rfc3339(first.put_ms),
        "sent": rfc3339(first.sent_ms) if first.sent_ms else None,
        "attempts": first.attempts,
        "waits_until": rfc3339(first.next_ms) if first.next_ms > now.utc_ms else None,
        "pictures": list(_pictures(db, read_id, capture)),
        "readings": vehicle["readings"] if vehicle else [],
        "calls": [{"provider": who, "price": price, "booked": rfc3339(at), "outcome": outcome} for who, price, at, outcome in calls],
        "sent_again": bool(db.number("SELECT count(*) FROM replays WHERE sequence = ?", (first.sequence,))),
        "events": [_event(item, now) for item in found if item.table != "spool" and item.value],
    }


def _pictures(db: Asked, read_id: str, capture: dict[str, Any]) -> Iterator[dict[str, Any]]:
    made = dict(enumerate(capture.get("images", ())))
    for name, jpeg in _jpegs(db, read_id):
        place = name.rpartition("-")[2]
        image = made.get(int(place), {}) if place.isdecimal() else {}
        if jpeg is None:
            yield {"name": name, "damaged": True}
            continue
        size = {side: image[side] for side in ("width", "height") if side in image}
        yield {"name": name, "bytes": len(jpeg), "sha256": hashlib.sha256(jpeg).hexdigest(), **size}


def _jpegs(db: Asked, read_id: str) -> Iterator[tuple[str, bytes | None]]:
    """One at a time; None where the checksum does not agree."""
    keys = list(db.select("SELECT key FROM pictures WHERE key >= ? || '/' AND key < ? || '0' ORDER BY key", (read_id, read_id)))
    for (key,) in keys:
        row = db.select_one("SELECT value, bytes FROM pictures WHERE key = ?", (key,))
        try:
            jpeg = jpeg_of(db.file.parent, key, *row) if row else None
        except Damaged:
            jpeg = None
        yield key.replace("/", "-"), jpeg


def _save(db: Asked, read_id: str, events: list[dict[str, Any]], folder: Path) -> None:
    """`<read_id>-00.jpg`, `-01.jpg`, …, and `<id>.json` of each event."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, jpeg in _jpegs(db, read_id):
            if jpeg is not None:
                (folder / f"{name}.jpg").write_bytes(jpeg)
        for event in events:
            (folder / f"{event['id']}.json").write_text(json.dumps(event, indent=1), "utf-8")
    except OSError as exc:
        raise RetryLater(f"{folder} cannot be written: {exc}") from exc


def _told(known: dict[str, Any]) -> Iterator[str]:
    """For a person; the event as it is."""
    for name in ("read_id", "state", "gate", "camera", "vin", "reason", "put", "sent", "attempts", "waits_until"):
        if known[name] is not None and known[name] != "":
            yield f"{name.replace('_', ' '):<12} {known[name]}"
    if known["sent_again"]:
        yield f"{'replay':<12} is to be sent once more"
    for picture in known["pictures"]:
        size = f", {picture['width']} x {picture['height']}" if "width" in picture else ""
        what = "damaged" if "damaged" in picture else f"{size_told(picture['bytes'])}{size}, sha256 {picture['sha256']}"
        yield f"{'picture':<12} {picture['name']}: {what}"
    for reading in known["readings"]:
        yield f"{'reading':<12} {reading['provider']}, picture {reading['image']}: {reading['text']!r}"
    for call in known["calls"]:
        yield f"{'call':<12} {call['provider']}, booked {call['booked']}, {call['outcome'] or 'no answer yet'}"
    for event in known["events"]:
        yield f"{'event':<12} {json.dumps(event, indent=1)}"
