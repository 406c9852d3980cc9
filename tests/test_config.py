"""The configuration: what is right, and the one sentence about what is wrong."""

import dataclasses
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.errors import BadConfig
from agent.settings import Secret
from agent.toml_text import keys_by_line

SHIPPED = Path(__file__).parent.parent / "config" / "agent.toml"


def written(folder: Path, text: str) -> Path:
    file = folder / "agent.toml"
    file.write_text(text, "utf-8")
    return file


def keys(cls: Any, data: dict[str, Any], where: str = "") -> Iterator[tuple[str, bool]]:
    """Every key a settings class has, and whether the data names it."""
    for field in dataclasses.fields(cls):
        value = data.get(field.name)
        kind = type(getattr(cls(), field.name)) if field.name != "camera" else config.Camera
        if dataclasses.is_dataclass(kind) and kind is not Secret:
            section = value[0] if isinstance(value, list) else value
            yield from keys(kind, section or {}, f"{where}{field.name}.")
        else:
            yield where + field.name, field.name in data


def test_the_shipped_file_names_every_key_with_its_default() -> None:
    assert config.load(SHIPPED, {}) == config.Settings(camera=(config.Camera(),))
    named = dict(keys(config.Settings, tomllib.loads(SHIPPED.read_text("utf-8"))))
    assert len(named) > 50
    assert [key for key, there in named.items() if not there] == []


def test_the_shipped_file_gives_a_reason_for_every_key() -> None:
    for line in SHIPPED.read_text("utf-8").splitlines():
        if "=" in line.partition("#")[0]:
            assert len(line.partition("#")[2].split()) >= 3, line


