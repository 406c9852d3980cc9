"""What network cameras answer beside pictures: which log-in they want, and what they say to RTSP."""

from unittest import mock

import httpx

from agent import config
from agent.camera import knock, web
from agent.errors import AgentError
from agent.settings import Secret
from tests.fuzz.sentence import is_a_sentence

_ASKED = httpx.Request("GET", "http://camera/picture")


def login(data: bytes) -> None:
    """A challenge, however odd, is answered or given up."""
    offers = data.split(b"\n")[:4]
    flow = web.Login("admin", "s3cret").auth_flow(httpx.Request("GET", "http://camera/picture"))
    try:
        request = next(flow)
        for _ in range(3):
            response = httpx.Response(401, headers=[(b"WWW-Authenticate", offer) for offer in offers], request=_ASKED)
            request = flow.send(response)
            assert b"s3cret" not in b"".join(value for _, value in request.headers.raw)
    except StopIteration:
        return
    except httpx.HTTPError as exc:
        is_a_sentence(web.broken("camera", exc, 1.0))


class _Line:
    """The camera's side of a connection: says what it was given, a piece at a time, then hangs up."""

    def __init__(self, data: bytes) -> None:
        self._pieces = iter([data[at : at + 700] for at in range(0, len(data), 700)] + [b"", b""])

    def __enter__(self) -> "_Line":
        return self

    def __exit__(self, *_: object) -> None: ...

    def settimeout(self, seconds: float) -> None: ...

    def sendall(self, data: bytes) -> None:
        assert b"s3cret" not in data.replace(b"rtsp://camera", b"")

    def recv(self, size: int) -> bytes:
        return next(self._pieces, b"")[:size]


def rtsp(data: bytes) -> None:
    """The answer to DESCRIBE."""
    settings = config.Camera(driver="opencv", source="rtsp://camera/x", user=Secret("admin"), password=Secret("s3cret"))
    with mock.patch("socket.create_connection", return_value=_Line(data)):
        try:
            knock.ask(settings, "camera", 1.0)
        except AgentError as trouble:
            is_a_sentence(trouble)
