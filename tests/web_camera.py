"""A camera's web server on loopback: single pictures and MJPEG, behind a basic or digest log-in it checks by itself, over TLS or not."""

import base64
import hashlib
import re
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal, Self

import cv2
import numpy as np

Kind = Literal["", "basic", "digest", "both"]
REALM, NONCE = "gate camera, north", "b1946ac92492d2347c6235b4d2611184"


def jpeg(number: int, size: tuple[int, int] = (160, 120)) -> bytes:
    """A grey picture of the brightness `shade(number)`, with a patch of its own so that no two have the same bytes."""
    picture = np.full((size[1], size[0], 3), shade(number), np.uint8)
    cv2.putText(picture, str(number), (4, 20), cv2.FONT_HERSHEY_PLAIN, 1, (255, 255, 255))
    ok, data = cv2.imencode(".jpg", picture)
    assert ok
    return data.tobytes()


def shade(number: int) -> int:
    return 10 + number * 7 % 230


class WebCamera:
    """Serves `/picture` and `/video`; `asked` counts requests, `refused` those whose log-in was wrong, `sent` the pictures."""

    def __init__(
        self,
        kind: Kind = "",
        user: str = "",
        password: str = "",
        *,
        picture: Callable[[int], bytes] = jpeg,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self.kind, self.user, self.password, self.picture = kind, user, password, picture
        self.asked = self.refused = self.sent = 0
        self.algorithm = "MD5"
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.camera = self
        if tls:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def welcomes(self, authorization: str, method: str, path: str) -> bool:
        """Whether a request may pass: the log-in is right, and of a kind that was offered."""
        if not self.kind:
            return True
        scheme, _, rest = authorization.partition(" ")
        if scheme == "Basic" and self.kind in ("basic", "both"):
            return base64.b64decode(rest) == f"{self.user}:{self.password}".encode()
        return scheme == "Digest" and self.kind in ("digest", "both") and self._digested(rest, method, path)

    def challenges(self) -> list[str]:
        digest = f'Digest realm="{REALM}", qop="auth", nonce="{NONCE}", algorithm={self.algorithm}'
        return {"": [], "basic": [f'Basic realm="{REALM}"'], "digest": [digest], "both": [f'Basic realm="{REALM}"', digest]}[self.kind]

    def _digested(self, rest: str, method: str, path: str) -> bool:
        said = {key: quoted or plain for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^, ]*))', rest)}
        if said.get("nonce") != NONCE or said.get("uri") != path or said.get("username") != self.user:
            return False
        key, what = _md5(f"{self.user}:{REALM}:{self.password}"), _md5(f"{method}:{path}")
        middle = f":{said['nc']}:{said['cnonce']}:{said['qop']}:" if "qop" in said else ":"
        return bool(said["response"] == _md5(f"{key}:{NONCE}{middle}{what}"))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class _Server(ThreadingHTTPServer):
    camera: WebCamera
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 2

    def do_GET(self) -> None:
        camera = self.server.camera
        camera.asked += 1
        authorization = self.headers.get("Authorization", "")
        if not camera.welcomes(authorization, "GET", self.path):
            camera.refused += bool(authorization)
            self._refuse()
        elif self.path.startswith("/video"):
            self._video()
        else:
            self._picture()

    def _refuse(self) -> None:
        self.send_response(401)
        for challenge in self.server.camera.challenges():
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _picture(self) -> None:
        camera = self.server.camera
        camera.sent += 1
        body = camera.picture(camera.sent)
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _video(self) -> None:
        camera = self.server.camera
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        self.close_connection = True
        try:
            while not camera.stopping.wait(0.04):
                camera.sent += 1
                body = camera.picture(camera.sent)
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body) + body + b"\r\n")
        except OSError:
            return  # the viewer has gone

    def log_message(self, *_: object) -> None: ...