def test_an_empty_file_is_a_gateway_without_cameras(tmp_path: Path) -> None:
    assert config.load(written(tmp_path, ""), {}) == config.Settings()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[mqtt]\nprot = 1883", 2, 'unknown key mqtt.prot; did you mean "port"?'),
        ("[mqtt]\n\nport = '1883'", 3, "mqtt.port must be a number from 1 to 65535, not '1883'"),
        ("[mqtt]\nport = 70000", 2, "mqtt.port must be a number from 1 to 65535, not 70000"),
        ("[mqtt]\nport = true", 2, "mqtt.port must be a number from 1 to 65535, not True"),
        ("[mqtt]\nport = 1.5", 2, "mqtt.port must be a number from 1 to 65535, not 1.5"),
        ("[mqtt]\nhost = ''", 2, "mqtt.host must be the name or address of the broker, not ''"),
        ("[mqtt]\ntls = 'yes'", 2, "mqtt.tls must be true or false, not 'yes'"),
        ("[mqtt]\nprotocol = '4'", 2, 'mqtt.protocol must be "5" or "3.1.1", not'),
        ("[mqtt]\nprefix = 'a/#'", 2, "mqtt.prefix must be topic levels without + and #"),
        ("[mqtt]\nprefix = 'a//b'", 2, "mqtt.prefix must be topic levels without + and #"),
        ("[mqtt]\ncert_file = 'x'", 1, "mqtt.key_file must be set together with its other half"),
        ("[mqtt]\nca_file = '/nonexistent/ca'", 2, "mqtt.ca_file must be a file that exists, not '/nonexistent/ca'"),
        ("mqtt = 3", 1, "mqtt must be a section [mqtt], not 3"),
        ("[mqqt]\nport = 1", 1, 'unknown key mqqt; did you mean "mqtt"?'),
        ("[agent]\nsite = 'Nord Tor'", 2, "agent.site must be lower case letters, digits, - and _, at most 63, not 'Nord Tor'"),
        ("[agent]\nsite = 'a/b'", 2, "agent.site must be lower case letters"),
        ("[agent]\nlog_level = 'warn'", 2, 'did you mean "warning"?'),
        ("[agent]\nstate_dir = 7", 2, "agent.state_dir must be the path of a folder, not 7"),
        ("[[camera]]\nname='a'\n\n[[camera]]\nfps = 'fast'", 5, "camera[1].fps must be a number from 0.01 to 120, not 'fast'"),
        ("[[camera]]\nname='a'\n[[camera]]\nname = 'a'", 4, "camera[1].name must be a name no other camera has"),
        ("[[camera]]\ndriver = 'picam'", 2, 'did you mean "picamera2"?'),
        ("[[camera]]\nsorce = 'x'", 2, 'unknown key camera[0].sorce; did you mean "source"?'),
        ("[camera]\nname = 'a'", 1, "camera must be a section [[camera]] for each"),
        ("[reading]\nchain = 'embedded'", 2, "reading.chain must be a list of texts"),
        ("[reading]\nchain = [1]", 2, 'reading.chain[0] must be "tencent" or'),
        ("[reading]\nchain = []", 2, "reading.chain must be a list of at least one provider"),
        ("[reading]\nchain = ['embedded', 'embedded']", 2, "reading.chain must be a list that names each provider once"),
        ("[reading]\nsecond_opinion = 'always'", 2, 'must be "never" as long as reading.chain names one reader alone'),
        ("[reading]\nsecond_opinion = 'sometimes'", 2, 'reading.second_opinion must be "never" or "unsure" or "always"'),
        ("[reading]\naccept_alone = 1.5", 2, "reading.accept_alone must be a number from 0 to 1, not 1.5"),
        ("[store]\nmax_mb = 0", 2, "store.max_mb must be a number from 1 to 1e+06, not 0"),
        ("[store]\nmax_mb = nan", 2, "store.max_mb must be"),
        ("[vision]\ngap_s = -1", 2, "vision.gap_s must be a number from 0.1 to 60, not -1"),
        ("[vision]\ngap_s = inf", 2, "vision.gap_s must be"),
        ("[health]\nevery_s = '60'", 2, "health.every_s must be"),
        ("[mqtt\nport = 1", 1, "this is not TOML"),
        ("[mqtt]\nport = 1\nport = 2", 3, "this is not TOML"),
        ("site = ", 1, "this is not TOML"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_key_and_what_was_expected(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(BadConfig) as wrong:
        config.load(file, {})
    assert str(wrong.value).startswith(f"{file}:{line}: ")
    assert words in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_missing_file_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"none\.toml: there is no such file"):
        config.load(tmp_path / "none.toml", {})


def test_a_file_that_is_not_text_is_told_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_bytes(b"\xff\xfe[mqtt]")
    with pytest.raises(BadConfig, match=r"agent\.toml:1: cannot be read as UTF-8 text: byte 0xff"):
        config.load(file, {})


def test_a_password_never_stands_in_a_complaint_about_it(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as wrong:
        config.load(written(tmp_path, "[mqtt]\npassword = ['s3cret-word']"), {})
    assert "s3cret-word" not in str(wrong.value)


@pytest.mark.parametrize("password", ["pa#ss", 'quo"te', "ünï¢ödé", " spaces ", "100%{}$HOME", "-dash"])
def test_odd_characters_in_a_password_arrive_as_they_are(tmp_path: Path, password: str) -> None:
    file = written(tmp_path, "[mqtt]\npassword = '''" + password + "'''")
    assert config.load(file, {}).mqtt.password.reveal() == password
    assert config.load(written(tmp_path, ""), {"VIN_AGENT_MQTT_PASSWORD": password}).mqtt.password.reveal() == password


def test_the_environment_wins_over_the_file_and_a_credential_over_both(tmp_path: Path) -> None:
    file = written(tmp_path, "[mqtt]\npassword = 'file'\nuser = 'gate'")
    environ = {"VIN_AGENT_MQTT_PASSWORD": "environment"}
    assert config.load(file, environ).mqtt.password.reveal() == "environment"
    (tmp_path / "mqtt.password").write_text("credential\n", "utf-8")
    settings = config.load(file, {**environ, "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert settings.mqtt.password.reveal() == "credential"
    assert settings.mqtt.user == "gate"


def test_a_credential_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "mqtt.password").mkdir()
    with pytest.raises(BadConfig, match=r"mqtt\.password: the credential cannot be read"):
        config.load(written(tmp_path, ""), {"CREDENTIALS_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device", "long", "odd"])
def test_a_credential_that_is_no_secret_is_told_at_once_and_never_shown(tmp_path: Path, kind: str) -> None:
    """A pipe that nobody writes to would be waited for, and a device has no end."""
    file = tmp_path / "mqtt.password"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind in ("device", "link to a device"):
        file.symlink_to("/dev/zero" if kind == "device" else "/dev/full")
    else:
        file.write_bytes(b"s3cret" * 20_000 if kind == "long" else b"s3cret\xff")
    with pytest.raises(BadConfig, match=r"mqtt\.password: the credential cannot be read as UTF-8 text: it ") as wrong:
        config.load(written(tmp_path, ""), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "s3cret" not in str(wrong.value)
    assert wrong.value.__suppress_context__


def test_a_secret_shows_itself_nowhere() -> None:
    settings = config.Settings(mqtt=config.Mqtt(password=Secret("s3cret-word")))
    assert "s3cret-word" not in f"{settings!r} {settings} {config.as_dict(settings)}"
    assert str(Secret("")) == ""


def test_lines_are_found_for_dotted_and_quoted_keys() -> None:
    assert keys_by_line('a.b = 1\n["x"]\n"y" = 2\n') == {("a",): 1, ("x",): 2, ("x", "y"): 3}


def test_a_log_in_in_an_address_that_stands_in_a_list_is_not_shown_either(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("[[camera]]\nsource = ['rtsp://gate:hush-hush@host/1']\n", "utf-8")
    with pytest.raises(BadConfig) as caught:
        config.load(tmp_path / "agent.toml", {})
    assert "hush" not in str(caught.value)
    assert "***@host/1" in str(caught.value)
