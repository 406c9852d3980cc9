"""Log-ins of cameras: where they may stand, that they arrive, and that nothing the agent says, writes or sends shows one."""

import base64
import json
import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from agent import config
from agent.config_network import joined, parted, unclear
from agent.errors import BadConfig
from agent.settings import Secret, masked
from tests.broker import Broker, Subscriber, free_port
from tests.gateway import COMMAND, Gateway
from tests.web_camera import WebCamera


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://admin:s3cret@10.0.0.5:554/ch1", "rtsp://***@10.0.0.5:554/ch1"),
        ("rtsp://admin:p@ss/word@10.0.0.5/ch1", "rtsp://***@10.0.0.5/ch1"),
        ("http://10.0.0.5/video?user=admin&password=s3cret", "http://10.0.0.5/video?user=***&password=***"),
        ("rtsp://10.0.0.5/user=admin_password=s3cret_channel=1", "rtsp://10.0.0.5/user=***"),
        ("rtsp://10.0.0.5/ch1", "rtsp://10.0.0.5/ch1"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_a_password_in_an_address_is_masked(source: str, shown: str) -> None:
    assert masked(source) == shown


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("rtsp://admin:p%40ss@10.0.0.5:554/ch1?x=1", ("rtsp://10.0.0.5:554/ch1?x=1", "admin", "p@ss")),
        ("rtsp://admin@[fe80::1]:554/ch1", ("rtsp://[fe80::1]:554/ch1", "admin", "")),
        ("http://:secret@camera/", ("http://camera/", "", "secret")),
        ("rtsp://10.0.0.5/cam@2", ("rtsp://10.0.0.5/cam@2", "", "")),
        ("rtsp://10.0.0.5/ch1", ("rtsp://10.0.0.5/ch1", "", "")),
        ("/dev/v4l/by-id/usb-x:y@z-video-index0", ("/dev/v4l/by-id/usb-x:y@z-video-index0", "", "")),
    ],
)
def test_an_address_is_parted_from_its_log_in(source: str, parts: tuple[str, str, str]) -> None:
    assert parted(source) == parts


@pytest.mark.parametrize("password", ["p@ss/w:rd", "100%", "ünï ¢ödé", "a&b=c?d#e", ""])
def test_a_log_in_put_into_an_address_comes_out_of_it_as_it_was(password: str) -> None:
    assert parted(joined("rtsp://10.0.0.5/ch1", "ad:min@x", password)) == ("rtsp://10.0.0.5/ch1", "ad:min@x", password)


@pytest.mark.parametrize(
    "source", ["rtsp://admin:p@3cret/s3cret@10.0.0.5/x", "rtsp://admin:p/s3cret@10.0.0.5/x", "rtsp:///x", "http://[::1/x"]
)
def test_an_address_nobody_can_take_apart_stops_the_start_and_is_not_repeated(tmp_path: Path, source: str) -> None:
    assert unclear(source)
    file = tmp_path / "agent.toml"
    file.write_text(f"[[camera]]\nsource = '{source}'\n", "utf-8")
    with pytest.raises(BadConfig, match=r":2: camera\[0\]\.source must be an address with a host") as wrong:
        config.load(file, {})
    assert "3cret" not in str(wrong.value)


def test_what_is_wrong_in_a_section_of_a_camera_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(
        "[[camera]]\nname = 'a'\n[camera.v4l2]\ngain = 3\n[[camera]]\nname = 'b'\n[camera.stream]\ntransport = 'tpc'\n", "utf-8"
    )
    with pytest.raises(BadConfig, match=r':8: camera\[1\]\.stream\.transport must be "tcp" or "udp", not \'tpc\'; did you mean "tcp"'):
        config.load(file, {})


