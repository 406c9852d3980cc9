"""The vehicles and events of the store one by one, as an operator wants to pick them; never more than a page of them in memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.clerk.desk import Asked
from agent.pictures import BYTES
from agent.table import from_row
from agent.vin_text import candidates_in

State = Literal["to be read", "to be sent", "sent"]
Table = Literal["spool", "outbox", "sent"]
STATES: dict[Table, State] = {"spool": "to be read", "outbox": "to be sent", "sent": "sent"}
UNSENT: tuple[Table, ...] = ("spool", "outbox")
ALL: tuple[Table, ...] = ("spool", "outbox", "sent")

_PAGE_ROWS = 64
_BYTES = f"(SELECT sum({BYTES}) FROM pictures WHERE key >= {{table}}.key || '/' AND key < {{table}}.key || '0')"  # noqa: S608  # our own words
_COLUMNS = {"spool": "attempts, 0, next_ms", "outbox": "NULL, 0, 0", "sent": "NULL, sent_ms, 0"}


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a queue: a vehicle to be read, or an event; `value` is None where its checksum does not agree."""

    table: Table
    rowid: int
    key: str
    put_ms: int
    attempts: int | None
    sent_ms: int | None
    next_ms: int
    picture_bytes: int
    value: dict[str, Any] | None
    read_id: str
    gate: str = ""
    vin: str = ""
    reason: str = ""

    @property
    def sequence(self) -> int | None:
        return None if self.table == "spool" else self.rowid

    @property
    def is_vehicle(self) -> bool:
        """False for what is told about the agent itself: nobody may take out the word that explains a gap."""
        return not self.reason.startswith("audit")

    def is_about(self, vin: str) -> bool:
        """Whether its VIN begins so; where it has none, something that was read so far."""
        if self.vin or self.value is None:
            return self.vin.startswith(vin)
        return any(guess.startswith(vin) for guess in _guesses(_texts(self.value)))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items are meant; what is empty leaves none out."""

    tables: tuple[Table, ...] = ALL
    older_ms: int | None = None
    larger: int | None = None
    vin: str = ""
    gate: str = ""
    names: tuple[str, ...] = field(default=())  # as typed, for those who are told later; without the VIN, which is nobody's business

    def fits(self, item: Item, now_ms: int) -> bool:
        return (
            (self.older_ms is None or now_ms - item.put_ms > self.older_ms)
            and (self.larger is None or item.picture_bytes > self.larger)
            and (not self.gate or item.gate == self.gate)
            and (not self.vin or item.is_about(self.vin.upper()))
        )

    @property
    def is_any(self) -> bool:
        return self.older_ms is None and self.larger is None and not self.vin and not self.gate

    @property
    def is_whole(self) -> bool:
        """All there is of a VIN, a gate or everything is meant, of whatever age, size and state."""
        return self.tables == ALL and self.older_ms is None and self.larger is None


def items(db: Asked, wanted: Wanted, now_ms: int) -> Iterator[Item]:
    """Those that fit, in the order they travel: what is to be read, to be sent, was sent."""
    for table in wanted.tables:
        yield from (item for item in _all(db, table, "") if wanted.fits(item, now_ms))


def of_vehicle(db: Asked, read_id: str) -> list[Item]:
    """Everything there is under an id: the vehicle, its final event, and the corrections of that, `<id>-…`."""
    # '.' follows '-': the ids <id>-c1, <id>-c2, …
    named = "(key = :id OR (key >= :id || '-' AND key < :id || '.')) AND"
    return [item for table in ALL for item in _all(db, table, named, id=read_id)]


def _all(db: Asked, table: Table, condition: str, **arguments: str) -> Iterator[Item]:
    number = "rowid" if table == "spool" else "sequence"
    columns = f"{number}, key, value, put_ms, {_BYTES.format(table=table)}, {_COLUMNS[table]}"
    page = f"SELECT {columns} FROM {table} WHERE {condition} {number} > :last ORDER BY {number} LIMIT {_PAGE_ROWS}"  # noqa: S608  # our own words
    last = -1
    while rows := list(db.select(page, {**arguments, "last": last})):
        yield from (_item(table, row) for row in rows)
        last = rows[-1][0]


def _item(table: Table, row: tuple[Any, ...]) -> Item:
    number, key, raw, put_ms, size, attempts, sent_ms, next_ms = row
    facts = (table, number, key, put_ms, attempts, sent_ms or None, next_ms, size or 0)
    try:
        value = from_row(raw)
        told = _of_capture(value) if table == "spool" else _of_event(value, key)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Item(*facts, None, key, reason="damaged")
    return Item(*facts, value, **told)


def _of_capture(value: dict[str, Any]) -> dict[str, Any]:
    return {"read_id": value["capture"]["read_id"], "gate": value["capture"]["gate"]}


def _of_event(value: dict[str, Any], key: str) -> dict[str, Any]:
    topic, data = value["topic"], value["payload"].get("data", {})
    if topic == "audit":
        return {"read_id": key, "reason": f"audit: {data.get('what', '?')}"}
    gate = data.get("gate") or topic.removeprefix("gate/").partition("/")[0]
    return {"read_id": data.get("read_id", key), "gate": gate, "vin": data.get("vin") or "", "reason": data.get("reason") or ""}


def _texts(value: dict[str, Any]) -> list[str]:
    """What was read of a vehicle that has no VIN (yet)."""
    data = value.get("payload", {}).get("data", {})
    return [each["text"] for each in value.get("readings", ())] + [
        data.get("raw") or "",
        *(each["vin"] for each in data.get("candidates", ())),
    ]


def _guesses(texts: Iterable[str]) -> Iterator[str]:
    """The VINs a text may hold, and the text itself without what stands between its letters, for one that is not whole."""
    for text in filter(None, texts):
        yield from (each.value for each in candidates_in(text, None))
        yield "".join(filter(str.isalnum, text.upper()))
