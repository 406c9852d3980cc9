"""RTSP for real: a server of GStreamer's, its frames decoded by FFmpeg, and everything that can go wrong between the two."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from agent import config
from agent.camera import Camera
from agent.errors import AgentError, NeedsOperator, RetryLater
from tests.broker import Broker, Subscriber
from tests.device.rtsp_camera import Codec, RtspCamera, age_s, live, recovered_after_s
from tests.gateway import Gateway
from tests.payloads import valid
from tests.rude import Rude
from tests.servers import CameraServer, refusing_port, until
from tests.tcp_faults import ANSWERS, Hole, Mode, Proxy, Silent, said

ENDS_S = 5.0  # every opening and every reading is over by then, with the settings as they are shipped
STALE_S = 0.5  # the oldest a frame may be in the hands of a slow reader
SPAWN = multiprocessing.get_context("spawn")
ODD = "p@ss/w:rd %41#?"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_slow_reader_of_a_fast_camera_never_sees_an_old_frame(codec: Codec, transport: str) -> None:
    with RtspCamera(codec) as server:
        began = time.monotonic()
        with live(server.url, fps=1.0, stream=config.Stream(transport=transport)) as camera:
            opened_s = time.monotonic() - began
            ages = [age for _ in range(12) if (frame := camera.read()) and (age := age_s(frame)) is not None]
    caught_up = ages[2:]
    figures = f"age of a frame read once a second: median {statistics.median(caught_up):.3f} s, most {max(caught_up):.3f} s"
    print(f"\n{codec} over {transport}, 25 fps: opened in {opened_s:.1f} s; {figures}, the first {ages[0]:.2f} s")
    assert len(ages) >= 11, "pictures arrive whole"
    assert max(caught_up) < STALE_S


@pytest.mark.parametrize("kind", ["basic", "digest"])
def test_a_log_in_with_odd_characters_is_taken_and_a_wrong_one_is_the_operators_business(kind: str) -> None:
    with RtspCamera(login=f"{kind}:ad min:{ODD}") as server:
        with live(server.url, ("ad min", ODD)) as camera:
            assert camera.read()
        for login, words in ((("ad min", "wrong"), "refuses user and password"), (("", ""), "wants a log-in")):
            with pytest.raises(NeedsOperator, match=words), live(server.url, login):
                pass


@dataclass
class Row:
    """One line of the table."""

    fault: str
    open_s: float = 0.0
    read_s: float | None = None
    said: str = ""
    recovered_s: float | None = None

    def __str__(self) -> str:
        read, back = (f"{value:6.2f}" if value is not None else "     –" for value in (self.read_s, self.recovered_s))
        return f"{self.fault:<34} {self.open_s:6.2f} {read} {back}  {self.said}"


@dataclass
class Table:
    rows: list[Row] = field(default_factory=list)

    def row(self, fault: str) -> Row:
        self.rows.append(Row(fault))
        return self.rows[-1]


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    table = Table()
    yield table
    print(f"\n\n{'fault':<34} {'open s':>6} {'read s':>6} {'back s':>6}  what was said")
    print("\n".join(map(str, table.rows)))


def plain(trouble: AgentError) -> str:
    """What was said, without the address it begins with."""
    return str(trouble).partition("/gate")[2].lstrip(": ")


def refused_opening(row: Row, camera: Camera) -> None:
    """The camera cannot be opened, and that is over in time."""
    began = time.monotonic()
    with pytest.raises(AgentError) as wrong, camera:
        pass
    row.open_s, row.said = time.monotonic() - began, plain(wrong.value)
    assert row.open_s < ENDS_S


def broken_reading(row: Row, camera: Camera, breaks: Callable[[], None]) -> None:
    """The camera is opened and read, then something breaks; reading and closing are over in time."""
    began = time.monotonic()
    with pytest.raises(RetryLater) as wrong, camera:  # noqa: PT012  # it may fail in any of these reads, once it is broken
        row.open_s = time.monotonic() - began
        for _ in range(30):
            camera.read()
        breaks()
        began = time.monotonic()
        while True:
            camera.read()
    row.read_s, row.said = time.monotonic() - began, plain(wrong.value)
    assert row.open_s < ENDS_S
    assert row.read_s < ENDS_S


def test_a_camera_nobody_runs_is_given_up_at_once_and_read_when_it_runs(table: Table) -> None:
    row, server = table.row("refuses (switched off)"), RtspCamera()
    refused_opening(row, live(server.url))
    with server:
        row.recovered_s = recovered_after_s(live(server.url), time.monotonic())


def test_a_port_that_swallows_everything_is_given_up_in_time(table: Table) -> None:
    with Hole() as hole:
        refused_opening(table.row("black hole (no answer to SYN)"), live(f"rtsp://127.0.0.1:{hole.port}/gate"))


def test_a_camera_that_is_frozen_before_it_is_opened_is_given_up_in_time(table: Table) -> None:
    row = table.row("silent (frozen, then thawed)")
    with RtspCamera() as server:
        server.freeze()
        refused_opening(row, live(server.url))
        server.thaw()
        row.recovered_s = recovered_after_s(live(server.url), time.monotonic())


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_that_freezes_while_it_is_read_is_given_up_in_time(table: Table, transport: str) -> None:
    row = table.row(f"stalls mid-stream, {transport}")
    with RtspCamera() as server:
        camera = live(server.url, stream=config.Stream(transport=transport))
        broken_reading(row, camera, server.freeze)
        server.thaw()
        row.recovered_s = recovered_after_s(camera, time.monotonic())


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_that_restarts_is_read_again(table: Table, transport: str) -> None:
    row = table.row(f"killed and restarted, {transport}")
    with RtspCamera() as server:
        camera = live(server.url, stream=config.Stream(transport=transport))
        broken_reading(row, camera, server.kill)
        server.start()
        row.recovered_s = recovered_after_s(camera, time.monotonic())


@pytest.mark.parametrize("mode", ["stall", "cut", "reset", "garbage"])
def test_a_connection_that_breaks_while_it_is_read_is_given_up_in_time(table: Table, mode: Mode) -> None:
    words = {"stall": "network stalls mid-stream", "cut": "cut mid-stream", "reset": "reset mid-stream", "garbage": "garbage mid-stream"}
    row = table.row(words[mode])
    with RtspCamera() as server, Proxy(server.port) as proxy:
        camera = live(f"rtsp://127.0.0.1:{proxy.port}/gate")
        broken_reading(row, camera, lambda: setattr(proxy, "mode", mode))
        proxy.mode = "pass"
        row.recovered_s = recovered_after_s(camera, time.monotonic())


@pytest.mark.parametrize("fault", ANSWERS)
def test_an_answer_that_is_no_video_is_told_for_what_it_is(table: Table, fault: str) -> None:
    behaviour, words = ANSWERS[fault]
    with Rude(behaviour) as server:
        row = table.row(fault)
        refused_opening(row, live(f"rtsp://127.0.0.1:{server.port}/gate", ("admin", ODD)))
    assert any(each in row.said for each in words.split("|")), row.said


def test_a_redirection_in_a_circle_ends(table: Table) -> None:
    with Rude(lambda talk: said("302 Found", f"Location: rtsp://127.0.0.1:{server.port}/gate")(talk)) as server:
        refused_opening(table.row("redirects to itself"), live(f"rtsp://127.0.0.1:{server.port}/gate"))


def test_a_password_that_was_put_right_is_read_with(table: Table) -> None:
    row = table.row("wrong password, put right")
    with RtspCamera(login=f"digest:admin:{ODD}") as server:
        refused_opening(row, live(server.url, ("admin", "wrong")))
        row.recovered_s = recovered_after_s(live(server.url, ("admin", ODD)), time.monotonic())


def tasks() -> int:
    """Threads of this process as the kernel counts them, those of FFmpeg included."""
    return len(list(Path("/proc/self/task").iterdir()))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_mb() -> float:
    gc.collect()
    line = next(line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def farm(pipe: Connection[tuple[list[str], list[str]], None]) -> None:
    """A process of its own, so that what the servers use is not counted: sources that fail fast, and sources that fail by a time-out."""
    with ExitStack() as stack:
        mjpeg = stack.enter_context(CameraServer(fps=200))
        real = stack.enter_context(RtspCamera())

        def proxy(port: int, mode: Mode, most: int) -> int:
            return stack.enter_context(Proxy(port, mode, most)).port

        video = int(mjpeg.url.split(":")[2].partition("/")[0])
        rude = [stack.enter_context(Rude(behaviour)).port for behaviour, _ in ANSWERS.values()]
        quick = [
            f"rtsp://127.0.0.1:{refusing_port()}/gate",
            f"{real.url}/nothing",
            f"http://127.0.0.1:{proxy(video, 'cut', 20_000)}/video",
            f"http://127.0.0.1:{proxy(video, 'reset', 30_000)}/video",
            *(f"rtsp://admin:x@127.0.0.1:{each}/gate" for each in rude),
        ]
        slow = [
            f"rtsp://127.0.0.1:{stack.enter_context(Hole()).port}/gate",
            f"rtsp://127.0.0.1:{stack.enter_context(Silent()).port}/gate",
            f"http://127.0.0.1:{stack.enter_context(Silent()).port}/video",
            f"http://127.0.0.1:{proxy(video, 'stall', 20_000)}/video",
            f"http://127.0.0.1:{proxy(video, 'garbage', 20_000)}/video",
            f"rtsp://127.0.0.1:{proxy(real.port, 'cut', 30_000)}/gate",
            f"rtsp://127.0.0.1:{proxy(real.port, 'stall', 30_000)}/gate",
        ]
        pipe.send((quick, slow))
        with contextlib.suppress(EOFError):
            pipe.recv()


@contextmanager
def faults() -> Iterator[tuple[list[str], list[str]]]:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=farm, args=(theirs,))
    process.start()
    theirs.close()
    with ours:
        yield ours.recv()
    process.join(20)
    assert process.exitcode == 0


def fails(source: str, **limits: Any) -> float:
    """Open, read to the bitter end, close; how long that took from the last frame on, where there were any."""
    began = time.monotonic()
    with contextlib.suppress(AgentError), live(source, fps=100.0, **limits) as camera:
        while camera.read():
            began = time.monotonic()
    return time.monotonic() - began


def test_a_thousand_failures_leave_no_thread_no_file_and_no_memory_behind() -> None:
    shortest = {"open_timeout_s": 2.0, "read_timeout_s": 0.5}  # less, and no video of a real server would ever begin
    with faults() as (quick, slow):
        sources = [slow[number // 20 % len(slow)] if number % 20 == 0 else quick[number % len(quick)] for number in range(1000)]
        for source in (*quick, *slow):  # what a library keeps after its first use it may keep
            fails(source, **shortest)
        assert until(lambda: all(thread.name != "grab" for thread in threading.enumerate()), 20)
        threads, files, memory = tasks(), open_files(), resident_mb()
        began = time.monotonic()
        longest = max(fails(source, **shortest) for source in sources)
        took = time.monotonic() - began
        settled = until(lambda: tasks() <= threads and open_files() <= files, 20)
        more = resident_mb() - memory
        print(
            f"\n1,000 rounds ({sum(each in slow for each in sources)} of them slow) in {took:.0f} s, the longest {longest:.1f} s: "
            f"threads {threads} → {tasks()}, files {files} → {open_files()}, memory {more:+.1f} MB"
        )
        assert settled
        assert longest < ENDS_S
        assert more <= 10


def camera_states(yard: Subscriber) -> list[tuple[str, str]]:
    return [
        (said["state"], said.get("reason") or "")
        for said in (valid(each.topic, each.payload) for each in yard.collect("camera/cam1/status"))
    ]


def test_the_agent_says_what_has_become_of_its_camera_and_opens_it_again(tmp_path: Path) -> None:
    with RtspCamera(login=f"basic:admin:{ODD}") as server, Broker(tmp_path / "broker") as broker, Subscriber(broker.port) as yard:
        source = f'source = "rtsp://admin:{quote(ODD, safe="")}@127.0.0.1:{server.port}/gate"'
        gateway = Gateway(tmp_path, broker.port, driver="opencv", fps=5.0)
        gateway.config.write_text(gateway.config.read_text("utf-8").replace('source = "scene"', source), "utf-8")
        with gateway:
            yard.wait_for(lambda _: ("online", "") in camera_states(yard), 60)
            server.freeze()
            began = time.monotonic()
            yard.wait_for(lambda _: any(state == "offline" for state, _ in camera_states(yard)), 60)
            noticed_s = time.monotonic() - began
            server.thaw()
            began, known = time.monotonic(), len(camera_states(yard))
            yard.wait_for(lambda _: ("online", "") in camera_states(yard)[known:], 60)
            back_s = time.monotonic() - began
        reason = next(reason for state, reason in camera_states(yard) if state == "offline")
        print(f"\nthe agent: frozen camera offline after {noticed_s:.1f} s, online again {back_s:.1f} s after it went on; said: {reason}")
        assert f"rtsp://127.0.0.1:{server.port}/gate" in reason
        assert "started again in 1 s" in gateway.log(), "it waits before it tries again"
        told = gateway.log() + "".join(each.payload.decode() for each in yard.collect())
        assert [spelt for spelt in (ODD, quote(ODD), quote(ODD, safe=""), "admin") if spelt in told] == []
