"""Single pictures over HTTP: in their interval, behind any log-in, and one sentence for whatever else comes."""

import itertools
import logging
import re
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent import config
from agent.camera import open_camera
from agent.camera.snapshot import SnapshotCamera
from agent.clock import Clock
from agent.errors import BadConfig, NeedsOperator, RetryLater
from agent.settings import Secret
from tests.broker import Authority
from tests.rude import Behaviour, Rude, Talk, answers, reply
from tests.servers import refusing_port
from tests.web_camera import WebCamera, jpeg, shade

LIMIT_S = 1.0  # the time-out that is set
END_S = 5.0  # every opening and reading has to be over by then, on a slow machine too
ODD = 'p@ss/w:rd %41#?"'


def snapshot(source: str, fps: float = 50, user: str = "", password: str = "", **stream: Any) -> SnapshotCamera:
    settings = config.Camera(
        driver="snapshot",
        source=source,
        user=Secret(user),
        password=Secret(password),
        fps=fps,
        open_timeout_s=LIMIT_S,
        read_timeout_s=LIMIT_S,
        stream=config.Stream(**stream),
    )
    camera = open_camera(settings, Clock())
    assert isinstance(camera, SnapshotCamera)
    return camera


def failure(camera: SnapshotCamera) -> str:
    """What the first read says when it fails, as it should within its time-out."""
    began = time.monotonic()
    with pytest.raises(RetryLater) as wrong, camera:
        camera.read()
    assert time.monotonic() - began < END_S
    return str(wrong.value)


def test_each_picture_is_a_new_one_and_comes_no_sooner_than_its_interval() -> None:
    with WebCamera() as server, snapshot(f"{server.url}/picture", fps=10) as camera:
        frames = [camera.read() for _ in range(5)]
    assert [frame.size for frame in frames] == [(160, 120)] * 5
    assert [abs(float(np.median(frame.pixels)) - shade(number + 1)) <= 2 for number, frame in enumerate(frames)] == [True] * 5
    times = [frame.taken_at.monotonic_ms for frame in frames]
    assert all(later - earlier >= 99 for earlier, later in itertools.pairwise(times))


def test_a_picture_a_minute_and_slower_is_a_setting() -> None:
    assert config.Camera(driver="snapshot", fps=0.01).fps == 0.01


@pytest.mark.parametrize("kind", ["basic", "digest", "both"])
def test_a_log_in_is_given_in_the_form_the_camera_asks_for(kind: Any) -> None:
    with WebCamera(kind, "admin", ODD) as server, snapshot(f"{server.url}/picture?channel=1", user="admin", password=ODD) as camera:
        for _ in range(3):
            camera.read()
        assert server.refused == 0
        assert server.sent == 3
        assert server.asked <= 5, "asked for its log-in at the beginning alone"


def test_a_log_in_in_the_address_counts_where_the_keys_are_empty() -> None:
    with WebCamera("digest", "admin", "p@ss") as server:
        with snapshot(server.url.replace("//", "//admin:p%40ss@") + "/picture") as camera:
            camera.read()
        with snapshot(server.url.replace("//", "//nobody:wrong@") + "/picture", user="admin", password="p@ss") as camera:
            camera.read()
        assert server.refused == 0


@pytest.mark.parametrize("kind", ["basic", "digest"])
def test_a_wrong_password_is_the_operators_business_and_is_tried_once(kind: Any) -> None:
    with WebCamera(kind, "admin", "right") as server:
        with pytest.raises(NeedsOperator, match=r"/picture refuses user and password \(401\)"):  # noqa: SIM117
            with snapshot(f"{server.url}/picture", user="admin", password="wrong") as camera:
                camera.read()
        assert server.refused == 1, "cameras lock an account after a few wrong ones"


def test_a_camera_that_wants_a_log_in_nobody_gave_says_so() -> None:
    with WebCamera("basic", "admin", "right") as server:
        camera = snapshot(f"{server.url}/picture")
        with pytest.raises(NeedsOperator, match="wants a log-in"), camera:
            camera.read()


def test_a_kind_of_digest_nobody_knows_is_not_answered_with_a_crash() -> None:
    with WebCamera("digest", "admin", "right") as server, snapshot(f"{server.url}/picture", user="admin", password="right") as camera:
        server.algorithm = "SHA-512-256"
        with pytest.raises(NeedsOperator, match="refuses user and password"):
            camera.read()


