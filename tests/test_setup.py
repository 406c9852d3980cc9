"""Setup asks, checks each answer as the settings would, and changes nothing before the last one."""

import os
import pty
import select
import stat
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from agent import config
from tests.broker import Broker, Rules
from tests.gateway import COMMAND
from tests.vendors import VendorServer

PATIENCE_S = 60.0


class Terminal:
    """A person at a terminal in front of `vin-agent setup`, in `with`."""

    def __init__(self, *arguments: str | Path) -> None:
        self._arguments = [COMMAND, "setup", *map(str, arguments)]
        self.seen = ""

    def __enter__(self) -> Self:
        self._ours, theirs = pty.openpty()
        # --ctty: passwords are asked for at the terminal itself, whatever standard input is.
        # --default-signal: tests that run in a shell's background ignore interrupts, and so would whatever they start.
        command = ["env", "--default-signal=INT", "setsid", "--ctty", "--wait", *self._arguments]
        self._process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "COLUMNS": "200"})
        os.close(theirs)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def until(self, text: str) -> str:
        """Everything that was shown up to and with `text`, since the last call."""
        deadline = time.monotonic() + PATIENCE_S
        shown = ""
        while text not in shown:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} was not shown:\n{self.seen}{shown}"
            shown += self._read()
        self.seen += shown
        return shown

    def type(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def answer(self, question: str, line: str = "") -> str:
        shown = self.until(question)
        if not shown.endswith(": "):
            shown += self.until(": ")
        self.type(line)
        return shown

    def interrupt(self) -> None:
        """As often as it takes: a signal between the prompt and the read that waits behind it is only seen after the next key."""
        for _ in range(10):
            os.write(self._ours, b"\x03")
            if "Nothing was changed." in self._shown_within(3.0):
                return
        raise AssertionError(f"it goes on:\n{self.seen}")

    def _shown_within(self, seconds: float) -> str:
        shown, deadline = "", time.monotonic() + seconds
        while "\nNothing was changed." not in shown and select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            shown += self._read()
        self.seen += shown
        return shown

    def code(self) -> int:
        """Its exit code, once everything it says was seen."""
        try:
            while True:
                ready, _, _ = select.select([self._ours], [], [], PATIENCE_S)
                assert ready, f"it does not end:\n{self.seen}"
                self.seen += self._read()
        except OSError:  # the last one who held the other end has left
            return self._process.wait(PATIENCE_S)

    def _read(self) -> str:
        return os.read(self._ours, 65_536).decode("utf-8", "replace").replace("\r\n", "\n")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker", Rules(login=("gate", "geheim"))) as broker:
        yield broker


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "agent.toml"


@pytest.fixture
def known(file: Path) -> Path:
    """Settings of a setup before, with keys that nobody is asked for."""
    file.parent.mkdir()
    file.write_text(KNOWN, "utf-8")
    return file


KNOWN = """# by hand
[agent]
site = "hamburg"
id = "pole"
state_dir = "STATE"
[[camera]]
name = "front"
gate = "north-in"
driver = "replay"
source = "scene"
width = 1280
height = 720
[[camera]]
name = "rear"
gate = "north-out"
driver = "picamera2"
source = "1"
[vision]
awake_s = 5.0
[mqtt]
port = 1884
user = "gate"
password = "geheim"
"""
QUESTIONS = ("Site", "Gate", "Camera", "Broker", "TLS", "port", "Login at the broker", "password", "Who reads", "Write this to")


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([COMMAND, "setup", "--yes", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


def read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text("utf-8"))


def credentials(file: Path) -> dict[str, str]:
    return {each.name: each.read_text("utf-8").strip() for each in (file.parent / "credentials").iterdir()}


def test_a_person_answers_and_everything_is_written(file: Path) -> None:
    with Terminal("--config", file, "--no-start") as person:
        for question, line in zip(QUESTIONS, ("hamburg", "north-in", "scene", "", "", "", "gate", "geheim", "1", "y"), strict=True):
            shown = person.answer(question, line)
        assert person.code() == 0
    assert 'site = "hamburg"' in shown, "what is going to be written is shown before it is"
    assert "geheim" not in person.seen
    assert read(file) == {
        "agent": {"site": "hamburg"},
        "camera": [{"name": "cam1", "gate": "north-in", "driver": "replay", "source": "scene"}],
        "mqtt": {"host": "127.0.0.1", "port": 1883, "tls": False, "user": "gate"},
        "reading": {"chain": ["embedded"]},
    }
    assert credentials(file) == {"mqtt.password": "geheim"}
    secrets = file.parent / "credentials"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (file, secrets, secrets / "mqtt.password")] == [0o640, 0o700, 0o600]
    assert config.load(file, {"CREDENTIALS_DIRECTORY": str(secrets)}).mqtt.password.reveal() == "geheim"


@pytest.mark.parametrize("question", range(len(QUESTIONS)), ids=QUESTIONS)
def test_an_interrupt_at_any_question_leaves_nothing_changed(known: Path, question: int) -> None:
    with Terminal("--config", known) as person:
        for each in QUESTIONS[:question]:
            person.answer(each)
        person.until(QUESTIONS[question])
        person.interrupt()
        assert person.code() == 130
    assert "Nothing was changed." in person.seen
    assert "Traceback" not in person.seen
    assert known.read_text("utf-8") == KNOWN
    assert [each.name for each in known.parent.iterdir()] == ["agent.toml"]


def test_no_at_the_end_leaves_nothing_changed(known: Path) -> None:
    with Terminal("--config", known) as person:
        for each in QUESTIONS[:-1]:
            person.answer(each)
        person.answer(QUESTIONS[-1], "n")
        assert person.code() == 1
    assert [each.name for each in known.parent.iterdir()] == ["agent.toml"]


def test_an_answer_the_settings_would_refuse_is_asked_for_again(file: Path) -> None:
    with Terminal("--config", file) as person:
        person.answer("Site", "Hamburg Nord")
        assert "must be lower case letters, digits, - and _" in person.until("Site")
        person.type("hamburg")
        person.answer("Gate", "north-in")
        person.answer("Camera", "/no/such/folder")
        person.until("That must be the number of a CSI camera")


def test_what_was_set_before_is_offered_and_what_nobody_asked_about_stays(known: Path) -> None:
    done = run("--config", known, "--no-start", "--gate", "south-in")
    assert done.returncode == 0, done
    before, after = tomllib.loads(KNOWN), read(known)
    assert after["camera"] == [{**before["camera"][0], "gate": "south-in"}, before["camera"][1]]
    assert (after["agent"], after["vision"]) == (before["agent"], before["vision"])
    assert "password" not in after["mqtt"], "a secret moves out of the file"
    assert credentials(known)["mqtt.password"] == "geheim"
    assert known.with_name("agent.toml.bak").read_text("utf-8") == KNOWN


def test_the_device_is_looked_over_and_what_is_wrong_is_named(known: Path, broker: Broker, tmp_path: Path) -> None:
    known.write_text(KNOWN.replace("STATE", str(tmp_path / "state")), "utf-8")
    done = run("--config", known, "--port", str(broker.port))
    assert done.returncode == 1
    assert f"ok     broker: 127.0.0.1:{broker.port} takes the login" in done.stdout
    assert "ok     broker: takes messages below vinagent/v1/hamburg/pole" in done.stdout
    assert "ok     camera front: gives pictures of 1280 x 720" in done.stdout
    assert "ok     embedded: read the sample right" in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("WRONG")] == [
        line for line in done.stdout.splitlines() if line.startswith("WRONG  camera rear: ")
    ], "this machine has no CSI camera, and that is all"


