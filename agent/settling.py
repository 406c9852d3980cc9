"""What the agent makes of a clock that is set while it runs: how long a vehicle has waited, and what was told or booked at a wrong time."""

from dataclasses import replace

from agent import corrected
from agent.clock import Clock
from agent.domain import Capture, Stamp
from agent.errors import RetryLater
from agent.events import Facts
from agent.store import Audit, Spooled, Store

MOST = 32  # corrections in one go: the thread that makes them has captures to take meanwhile


def settled(capture: Capture, clock: Clock) -> Capture:
    """The capture with the times its pictures were taken at, as far as that is known by now."""
    images = tuple(replace(image, taken_at=clock.settled(image.taken_at)) for image in capture.images)
    return replace(capture, taken_at=clock.settled(capture.taken_at), images=images)


def waited_ms(spooled: Spooled, now: Stamp) -> int:
    """How long a vehicle has waited, by monotonic time within one boot, else by a clock that was believed as far as it is now.

    Where the clock has been set in between nobody knows, but that it was before this boot: after years in one step nobody has waited years.
    """
    taken = spooled.capture.taken_at
    if taken.boot_id == now.boot_id:
        return max(0, now.monotonic_ms - taken.monotonic_ms)
    if taken.trust == now.trust != "unknown":
        return max(0, now.utc_ms - spooled.put_ms)
    return now.monotonic_ms


def put_right(store: Store, clock: Clock, facts: Facts) -> int:
    """Corrects some of what was told before the clock was right, and moves bookings along with the clock; how many were corrected."""
    _redate(store, clock)
    now = clock.now()
    if now.trust != "synced" or not (due := store.unsure.due(now.boot_id, MOST)):
        return 0
    with store.transaction():
        for wrong in due:
            right = clock.settled(wrong.stamp)
            store.outbox.put(corrected.corrected(wrong, right, facts=facts, now=now), now.utc_ms)
            store.outbox.redate(wrong.read_id, right.utc_ms - wrong.stamp.utc_ms)
        store.unsure.forget(wrong.read_id for wrong in due)
    return len(due)


def _redate(store: Store, clock: Clock) -> None:
    """All jumps or none: bookings moved half the way would be moved twice with the next try."""
    if not (jumps := clock.take_jumps()):
        return
    try:
        with store.transaction():
            for jump in jumps:
                store.ledger.redate(jump.since_ms, jump.until_ms, jump.by_ms)
    except RetryLater:
        clock.give_back(jumps)
        raise


def give_up(store: Store, now: Stamp) -> None:
    """Has the yard told, in one sentence, which times will stay doubtful."""
    if not (lost := store.unsure.hopeless(now.boot_id)):
        return
    why = f"{len(lost)} events keep their doubtful times, the last is {lost[-1]}: the clock was not set before a reboot, or for too long"
    with store.transaction():
        store.tell(Audit("uncorrected", "outbox", lost[0], None, why))
        store.unsure.forget(lost)
