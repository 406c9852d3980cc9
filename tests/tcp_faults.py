"""What can happen to a camera's connection: nobody takes it, it stalls, breaks or carries something else, or the answer is no."""

import ctypes
import os
import select
import socket
import struct
import threading
from abc import ABC, abstractmethod
from typing import Literal, Self

from tests.loopback import Loopback
from tests.rude import Behaviour, Talk

_ATTACH_FILTER = 26  # SO_ATTACH_FILTER of socket(7)
Mode = Literal["pass", "stall", "drop", "cut", "reset", "garbage"]


class Hole:
    """A port whose connections never come about, as behind a firewall that says nothing: its queue is full, and nobody empties it."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port = int(self._listener.getsockname()[1])
        self._held = [self._knock() for _ in range(4)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (*self._held, self._listener):
            each.close()

    def _knock(self) -> socket.socket:
        caller = socket.socket()
        caller.setblocking(False)
        caller.connect_ex(("127.0.0.1", self.port))
        return caller


class _Listener(ABC):
    """A server on loopback, in `with`; `_serve` is what it does with each caller."""

    def __init__(self) -> None:
        self._loopback = Loopback(self._serve)

    def __enter__(self) -> Self:
        self.port = self._loopback.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loopback.stop()

    @abstractmethod
    def _serve(self, caller: socket.socket) -> None:
        """In a thread of its own; ends when the loopback is stopping."""


class Proxy(_Listener):
    """Passes connections on to a port of this machine; `mode` holds for all that is under way, or for what follows after `most` bytes."""

    def __init__(self, target: int, mode: Mode = "pass", most: int = 0) -> None:
        super().__init__()
        self.target, self.mode, self.most = target, mode, most

    def _serve(self, caller: socket.socket) -> None:
        try:
            with caller, socket.create_connection(("127.0.0.1", self.target), 5) as far:
                self._pass(caller, far)
        except OSError:
            return  # one of the two has gone

    def _pass(self, caller: socket.socket, far: socket.socket) -> None:
        passed = 0
        while not self._loopback.stopping.is_set():
            mode = self.mode if passed >= self.most else "pass"
            if mode in ("cut", "reset"):
                if mode == "reset":
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if mode in ("stall", "drop"):
                if mode == "drop":
                    deafen(caller)
                self._loopback.stopping.wait(0.02)
                continue
            for source in select.select([caller, far], [], [], 0.02)[0]:
                if not (data := source.recv(8192)):
                    return
                if source is far:
                    passed += len(data)
                    caller.sendall(os.urandom(len(data)) if mode == "garbage" else data)
                else:
                    far.sendall(data)


def deafen(connection: socket.socket) -> None:
    """From now on every packet that comes for it is dropped unseen, so that nothing is acknowledged: a cable that was pulled."""
    refuse_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # one instruction of BPF: return 0 bytes
    connection.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(refuse_all)))


class Silent(_Listener):
    """Takes every connection and never says a word; `taken` counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0
        self._counting = threading.Lock()

    def _serve(self, caller: socket.socket) -> None:
        with self._counting:
            self.taken += 1
        with caller:
            caller.settimeout(0.1)
            while not self._loopback.stopping.is_set():
                try:
                    if not caller.recv(4096):
                        return
                except TimeoutError:
                    continue
                except OSError:
                    return


def said(status: str, *headers: str) -> Behaviour:
    """A server of RTSP that answers everything with this."""

    def talk(with_: Talk) -> None:
        while asked := with_.request().decode():
            number = next(line for line in asked.split("\r\n") if line.lower().startswith("cseq"))
            with_.say("\r\n".join([f"RTSP/1.0 {status}", number, *headers, "", ""]).encode())

    return talk


# What a camera may say to a request for RTSP other than yes, and the words that tell it; more than one where the kernel decides.
ANSWERS: dict[str, tuple[Behaviour, str]] = {
    "garbage at once": (lambda talk: talk.say(b"\x15\x03\x01\x00\x02" * 500), "hangs up|no RTSP"),
    "garbage for an answer": (lambda talk: talk.say(b"$\x00" * 500) if talk.request() else None, "no RTSP"),
    "hangs up": (lambda talk: None, "hangs up"),
    "no such stream": (said("404 Not Found"), "nothing at this address"),
    "redirects": (said("302 Found", "Location: rtsp://127.0.0.1:1/gate"), "sends us on"),
    "redirects to a refused port": (said("301 Moved", "Location: rtsp://127.0.0.1:1/gate"), "sends us on"),
    "too many viewers": (said("453 Not Enough Bandwidth"), "answers with an error"),
    "starting": (said("503 Service Unavailable"), "answers with an error"),
    "wrong password": (said("401 Unauthorized", 'WWW-Authenticate: Digest realm="gate", nonce="5d41"'), "refuses user and password"),
}
