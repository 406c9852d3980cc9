"""The installed command, as a person or a script meets it."""

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from agent import config
from agent.store import Store
from tests.samples import NOW

COMMAND = str(Path(sysconfig.get_path("scripts")) / "vin-agent")
CONFIG = Path(__file__).parent.parent / "config"


def vin_agent(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("command", ["run", "check", "demo", "read", "decode", "bundle", "queue", "replay", "version"])
def test_every_command_explains_itself(command: str) -> None:
    done = vin_agent(command, "--help")
    assert done.returncode == 0
    assert f"vin-agent {command}" in done.stdout
    assert command in vin_agent("--help").stdout


@pytest.mark.parametrize("arguments", [(), ("fly",), ("decode",), ("demo", "--vehicles", "-1"), ("demo", "--vehicles", "many"), ("read",)])
def test_wrong_usage_ends_with_2_and_no_traceback(arguments: tuple[str, ...]) -> None:
    done = vin_agent(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_right_configuration_is_confirmed_and_nothing_is_started() -> None:
    done = vin_agent("check", "--config", CONFIG / "demo.toml")
    assert done.returncode == 0
    assert "right" in done.stdout


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_wrong_configuration_ends_with_78_and_one_sentence(command: str, tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text(f"[agent]\nstate_dir = '{tmp_path}/state'\n[mqtt]\nprot = 1883\n", "utf-8")
    done = vin_agent(command, "--config", tmp_path / "agent.toml")
    assert done.returncode == 78
    assert done.stderr == f'vin-agent: {tmp_path}/agent.toml:4: unknown key mqtt.prot; did you mean "port"?\n'
    assert not (tmp_path / "state").exists(), "a bad configuration never touches the store"


@pytest.mark.parametrize("command", ["check", "run"])
def test_an_unknown_provider_is_a_wrong_configuration(command: str, tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text(f"[agent]\nstate_dir = '{tmp_path}/state'\n[reading]\nchain = ['tencant']\n", "utf-8")
    done = vin_agent(command, "--config", tmp_path / "agent.toml")
    assert done.returncode == 78
    assert "agent.toml:4: reading.chain[0] must be" in done.stderr
    assert "not 'tencant'; did you mean \"tencent\"?" in done.stderr
    assert not (tmp_path / "state").exists()


def test_a_vin_is_decoded_for_people_and_for_programs() -> None:
    done = vin_agent("decode", "1hgcm82633a004352")
    assert done.returncode == 0
    assert "Honda" in done.stdout
    assert "2003" in done.stdout
    decoded = json.loads(vin_agent("decode", "--json", "1HGCM82633A004352").stdout)
    assert decoded["valid"] is True
    assert (decoded["manufacturer"], decoded["years"][0], decoded["check_digit"]) == ("Honda", 2003, "pass")


def test_a_wrong_character_is_named_with_its_position() -> None:
    done = vin_agent("decode", "1HGCM8O633A004352")
    assert done.returncode == 1
    assert "'O' at position 7" in done.stderr
    assert json.loads(vin_agent("decode", "--json", "1HGCM8O633A004352").stdout)["valid"] is False


def test_a_wrong_check_digit_is_told_with_the_one_that_was_expected() -> None:
    done = vin_agent("decode", "1HGCM82634A004352")
    assert done.returncode == 1
    expected = json.loads(vin_agent("decode", "--json", "1HGCM82634A004352").stdout)["expected_check_digit"]
    assert f"expected {expected}" in done.stdout + done.stderr


def test_the_version_names_what_it_is_made_of() -> None:
    done = vin_agent("version")
    assert done.returncode == 0
    assert "paho-mqtt 2." in done.stdout


def test_a_reader_that_leaves_early_breaks_nothing() -> None:
    done = subprocess.run(
        ["bash", "-c", f"'{COMMAND}' version | head -n 1; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, check=True
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("arguments", [("decode", "1HGCM82633A004352"), ("version",), ("check", "--config", CONFIG / "demo.toml")])
def test_a_disk_without_room_for_the_output_is_one_sentence(arguments: tuple[str | Path, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [COMMAND, *map(str, arguments)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr == "vin-agent: the output cannot be written: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("words", ["decode 1HGCM82633A004352", "queue list --config {file}"])
def test_a_command_without_an_output_does_what_it_has_to(words: str, tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(f"[agent]\nstate_dir = '{tmp_path}/state'\n[store]\nfree_mb = 1\n", "utf-8")
    (tmp_path / "state").mkdir()
    Store.open(tmp_path / "state", config.Store(free_mb=1), NOW.utc_ms).close()
    command = ["bash", "-c", f"'{COMMAND}' {words.format(file=file)} >&-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_that_knows_fewer_letters_is_shown_what_it_can() -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([COMMAND, "setup", "--help"], env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "http://" in done.stdout


def test_a_picture_that_is_not_there_is_named_before_any_is_read(tmp_path: Path) -> None:
    (tmp_path / "here.jpg").write_bytes(b"")
    done = vin_agent("read", tmp_path / "here.jpg", tmp_path / "gone.jpg")
    assert done.returncode == 2
    assert done.stderr == f"vin-agent: there is no file or folder {tmp_path}/gone.jpg\n"
