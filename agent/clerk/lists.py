"""Shows what waits and what was sent, a line each, for a person or for a program."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from agent import config
from agent.clerk.desk import looking
from agent.clerk.items import STATES, Item, Wanted, items
from agent.clock import Clock
from agent.spans import age_told, size_told

HEAD = f"{'number':>8}  {'read_id':<26}  {'gate':<12}  {'VIN or reason':<17}  {'state':<10}  {'age':>8}  {'tries':>5}  {'pictures':>8}"


def show_list(settings: config.Settings, wanted: Wanted, *, as_json: bool) -> None:
    """Line after line as they are found: a hundred thousand of them take no more memory than one page."""
    now_ms = Clock().now().utc_ms
    with looking(settings) as db:
        for line in lines(items(db, wanted, now_ms), now_ms, as_json=as_json):
            print(line)


def lines(found: Iterable[Item], now_ms: int, *, as_json: bool) -> Iterator[str]:
    if not as_json:
        yield HEAD
    for item in found:
        yield json.dumps(as_told(item, now_ms)) if as_json else row(item, now_ms)


def row(item: Item, now_ms: int) -> str:
    number = "-" if item.sequence is None else str(item.sequence)
    tries = "-" if item.attempts is None else str(item.attempts)
    age, size = age_told(now_ms - item.put_ms), size_told(item.picture_bytes) if item.picture_bytes else "-"
    what = item.vin or item.reason or "-"
    state = STATES[item.table]
    return f"{number:>8}  {item.read_id:<26}  {item.gate or '-':<12}  {what:<17}  {state:<10}  {age:>8}  {tries:>5}  {size:>8}"


def as_told(item: Item, now_ms: int) -> dict[str, Any]:
    """The same for a program."""
    return {
        "sequence": item.sequence,
        "id": item.key,
        "read_id": item.read_id,
        "gate": item.gate,
        "vin": item.vin or None,
        "reason": item.reason or None,
        "state": STATES[item.table],
        "age_s": round(max(0, now_ms - item.put_ms) / 1000, 3),
        "attempts": item.attempts,
        "picture_bytes": item.picture_bytes,
    }
