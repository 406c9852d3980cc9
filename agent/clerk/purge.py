"""Takes vehicles and events out of the store for good, and leaves word of it for the yard."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice

from agent import config, damage, handover
from agent.clerk.check import UNQUEUED
from agent.clerk.desk import changing
from agent.clerk.items import STATES, Item, Wanted, items, of_vehicle
from agent.clerk.lists import HEAD, row
from agent.clock import Clock
from agent.pictures import OF, Pictures
from agent.spans import size_told
from agent.sqlite import Connection
from agent.store import Audit
from agent.table import Table

_SHOWN, _BATCH = 10, 32

Say = Callable[[str], None]


def purge(settings: config.Settings, wanted: Wanted, *, confirmed: Callable[[str], bool], say: Say) -> bool:
    """Shows what would go, and takes exactly that out once it is `confirmed`; True where it is gone or there was nothing.

    What moves on meanwhile, from the spool to the outbox or on to the broker, is found where it is then.
    """
    now_ms = Clock().now().utc_ms
    with changing(settings) as db:
        ids = _shown(db, wanted, now_ms, say)
        if not ids and not wanted.is_whole:
            say("nothing fits: nothing was changed")
            return True
        question = f"Delete {len(ids)} for good?" if ids else "Nothing is kept; forget who came and the last VIN of each gate too?"
        if not confirmed(question):
            say("nothing was changed")
            return False
        went = _Purge(db, wanted, now_ms).run(ids)
        db.write_back()  # the log holds the pages as they were
    say(", ".join(f"{count} {what}" for what, count in went.items() if count) + " removed" if any(went.values()) else "nothing was there")
    for file in damage.kept_files(settings.agent.state_dir):
        say(f"{file} was put aside as damaged and may hold the same vehicles; remove it by hand if they must not stay")
    for file in handover.copies(settings.agent.state_dir):
        say(f"{file} was kept for the release before, for an hour, and may hold the same vehicles; remove it by hand if they must not stay")
    return True


def _shown(db: Connection, wanted: Wanted, now_ms: int, say: Say) -> list[str]:
    ids, states, size = list[str](), Counter[str](), 0
    for item in _vehicles(db, wanted, now_ms):
        if len(ids) < _SHOWN:
            say(row(item, now_ms) if ids else f"{HEAD}\n{row(item, now_ms)}")
        ids.append(item.key)
        states[STATES[item.table]] += 1
        size += item.picture_bytes
    if len(ids) > _SHOWN:
        say(f"… and {len(ids) - _SHOWN} more")
    if ids:
        counted = ", ".join(f"{count} {state}" for state, count in states.items())
        say(f"{counted}; pictures of {size_told(size)}. The yard hears of those not sent only that they were removed.")
    return ids


def _vehicles(db: Connection, wanted: Wanted, now_ms: int) -> Iterator[Item]:
    """Not what the agent tells of itself: the word that explains a gap must reach the yard."""
    return (item for item in items(db, wanted, now_ms) if item.is_vehicle)


class _Purge:
    """One purge, a few vehicles in a transaction, each with what tells of it."""

    def __init__(self, db: Connection, wanted: Wanted, now_ms: int) -> None:
        self._db, self._wanted, self._now_ms = db, wanted, now_ms
        self._facts, self._audits, self._arrivals = Table(db, "facts"), Table(db, "audits"), Table(db, "arrivals", ("put_ms",))
        self._pictures = Pictures(db)
        self._why = " ".join(("by hand", *wanted.names))
        db.execute("PRAGMA secure_delete = ON")  # else a VIN stays readable in pages that count as empty

    def run(self, ids: list[str]) -> Counter[str]:
        went, left = Counter[str](), iter(ids)
        while page := list(islice(left, _BATCH)):
            with self._db.transaction():
                for key in page:
                    self._take_out(key, went)
                self._forget_answers(page)
                self._forget_lasts(set(page), went)
        with self._db.transaction():
            self._forget_lasts(set(), went)
            self._forget_arrivals(went)
            self._forget_set_aside(went)
        return went

    def _take_out(self, key: str, went: Counter[str]) -> None:
        for item in of_vehicle(self._db, key):
            self._note(item)
            number = "rowid" if item.table == "spool" else "sequence"
            went["events" if item.sequence else "vehicles"] += self._db.execute(
                f"DELETE FROM {item.table} WHERE {number} = ?",  # noqa: S608  # our own names
                (item.rowid,),
            )
            self._db.execute("DELETE FROM replays WHERE sequence = ?", (item.sequence,))
            self._forget_arrival(item)
        went["pictures"] += self._pictures.forget(OF, {"id": key}, shred=True)
        # The row still has to be told.
        self._db.execute(f"UPDATE damaged SET value = NULL WHERE key = :id OR (source = 'pictures' AND {OF})", {"id": key})  # noqa: S608  # our own words

    def _note(self, item: Item) -> None:
        """A line for each that was not sent, so that a consumer can explain the gap; one line for all that were."""
        if item.table != "sent":
            self._audits[f"{item.table}/{item.key}"] = asdict(Audit("purged", item.table, item.key, item.sequence, self._why))
            return
        # The agent may have taken the line already: then it is begun anew, and both together say all.
        line = f"purged/{self._now_ms}"
        known = self._audits.get(line, {"sequence": item.rowid, "until": item.rowid, "count": 0})
        first, last = min(known["sequence"], item.rowid), max(known["until"], item.rowid)
        self._audits[line] = asdict(Audit("purged", "sent", "", first, self._why, until=last, count=known["count"] + 1))

    def _forget_answers(self, page: list[str]) -> None:
        marks = ", ".join("?" * len(page))
        self._db.execute(f"DELETE FROM seen WHERE read_id IN ({marks})", tuple(page))  # noqa: S608  # question marks
        self._db.execute(f"DELETE FROM unsure WHERE key IN ({marks})", tuple(page))  # noqa: S608  # its time is of no interest any more

    def _forget_arrival(self, item: Item) -> None:
        name = f"{item.gate}/{item.vin}"
        known = self._arrivals.get(name) if item.vin else None
        if known and known["read_id"] == item.read_id:
            del self._arrivals[name]

    def _forget_arrivals(self, went: Counter[str]) -> None:
        """Who came when is remembered longer than the events that told of it."""
        if self._wanted.is_whole:
            mine = [name for name in self._arrivals if self._is_meant(*name.partition("/")[::2])]
            for name in mine:
                del self._arrivals[name]
            went["arrivals"] += len(mine)

    def _forget_set_aside(self, went: Counter[str]) -> None:
        """Of a damaged row nobody knows what it was about: only who wants everything gone can mean it, and the pictures it left."""
        if self._wanted.is_whole and self._wanted.is_any:
            went["damaged rows"] += self._db.execute("UPDATE damaged SET value = NULL WHERE value IS NOT NULL")
            went["pictures"] += self._pictures.forget(UNQUEUED, shred=True)

    def _forget_lasts(self, ids: set[str], went: Counter[str]) -> None:
        """The broker keeps the last VIN of each gate: what is left here tells the agent to take it away there."""
        all_of_it = not ids and self._wanted.is_whole
        for name in self._db.select("SELECT key FROM facts WHERE key >= 'last/' AND key < 'last0'"):
            kept = self._facts.get(name[0])
            if not kept or kept["payload"] is None:
                continue
            told = kept["payload"]
            if told["id"] in ids or (all_of_it and self._is_meant(told["data"].get("gate", ""), told["data"].get("vin", ""))):
                self._facts[name[0]] = {**kept, "payload": None}
                went["last VINs of a gate"] += 1

    def _is_meant(self, gate: str, vin: str) -> bool:
        return vin.startswith(self._wanted.vin.upper()) and (not self._wanted.gate or gate == self._wanted.gate)