def test_a_cloud_reader_is_asked_for_exactly_the_keys_it_needs(file: Path, tmp_path: Path) -> None:
    with VendorServer() as server, Terminal("--config", file, "--no-start") as person:
        for each in QUESTIONS[:6]:
            person.answer(each, "scene" if each == "Camera" else "")
        person.answer("Login")
        person.answer("Who reads", "huawei")
        person.answer("huawei: project_id", "not a project")
        assert "must be the 32 characters" in person.answer("huawei: project_id", "0" * 32)
        person.answer("huawei: access_key", "LTAI-of-another-cloud")
        person.answer("huawei: access_key", "HUAWEIACCESSKEY")
        person.answer("huawei: secret_key", "SECRETOFHUAWEI")
        person.answer("Write this to", "y")
        assert person.code() == 0
        assert server.calls["huawei"].billed == 0
    assert read(file)["provider"] == {"huawei": {"project_id": "0" * 32}}
    assert read(file)["reading"] == {"chain": ["huawei", "embedded"]}
    assert credentials(file) == {"provider.huawei.access_key": "HUAWEIACCESSKEY", "provider.huawei.secret_key": "SECRETOFHUAWEI"}
    assert "SECRETOFHUAWEI" not in person.seen


def test_a_cameras_login_leaves_its_address_and_is_shown_nowhere(file: Path) -> None:
    done = run("--config", file, "--no-start", "--camera", "rtsp://admin:s3cret@10.0.0.7/stream1")
    assert done.returncode == 0, done
    assert read(file)["camera"][0]["source"] == "rtsp://10.0.0.7/stream1"
    assert credentials(file) == {"camera.cam1.user": "admin", "camera.cam1.password": "s3cret"}
    assert "s3cret" not in done.stdout + done.stderr + file.read_text("utf-8")
    assert run("--config", file, "--no-start", "--camera", "scene").returncode == 0
    assert credentials(file) == {}, "the next camera gets no login of the one before"


