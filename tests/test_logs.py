"""What others wrote, in the log and on a terminal: it begins no line of its own and gives no orders."""

import io
import logging
import os
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from agent import config, logs, still
from agent.camera.replay import frames
from agent.cli import main
from agent.errors import NeedsOperator
from agent.setup.service import Ear

ODD = "a\n<2>vin-agent: forged\x1b[2J\x1b]0;owned\x07\u202e\u2028\x9b1m.jpg"


@pytest.mark.parametrize("kind", [logs.Formatter, logs.JournalFormatter])
def test_a_message_is_one_line_and_nothing_in_it_is_obeyed(kind: type[logging.Formatter]) -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%s is left out", (ODD,), None)
    said = kind("cam1: %(message)s").format(record)
    assert said.isprintable()
    assert "forged\\x1b[2J" in said


def test_what_is_no_letter_of_ours_is_shown_as_it_is() -> None:
    assert logs.plain("Tor süd, 车架号") == "Tor süd, 车架号"


def test_a_picture_with_an_odd_name_is_named_on_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ODD).write_bytes(b"no picture")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Formatter("%(message)s"))
    monkeypatch.setattr(logging.getLogger("agent.camera.replay"), "handlers", [handler])
    with pytest.raises(NeedsOperator):
        next(frames(config.Camera(driver="replay", source=str(tmp_path))))
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().strip().isprintable()


@pytest.mark.parametrize("name", [os.fsencode(ODD), b"\xff\xfe.jpg"])
def test_a_person_who_has_a_folder_read_sees_one_line_for_each_picture(
    tmp_path: Path, name: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    sample = Path(still.__file__).parent / "ocr" / "sample.jpg"
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_bytes(sample.read_bytes())  # noqa: PTH118  # a name of bytes
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), b"z" + name))).write_bytes(b"no picture")  # noqa: PTH118
    main(["read", str(tmp_path)])
    said = capfd.readouterr()
    assert [len(text.splitlines()) for text in said] == [1, 1]
    assert all(text.strip().isprintable() for text in said)


def test_a_folder_that_is_closed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def closed(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", closed)
    assert main(["read", str(tmp_path)]) == 1
    assert capfd.readouterr().err == f"vin-agent: {tmp_path} cannot be looked into: Permission denied\n"


def test_what_the_yard_says_while_the_service_starts_gives_the_terminal_no_orders(capfd: pytest.CaptureFixture[str]) -> None:
    ear = Ear(config.Settings())
    message = MQTTMessage(topic=f"vinagent/v1/site/x\x9b2J/{ODD}".encode())
    message.payload = f'"online" {ODD}'.encode()
    ear._hear(Client(CallbackAPIVersion.VERSION2), None, message)
    ear._online.set()
    ear.tell()
    said = capfd.readouterr().out
    assert said.count("\n") == 1
    assert said.strip().isprintable()
