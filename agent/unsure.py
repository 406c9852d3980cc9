"""Events that were told while nobody vouched for the clock, until their time can be put right: a table of the store."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from agent.corrected import told
from agent.domain import Event, Stamp, Told
from agent.sqlite import Connection
from agent.table import Table

MOST = 20_000  # a site without a time server would gather them for ever; these are ten days of a busy gate, in two megabytes


class Unsure:
    """By the id of the event, in the order they were told."""

    def __init__(self, db: Connection) -> None:
        self._db, self._rows = db, Table(db, "unsure", ("boot_id",))

    def note(self, event: Event) -> None:
        """To be called in the transaction that puts the event into the outbox; one that needs no correction is passed over."""
        if (wrong := told(event)) is not None:
            self._rows[wrong.read_id] = {"gate": wrong.gate, "stamp": asdict(wrong.stamp), "boot_id": wrong.stamp.boot_id}

    def due(self, boot_id: str, limit: int) -> list[Told]:
        """The oldest of this boot that the yard has: a correction must not come before what it corrects."""
        question = "SELECT key FROM unsure WHERE boot_id = ? AND key NOT IN (SELECT key FROM outbox) ORDER BY rowid LIMIT ?"
        keys = [key for (key,) in self._db.select(question, (boot_id, limit))]
        return [_told(key, row) for key in keys if (row := self._rows.get(key)) is not None]

    def forget(self, read_ids: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM unsure WHERE key = ?", [(read_id,) for read_id in read_ids])

    def hopeless(self, boot_id: str) -> list[str]:
        """Ids of what can never be corrected, because the device was started anew since, or of what is too much to remember."""
        spare = "SELECT rowid FROM unsure ORDER BY rowid DESC LIMIT -1 OFFSET ?"
        question = f"SELECT key FROM unsure WHERE boot_id != ? OR rowid IN ({spare}) ORDER BY rowid"  # noqa: S608  # our own words
        return [key for (key,) in self._db.select(question, (boot_id, MOST))]

    def __len__(self) -> int:
        return len(self._rows)


def _told(read_id: str, row: dict[str, Any]) -> Told:
    return Told(read_id, row["gate"], Stamp(**row["stamp"]))
