"""More than a year at a gate, hour by hour under a clock the test moves: nothing is kept too long, nothing goes too soon or in silence."""

import logging
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent import config
from agent.domain import Event
from agent.sqlite import MB
from agent.store import Audit, Store
from tests.chaos.row import Row
from tests.samples import CAPTURE, IMAGE, noise

START_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LEDGER_DAYS = 62
INFLIGHT = 10  # acknowledged together


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`outages` are days on which the broker is away, `unread` every so manieth vehicle is never read; `roomy` if no room is short."""

    days: int
    per_day: int
    picture_bytes: int
    event_bytes: int
    max_mb: int
    keep_days: int
    unsent_days: int
    outages: tuple[range, ...]
    unread: int
    roomy: bool


@dataclass(slots=True)
class Gate:
    """The gate's own book, which the store is held against."""

    plan: Plan
    store: Store
    now_ms: int = START_MS
    seen: int = 0
    waiting: dict[str, int] = field(default_factory=dict)  # id → when it was put, of what is not told yet
    told: deque[tuple[str, int]] = field(default_factory=deque)  # id, and when
    gone: dict[str, str] = field(default_factory=dict)  # id → why, as audits say
    wrong: set[str] = field(default_factory=set)
    lost: int = 0

    def expect(self, holds: object, otherwise: str) -> None:
        if not holds:
            self.wrong.add(otherwise)

    def hour(self, hour: int) -> None:
        """As the agent does it: tidy, tell what that has cost, take what comes, send what can be sent."""
        day = hour // 24
        self.store.trim(self.now_ms)
        while audits := self.store.take_audits():
            for audit in audits:
                self._hear(audit)
        if hour % 24 < self.plan.per_day:
            self._arrive()
        if not any(day in outage for outage in self.plan.outages):
            self._send()
        self.now_ms += HOUR_MS

    def _hear(self, audit: Audit) -> None:
        self.expect(audit.what == "evicted", f"an audit of {audit.what}")
        self.expect(audit.id in self.waiting, "an audit of what was told or never came")
        self.expect((audit.sequence is not None) == (audit.source == "outbox"), "an audit without its number")
        age_ms = self.now_ms - self.waiting.pop(audit.id, self.now_ms)
        if audit.why == "age":
            self.expect(age_ms > self.plan.unsent_days * DAY_MS, f"given up for its age after {age_ms / DAY_MS:.1f} days")
        else:
            self.expect(not self.plan.roomy, "given up for room where there was enough")
        self.gone[audit.id] = audit.why

    def _arrive(self) -> None:
        self.seen += 1
        read_id, store = f"{self.seen:026d}", self.store
        image = replace(IMAGE, read_id=read_id, jpeg=self.seen.to_bytes(4, "big") * (self.plan.picture_bytes // 4))
        store.spool.put(replace(CAPTURE, read_id=read_id, images=(image,)), self.now_ms)
        self.waiting[read_id] = self.now_ms
        store.seen[f"tencent/{read_id}"] = {"reading": None, "why": "", "read_id": read_id, "put_ms": self.now_ms}
        store.arrivals[f"gate/{self.seen}"] = {"put_ms": self.now_ms}
        store.ledger.book("tencent", read_id, 0.1, self.now_ms)
        if self.seen % self.plan.unread:
            with store.transaction():
                store.outbox.put(Event(read_id, "gate/a/vin", {"text": noise(self.plan.event_bytes)}), self.now_ms)
                store.spool.done(read_id)
        self.expect(store.size().used_bytes <= store.size().cap_bytes, "more bytes than the cap")
        self.expect(self._count("pictures", f"key = '{read_id}/00'") == 1, "what is new was not kept")

    def _send(self) -> None:
        while rows := self.store.outbox.next(INFLIGHT):
            self.store.outbox.sent([row.sequence for row in rows], self.now_ms)
            for row in rows:
                self.expect(self.waiting.pop(row.event.id, None) is not None, "sent what was told or given up before")
                self.told.append((row.event.id, self.now_ms))

    def _count(self, table: str, condition: str) -> int:
        return self.store._db.number(f"SELECT count(*) FROM {table} WHERE {condition}")  # noqa: S608  # our own words

    def look(self) -> None:
        """At the end of each day: what is there, and what is not."""
        for _ in range(2):  # what the first took for its room leaves its answers to the next, half a minute later
            self.store.trim(self.now_ms)
        plan, keep = self.plan, self.now_ms - self.plan.keep_days * DAY_MS
        unsent = self.now_ms - plan.unsent_days * DAY_MS
        for table, column, before in (
            ("sent", "sent_ms", keep), ("seen", "put_ms", keep), ("arrivals", "put_ms", keep),
            ("outbox", "put_ms", unsent), ("spool", "put_ms", unsent), ("ledger", "booked_ms", self.now_ms - LEDGER_DAYS * DAY_MS),
        ):  # fmt: skip
            older = f"{column} < {before}"
            if table == "seen":  # an answer is of use as long as its vehicle waits
                older += " AND NOT EXISTS (SELECT 1 FROM spool WHERE spool.key = read_id)"
            self.expect(not self._count(table, older), f"{table} keeps what is older than its days")
        while self.told and self.told[0][1] < keep:
            self.told.popleft()
        # What a trim has taken and no audit was heard of yet is neither there nor forgotten.
        waiting = self._count("outbox", "1") + self._count("spool", "1") + self._count("audits", "1")
        self.lost = max(self.lost, len(self.waiting) - waiting)
        self.expect(waiting <= len(self.waiting), "what was told still waits")
        if plan.roomy:
            self.expect(self._count("sent", "1") == len(self.told), "events that were sent went before their days were over")
            self.expect(
                self._count("pictures", "1") == waiting - self._count("audits", "1") + len(self.told), "pictures and vehicles differ"
            )


def lived(folder: Path, plan: Plan) -> Gate:
    """The gate after all its days."""
    settings = config.Store(max_mb=plan.max_mb, free_mb=0, ballast_kb=0, keep_days=plan.keep_days, unsent_days=plan.unsent_days)
    with Store.open(folder, settings, START_MS) as store:
        store._db.execute("PRAGMA synchronous = OFF")  # what outlives a power cut is another fault's subject, and a year has many flushes
        gate = Gate(plan, store)
        for hour in range(plan.days * 24):
            gate.hour(hour)
            if hour % 24 == 23:
                gate.look()
        size = (folder / "agent.db").stat().st_size
        gate.expect(size <= plan.max_mb * MB, f"the file has {size} bytes")
    return gate


def plans(full: bool) -> tuple[Plan, Plan]:
    """Days that decide, with room for all; and room that decides, with pictures that fill it."""
    if full:
        wide = Plan(
            days=420, per_day=20, picture_bytes=2_000, event_bytes=800, max_mb=64, keep_days=7, unsent_days=30,
            outages=(range(20, 23), range(60, 105), range(200, 231)), unread=50, roomy=True,
        )  # fmt: skip
        return wide, replace(wide, picture_bytes=20_000, event_bytes=4_000, max_mb=2, roomy=False)
    wide = Plan(
        days=30, per_day=4, picture_bytes=2_000, event_bytes=800, max_mb=64, keep_days=3, unsent_days=6,
        outages=(range(4, 6), range(10, 20)), unread=10, roomy=True,
    )  # fmt: skip
    return wide, replace(
        wide, per_day=24, picture_bytes=20_000, event_bytes=4_000, max_mb=1, unsent_days=12, days=19, outages=(range(3, 17),), roomy=False
    )


def fault(folder: Path, full: bool) -> Row:
    """With room for everything days decide, without it room does; either way each vehicle was told, waits, or is in an audit."""
    wide, narrow = plans(full)
    logging.disable(logging.ERROR)  # each vehicle that is given up has a line
    try:
        gates = lived(folder / "days", wide), lived(folder / "room", narrow)
    finally:
        logging.disable(logging.NOTSET)
    wrong = sorted(gates[0].wrong | gates[1].wrong)
    for gate, whys in zip(gates, ({"age"}, {"room"}), strict=True):
        if not whys <= set(gate.gone.values()):
            wrong.append("nothing was given up, which proves little")
    gone = [len(gate.gone) for gate in gates]
    return Row(
        fault="more than a year under a fake clock, once with room for all, once without; outages longer than anything may wait",
        times=f"{wide.days} and {narrow.days} days, {gates[0].seen + gates[1].seen} vehicles",
        lost=sum(gate.lost for gate in gates),
        ok=not wrong,
        note="; ".join(wrong) or f"{gone[0]} given up for age and {gone[1]} for room, each with an audit; nothing older than its days",
    )
