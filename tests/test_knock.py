"""A camera that is asked why it gives no video has one deadline, however slowly it answers."""

import time

import pytest

from agent import config
from agent.camera import knock
from agent.errors import NeedsOperator
from agent.settings import Secret
from tests.rude import Rude, Talk

SECONDS = 0.6
CHALLENGE = b'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm="r", nonce="n"\r\n\r\n'


def settings(port: int) -> config.Camera:
    return config.Camera(driver="opencv", source=f"rtsp://127.0.0.1:{port}/x", user=Secret("gate"), password=Secret("secret"))


def drips(talk: Talk) -> None:
    talk.drip(b"RTSP/1.0 200 OK\r\nX: " + b"x" * 8000)


def drips_the_second(talk: Talk) -> None:
    talk.request()
    talk.say(CHALLENGE)
    talk.drip(CHALLENGE * 100)


@pytest.mark.parametrize("camera", [drips, drips_the_second])
def test_a_camera_that_answers_a_byte_at_a_time_is_given_up_in_time(camera: object) -> None:
    with Rude(camera) as server:  # type: ignore[arg-type]  # a behaviour
        began = time.monotonic()
        knock.ask(settings(server.port), "camera", SECONDS)
        assert time.monotonic() - began < SECONDS + 1


def test_a_camera_that_refuses_the_login_twice_is_still_told_so() -> None:
    def refuses(talk: Talk) -> None:
        for _ in range(2):
            talk.request()
            talk.say(CHALLENGE)

    with Rude(refuses) as server, pytest.raises(NeedsOperator, match="refuses user and password"):
        knock.ask(settings(server.port), "camera", 5.0)
