"""What claims more than it is, or unfolds into more than there is room for, is refused before anything is decoded."""

import gzip
import os
import resource
import struct
import time
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent import config
from agent.camera import open_camera
from agent.camera.file import MOST_BYTES, opened
from agent.camera.opencv import LiveCamera
from agent.camera.snapshot import SnapshotCamera
from agent.clock import Clock
from agent.config_http import Http
from agent.domain import Pixels
from agent.errors import NeedsOperator, Rejected, RetryLater
from agent.ocr.http import client, send
from agent.still import read_all
from agent.vision import header
from agent.vision.decode import MOST_PIXELS, decode
from tests.rude import Behaviour, Rude, Talk, answers, reply

FORMS = (".jpg", ".png", ".bmp", ".webp")
PICTURE = np.random.default_rng(1).integers(0, 255, (24, 40, 3), np.uint8)


def encoded(form: str, *options: int, pixels: Pixels = PICTURE) -> bytes:
    return cv2.imencode(form, pixels, list(options))[1].tobytes()


def jpeg_of(width: int, height: int, *, progressive: bool = False) -> bytes:
    """A small JPEG whose header claims other sides."""
    data = bytearray(encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)))
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def png_of(width: int, height: int) -> bytes:
    data = bytearray(encoded(".png"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def bmp_of(width: int, height: int) -> bytes:
    data = bytearray(encoded(".bmp"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def webp_of(width: int, height: int) -> bytes:
    data = bytearray(encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, 50))
    at = data.index(b"\x9d\x01\x2a") + 3
    data[at : at + 4] = struct.pack("<HH", width, height)
    return bytes(data)


GIANTS = {
    "jpeg": jpeg_of(60_000, 60_000),
    "progressive jpeg": jpeg_of(65_000, 1000, progressive=True),
    "png": png_of(2**31 - 1, 2**31 - 1),
    "bmp": bmp_of(60_000, -60_000),
    "webp": webp_of(16_383, 16_383),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_sides_of_a_picture_are_known_before_it_is_decoded(form: str) -> None:
    found = header.read(encoded(form))
    assert found is not None
    assert (found.width, found.height) == (40, 24)
    assert decode(encoded(form)).shape == (24, 40, 3)


def test_the_sides_of_lossless_webp_are_known_too() -> None:
    found = header.read(encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, 101))
    assert found is not None
    assert (found.width, found.height) == (40, 24)


@pytest.mark.parametrize("kind", GIANTS)
def test_a_picture_that_would_fill_the_memory_is_refused_by_its_header(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(Rejected, match=r"^has \d+ × \d+ px; the most is 50 million pixels$"):
        decode(GIANTS[kind])


def test_the_largest_picture_that_is_taken_is_taken() -> None:
    pixels = np.zeros((5000, 10_000), np.uint8)
    assert pixels.size == MOST_PIXELS
    assert decode(encoded(".png", pixels=pixels)).shape == (5000, 10_000, 3)
    with pytest.raises(Rejected, match="10000 × 5001 px"):
        decode(encoded(".png", pixels=np.zeros((5001, 10_000), np.uint8)))


@pytest.mark.parametrize("chunk", [b"IDAT", b"IEND"])
def test_a_png_whose_chunk_claims_gigabytes_is_refused(chunk: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV makes room for what a chunk claims, and fills it with zeros: 3.6 GB for a file of 91 bytes."""
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    data = bytearray(encoded(".png"))
    at = data.index(chunk)
    data[at - 4 : at] = struct.pack(">I", 2**31 - 1)
    with pytest.raises(Rejected, match="is no picture that can be opened"):
        decode(bytes(data))


def test_bytes_behind_the_end_of_a_png_are_nobodys_business() -> None:
    assert decode(encoded(".png") + b"written by a camera").shape == (24, 40, 3)


def test_of_two_sizes_in_one_file_the_larger_counts() -> None:
    """Which of two frame headers a decoder believes is its own affair."""
    small = encoded(".jpg")
    at = small.index(b"\xff\xc0")
    length = struct.unpack(">H", small[at + 2 : at + 4])[0]
    second = bytearray(small[at : at + 2 + length])
    second[5:9] = struct.pack(">HH", 60_000, 60_000)
    for both in (small[:at] + bytes(second) + small[at:], small[: at + 2 + length] + bytes(second) + small[at + 2 + length :]):
        with pytest.raises(Rejected, match="60000 × 60000"):
            decode(both)


def test_a_size_behind_bytes_that_belong_to_nothing_is_found() -> None:
    """A decoder passes such bytes over and goes on; whoever stops there believes the size before them."""
    giant = jpeg_of(60_000, 60_000)
    at = giant.index(b"\xff\xc0")
    lossless = b"\xff\xcb\x00\x08\x08\x00\x09\x00\x09\x00"  # a frame that no decoder here knows, of 9 × 9 px
    with pytest.raises(Rejected, match="60000 × 60000"):
        decode(giant[:2] + lossless + b"nothing" + giant[at:])


def test_a_jpeg_that_wants_to_be_gone_over_a_thousand_times_is_refused() -> None:
    """Of 73 bytes each: 200 of them took 3 s over 48 million pixels."""
    once = encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert decode(once).shape == (24, 40, 3)
    last = once[once.rindex(b"\xff\xda") : -2]
    with pytest.raises(Rejected, match=r"^is a JPEG of 1010 scans; the most is 64"):
        decode(once[:-2] + last * 1000 + once[-2:])


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xd8", b"no picture", b"GIF89a" + bytes(50), b"P6 9 9 255 " + bytes(300), b"v/1\x01" + bytes(50), b"BM", encoded(".tiff")],
)
def test_what_is_of_no_kind_that_cameras_make_never_reaches_a_decoder(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(Rejected, match="is no picture that can be opened"):
        decode(content)


def test_a_file_that_is_none_or_too_large_is_not_even_read(tmp_path: Path) -> None:
    pipe, large = tmp_path / "pipe.jpg", tmp_path / "large.jpg"
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(MOST_BYTES + 1)  # of no bytes on the disk
    for path, words in (
        (pipe, "is no file"),
        (tmp_path, "is no file"),
        (large, "has 200 MB; the most is 200 MB"),
        (tmp_path / "x", "No such"),
    ):
        with pytest.raises(Rejected, match=words):
            opened(path)


def test_a_giant_among_the_pictures_of_a_person_or_a_folder_is_named_and_the_others_are_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.jpg").write_bytes(GIANTS["jpeg"])
    (tmp_path / "b.png").write_bytes(encoded(".png"))

    assert not read_all([tmp_path / "a.jpg"], as_json=False)
    assert "a.jpg: has 60000 × 60000 px; the most is 50 million pixels" in capsys.readouterr().err

    with open_camera(config.Camera(driver="replay", source=str(tmp_path), fps=120), Clock()) as camera:
        assert camera.read() is not None
        assert camera.read() is None
    assert "a.jpg is left out: it has 60000 × 60000 px" in caplog.text


def multipart(*pictures: bytes) -> bytes:
    part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    return b"".join(part % len(each) + each + b"\r\n" for each in pictures)


def video(*pictures: bytes, endless: bool = False) -> Behaviour:
    def talk(with_: Talk) -> None:
        with_.request()
        with_.say(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n" + multipart(*pictures))
        while endless and not with_.wait(0.0):
            with_.say(bytes(60_000))
        with_.wait(3)

    return talk


def live(url: str) -> LiveCamera:
    return LiveCamera(config.Camera(driver="opencv", source=url, fps=120, open_timeout_s=3.0, read_timeout_s=1.0), Clock())


def test_a_video_of_giant_frames_is_refused_before_one_is_decoded(tmp_path: Path) -> None:
    # One that can be decoded: what only claims to be large FFmpeg refuses by itself.
    giant = encoded(".jpg", pixels=np.full((7100, 7100), 90, np.uint8))
    with Rude(video(*[giant] * 4)) as server, pytest.raises(RetryLater, match="7100 × 7100 px"), live(server.url):
        pass
    file = tmp_path / "gate.mjpeg"
    file.write_bytes(multipart(*[giant] * 4))
    with (
        open_camera(config.Camera(driver="replay", source=str(file)), Clock()) as camera,
        pytest.raises(NeedsOperator, match=r"gate\.mjpeg: this video has 7100 × 7100 px"),
    ):
        camera.read()


def test_a_part_of_a_video_without_end_neither_fills_the_memory_nor_holds_the_camera() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Rude(video(encoded(".jpg"), encoded(".jpg"), encoded(".jpg"), endless=True)) as server:
        began = time.monotonic()
        with pytest.raises(RetryLater), live(server.url) as camera:  # noqa: PT012  # opening may fail, or any of the reads
            while camera.read() and time.monotonic() - began < 8:
                pass
        assert time.monotonic() - began < 8
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 100


def packed(body: bytes, coding: str = "gzip") -> Behaviour:
    return answers(*[reply(body, "200 OK", f"Content-Encoding: {coding}")] * 3)


def asked(url: str) -> bytes:
    with client(Http(connect_s=2, read_s=3, total_s=5)) as http:
        return send(http, http.build_request("POST", url), "tencent").body


def test_an_answer_packed_as_nobody_asked_for_is_unpacked_all_the_same() -> None:
    for body, coding in ((gzip.compress(b'{"ok":1}'), "gzip"), (zlib.compress(b'{"ok":1}'), "deflate"), (b'{"ok":1}', "identity")):
        with Rude(packed(body, coding)) as server:
            assert asked(server.url) == b'{"ok":1}'


@pytest.mark.parametrize(
    ("coding", "why"), [("gzip", "more than 1048576 bytes"), ("br", "packed as 'br'"), ("gzip, gzip", "packed as 'gzip, gzip'")]
)
def test_a_packed_answer_is_counted_as_it_unfolds(coding: str, why: str) -> None:
    """200 MB of zeros in 200 kB: the library would have unpacked 64 MB at a time."""
    heap = zlib.compressobj(9, wbits=31)
    bomb = b"".join([heap.compress(bytes(1_000_000)) for _ in range(200)] + [heap.flush()])
    assert len(bomb) < 250_000
    with Rude(packed(bomb, coding)) as server:
        tracemalloc.start()
        with pytest.raises(RetryLater, match=why):
            asked(server.url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8_000_000


def test_a_packed_answer_without_an_end_is_no_answer() -> None:
    with Rude(packed(gzip.compress(b'{"ok":1}' * 20)[:-9])) as server, pytest.raises(RetryLater, match="the packed body has no end"):
        asked(server.url)


def test_a_packed_picture_of_a_camera_is_counted_as_it_unfolds() -> None:
    bomb = gzip.compress(encoded(".jpg") + bytes(30_000_000))
    settings = config.Camera(driver="snapshot", read_timeout_s=3.0, stream=config.Stream(max_mb=1.0))
    with (
        Rude(packed(bomb)) as server,
        SnapshotCamera(replace(settings, source=server.url), Clock()) as camera,
        pytest.raises(RetryLater, match="sends more than 1 MB"),
    ):
        camera.read()
