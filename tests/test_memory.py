"""What a provider said of a picture is remembered as long as it saves money, and no longer."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent import config
from agent.domain import Reading
from agent.errors import Rejected
from agent.ocr.memory import Memory, fingerprint
from agent.store import Store
from tests.samples import IMAGE, TAKEN, capture

DAY_MS = 86_400_000
NOW = TAKEN.utc_ms
READING = Reading("1HGCM82633A004352", (0.9,) * 17, "tencent", 1, "req-1", 640, (("plate_number", "A 1"),))


def opened(folder: Path, now_ms: int = NOW) -> Store:
    return Store.open(folder, config.Store(free_mb=1, keep_days=7), now_ms)


def seen(store: Store) -> int:
    return store._db.number("SELECT count(*) FROM seen")


def test_a_reading_is_known_again_after_a_restart_and_says_which_picture_it_is_about_now(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        Memory(store.seen).read(IMAGE, READING, NOW)
    with opened(tmp_path) as store:
        assert Memory(store.seen).recall("tencent", replace(IMAGE, read_id="other", number=3)) == replace(READING, image=3)


def test_a_picture_without_a_vin_is_known_again_too(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        memory = Memory(store.seen)
        memory.read(IMAGE, replace(READING, text="", confidence=None), NOW)
        assert memory.recall("tencent", IMAGE) == replace(READING, text="", confidence=None)


def test_a_refusal_is_repeated_in_the_same_words(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        Memory(store.seen).refused("huawei", IMAGE, "huawei answered AIS.0104: no VIN", NOW)
    with opened(tmp_path) as store, pytest.raises(Rejected, match=r"huawei answered AIS\.0104: no VIN") as again:
        Memory(store.seen).recall("huawei", IMAGE)
    assert again.value.charged is False, "a memory costs nothing"


def test_another_provider_or_another_picture_is_not_known() -> None:
    memory = Memory({})
    memory.read(IMAGE, READING, NOW)
    assert memory.recall("huawei", IMAGE) is None
    assert memory.recall("tencent", replace(IMAGE, jpeg=IMAGE.jpeg + b"\0")) is None


def test_one_bit_makes_another_picture() -> None:
    flipped = replace(IMAGE, jpeg=IMAGE.jpeg[:-1] + bytes([IMAGE.jpeg[-1] ^ 1]))
    assert fingerprint(flipped) != fingerprint(IMAGE)
    assert fingerprint(replace(IMAGE, number=7, read_id="other")) == fingerprint(IMAGE)


def test_an_answer_goes_with_the_events_that_were_sent(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        Memory(store.seen).read(IMAGE, READING, NOW)
        for hours in range(0, 8 * 24, 1):
            store.trim(NOW + hours * 3_600_000)
            if hours == 6 * 24:
                assert seen(store) == 1
        assert seen(store) == 0


def test_an_answer_stays_as_long_as_its_vehicle_waits(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.spool.put(capture(IMAGE.read_id), NOW)
        Memory(store.seen).read(IMAGE, READING, NOW)
        for hours in range(20 * 24):
            store.trim(NOW + hours * 3_600_000)
        assert seen(store) == 1
        store.spool.done(IMAGE.read_id)
        store.trim(NOW + 20 * DAY_MS)
        assert seen(store) == 0


def test_a_clock_that_jumps_forgets_nothing_at_once(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        Memory(store.seen).read(IMAGE, READING, NOW)
        store.trim(NOW)
        store.trim(NOW + 300 * DAY_MS)
        assert seen(store) == 1


def test_a_damaged_row_is_no_answer(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        Memory(store.seen).read(IMAGE, READING, NOW)
        store._db.execute("UPDATE seen SET value = x'00'")
        assert Memory(store.seen).recall("tencent", IMAGE) is None
