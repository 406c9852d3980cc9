"""Large pictures are files beside the store: there before their row, gone after it, and never half."""

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent import along, config, damage, pictures
from agent.domain import Capture
from agent.errors import RetryLater
from agent.pictures import LEAST, file_of
from agent.store import Store
from agent.table import pack
from tests.samples import CAPTURE, IMAGE, TAKEN

NOW = 1_800_000_000_000
LARGE = bytes(range(256)) * 256
SMALL = LARGE[: LEAST - 1]
SETTINGS = config.Store(max_mb=5, free_mb=0, ballast_kb=0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, SETTINGS, NOW) as opened:
        yield opened


def vehicle(read_id: str, *jpegs: bytes) -> Capture:
    return replace(CAPTURE, read_id=read_id, images=tuple(replace(IMAGE, read_id=read_id, jpeg=jpeg) for jpeg in jpegs))


def files(state_dir: Path) -> list[str]:
    return sorted(file.name for file in (state_dir / "pictures").glob("*"))


def test_a_large_picture_is_a_file_and_a_small_one_is_in_its_row(store: Store, tmp_path: Path) -> None:
    store.spool.put(vehicle("A", LARGE, SMALL), NOW)

    assert files(tmp_path) == ["A-00.jpg"]
    assert (tmp_path / "pictures" / "A-00.jpg").read_bytes() == LARGE, "as it is, for whoever has to look without the agent"
    head = store.spool.head(NOW)
    assert head
    assert [image.jpeg for image in head.capture.images] == [LARGE, SMALL]


