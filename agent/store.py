"""What survives a power cut: the spool, the outbox, the ledger and a few facts, in one SQLite file."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from agent import along, config, damage, handover, shape
from agent.ballast import clear_the_way
from agent.damage import Loss, usable
from agent.domain import Stamp
from agent.errors import BadConfig, NeedsOperator, Rejected, RetryLater
from agent.ledger import Ledger, Spent
from agent.pictures import Pictures
from agent.queues import Outbox, Queued, Spool, Spooled
from agent.refuge import Behind, Refuge
from agent.retention import Retention, Size, Trimmed
from agent.schema import migrate
from agent.spots import Spots
from agent.sqlite import MB, Connection
from agent.table import Table
from agent.trouble import LOCKED
from agent.unsure import Unsure

_T = TypeVar("_T")

__all__ = ["Audit", "Ledger", "Loss", "Outbox", "Queued", "Size", "Spent", "Spool", "Spooled", "Store", "Trimmed"]


@dataclass(frozen=True, slots=True)
class Audit:
    """Something the yard will not hear of in the ordinary way, and why.

    `evicted`: a vehicle that had to make room; `damaged`: a row whose checksum did not agree; `lost`: a whole store;
    `config`: other settings hold from now on; `command`: somebody had something done over MQTT; `purged`: what an operator took out;
    `uncorrected`: times that stay doubtful. `id` is the event's or vehicle's own (for `lost`, the name of the file kept, or nothing;
    for `config`, the hash of the settings; for `command`, its txn; for `uncorrected`, the first event), `sequence` its number if it
    had one. Events that were sent are purged together, `count` of them with numbers from `sequence` to `until`.
    """

    what: Literal["evicted", "damaged", "lost", "config", "command", "purged", "uncorrected"]
    source: str
    id: str
    sequence: int | None
    why: str
    until: int | None = None
    count: int | None = None


class Store:
    """Everything the agent must not forget; all methods may be called from any thread, and raise `RetryLater` when the disk fails.

    `look_after`, and `insist` for what cannot wait, then have it go on in memory; `unwritable` says why. After such an error
    `damaged` tells whether the store must be closed and opened again, which puts the file aside.
    """

    def __init__(self, db: Connection, state_dir: Path, settings: config.Store, losses: tuple[Loss, ...] = ()) -> None:
        """Over tables that exist; see `open`."""
        self._db, self._dir, self._settings, self.losses = db, state_dir, settings, losses
        self._since_s = time.monotonic()
        self._retention = Retention(db, state_dir, settings)
        self._facts, self._audits = Table(db, "facts"), Table(db, "audits")
        self.spool, self.outbox, self.ledger = Spool(db, self._make_room), Outbox(db), Ledger(db)
        self.seen = Table(db, "seen", ("read_id", "put_ms"))
        self.arrivals, self.spots = Table(db, "arrivals", ("put_ms",)), Spots(db)
        self.unsure = Unsure(db)
        self._refuge = Refuge(db, settings, self._reopened, partial(self.trim, sure=False))

    @classmethod
    def start(cls, state_dir: Path, settings: config.Store, now_ms: int) -> Self:
        """As `open`; where the disk cannot be used, in memory until it can be: nobody stands beside the gate to mend it first."""
        try:
            return cls.open(state_dir, settings, now_ms)
        except BadConfig:
            raise
        except (RetryLater, NeedsOperator) as trouble:
            if trouble.code == LOCKED:
                raise  # by an agent that runs: two of them would tell every vehicle twice
            store = cls(along.memory(state_dir / damage.FILE, settings.memory_mb), state_dir, settings)
            store._refuge.begin(str(trouble))
            return store

    @classmethod
    def open(cls, state_dir: Path, settings: config.Store, now_ms: int) -> Self:
        """Checks, repairs by starting anew what cannot be used, brings the tables up to date, takes its room on the disk.

        Raises `BadConfig` for a store of a newer release, `NeedsOperator` where rights are missing, else `RetryLater`.
        """
        with usable(state_dir):
            clear_the_way(state_dir, settings)
            back = handover.take_back(state_dir, now_ms)
            loss = damage.make_sure(state_dir, now_ms) or back
        with ExitStack() as undo:
            db = Connection(state_dir / damage.FILE, settings.max_mb)
            undo.callback(db.close)
            undo.callback(lambda: damage.mark_suspect(state_dir) if db.damaged else None)
            with usable(state_dir):
                handover.keep_copy(db)
            # In one transaction: a new store that says nothing of the one before it must not exist.
            with db.transaction():
                migrate(db)
                store = cls(db, state_dir, settings, (loss,) if loss else ())
                store._tell_losses()
                shape.remember(db)
            store._settle_in(now_ms)
            undo.pop_all()
        return store

    def _tell_losses(self) -> None:
        for loss in self.losses:
            audit = Audit("lost", "store", loss.kept or "", loss.last_sequence or None, f"{loss.reason}: {loss.detail}")
            self._audits[f"lost/{loss.at_ms}"] = asdict(audit)
            # A store that was taken back has a number of its own, which may be lower: no number may mean two events.
            known = self._db.number("SELECT max(seq) FROM sqlite_sequence WHERE name = 'outbox'")
            self._db.execute("DELETE FROM sqlite_sequence WHERE name = 'outbox'")
            self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?)", (max(known, loss.last_sequence),))

    def _settle_in(self, now_ms: int) -> None:
        self._db.write_back()  # the marker must never stand beside an empty file
        with usable(self._dir):
            damage.mark_installed(self._dir)
            Pictures(self._db).sweep()
        self.trim(now_ms, sure=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def damaged(self) -> bool:
        """True once SQLite met damage in the open file."""
        return self._db.damaged

    @property
    def commits(self) -> int:
        """How often something was flushed to the disk since the store was opened."""
        return self._db.commits

    @property
    def unwritable(self) -> str:
        """Why everything is in memory alone at present, in words; empty while it is on the disk."""
        return self._refuge.why

    def which_file(self) -> list[int]:
        """The file whatever its path is, and no copy of it; nothing where the disk does not say."""
        with suppress(OSError):
            return [(at := self._db.file.stat()).st_dev, at.st_ino]
        return []

    def behind(self) -> Behind:
        """What waits on a disk that cannot be written, beside what the queues have."""
        return self._refuge.behind()

    def alone(self) -> int:
        """Vehicles and unsent events that are in memory and nowhere else."""
        return self._refuge.alone()

    def look_after(self, now: Stamp) -> bool:
        """To be called every second: into memory where the disk fails, back where it does not any more; True at a change."""
        return self._refuge.look_after(now)

    def come_back(self, now: Stamp) -> bool:
        """Back to the disk now, if that is possible; for somebody who cannot wait until `look_after` tries again."""
        return self._refuge.come_back(now)

    def insist(self, work: Callable[[], _T], now: Stamp) -> _T:
        """Does what writes, outside any transaction; where the disk fails, once more with room made or in memory."""
        for _ in range(2):
            try:
                return work()
            except RetryLater:
                if not self._refuge.rescued(now):
                    raise
        return work()

    def _reopened(self, now_ms: int) -> Connection:
        """The file again, with room for what is in memory; what it has lost meanwhile is told."""
        store = type(self).open(self._dir, self._settings, now_ms)
        self.losses += store.losses
        if store.losses:
            along.outlive(self._db)
        # A tenth is what is always free below the mark from which room is made.
        with ExitStack() as undo:
            undo.callback(store.close)  # an operator may have to unmount a disk that fails once more
            along.lighten(self._db, self._settings.max_mb * MB // 10)
            disk = store.given_up(along.new_bytes(self._db), now_ms)
            undo.pop_all()
        return disk

    def given_up(self, need: int, now_ms: int) -> Connection:
        """The connection, with room made for `need` bytes; from now on somebody else's."""
        with usable(self._dir):
            self._retention.trim(now_ms, need, sure=False)
        return self._db

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing for what is called inside, over queues and facts; inside another one it joins that."""
        with self._db.transaction():
            yield

    def get(self, key: str, default: Any = None) -> Any:
        """A small fact by its name."""
        return self._facts.get(key, default)

    def named(self, start: str) -> list[str]:
        """The names of the facts that begin so."""
        return [key for (key,) in self._db.select("SELECT key FROM facts WHERE key >= ? AND key < ?", (start, f"{start}\U0010ffff"))]

    def put(self, key: str, value: Any) -> None:
        """Keeps a small fact, any value JSON can say."""
        self._facts[key] = value

    def trim(self, now_ms: int, *, sure: bool = True) -> Trimmed:
        """Applies the caps; costs little when nothing is to do, and comes back soon when much is: then call it again.

        Where nobody vouches for the clock (`sure`), the limits in days hold later, and none of them for what was never sent.
        """
        with usable(self._dir):
            if not self._db.volatile and (sure or time.monotonic() - self._since_s > handover.KEPT_MS / 1000):
                handover.forget_copies(self._dir, now_ms if sure else None)
            return self._retention.trim(now_ms, sure=sure)

    def _make_room(self, need: int, now_ms: int) -> None:
        if need > self._retention.most():
            raise Rejected(f"a capture of {need} bytes never fits into the store; raise store.max_mb")
        with usable(self._dir):
            if self._retention.pressed(need):
                self._retention.trim(now_ms, need, sure=False)

    def tell(self, audit: Audit) -> None:
        """Keeps it until the yard is told; durable on return, or with the caller's transaction."""
        self._audits[f"{audit.what}/{audit.id}"] = asdict(audit)

    def take_audits(self, limit: int = 32) -> list[Audit]:
        """Takes what has to be told; call it in the transaction that puts the telling event into the outbox."""
        with self.transaction():
            kept = [(key, Audit(**told)) for key, told in islice(self._audits.items(), limit)]
            for key, _ in kept:
                del self._audits[key]
            return [audit for _, audit in kept] + self._take_damaged(limit - len(kept))

    def _take_damaged(self, limit: int) -> list[Audit]:
        rows = list(self._db.select("SELECT id, source, number, key FROM damaged WHERE told = 0 ORDER BY id LIMIT ?", (limit,)))
        self._db.executemany("UPDATE damaged SET told = 1 WHERE id = ?", [(row[0],) for row in rows])
        numbered = ("outbox", "sent")
        return [Audit("damaged", source, key, number if source in numbered else None, "checksum") for _, source, number, key in rows]

    def size(self) -> Size:
        with usable(self._dir):
            return self._retention.size()

    def close(self) -> None:
        """Ends the connection; a store in which damage was met is looked at thoroughly when it is opened next."""
        if self._db.damaged:
            damage.mark_suspect(self._dir)
        self._db.close()