@pytest.mark.parametrize(
    ("source", "driver"),
    [
        ("0", "picamera2"),
        ("/dev/v4l/by-id/usb-cam-video-index0", "opencv"),
        ("rtsp://10.0.0.7/1", "opencv"),
        ("http://10.0.0.7/video", "opencv"),
        ("http://10.0.0.7/still.jpg?size=big", "snapshot"),
        ("scene", "replay"),
    ],
)
def test_the_driver_follows_from_the_camera(file: Path, source: str, driver: str) -> None:
    assert run("--config", file, "--no-start", "--camera", source).returncode == 0
    assert read(file)["camera"][0]["driver"] == driver


def test_answers_come_from_a_file_and_options_win_over_it(file: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.toml"
    answers.write_text('site = "bremen"\ngate = "west"\ncamera = "scene"\nhost = "broker.yard"\nport = 8883\ntls = true\n', "utf-8")
    assert run("--config", file, "--no-start", "--answers", answers, "--site", "hamburg").returncode == 0
    assert read(file)["agent"] == {"site": "hamburg"}
    assert read(file)["mqtt"] == {"host": "broker.yard", "port": 8883, "tls": True}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--site", "Nord See"), "the answer \"site\" must be lower case letters, digits, - and _, at most 63, not 'Nord See'"),
        (("--port", "70000"), 'the answer "port" must be a number from 1 to 65535'),
        (("--provider", "tencant"), 'the answer "provider" must be one of '),
        (("--provider", "tencent"), 'the answer "secret_id" must be a SecretId of Tencent Cloud'),
        (("--set", "prot=1"), 'there is no answer "prot"; did you mean "port"?'),
        (("--camera", "rtsp://u:p@ss@host/1"), 'the answer "camera" must be'),
        (("--secret", "password=/no/such/file"), "/no/such/file: cannot be read"),
    ],
)
def test_a_wrong_answer_ends_it_with_78_and_one_sentence_and_nothing_is_changed(
    file: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = run("--config", file, "--no-start", *arguments)
    assert done.returncode == 78
    assert sentence in done.stderr
    assert "p@ss" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not file.parent.exists()


def test_without_a_terminal_it_says_how_to_go_on(file: Path) -> None:
    done = subprocess.run([COMMAND, "setup", "--config", str(file)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs a terminal; without one, give --yes" in done.stderr


def test_a_broken_file_is_kept_and_replaced(known: Path) -> None:
    known.write_text("[agent\n", "utf-8")
    done = run("--config", known, "--no-start", "--site", "hamburg", "--camera", "scene")
    assert done.returncode == 0
    assert "What is there is wrong and not used" in done.stdout
    assert known.with_name("agent.toml.bak").read_text("utf-8") == "[agent\n"
    assert config.load(known).agent.site == "hamburg"