def test_a_row_never_names_a_file_that_is_not_whole_on_the_disk(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []

    def noting(handle: int, name: str) -> None:
        flushed.append(f"{name} {Path(f'/proc/self/fd/{handle}').readlink().relative_to(tmp_path)}")
        with closing(sqlite3.connect(tmp_path / "agent.db")) as other:
            assert other.execute("SELECT count(*) FROM pictures").fetchone() == (0,)

    monkeypatch.setattr(os, "fdatasync", lambda handle: noting(handle, "file"))
    monkeypatch.setattr(os, "fsync", lambda handle: noting(handle, "folder"))
    store.spool.put(vehicle("A", LARGE, LARGE), NOW)

    assert flushed == ["folder .", "file pictures/A-00.jpg", "file pictures/A-01.jpg", "folder pictures"]
    assert store._db.number("SELECT count(*) FROM pictures") == 2


@pytest.mark.parametrize("left", [None, LARGE[:-1], LARGE[::-1]])
def test_a_file_that_is_not_what_was_written_is_a_damaged_picture_of_a_vehicle_that_is_read(
    store: Store, tmp_path: Path, left: bytes | None
) -> None:
    store.spool.put(vehicle("A", LARGE, LARGE), NOW)
    file = tmp_path / "pictures" / "A-01.jpg"
    file.unlink()
    if left:
        file.write_bytes(left)

    head = store.spool.head(NOW)

    assert head
    assert [image.jpeg for image in head.capture.images] == [LARGE]
    assert [(audit.what, audit.source, audit.id) for audit in store.take_audits()] == [("damaged", "pictures", "A/01")]


@pytest.mark.parametrize("kind", ["pipe", "device", "far too long"])
def test_what_another_has_put_into_the_place_of_a_picture_is_neither_waited_for_nor_read_into_memory(
    store: Store, tmp_path: Path, kind: str
) -> None:
    store.spool.put(vehicle("A", LARGE, LARGE), NOW)
    file = tmp_path / "pictures" / "A-01.jpg"
    if kind == "far too long":
        os.truncate(file, 2**40)  # it takes no room on the disk
    else:
        file.unlink()
        os.mkfifo(file) if kind == "pipe" else file.symlink_to("/dev/zero")

    head = store.spool.head(NOW)

    assert head
    assert [image.jpeg for image in head.capture.images] == [LARGE]


def forget_and_fail(store: Store, read_id: str) -> None:
    with store.transaction():
        store.spool.forget(read_id)
        raise ZeroDivisionError


def test_the_file_of_a_damaged_picture_goes_when_its_row_is_put_aside(store: Store, tmp_path: Path) -> None:
    store.spool.put(vehicle("A", LARGE), NOW)
    (tmp_path / "pictures" / "A-00.jpg").write_bytes(LARGE[::-1])

    assert store.spool.pictures("A") == []

    assert files(tmp_path) == [], "no row names it, so no purge and no limit would find it"
    assert [(audit.what, audit.source, audit.id) for audit in store.take_audits()] == [("damaged", "pictures", "A/00")]


def test_a_picture_that_goes_while_it_is_read_is_not_taken_for_a_damaged_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.spool.put(vehicle("A", LARGE), NOW)
    looked = pictures.jpeg_of

    def slowly(state_dir: Path, key: str, raw: object, size: int | None) -> bytes:
        if key == "A/00":
            store.spool.forget("A")
            store.spool.put(vehicle("B", LARGE), NOW)  # whose row gets the number of the other
        return looked(state_dir, key, raw, size)

    monkeypatch.setattr(pictures, "jpeg_of", slowly)

    assert store.spool.pictures("A") == []
    assert store.spool.pictures("B") == [LARGE]
    assert store.take_audits() == []


def test_a_file_goes_once_its_row_is_gone_for_good_and_not_before(store: Store, tmp_path: Path) -> None:
    store.spool.put(vehicle("A", LARGE), NOW)
    with pytest.raises(ZeroDivisionError):
        forget_and_fail(store, "A")
    assert store.spool.pictures("A") == [LARGE]

    with store.transaction():
        with pytest.raises(ZeroDivisionError):
            forget_and_fail(store, "A")
        store.put("another", 1)
    assert store.spool.pictures("A") == [LARGE], "what was taken back inside stays, whatever became of the rest"

    with store.transaction():
        store.spool.forget("A")
        assert files(tmp_path) == ["A-00.jpg"]
    assert files(tmp_path) == []


def test_a_file_that_cannot_be_written_over_goes_all_the_same(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.spool.put(vehicle("A", LARGE), NOW)

    def refused(_handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", refused)
    pictures.Pictures(store._db).forget(pictures.OF, {"id": "A"}, shred=True)

    assert files(tmp_path) == []


def test_what_a_power_cut_left_without_a_row_is_swept_by_the_next_start(tmp_path: Path) -> None:
    with Store.open(tmp_path, SETTINGS, NOW) as store:
        store.spool.put(vehicle("A", LARGE), NOW)
        store.spool._pictures.write({"B/00": LARGE})
    assert files(tmp_path) == ["A-00.jpg", "B-00.jpg"]

    with Store.open(tmp_path, SETTINGS, NOW) as store:
        assert files(tmp_path) == ["A-00.jpg"]
        assert store.spool.pictures("A") == [LARGE]


def test_a_file_that_vanished_before_its_row_was_put_is_kept_in_the_row(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the sweep of a second agent that is started by hand at this moment."""
    write = store.spool._pictures.write

    def write_and_lose(jpegs: Mapping[str, bytes]) -> None:
        write(jpegs)
        (tmp_path / "pictures" / "A-00.jpg").unlink()

    monkeypatch.setattr(store.spool._pictures, "write", write_and_lose)

    store.spool.put(vehicle("A", LARGE), NOW)

    assert store.spool.pictures("A") == [LARGE]


def test_a_picture_that_a_release_before_put_into_its_row_is_still_there(store: Store, tmp_path: Path) -> None:
    store.spool.put(vehicle("A", LARGE), NOW)
    store._db.execute("UPDATE pictures SET bytes = NULL, value = ?", (pack(LARGE),))

    assert store.spool.pictures("A") == [LARGE]
    before = store.size().used_bytes
    store.spool.forget("A")
    assert store.size().used_bytes <= before - len(LARGE)


def test_files_count_for_the_cap_and_are_evicted_with_their_rows(store: Store, tmp_path: Path) -> None:
    for number in range(120):
        store.spool.put(vehicle(f"V{number:03d}", LARGE), NOW)

    taken = sum(file.stat().st_size for file in (tmp_path / "pictures").iterdir())
    assert 3_000_000 < taken <= store.size().used_bytes <= 4_500_000
    assert len(files(tmp_path)) == store._db.number("SELECT count(*) FROM pictures")
    assert len(store.spool) == 120, "no vehicle went, only pictures"
    assert store.spool.pictures("V119") == [LARGE]


@pytest.mark.parametrize(("code", "is_full"), [(errno.ENOSPC, True), (errno.EIO, False), (errno.EROFS, False)])
def test_a_disk_that_takes_no_file_is_met_as_one_that_takes_no_row(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, is_full: bool
) -> None:
    def refuse(file: Path, _content: bytes) -> None:
        file.touch()
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(pictures, "_write", refuse)
    with pytest.raises(RetryLater, match=str(tmp_path)):
        store.spool.put(vehicle("A", LARGE), NOW)
    assert (store._db.full, bool(store._db.refused)) == (is_full, not is_full)
    assert (len(store.spool), files(tmp_path)) == (0, [])

    assert store.insist(lambda: store.spool.put(vehicle("A", LARGE), NOW), TAKEN)
    assert store.unwritable
    assert store.spool.pictures("A") == [LARGE]


def test_a_disk_that_fails_lends_its_files_to_the_memory_and_gets_them_back(store: Store, tmp_path: Path) -> None:
    store.spool.put(vehicle("A", LARGE), NOW)
    memory = along.memory(tmp_path / damage.FILE, 5)
    along.take_along(store._db.select, memory, 5)
    assert memory.select_one("SELECT key, bytes, value FROM pictures") == ("A/00", None, pack(LARGE))

    along.bring_back(memory, store._db, NOW, 0, 0)

    assert store.spool.pictures("A") == [LARGE]
    assert files(tmp_path) == ["A-00.jpg"]


def test_a_vehicle_that_memory_has_forgotten_leaves_no_file_on_the_disk(store: Store, tmp_path: Path) -> None:
    store.spool.put(vehicle("A", LARGE), NOW)
    memory = along.memory(tmp_path / damage.FILE, 5)
    along.take_along(store._db.select, memory, 5)
    memory.execute("DELETE FROM spool")

    along.bring_back(memory, store._db, NOW, 0, 0)

    assert files(tmp_path) == []


def test_pictures_of_a_lost_store_lie_beside_it_and_go_with_it(tmp_path: Path) -> None:
    with Store.open(tmp_path, SETTINGS, NOW) as store:
        store.spool.put(vehicle("A", LARGE), NOW)
    (tmp_path / "agent.db").write_bytes(b"no database" * 1000)

    with Store.open(tmp_path, SETTINGS, NOW):
        kept = tmp_path / f"agent.db.damaged-{NOW}"
        assert (Path(f"{kept}.pictures") / "A-00.jpg").read_bytes() == LARGE
        assert damage.kept_files(tmp_path) == [kept]
        damage.remove_kept(kept)

    assert [file.name for file in tmp_path.iterdir() if "damaged" in file.name] == []


@pytest.mark.parametrize("earlier", [NOW - 5, NOW + 5])
def test_pictures_of_a_lost_store_find_it_also_after_a_power_cut_between_the_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: int
) -> None:
    """Whatever an earlier loss was numbered, under a clock that may have been ahead."""
    for name in ("", ".pictures"):
        (tmp_path / f"agent.db.damaged-{earlier}{name}").mkdir()
    with Store.open(tmp_path, SETTINGS, NOW) as store:
        store.spool.put(vehicle("A", LARGE), NOW)
    (tmp_path / "agent.db").write_bytes(b"no database" * 1000)
    with monkeypatch.context() as power:
        power.setattr(damage, "give_pictures", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Store.open(tmp_path, SETTINGS, NOW)

    Store.open(tmp_path, SETTINGS, NOW + 1).close()

    assert (tmp_path / f"agent.db.damaged-{NOW}.pictures" / "A-00.jpg").read_bytes() == LARGE


@pytest.mark.parametrize("key", ["../../etc/00", "/etc/passwd", "A/../../x", "\ufffd/00", "", "A/00.jpg"])
def test_no_key_names_a_place_outside_the_folder(tmp_path: Path, key: str) -> None:
    assert file_of(tmp_path, key).parent == tmp_path / "pictures"
    assert file_of(tmp_path, key).resolve().parent == (tmp_path / "pictures").resolve()
    assert file_of(tmp_path, key) != file_of(tmp_path, f"{key} ")
