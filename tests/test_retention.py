"""A store that keeps within its bytes and days, and a disk that fills up around it."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agent import config
from agent.domain import Event
from agent.errors import Rejected, RetryLater
from agent.retention import DAY_MS, Trimmed
from agent.store import Store
from tests.samples import CAPTURE, IMAGE, noise

NOW = 1_800_000_000_000
HOUR_MS = 3_600_000
PICTURE = bytes(range(256)) * 80  # 20 KB
NO_FLOOR = config.Store(max_mb=1, free_mb=0, ballast_kb=0)


@pytest.fixture
def opened() -> Iterator[Callable[[Path, config.Store], Store]]:
    stores: list[Store] = []

    def open_store(state_dir: Path, settings: config.Store = NO_FLOOR) -> Store:
        stores.append(Store.open(state_dir, settings, NOW))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


def seen(store: Store, read_id: str, now_ms: int = NOW, picture: bytes = PICTURE) -> bool:
    images = (replace(IMAGE, read_id=read_id, jpeg=picture),)
    return store.spool.put(replace(CAPTURE, read_id=read_id, images=images), now_ms)


def read(store: Store, read_id: str, now_ms: int = NOW, size: int = 1000) -> int:
    with store.transaction():
        sequence = store.outbox.put(Event(read_id, "gate/a/vin", {"text": noise(size)}), now_ms)
        store.spool.done(read_id)
    return sequence


def sent(store: Store, read_id: str, now_ms: int = NOW) -> None:
    seen(store, read_id, now_ms)
    store.outbox.sent([read(store, read_id, now_ms)], now_ms)


def kinds(store: Store) -> tuple[int, int, int, int]:
    """Sent pictures, sent events, unsent pictures, vehicles not sent: what is left, in the order it goes."""
    count = store._db.number
    waiting = "SELECT key FROM outbox UNION ALL SELECT key FROM spool"
    unsent = count(f"SELECT count(*) FROM pictures WHERE substr(key, 1, instr(key, '/') - 1) IN ({waiting})")  # noqa: S608  # our own words
    return (
        count("SELECT count(*) FROM pictures") - unsent,
        count("SELECT count(*) FROM sent"),
        unsent,
        len(store.outbox) + len(store.spool),
    )


def test_nothing_to_do_is_nothing_done(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    sent(store, "A")
    seen(store, "B")
    changes = store._db._db.total_changes

    assert not store.trim(NOW)
    assert store._db._db.total_changes == changes, "not a byte is written to the card"


def test_what_was_sent_is_forgotten_after_its_days(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    sent(store, "A", NOW)
    sent(store, "B", NOW + DAY_MS)

    assert not store.trim(NOW + 7 * DAY_MS - HOUR_MS)
    assert not store.trim(NOW + 7 * DAY_MS)
    assert store.trim(NOW + 7 * DAY_MS + 1) == Trimmed(sent_pictures=1, sent_events=1)
    assert [queued.event.id for queued in store.outbox.history(0, 2**50)] == ["B"]
    assert store.spool.pictures("A") == []
    assert store.spool.pictures("B") == [PICTURE]
    assert store.take_audits() == []


def test_what_was_never_sent_is_kept_longer_and_then_told(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    seen(store, "read")
    read(store, "read")
    seen(store, "never read")
    seen(store, "young", NOW + DAY_MS)
    later = NOW + 30 * DAY_MS

    assert not store.trim(later)
    assert store.trim(later + HOUR_MS) == Trimmed(unsent_pictures=2, unsent_events=2)
    assert (len(store.outbox), len(store.spool)) == (0, 1)
    told = [(audit.what, audit.source, audit.id, audit.sequence, audit.why) for audit in store.take_audits()]
    assert told == [("evicted", "outbox", "read", 1, "age"), ("evicted", "spool", "never read", None, "age")]
    assert store.get("evicted") == 2


def test_a_clock_that_is_set_forward_by_months_evicts_nothing_before_it_could_be_sent(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    seen(store, "A")
    store.trim(NOW + HOUR_MS // 2)

    jumped = NOW + 90 * DAY_MS
    assert not store.trim(jumped)
    assert not store.trim(jumped + HOUR_MS - 1)
    assert store.trim(jumped + HOUR_MS).unsent_events == 1


def test_a_clock_that_is_set_years_ahead_takes_nothing_from_the_store(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    sent(store, "sent")
    store.ledger.book("cloud", "A", 0.01, NOW)
    seen(store, "waits")
    before = kinds(store)

    for hours in (0.0, 0.5, 0.99):
        assert not store.trim(NOW + 5 * 365 * DAY_MS + round(hours * HOUR_MS))
    assert not store.trim(NOW + 2 * HOUR_MS), "it was set right again"
    assert not store.trim(NOW + 3 * HOUR_MS)
    assert (kinds(store), store.ledger.spent(None, 0).calls) == (before, 1)


def test_a_clock_nobody_vouches_for_takes_only_what_was_sent_and_only_after_a_day(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    sent(store, "sent")
    seen(store, "waits")
    later = NOW + 90 * DAY_MS

    went = [store.trim(later + hour * HOUR_MS, sure=False) for hour in range(25)]

    assert [each.sent_events for each in went] == [0] * 24 + [1]
    assert len(store.spool) == 1
    assert store.take_audits() == []


def test_a_vehicle_seen_before_the_clock_was_set_at_all_is_of_no_age(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    seen(store, "A", 60_000)
    seen(store, "B", 60_000)
    read(store, "B", 61_000)

    store.trim(NOW)

    assert not store.trim(NOW + HOUR_MS)
    assert (len(store.spool), len(store.outbox)) == (1, 1)


def test_the_cap_takes_what_is_worth_least_first(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    for number in range(6):
        sent(store, f"sent{number}")
        seen(store, f"unsent{number}")
        read(store, f"unsent{number}", size=10_000)
        seen(store, f"spooled{number}")

    went = [kinds(store)]
    for need in range(500_000, 900_000, 20_000):
        store._retention.trim(NOW, need)
        went.append(kinds(store))

    for before, after in pairwise(went):
        touched = [left < had for had, left in zip(before, after, strict=True)]
        last = max((kind for kind in range(4) if touched[kind]), default=0)
        assert not any(after[:last]), f"{before} -> {after}"
    assert went[0] == (6, 6, 12, 12)
    assert went[-1] < (0, 0, 0, 12)


@pytest.mark.parametrize("looks", range(1, 20))
def test_what_others_put_while_room_is_looked_for_costs_no_vehicle(
    tmp_path: Path, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """Of 4,500 vehicles one batch went this way, at a fifth of the cap: the reader had put an event between two looks."""
    store = opened(tmp_path)
    sent(store, "A")
    seen(store, "B")
    monkeypatch.setattr(store._retention, "used", growing(store._retention.used, looks))

    assert not store.trim(NOW)
    assert kinds(store) == (1, 1, 1, 1)


@pytest.mark.parametrize("looks", range(1, 20))
def test_what_others_put_while_pictures_make_room_costs_no_vehicle(
    tmp_path: Path, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    store = opened(tmp_path)
    for number in range(42):
        sent(store, f"A{number:02d}")
    seen(store, "B")
    monkeypatch.setattr(store._retention, "used", growing(store._retention.used, looks, by=20_000))

    store.trim(NOW)

    assert kinds(store)[2:] == (1, 1)


def growing(used: Callable[[], int], looks: int, by: int = 1024) -> Callable[[], int]:
    """As `used`, and `by` more from this look on: what another thread has written by then."""
    left = iter(range(looks))
    return lambda: used() + (0 if next(left, None) is not None else by)


def test_an_eviction_that_stops_for_its_callers_deadlines_goes_on_where_it_was(
    tmp_path: Path, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.retention._MOST_BATCHES", 1)
    monkeypatch.setattr("agent.forget.BATCH", 8)  # two pictures
    store = opened(tmp_path)
    for number in range(5):
        sent(store, f"S{number}")
        seen(store, f"U{number}")

    left = []
    for _ in range(5):
        store._retention.trim(NOW, 890_000)
        left.append(kinds(store))

    assert left == [(3, 5, 5, 5), (1, 5, 5, 5), (0, 5, 5, 5), (0, 0, 5, 5), (0, 0, 3, 5)]


def test_of_unsent_pictures_those_already_read_go_first_and_the_vehicle_stays(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    seen(store, "waits")
    seen(store, "read")
    read(store, "read")
    for number in range(40):
        seen(store, f"more{number}")

    assert store.spool.pictures("read") == []
    head = store.spool.head(NOW)
    assert head
    assert head.capture.read_id == "waits", "its picture may go, the vehicle itself may not"
    assert len(store.outbox) == 1


def test_an_unsent_event_that_has_to_go_is_the_oldest_and_leaves_its_number(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    for number in range(150):
        read(store, f"E{number:03d}", size=8_000)
        store.trim(NOW)

    gone = []
    while audits := store.take_audits(limit=10):
        gone += audits
    assert gone
    assert [audit.sequence for audit in gone] == list(range(1, len(gone) + 1))
    assert {(audit.what, audit.why) for audit in gone} == {("evicted", "room")}
    assert [queued.sequence for queued in store.outbox.next(200)] == list(range(len(gone) + 1, 151))
    assert store.outbox.last_sequence() == 150
    assert store.get("evicted") == len(gone)


def test_vehicles_keep_coming_in_at_the_cap_and_the_file_does_not_grow(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)

    for number in range(200):
        assert seen(store, f"V{number}"), "four times what the cap can hold"

    size = store.size()
    assert (tmp_path / "agent.db").stat().st_size <= size.cap_bytes == 1_000_000
    assert size.used_bytes <= 0.9 * size.cap_bytes
    assert size.bytes < size.cap_bytes + 2_500_000, "the file and its log"
    assert len(store.spool) == 200
    assert store.spool.pictures("V199") == [PICTURE]


def test_a_capture_larger_than_the_store_is_put_aside_for_good(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)

    with pytest.raises(Rejected, match=r"raise store\.max_mb"):
        seen(store, "A", picture=bytes(900_000))
    assert seen(store, "B", picture=bytes(700_000))
    assert seen(store, "C", picture=bytes(700_000))


def test_a_cap_that_was_lowered_gives_the_room_back_to_the_disk(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path, replace(NO_FLOOR, max_mb=3))
    with store.transaction():
        for number in range(200):
            seen(store, f"S{number}", picture=PICTURE[:10_000])
            store.outbox.sent([read(store, f"S{number}")], NOW)
    store.close()
    assert (tmp_path / "agent.db").stat().st_size > 2_000_000

    store = opened(tmp_path)
    while store.trim(NOW):
        pass

    assert (tmp_path / "agent.db").stat().st_size <= 1_000_000
    assert store._db.select_one("PRAGMA max_page_count") == (1_000_000 // 1024,)
    assert store._db.select_one("PRAGMA integrity_check") == ("ok",)


class ModelDisk:
    """The free room of a disk of a given size on which nothing but one folder lies."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, folder: Path) -> int:
        return self.size - sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_below_the_floor_pictures_go_and_the_room_goes_back_to_the_disk(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path, config.Store(max_mb=50, free_mb=1, ballast_kb=0))
    for number in range(60):
        sent(store, f"S{number}")
        seen(store, f"U{number}")
        read(store, f"U{number}")
    disk = ModelDisk(0)
    store._retention._free = disk
    disk.size = store.size().bytes + 500_000

    went = store.trim(NOW)

    assert went.sent_pictures > 0
    assert went.unsent_events == 0
    assert disk(tmp_path) >= 1_000_000
    assert store._db.select_one("PRAGMA integrity_check") == ("ok",)


