"""Frames from a camera that gives single pictures over HTTP, one every 1/fps seconds, each checked before it counts."""

import hashlib
import time
from dataclasses import replace
from types import TracebackType
from typing import Self

import httpx

from agent import config
from agent.camera import web
from agent.clock import Clock
from agent.config_network import parted, unclear
from agent.domain import Frame, Pixels
from agent.errors import NeedsOperator, Rejected, RetryLater
from agent.ocr import deadline, jpeg, unpack
from agent.settings import masked
from agent.vision.decode import decode

_AGAIN_S = 0.5  # a picture that was no new one is asked for again after this


class SnapshotCamera:
    """A camera that is asked for each picture; entering it prepares the connection, and only reading asks."""

    def __init__(self, settings: config.Camera, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._source, user, password = web.login(settings)
        self._logged_in = bool(user or password)
        self._name = masked(parted(settings.source)[0])
        self._http: httpx.Client | None = None
        self._due = 0.0
        self._last = b""

    def __enter__(self) -> Self:
        """Raises `NeedsOperator` where the source is no address, `BadConfig` where `camera.stream.ca_file` cannot be used."""
        if not self._source.startswith(("http://", "https://")) or unclear(self._source):
            raise NeedsOperator(f"{self._name}: camera.source of driver snapshot must be an address that begins with http:// or https://")
        self._http = web.client(self._settings)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._http:
            self._http.close()
            self._http = None

    def pace(self, fps: float) -> None:
        self._settings = replace(self._settings, fps=fps)

    def read(self) -> Frame:
        """The next picture; raises `RetryLater` where none, no whole one or no new one comes within `read_timeout_s`."""
        if self._http is None:
            raise RetryLater(f"{self._name} is not open")
        time.sleep(max(0.0, self._due - time.monotonic()))
        ends = time.monotonic() + self._settings.read_timeout_s
        asked_at, data = self._new(self._http, ends)
        pixels = self._decoded(data)
        self._due = asked_at + 1 / self._settings.fps
        return Frame(pixels, self._clock.at(asked_at))

    def _new(self, http: httpx.Client, ends: float) -> tuple[float, bytes]:
        """A picture unlike the last one, and when it was asked for: a sensor never gives the same bytes twice."""
        while True:
            asked_at, data = time.monotonic(), self._fetched(http, ends)
            digest = hashlib.sha256(data).digest()
            if digest != self._last:
                self._last = digest
                return asked_at, data
            if time.monotonic() + _AGAIN_S >= ends:
                seconds = self._settings.read_timeout_s
                raise RetryLater(
                    f"{self._name} has sent the same picture for {seconds:g} s; the camera hangs, or fps is more than it takes"
                )
            time.sleep(_AGAIN_S)

    def _fetched(self, http: httpx.Client, ends: float) -> bytes:
        try:
            return self._body(http, ends)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            pass  # most likely the camera had closed the connection that was kept: a fresh one tells
        except httpx.HTTPError as exc:
            raise web.broken(self._name, exc, self._settings.read_timeout_s) from None
        try:
            return self._body(http, ends)
        except httpx.HTTPError as exc:
            raise web.broken(self._name, exc, self._settings.read_timeout_s) from None

    def _body(self, http: httpx.Client, ends: float) -> bytes:
        deadline.until(ends)
        most, parts, size = self._settings.stream.max_mb * 1_000_000, list[bytes](), 0
        with http.stream("GET", self._source) as answer:
            if answer.status_code != 200:
                target = answer.next_request.url.host if answer.next_request else ""
                raise web.refusal(self._name, answer.status_code, logged_in=self._logged_in, target=target)
            for part in unpack.parts(answer):
                parts.append(part)
                size += len(part)
                if size > most:
                    raise RetryLater(
                        f"{self._name} sends more than {self._settings.stream.max_mb:g} MB; is it a video? see camera.stream.max_mb"
                    )
        return b"".join(parts)

    def _decoded(self, data: bytes) -> Pixels:
        """BGR of a whole JPEG; raises `RetryLater` for anything else."""
        try:
            jpeg.size(data.rstrip(b"\r\n\0"))
        except ValueError as exc:
            raise RetryLater(
                f"{self._name} sent {len(data)} bytes that are no JPEG picture ({exc}); check the path in camera.source"
            ) from None
        try:
            return decode(data)
        except Rejected as refusal:
            raise RetryLater(f"{self._name} sent a picture that {refusal}; look at the camera's settings and the way to it") from None
