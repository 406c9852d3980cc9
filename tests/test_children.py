"""What the parent knows of a camera: online only while its last good frame is young, alarms by name, patience with slow ones."""

import json
import os
import signal
import struct
import time
from multiprocessing import Pipe
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from agent import config
from agent.bounds import Bounds
from agent.child import Child
from agent.children import Children
from agent.clock import Clock
from agent.domain import Alarm
from agent.failpoint import VARIABLE
from agent.orphan import die_with_parent
from agent.store import Store
from agent.take import Take
from agent.wire import Job, Progress, Rate
from tests.broker import Broker, Received, Subscriber
from tests.gateway import Gateway
from tests.payloads import valid
from tests.samples import FACTS, NOW

ROOT = "vinagent/v1/demo/gateway"


def child(**settings: object) -> Child:
    return Child(Job(config.Camera(**{"name": "cam1", **settings}), config.Vision(), Bounds(), "info"))  # type: ignore[arg-type]  # keys of a camera


def progress(frames: int, view: str = "", good_age_s: float | None = 0.0, alarms: tuple[Alarm, ...] = ()) -> Progress:
    return Progress(frames, 0, 8.0, 0.0, None, view, 0, good_age_s, alarms)


def shown(camera: Child, now: float) -> tuple[str, str]:
    view = camera.view.at(now)
    return view.state, view.reason


def test_a_camera_is_online_while_its_last_good_frame_is_young() -> None:
    camera = child()
    for second in range(5):
        camera.heard(progress(8 * second), 100.0 + second)

    assert shown(camera, 104.5) == ("online", "")
    assert shown(camera, 111.0) == ("online", "")
    assert shown(camera, 112.0) == ("degraded", "no_frame")


def test_a_flash_of_light_is_no_change_but_a_night_without_a_lamp_is() -> None:
    camera = child()
    for second in range(20):
        camera.heard(progress(8 * second, "dark" if second > 4 else "", max(0.0, second - 4.0)), 100.0 + second)
        assert shown(camera, 100.0 + second) == (("online", "") if second < 12 else ("degraded", "dark"))


def test_a_camera_with_an_alarm_is_degraded_and_says_which(caplog: pytest.LogCaptureFixture) -> None:
    camera = child()
    caplog.set_level("INFO")
    for number, (blurred, moved) in enumerate([(False, False), (True, False), (True, True), (True, True), (False, False)]):
        alarms = (Alarm("black", on=False), Alarm("blurred", on=blurred), Alarm("moved", on=moved))
        camera.heard(progress(number, alarms=alarms), 100.0 + number)
        wrong = ", ".join(alarm.name for alarm in alarms if alarm.on)
        assert shown(camera, 100.0 + number) == (("degraded", wrong) if wrong else ("online", ""))

    assert [record.getMessage() for record in caplog.records] == [
        "cam1: alarm: the picture is blurred",
        "cam1: alarm: the picture is moved",
        "cam1: alarm over: the picture is no longer blurred",
        "cam1: alarm over: the picture is no longer moved",
    ]


def test_a_slow_camera_may_be_silent_for_twice_the_gap_between_its_frames() -> None:
    camera = child(stall_s=10.0)
    camera.heard(progress(1), 100.0)
    assert camera.view.patience_s == 12.5
    for number in range(2, 6):
        camera.heard(progress(number), 90.0 + 10.0 * number)
        assert camera.view.patience_s == 20.0
        assert shown(camera, 99.9 + 10.0 * number) == ("online", "")
    camera.heard(progress(6), 141.0)
    assert camera.view.patience_s == 10.0, "one that is fast again is soon missed"


def test_a_camera_that_is_to_be_slow_is_given_the_time() -> None:
    camera = child(stall_s=10.0, fps=0.1)
    camera.heard(progress(1), 100.0)

    assert camera.view.patience_s == pytest.approx(25.0)


def test_a_frame_rate_is_told_once() -> None:
    camera = child(fps=8.0)
    assert camera.rate() is None
    camera.fps = 2.0
    assert (camera.rate(), camera.rate()) == (Rate(2.0), None)


def alarms_of(messages: list[Received]) -> list[dict[str, dict[str, object]]]:
    return [valid(each.topic, each.payload)["alarms"] for each in messages if each.topic == f"{ROOT}/camera/cam1/alarm"]