def picture(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> Behaviour:
    return answers(*[reply(body, status, "Content-Type: image/jpeg", *headers, length=length)] * 9)


def bomb() -> bytes:
    """A whole JPEG of a few bytes that claims 60,000 × 60,000 pixels."""
    data = bytearray(jpeg(1))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    return bytes(data)


def damaged() -> bytes:
    """Begins and ends as a JPEG does, and has a table in between that is none."""
    data = bytearray(jpeg(1))
    at = data.index(b"\xff\xc4")
    data[at + 5 : at + 21] = b"\xee" * 16
    return bytes(data)


def silent(talk: Talk) -> None:
    talk.request()
    talk.wait()


def drips(talk: Talk) -> None:
    talk.request()
    talk.drip(reply(jpeg(1)), 0.02)


def floods(talk: Talk) -> None:
    talk.request()
    talk.say(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n")
    while not talk.wait(0.0):
        talk.say(b"\xff\xd8" + bytes(60_000))


FAULTS: dict[str, tuple[Behaviour, str]] = {
    "a web page": (answers(reply(b"<html>log in</html>", "200 OK", "Content-Type: text/html")), r"sent 19 bytes that are no JPEG picture"),
    "nothing": (picture(b""), "sent 0 bytes that are no JPEG picture"),
    "half a picture": (picture(jpeg(1)[:-300]), "a part is missing"),
    "half of what was promised": (answers(reply(jpeg(1)[:500], length=5000)), "broke off in the middle"),
    "a damaged picture": (picture(damaged()), "is a damaged JPEG picture"),
    "a picture that would fill the memory": (picture(bomb()), "60000 × 60000 px"),
    "no end of it": (floods, r"sends more than 0\.5 MB"),
    "silence": (silent, "did not answer in full within 1 s"),
    "a byte now and then": (drips, "did not answer in full within 1 s"),
    "no such address": (picture(b"", "404 Not Found"), r"has nothing at this address \(404\)"),
    "another address": (
        picture(b"", "302 Found", "Location: http://other.example/x?token=s3cret"),
        r"sends us on to other\.example \(302\)",
    ),
    "an address that is none": (picture(b"", "302 Found", "Location: http://[::1"), "broke off in the middle"),
    "too much to do": (picture(b"", "503 Busy"), r"answers with an error \(503\)"),
    "no HTTP": (lambda talk: talk.say(b"SSH-2.0-OpenSSH_9.2\r\n"), "broke off"),
    "a closed door": (lambda talk: None, "broke off"),
    "the same picture for ever": (picture(jpeg(1)), "has sent the same picture for 1 s"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_comes_instead_of_a_picture_is_told_in_one_sentence_within_the_time_out(fault: str) -> None:
    behaviour, words = FAULTS[fault]
    with Rude(behaviour) as server, snapshot(server.url.replace("/v1/read", "/picture"), max_mb=0.5) as camera:
        began = time.monotonic()
        with pytest.raises(RetryLater, match=words) as wrong:  # noqa: PT012  # the second picture is the same as the first
            camera.read()
            camera.read()
        assert time.monotonic() - began < END_S
    said = str(wrong.value)
    assert re.match(r"http://127\.0\.0\.1:\d+/picture\?token=\*\*\* ", said), said
    assert "\n" not in said


def test_a_camera_that_is_switched_off_or_has_no_name_is_told() -> None:
    assert "cannot be reached" in failure(snapshot(f"http://127.0.0.1:{refusing_port()}/picture"))
    assert "cannot be reached" in failure(snapshot("http://camera.invalid/picture"))


def test_a_connection_the_camera_has_closed_in_the_meantime_costs_nothing() -> None:
    pictures = [answers(reply(jpeg(number), "200 OK", "Content-Type: image/jpeg")) for number in range(4)]
    with Rude(*pictures) as server, snapshot(server.url, fps=20) as camera:
        for _ in range(4):
            camera.read()
        assert server.connections == 4


def test_a_camera_that_came_back_is_read_again_by_the_same_object() -> None:
    with Rude(picture(b"", "503 Busy"), picture(jpeg(1))) as server:
        camera = snapshot(server.url)
        assert "503" in failure(camera)
        with camera:
            assert camera.read().size == (160, 120)


def test_a_certificate_is_believed_only_with_its_authority_or_where_nobody_asks(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    with WebCamera(tls=authority.issue("camera")) as server:
        address = f"{server.url}/picture"
        with pytest.raises(NeedsOperator, match=r"certificate is not believed .*camera\.stream\.ca_file"), snapshot(address) as camera:
            camera.read()
        for rules in ({"ca_file": str(authority.file)}, {"verify": False}):
            with snapshot(address, **rules) as camera:
                assert camera.read().size == (160, 120)
    with pytest.raises(BadConfig, match=r"camera\.stream\.ca_file: /nonexistent cannot be used"), snapshot(address, ca_file="/nonexistent"):
        pass


@pytest.mark.parametrize("source", ["rtsp://camera/picture", "/dev/video0", "picture.jpg", "http://host:port/x", "http:///x"])
def test_a_source_that_is_no_address_is_the_operators_business(source: str) -> None:
    with pytest.raises(NeedsOperator, match=re.escape("camera.source of driver snapshot must be")), snapshot(source):
        pass


def test_reading_before_opening_is_refused() -> None:
    with pytest.raises(RetryLater, match="is not open"):
        snapshot("http://camera/picture").read()


def _wrong_login(server: WebCamera) -> SnapshotCamera:
    return snapshot(f"{server.url}/picture?key=q-s3cret", user="admin-s3cret", password="p-s3cret")


def _login_in_the_address(server: WebCamera) -> SnapshotCamera:
    return snapshot(server.url.replace("//", "//admin-s3cret:p-s3cret@") + "/picture")


@pytest.mark.parametrize("make", [_wrong_login, _login_in_the_address])
def test_a_log_in_reaches_neither_error_nor_log_nor_stderr(
    make: Callable[[WebCamera], SnapshotCamera], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with WebCamera("both", "somebody", "else") as server:
        camera = make(server)
        with pytest.raises(NeedsOperator) as wrong, camera:
            camera.read()
    assert server.host in str(wrong.value)
    assert "s3cret" not in f"{wrong.value} {wrong.value.__context__} {caplog.text} {camera!r} {capfd.readouterr()}"
