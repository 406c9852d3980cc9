"""What goes for good, a batch at a time, each in a transaction of its caller's: which of it goes first is not decided here."""

import logging
from collections import Counter
from pathlib import Path
from typing import Any

from agent import damage
from agent.clock import BUILT_MS
from agent.events import UNNUMBERED
from agent.pictures import OF, Pictures
from agent.sqlite import Connection
from agent.table import Table

log = logging.getLogger(__name__)

BATCH = 32

# Whose pictures they are. What is in no queue was sent, or is of a vehicle whose row was damaged: nobody will read it any more.
_OWNED = "EXISTS (SELECT 1 FROM {0} WHERE {0}.key = substr(pictures.key, 1, instr(pictures.key, '/') - 1))"
SPOOLED, UNSENT = _OWNED.format("spool"), _OWNED.format("outbox")
SENT = f"NOT {SPOOLED} AND NOT {UNSENT}"


class Forget:
    """Each step says how many it took, 0 where nothing of its kind is left; `went` counts them by the fields of `Trimmed`."""

    def __init__(self, db: Connection, state_dir: Path) -> None:
        self._db, self._dir = db, state_dir
        self._audits, self._facts, self._pictures = Table(db, "audits"), Table(db, "facts"), Pictures(db)

    def damaged(self) -> int:
        oldest = "SELECT id FROM damaged WHERE told > 0 ORDER BY id LIMIT ?"
        return self._db.execute(f"DELETE FROM damaged WHERE id IN ({oldest})", (BATCH,))  # noqa: S608  # our own constant

    def told(self, before_ms: int, went: Counter[str]) -> int:
        """Rows that were damaged, and the pictures of those that were vehicles: like all others a VIN may stand there."""
        old = "SELECT id, key FROM damaged WHERE told > 1 AND told < ? LIMIT ?"
        waits = " UNION ALL ".join(f"SELECT 1 FROM {table} WHERE key = :key" for table in ("spool", "outbox", "sent"))  # noqa: S608  # our own names
        rows = list(self._db.select(old, (before_ms, BATCH)))
        for number, key in rows:
            if key and not self._db.select_one(waits, {"key": key}):
                went["sent_pictures"] += self.pictures_of(key)
            self._db.execute("DELETE FROM damaged WHERE id = ?", (number,))
        return len(rows)

    def pictures(self, which: str, kind: str, went: Counter[str]) -> int:
        oldest = f"SELECT rowid FROM pictures WHERE {which} ORDER BY rowid LIMIT ?"  # noqa: S608  # our own constants
        count = self._pictures.forget(f"rowid IN ({oldest})", (BATCH // 4,))
        went[kind] += count
        return count

    def sent(self, which: str, arguments: tuple[Any, ...], went: Counter[str]) -> int:
        rows = list(self._db.select(f"SELECT sequence, key FROM sent {which} LIMIT ?", (*arguments, BATCH)))  # noqa: S608  # our own constants
        for sequence, key in rows:
            went["sent_pictures"] += self.pictures_of(key)
            went["sent_events"] += self._db.execute("DELETE FROM sent WHERE sequence = ?", (sequence,))
            self._db.execute("DELETE FROM replays WHERE sequence = ?", (sequence,))
        return len(rows)

    def pictures_of(self, key: str) -> int:
        return self._pictures.forget(OF, {"id": key})

    def copies(self) -> int:
        """What was taken along from a disk that cannot be written lies there still."""
        if not self._db.volatile:
            return 0
        # Their corrections stay with them: one must not come before what it corrects.
        unsent = "key IN (SELECT key FROM copied WHERE source = 'outbox') AND key IN (SELECT key FROM outbox)"
        self._db.execute(f"DELETE FROM unsure WHERE {unsent}")  # noqa: S608  # our own words
        self._db.execute(f"DELETE FROM copied WHERE source = 'unsure' AND {unsent}")  # noqa: S608
        for table in ("outbox", "spool"):
            mine = f"SELECT key FROM copied WHERE source = '{table}'"  # noqa: S608  # one of our two tables
            for (key,) in list(self._db.select(mine)) if table == "spool" else ():
                self.pictures_of(key)
            self._db.execute(f"DELETE FROM {table} WHERE key IN ({mine})")  # noqa: S608
        return self._db.execute("DELETE FROM copied WHERE source IN ('outbox', 'spool')")

    def kept(self, went: Counter[str]) -> int:
        """The oldest store that was put aside."""
        if not (kept := damage.kept_files(self._dir)):
            return 0
        log.warning("%s: removed, the disk has less room than store.free_mb", kept[0])
        damage.remove_kept(kept[0])
        went["kept_files"] += 1
        return 1

    def unsent(self, source: str, why: str, went: Counter[str], older_than_ms: int | None = None) -> int:
        """Events never sent, or vehicles never read, from the oldest on; what happened to them stays in `audits`."""
        oldest = f"SELECT rowid, key, put_ms FROM {source} ORDER BY rowid LIMIT ?"  # noqa: S608  # one of our two tables
        # What was put while the clock was not set at all is of no known age.
        rows = [row for row in self._db.select(oldest, (BATCH,)) if older_than_ms is None or BUILT_MS <= row[2] < older_than_ms]
        for number, key, _ in rows:
            sequence = number if source == "outbox" and number < UNNUMBERED else None
            self._audits[f"{source}/{key}"] = {"what": "evicted", "source": source, "id": key, "sequence": sequence, "why": why}
            went["unsent_pictures"] += self.pictures_of(key)
            self._db.execute(f"DELETE FROM {source} WHERE rowid = ?", (number,))  # noqa: S608  # one of our two tables
            self._db.execute("DELETE FROM unsure WHERE key = ?", (key,))  # nobody has it, so nobody needs it corrected
        if rows:
            self._facts["evicted"] = self._facts.get("evicted", 0) + len(rows)
            log.error("%s: %d vehicles evicted unsent (%s), the first is %s", source, len(rows), why, rows[0][1])
        went["unsent_events"] += len(rows)
        return len(rows)
