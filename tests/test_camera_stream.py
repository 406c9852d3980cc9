"""Video over the network, without a real RTSP server: whatever goes wrong ends in time, is told, and leaves nothing behind."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.camera.opencv import LiveCamera
from agent.clock import Clock
from agent.errors import AgentError, NeedsOperator, RetryLater
from agent.settings import Secret
from tests.broker import Authority
from tests.rude import Rude, answers, proxy, reply
from tests.servers import refusing_port, until
from tests.tcp_faults import ANSWERS, Hole, Mode, Proxy, Silent, said
from tests.web_camera import WebCamera

LIMIT_S = 0.6  # the time-outs where nothing good is expected
WELL_S = 4.0  # and where a slow machine must have time for what is
END_S = 5.0  # every opening and every reading has to be over by then, on a slow machine too
ODD = "p@ss/w:rd %41#?"


def live(source: str, user: str = "", password: str = "", *, limit_s: float = LIMIT_S, **stream: Any) -> LiveCamera:
    settings = config.Camera(
        driver="opencv",
        source=source,
        user=Secret(user),
        password=Secret(password),
        fps=50,
        open_timeout_s=limit_s,
        read_timeout_s=limit_s,
        stream=config.Stream(**stream),
    )
    return LiveCamera(settings, Clock())


def failure(camera: LiveCamera, kind: type[AgentError] = RetryLater) -> str:
    """What opening, or else reading to the bitter end, says when it fails; closing counts as well."""
    began = time.monotonic()
    with pytest.raises(kind) as wrong, camera:  # noqa: PT012  # opening may fail, or any of the reads
        while camera.read():
            began = time.monotonic()
    assert time.monotonic() - began < END_S
    return str(wrong.value)


@pytest.mark.parametrize("fault", ANSWERS)
def test_an_answer_that_is_no_video_is_told_for_what_it_is(fault: str) -> None:
    behaviour, words = ANSWERS[fault]
    with Rude(behaviour) as server:
        source = f"rtsp://127.0.0.1:{server.port}/gate"
        told = failure(live(source, "admin", ODD, limit_s=WELL_S), NeedsOperator if "password" in fault else RetryLater)
    assert told.startswith(source)
    assert any(each in told for each in words.split("|")), told


def test_a_proxy_of_the_environment_sees_no_camera_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    with WebCamera() as web, Rude(proxy(asked)) as between:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{between.port}")
        with live(f"http://{web.host}/video", "admin", "s3cret", limit_s=WELL_S) as camera:
            assert camera.read()
    assert asked == []


def test_a_camera_that_wants_a_log_in_nobody_gave_says_so() -> None:
    with Rude(said("401 Unauthorized", 'WWW-Authenticate: Basic realm="gate"')) as server:
        assert "wants a log-in (401)" in failure(live(f"rtsp://127.0.0.1:{server.port}/gate", limit_s=WELL_S), NeedsOperator)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(b"<html>", "200 OK", "Content-Type: text/html"), "sends 'text/html' instead of a video"),
        (reply(b"", "404 Not Found"), "has nothing at this address"),
        (reply(b"", "302 Found", "Location: http://127.0.0.1:1/video?token=s3cret"), r"sends us on to 127\.0\.0\.1 \(302\)"),
        (reply(b"", "503 Busy"), "answers with an error"),
    ],
)
def test_a_web_server_that_sends_no_video_is_told_for_what_it_does(answer: bytes, words: str) -> None:
    with Rude(answers(answer)) as server:
        told = failure(live(f"http://127.0.0.1:{server.port}/video", limit_s=WELL_S))
    assert re.search(words, told), told
    assert "s3cret" not in told


@pytest.mark.parametrize("kind", ["basic", "digest", "both"])
def test_a_log_in_with_odd_characters_is_taken_and_a_wrong_one_is_the_operators_business(kind: Any) -> None:
    with WebCamera(kind, "ad min", ODD) as server:
        with live(f"{server.url}/video", "ad min", ODD, limit_s=WELL_S) as camera:
            assert camera.read().size == (160, 120)
        assert "refuses user and password" in failure(live(f"{server.url}/video", "ad min", "wrong", limit_s=WELL_S), NeedsOperator)
        assert "wants a log-in" in failure(live(f"{server.url}/video", limit_s=WELL_S), NeedsOperator)


def test_a_certificate_is_believed_only_with_its_authority_or_where_nobody_asks(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    with WebCamera("basic", "admin", ODD, tls=authority.issue("camera")) as server:
        address = f"{server.url}/video"
        assert "certificate is not believed" in failure(live(address, "admin", ODD, limit_s=WELL_S), NeedsOperator)
        assert server.asked == 0, "the log-in stays here until the camera is known"
        for rules in ({"ca_file": str(authority.file)}, {"verify": False}):
            with live(address, "admin", ODD, limit_s=WELL_S, **rules) as camera:
                assert camera.read().size == (160, 120)


def test_a_port_that_swallows_everything_is_given_up_in_time() -> None:
    with Hole() as hole:
        assert "does not answer within 0.6 s" in failure(live(f"rtsp://127.0.0.1:{hole.port}/gate"))


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_camera_that_never_says_a_word_is_given_up_in_time(scheme: str) -> None:
    with Silent() as silent:
        assert "gave no video within 0.6 s" in failure(live(f"{scheme}://127.0.0.1:{silent.port}/gate"))
        assert silent.taken > 0


@pytest.mark.parametrize("mode", ["stall", "cut", "reset", "garbage"])
def test_a_connection_that_breaks_while_it_is_read_is_given_up_in_time_and_opened_again(mode: Mode) -> None:
    with WebCamera() as server, Proxy(int(server.host.split(":")[1]), mode, most=40_000) as proxy:
        camera = live(f"http://127.0.0.1:{proxy.port}/video", limit_s=2.0)
        assert "has stopped sending" in (told := failure(camera)) or "sent no frame" in told
        assert server.sent > 10
        proxy.mode = "pass"
        with camera:
            assert camera.read()


def test_a_name_without_address_is_told_and_a_resolver_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "its name has no address" in failure(live("rtsp://camera.invalid/gate"))
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(60) and [])
    assert "its name has no address" in failure(live("rtsp://camera.example/gate"))
    answered.set()


def tasks() -> int:
    """Threads of this process as the kernel counts them, those of FFmpeg included."""
    return len(list(Path("/proc/self/task").iterdir()))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def faults() -> Iterator[list[str]]:
    """Sources that fail in a moment."""
    with ExitStack() as stack:
        web = stack.enter_context(WebCamera())
        cut = stack.enter_context(Proxy(int(web.host.split(":")[1]), "cut", most=20_000)).port
        rude = [stack.enter_context(Rude(behaviour)).port for behaviour, _ in ANSWERS.values()]
        yield [
            f"rtsp://127.0.0.1:{refusing_port()}/gate",
            f"http://127.0.0.1:{cut}/video",
            *(f"rtsp://admin:x@127.0.0.1:{each}/gate" for each in rude),
        ]


def test_a_camera_that_fails_in_every_way_again_and_again_leaves_no_thread_and_no_file_behind() -> None:
    threads, files = tasks(), open_files()
    for _ in range(2):
        with faults() as sources:
            for number in range(36):
                with contextlib.suppress(AgentError), live(sources[number % len(sources)]) as camera:
                    while camera.read():
                        pass
    # The servers have gone as well: what is left over is ours. FFmpeg and OpenCV keep a few for good from their first use on.
    assert until(lambda: tasks() <= threads + 4, 20)
    assert until(lambda: open_files() <= files + 4, 20)
