"""What stands before each camera, kept over a restart: a few patches of a few kilobytes, written when something comes to rest."""

from typing import Any

from agent.sqlite import Connection
from agent.table import Table

MOST = 24  # of one camera; what a camera's process itself remembers is no more


class Spots:
    """Patches by camera and name; the parent never looks into them."""

    def __init__(self, db: Connection) -> None:
        self._db, self._rows = db, Table(db, "standing", ("camera", "put_ms"))

    def put(self, camera: str, name: str, kept: dict[str, Any] | None, now_ms: int) -> None:
        """Keeps a patch, or forgets it where there is none any more; of too many the oldest goes."""
        key = f"{camera}/{name}"
        with self._db.transaction():
            if kept is None:
                self._db.execute("DELETE FROM standing WHERE key = ?", (key,))
                return
            self._rows[key] = {"camera": camera, "put_ms": now_ms, "name": name, "kept": kept}
            oldest = "SELECT rowid FROM standing WHERE camera = ? ORDER BY put_ms DESC, rowid DESC LIMIT -1 OFFSET ?"
            self._db.execute(f"DELETE FROM standing WHERE rowid IN ({oldest})", (camera, MOST))  # noqa: S608  # our own words

    def of(self, camera: str) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Name and patch of each; one that is damaged is put aside."""
        keys = [key for (key,) in self._db.select("SELECT key FROM standing WHERE camera = ? ORDER BY put_ms", (camera,))]
        rows = (self._rows.get(key) for key in keys)
        return tuple((row["name"], row["kept"]) for row in rows if row is not None)
