"""The installed command, as a person or a script meets it."""

import json
import subprocess
import sysconfig
from pathlib import Path

import pytest

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