@pytest.mark.parametrize(("shade", "name"), [(0, "black"), (255, "white")])
def test_a_camera_that_shows_nothing_is_told_to_the_yard_and_costs_no_call(tmp_path: Path, shade: int, name: str) -> None:
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "nothing.png"), np.full((360, 640, 3), shade, np.uint8))
    settings = "\n[alarm]\nafter_s = 2.0\nevery_s = 0.2\n"
    with (
        Broker(tmp_path / "broker") as broker,
        Subscriber(broker.port) as yard,
        Gateway(tmp_path / "gateway", broker.port, more=settings, source=str(tmp_path / "pictures"), loop=True) as gateway,
    ):
        messages = yard.wait_for(lambda seen: any(each[name]["on"] for each in alarms_of(seen)), 60)
        assert alarms_of(messages)[0][name] == {"on": False}
        assert "since" in alarms_of(messages)[-1][name]
        gateway.wait_for(lambda: f"alarm: the picture is {name}" in gateway.log())
        yard.wait_for(lambda seen: _last(seen, "camera/cam1/status").get("reason") == name)
        health = yard.wait_for(lambda seen: "camera_alarm" in _last(seen, "health").get("reasons", []))
        assert _last(health, "camera/cam1/status")["state"] == "degraded"
        assert _last(health, "health")["cameras"][0]["alarms"] == [name]
        with Subscriber(broker.port, f"{ROOT}/camera/#") as late:
            kept = late.wait_count(2)
            assert alarms_of(kept)[-1][name]["on"], "who comes later is told too"
        assert "vehicle seen" not in gateway.log()
        assert gateway.stop()[0] == 0


def _last(messages: list[Received], topic: str) -> dict[str, Any]:
    found = [each for each in messages if each.topic == f"{ROOT}/{topic}"]
    return dict(json.loads(found[-1].payload)) if found else {}


def test_a_camera_that_hangs_and_one_that_is_stopped_end_with_their_parent(tmp_path: Path) -> None:
    """In native code nobody looks whether the pipe is at its end; who lived on would hold the camera against the next agent."""
    gateway = Gateway(tmp_path, 1, vehicles=0)
    gateway.configure(lambda text: text + '\n[[camera]]\nname = "cam2"\ngate = "south"\ndriver = "replay"\nsource = "scene"\n')
    gateway.start({VARIABLE: "camera.frame[cam1]=hang@5"})
    gateway.wait_for(lambda: "camera.frame: hang" in gateway.log() and "cam2: camera is online" in gateway.log())
    cameras = gateway.children()
    os.kill(cameras[-1], signal.SIGSTOP)
    gateway.process.kill()
    gateway.process.wait(10)
    try:
        gateway.wait_for(lambda: not any(map(runs, cameras)), 5)
    finally:
        for pid in filter(runs, cameras):
            os.kill(pid, signal.SIGKILL)


def runs(pid: int) -> bool:
    """Ended is also what nobody has buried yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_camera_whose_parent_has_ended_before_it_began_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 1)
    monkeypatch.setattr("agent.orphan.multiprocessing.parent_process", lambda: SimpleNamespace(pid=4711))
    monkeypatch.setattr("agent.orphan.ctypes.CDLL", lambda _: SimpleNamespace(prctl=lambda *_: 0))  # this process has another parent
    with pytest.raises(SystemExit, match="has ended before it began"):
        die_with_parent()


def test_a_camera_that_is_killed_in_the_middle_of_a_word_is_gone_and_nobody_else(tmp_path: Path) -> None:
    """Its pictures are more than a pipe holds, so that a kill may come while half of them is through."""
    camera, (ours, theirs) = child(), Pipe()
    camera.pipe = ours
    os.write(theirs.fileno(), struct.pack("!i", 300_000) + b"half of it")
    theirs.close()
    children = Children([])
    children.all = [camera]
    with Store.open(tmp_path, config.Store(free_mb=1), NOW.utc_ms) as store:
        assert Take(children, store, FACTS, Clock()).step()
    assert camera.pipe is None


def test_a_camera_that_is_stopped_in_the_middle_of_a_word_holds_up_nobody_else(tmp_path: Path) -> None:
    stopped, other = child(), child(name="cam2")
    (stopped.pipe, theirs), (other.pipe, others) = Pipe(), Pipe()
    word = ForkingPickler.dumps(progress(7, "x" * 100_000))
    whole = memoryview(struct.pack("!i", len(word)) + bytes(word))
    children = Children([])
    children.all = [stopped, other]
    with Store.open(tmp_path, config.Store(free_mb=1), NOW.utc_ms) as store:
        take = Take(children, store, FACTS, Clock())
        for start, cut in ((0, 2), (2, 50_000)):
            os.write(theirs.fileno(), whole[start:cut])
            others.send(progress(cut))
            began = time.monotonic()
            assert take.step()
            assert time.monotonic() - began < 5
            assert (stopped.view.frames, other.view.frames) == (0, cut)
        os.write(theirs.fileno(), whole[50_000:])
        assert take.step()
    assert stopped.view.frames == 7


@pytest.mark.parametrize("length", [0, -1, 2**31 - 1])
def test_a_camera_that_sends_what_is_no_word_is_gone(tmp_path: Path, length: int) -> None:
    camera, (ours, theirs) = child(), Pipe()
    camera.pipe = ours
    os.write(theirs.fileno(), struct.pack("!i", length) + b"something")
    children = Children([])
    children.all = [camera]
    with Store.open(tmp_path, config.Store(free_mb=1), NOW.utc_ms) as store:
        assert Take(children, store, FACTS, Clock()).step()
    assert camera.pipe is None