def test_a_disk_that_others_fill_never_costs_an_event(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path, config.Store(max_mb=50, free_mb=64, ballast_kb=0))
    sent(store, "S")
    seen(store, "waits")
    seen(store, "read")
    read(store, "read")
    store._retention._free = lambda _: 1_000_000

    while store.trim(NOW):
        pass

    assert kinds(store) == (0, 0, 0, 2)
    assert store.take_audits() == []


def test_stores_put_aside_go_before_unsent_pictures_and_only_for_the_floor(tmp_path: Path, opened: Callable[..., Store]) -> None:
    kept = [tmp_path / f"agent.db.damaged-{NOW + number}" for number in range(2)]
    for file in kept:
        file.write_bytes(bytes(700_000))
    store = opened(tmp_path, config.Store(max_mb=1, free_mb=1, ballast_kb=0))
    for number in range(60):
        seen(store, f"V{number}")
    assert all(file.exists() for file in kept), "the cap alone does not ask for them"

    disk = store._retention._free = ModelDisk(0)
    disk.size = store.size().bytes + 1_400_000 + 400_000
    store.trim(NOW)

    assert [file.exists() for file in kept] == [False, True], "the oldest was enough"


def test_the_ballast_is_given_up_on_a_full_disk_and_taken_again_later(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path, config.Store(max_mb=50, free_mb=0, ballast_kb=256))
    ballast = tmp_path / "ballast"
    assert ballast.stat().st_size == 256_000
    assert ballast.stat().st_blocks * 512 >= 256_000, "a file with a hole holds nothing"
    disk = store._retention._free = ModelDisk(0)

    disk.size = store.size().bytes + 256_000 + 10_000
    store.trim(NOW)
    assert not ballast.exists()
    store.trim(NOW)
    assert not ballast.exists(), "taking it at once would fill the disk again"

    disk.size += 10_000_000
    store.trim(NOW)
    assert ballast.stat().st_size == 256_000