def test_the_environment_wins_over_the_file_and_a_credential_over_both(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(
        "[[camera]]\nname = 'north-in'\nuser = 'file'\npassword = 'file'\n[[camera]]\nname = 'south'\nuser = 'other'\n", "utf-8"
    )

    def login(environ: dict[str, str], index: int = 0) -> tuple[str, str]:
        camera = config.load(file, environ).camera[index]
        return camera.user.reveal(), camera.password.reveal()

    environ = {"VIN_AGENT_CAMERA_NORTH_IN_USER": "gate", "VIN_AGENT_CAMERA_NORTH_IN_PASSWORD": "environment"}
    assert login({}) == ("file", "file")
    assert login(environ) == ("gate", "environment")
    (tmp_path / "camera.north-in.password").write_text("credential\n", "utf-8")
    environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    assert login(environ) == ("gate", "credential")
    assert login(environ, 1) == ("other", "")


def test_settings_show_no_log_in() -> None:
    camera = config.Camera(source="rtsp://admin:s3cret@10.0.0.5/ch1", user=Secret("u-s3cret"), password=Secret("p-s3cret"))
    assert "s3cret" not in json.dumps(config.as_dict(camera))
    assert "s3cret" not in f"{camera.user!r} {camera.password}"


# Each says what it would if the log-in showed: the words alone, as an address has them, and as a basic log-in sends them.
LOGINS = [
    ("adm-in.url", "p-in.url/%"),
    ("adm-by.environment", "p-by.environment%"),
    ("adm-by.credential", "p-by@credential"),
    ("q-user", "q-key.pw"),
]


def spellings() -> list[bytes]:
    words = [word for login in LOGINS for word in login]
    basic = [base64.b64encode(f"{user}:{password}".encode()).decode() for user, password in LOGINS]
    return [spelt.encode() for word in words for spelt in {word, quote(word), quote(word, safe="")}] + [each.encode() for each in basic]


def cameras(server: WebCamera, dead: int) -> str:
    """Four cameras: video that a wrong log-in is refused, pictures with a right one, one that is dead, one with its log-in in the query."""
    user, password = (quote(word, safe="") for word in LOGINS[0])
    sections = [
        f"name = 'video'\ndriver = 'opencv'\nsource = 'http://{user}:{password}@{server.host}/video'",
        f"name = 'pictures'\ndriver = 'snapshot'\nsource = '{server.url}/picture'",
        f"name = 'dead'\ndriver = 'opencv'\nsource = 'rtsp://127.0.0.1:{dead}/ch1'",
        f"name = 'query'\ndriver = 'snapshot'\nsource = 'http://127.0.0.1:{dead}/picture?user={LOGINS[3][0]}&pwd={LOGINS[3][1]}'",
    ]
    return "\n".join(f"[[camera]]\n{section}\ngate = 'north-in'\nfps = 5.0" for section in sections)


def process_list() -> bytes:
    """The command line of every process, and of what every one is called."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True)
    return listed.stdout


def test_a_log_in_shows_in_no_log_message_process_list_or_answer_of_a_command(tmp_path: Path) -> None:
    with WebCamera("both", *LOGINS[1]) as server, Broker(tmp_path / "broker") as broker, Subscriber(broker.port) as yard:
        gateway = Gateway(tmp_path, broker.port, more=cameras(server, free_port()), vehicles=0, log_level="debug")
        (tmp_path / "camera.dead.user").write_text(LOGINS[2][0], "utf-8")
        (tmp_path / "camera.dead.password").write_text(LOGINS[2][1], "utf-8")
        environ = {
            "VIN_AGENT_CAMERA_PICTURES_USER": LOGINS[1][0],
            "VIN_AGENT_CAMERA_PICTURES_PASSWORD": LOGINS[1][1],
            "CREDENTIALS_DIRECTORY": str(tmp_path),
        }
        try:
            gateway.start(environ)
            said = ("refuses user and password", "refuses the connection", "cannot be reached", "camera is online")
            gateway.wait_for(lambda: all(words in gateway.log() for words in said), 60)
            yard.wait_for(lambda seen: len({each.topic for each in seen if "/camera/" in each.topic}) >= 5, 60)
            seen = process_list()
        finally:
            gateway.kill()
        messages = b"".join(each.topic.encode() + each.payload for each in yard.collect())
        everything = seen + gateway.log().encode() + messages + stored(gateway.state)
        for command in (["check"], ["doctor"], ["run", "--nonsense"]):
            arguments = [COMMAND, *command, "--config", str(gateway.config)]
            done = subprocess.run(arguments, capture_output=True, check=False, env={**os.environ, **environ})
            everything += done.stdout + done.stderr
        gateway.config.write_text(gateway.config.read_text("utf-8").replace("fps = 5.0", "fps = 'x'"), "utf-8")
        done = subprocess.run([COMMAND, "check", "--config", str(gateway.config)], capture_output=True, check=False)
        everything += done.stdout + done.stderr
    assert server.host.encode() in everything, "the cameras themselves are told"
    assert [spelt for spelt in spellings() if spelt in everything] == []


def stored(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())