def test_a_picture_is_written_once_however_far_its_vehicle_travels(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    seen(store, "A", picture=bytes(400_000))
    store._db.write_back()

    store.outbox.sent([read(store, "A")], NOW)

    assert store._db.log_bytes() < 150_000, "the picture has 400 KB"


def test_trimming_inside_a_transaction_waits_for_its_end(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    sent(store, "A")

    store.trim(NOW + 8 * DAY_MS - HOUR_MS)

    with store.transaction():
        assert not store.trim(NOW + 8 * DAY_MS)
    assert store.trim(NOW + 8 * DAY_MS)


def test_bookings_are_kept_for_two_months(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(tmp_path)
    for day in range(100):
        store.ledger.book("cloud", "A", 0.01, NOW + day * DAY_MS)

    end = NOW + 100 * DAY_MS
    store.trim(end)
    store.trim(end + HOUR_MS)

    assert store.ledger.spent(None, 0).calls == 61
    assert store.ledger.spent(None, end - 31 * DAY_MS).calls == 31


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 2 MB; where mounting is refused, a folder in which the cap of the store stands for the end of the disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], capture_output=True, check=False).returncode == 0
    yield disk
    if mounted:
        subprocess.run(["umount", str(disk)], check=True)


def test_on_a_small_disk_vehicles_keep_coming_in(small_disk: Path, opened: Callable[..., Store]) -> None:
    store = opened(small_disk, config.Store(max_mb=1, free_mb=0, ballast_kb=128))

    for number in range(150):
        assert seen(store, f"V{number}"), "old pictures make room before the disk is full"

    assert len(store.spool) == 150
    assert store._db.select_one("PRAGMA integrity_check") == ("ok",)


def test_a_disk_filled_by_others_loses_nothing_and_works_again_when_it_has_room(small_disk: Path, opened: Callable[..., Store]) -> None:
    store = opened(small_disk, config.Store(max_mb=1, free_mb=0, ballast_kb=128))
    for number in range(8):
        sent(store, f"S{number}")
    for number in range(8):
        seen(store, f"U{number}")
        read(store, f"U{number}")
    taken = fill(small_disk)

    acknowledged, refused = [], 0
    for number in range(100):
        try:
            acknowledged += [f"V{number}"] * seen(store, f"V{number}", picture=b"")
        except RetryLater:
            refused += 1
    store.trim(NOW)
    unsent = [queued.sequence for queued in store.outbox.next(100)]
    assert len(unsent) == 8
    store.outbox.sent(unsent[:4], NOW)
    assert len(store.outbox) == 4

    taken.unlink(missing_ok=True)
    store.trim(NOW)
    assert seen(store, "after")
    store.close()
    store = opened(small_disk, config.Store(max_mb=1, free_mb=0, ballast_kb=128))
    assert store.losses == ()
    assert [key for key in store.spool._rows] == [*acknowledged, "after"]  # noqa: C416  # a mapping of its own
    assert (small_disk / "ballast").exists()


def fill(disk: Path) -> Path:
    """Takes all the room there is, or 1.5 MB where the disk is not really small."""
    other = disk / "somebody else's log"
    with other.open("wb", buffering=0) as file:
        try:
            for _ in range(3000):
                file.write(bytes(512))
        except OSError:
            pass
    return other


def test_a_store_opens_on_a_full_disk(small_disk: Path, opened: Callable[..., Store]) -> None:
    settings = config.Store(max_mb=1, free_mb=0, ballast_kb=128)
    store = opened(small_disk, settings)
    seen(store, "A")
    store.close()
    fill(small_disk)

    store = opened(small_disk, settings)

    assert store.losses == ()
    assert len(store.spool) == 1


def test_what_was_damaged_is_forgotten_after_its_days_too_once_the_yard_was_told(tmp_path: Path, opened: Callable[..., Store]) -> None:
    """A VIN may stand there, and on the pictures of the vehicle."""
    store = opened(tmp_path)
    for name in ("damaged", "waits"):
        seen(store, name)
    number = store._db.number("SELECT rowid FROM spool WHERE key = 'damaged'")
    store.spool._rows.set_aside(number)
    days = store._settings.keep_days

    def trimmed(after_days: float) -> int:
        store.trim(NOW + round(after_days * DAY_MS))
        store.trim(NOW + round(after_days * DAY_MS) + HOUR_MS)
        return store._db.number("SELECT count(*) FROM damaged")

    assert trimmed(2 * days) == 1, "the yard has not been told"
    assert [audit.id for audit in store.take_audits()] == ["damaged"]
    assert trimmed(2 * days + 1) == 1, "from now on its days are counted"
    assert trimmed(3 * days) == 1
    assert store._db.number("SELECT count(*) FROM pictures") == 2

    assert trimmed(3 * days + 2) == 0
    assert list(store._db.select("SELECT key FROM pictures")) == [("waits/00",)]
