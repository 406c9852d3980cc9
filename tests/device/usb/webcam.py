"""A USB camera (UVC 1.1, bulk transfers) made of a program: plugged into this kernel's virtual host controller, gone with the process.

USB/IP is the language of that controller: Documentation/usb/usbip_protocol.rst of Linux. What the camera says of itself follows the
Universal Serial Bus Device Class Definition for Video Devices, 1.1. Every control that is set is noted in the file named as argument.
"""

import json
import os
import select
import socket
import struct
import sys
import time
from collections import deque
from pathlib import Path

import cv2
import numpy as np

from tests.device import stamp

WIDTH, HEIGHT, FPS = 640, 480, 25
PAYLOAD = 16_384  # what one transfer carries; the kernel asks for no more at a time
HIGH_SPEED = 3
ENDPOINT = 0x81
STALL, RESET = -32, -104  # -EPIPE, -ECONNRESET: what the controller wants to hear
STRINGS = ("", "Gate Works", "Pole Camera", "VIN0042")
CAMERA, PROCESSING, OUTPUT = 1, 2, 3  # units of the video function
MJPEG, YUYV = 1, 2
AUTO_MODE, EXPOSURE, GAIN = (CAMERA, 2), (CAMERA, 4), (PROCESSING, 4)


def _described(*fields: tuple[str, int]) -> bytes:
    """A descriptor: its own length, then the fields as (struct format, value)."""
    body = b"".join(struct.pack(f"<{form}", value) for form, value in fields)
    return bytes((len(body) + 1,)) + body


def _frame(kind: int, index: int, size: int) -> bytes:
    """One picture size of a format, at one rate."""
    rate = WIDTH * HEIGHT * 16 * FPS
    return _described(
        *(("B", 0x24), ("B", kind), ("B", index), ("B", 0), ("H", WIDTH), ("H", HEIGHT), ("I", rate), ("I", rate), ("I", size)),
        *(("I", 10_000_000 // FPS), ("B", 1), ("I", 10_000_000 // FPS)),
    )


def _control_interface() -> bytes:
    """The units: lens and sensor, processing, and the way out to USB."""
    sensor = _described(
        *(("B", 0x24), ("B", 2), ("B", CAMERA), ("H", 0x0201), ("B", 0), ("B", 0), ("H", 0), ("H", 0), ("H", 0)),
        *(("B", 3), ("B", 0b1010), ("H", 0)),  # automatic exposure mode, exposure time
    )
    processing = _described(
        *(("B", 0x24), ("B", 5), ("B", PROCESSING), ("B", CAMERA), ("H", 0), ("B", 2), ("H", 0x0200), ("B", 0), ("B", 0))  # gain
    )
    output = _described(("B", 0x24), ("B", 3), ("B", OUTPUT), ("H", 0x0101), ("B", 0), ("B", PROCESSING), ("B", 0))
    length = 13 + len(sensor) + len(processing) + len(output)
    header = _described(("B", 0x24), ("B", 1), ("H", 0x0110), ("H", length), ("I", 48_000_000), ("B", 1), ("B", 1))
    interface = _described(*(("B", value) for value in (4, 0, 0, 0, 0x0E, 1, 0, 0)))
    return interface + header + sensor + processing + output


def _streaming_interface() -> bytes:
    guid = b"YUY2\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    jpeg = _described(*(("B", value) for value in (0x24, 6, MJPEG, 1, 1, 1, 0, 0, 0, 0)))
    plain = _described(
        ("B", 0x24), ("B", 4), ("B", YUYV), ("B", 1), *(("B", byte) for byte in guid), *(("B", v) for v in (16, 1, 0, 0, 0, 0))
    )
    formats = jpeg + _frame(7, 1, WIDTH * HEIGHT * 2) + plain + _frame(5, 1, WIDTH * HEIGHT * 2)
    header = _described(
        *(("B", 0x24), ("B", 1), ("B", 2), ("H", 15 + len(formats)), ("B", ENDPOINT), ("B", 0), ("B", OUTPUT)),
        *(("B", value) for value in (0, 0, 0, 1, 0, 0)),
    )
    interface = _described(*(("B", value) for value in (4, 1, 0, 1, 0x0E, 2, 0, 0)))
    return interface + header + formats + _described(("B", 5), ("B", ENDPOINT), ("B", 2), ("H", 512), ("B", 0))


def _configuration() -> bytes:
    body = _described(*(("B", value) for value in (11, 0, 2, 0x0E, 3, 0, 0))) + _control_interface() + _streaming_interface()
    return _described(("B", 2), ("H", 9 + len(body)), ("B", 2), ("B", 1), ("B", 0), ("B", 0x80), ("B", 250)) + body


DEVICE = _described(
    *(("B", 1), ("H", 0x0200), ("B", 0xEF), ("B", 2), ("B", 1), ("B", 64), ("H", 0x1209), ("H", 0x0001), ("H", 0x0100)),
    *(("B", 1), ("B", 2), ("B", 3), ("B", 1)),
)


class Controls:
    """What can be set, by unit and selector: bytes, least, most, and what it is now. Written down at every change."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self.sizes = {AUTO_MODE: 1, EXPOSURE: 4, GAIN: 2}
        self.limits = {AUTO_MODE: (1, 8, 9), EXPOSURE: (1, 10_000, 1), GAIN: (0, 255, 1)}  # of the mode, the third is a set of bits
        self.now = {AUTO_MODE: 8, EXPOSURE: 156, GAIN: 10}

    def asked(self, request: int, key: tuple[int, int]) -> bytes | None:
        """The answer to a GET request, None for a control that is not there."""
        if key not in self.sizes:
            return None
        if request == 0x86:
            return b"\x03"  # may be read and set
        if request == 0x85:
            return struct.pack("<H", self.sizes[key])
        least, most, step = self.limits[key]
        value = {0x81: self.now[key], 0x82: least, 0x83: most, 0x84: step, 0x87: self.now[key]}[request]
        return value.to_bytes(self.sizes[key], "little")

    def set(self, key: tuple[int, int], data: bytes) -> bool:
        if key not in self.sizes:
            return False
        self.now[key] = int.from_bytes(data, "little")
        names = {AUTO_MODE: "mode", EXPOSURE: "exposure", GAIN: "gain"}
        self._notes.write_text(json.dumps({names[key]: value for key, value in self.now.items()}))
        return True


class Webcam:
    """The device's side of the controller's socket."""

    def __init__(self, line: socket.socket, notes: Path) -> None:
        self._line, self._controls = line, Controls(notes)
        self._waiting: deque[tuple[int, int]] = deque()  # transfers the kernel has asked for: number and size
        self._frame: list[bytes] = []
        self._due, self._parity, self._form = 0.0, 0, MJPEG

    def run(self) -> None:
        """Until the kernel hangs up."""
        while True:
            wait_s = max(0.0, self._due - time.monotonic()) if self._waiting else 1.0
            if select.select([self._line], [], [], wait_s)[0]:
                if not self._heard():
                    return
            elif self._waiting:
                self._send()

    def _heard(self) -> bool:
        head = self._taken(48)
        if len(head) < 48:
            return False
        command, number, _, inward, endpoint = struct.unpack(">5I", head[:20])
        if command == 2:
            self._unlink(number, struct.unpack(">I", head[20:24])[0])
            return True
        size = struct.unpack(">i", head[24:28])[0]
        data = self._taken(size) if not inward else b""
        if endpoint:
            self._waiting.append((number, size))
        else:
            self._control(number, head[40:48], data)
        return True

    def _taken(self, size: int) -> bytes:
        got = b""
        while len(got) < size and (part := self._line.recv(size - len(got))):
            got += part
        return got

    def _reply(self, number: int, status: int, data: bytes = b"", *, length: int | None = None) -> None:
        size = len(data) if length is None else length
        self._line.sendall(struct.pack(">5I5i8x", 3, number, 0, 0, 0, status, size, 0, 0, 0) + data)

    def _unlink(self, number: int, target: int) -> None:
        known = [each for each in self._waiting if each[0] == target]
        for each in known:
            self._waiting.remove(each)
        self._line.sendall(struct.pack(">5Ii24x", 4, number, 0, 0, 0, RESET if known else 0))

    def _control(self, number: int, setup: bytes, data: bytes) -> None:
        kind, request, value, index, length = struct.unpack("<BBHHH", setup)
        if kind & 0x80:
            answer = self._asked(kind, request, value, index)
            self._reply(number, STALL if answer is None else 0, (answer or b"")[:length])
        else:
            done = self._set(request, value, index, data) if kind & 0x60 else True  # of the standard ones all are fine
            self._reply(number, 0 if done else STALL, length=len(data))

    def _asked(self, kind: int, request: int, value: int, index: int) -> bytes | None:
        if kind & 0x60:
            if index == 1:  # the streaming interface: what would be, or is, sent
                return None if request in (0x85, 0x86) else self._probe()
            return self._controls.asked(request, (index >> 8, value >> 8))
        if request == 6:
            return self._descriptor(value >> 8, value & 0xFF)
        return {0: b"\x00\x00", 8: b"\x01", 10: b"\x00"}.get(request)

    @staticmethod
    def _descriptor(kind: int, index: int) -> bytes | None:
        if kind == 3:
            text = b"\x09\x04" if index == 0 else STRINGS[index].encode("utf-16-le")
            return bytes((len(text) + 2, 3)) + text
        return {1: DEVICE, 2: _configuration()}.get(kind)

    def _set(self, request: int, value: int, index: int, data: bytes) -> bool:
        if index == 1:
            self._form = data[2] or MJPEG
            return True
        return request == 0x01 and self._controls.set((index >> 8, value >> 8), data)

    def _probe(self) -> bytes:
        size = WIDTH * HEIGHT * 2
        return struct.pack("<HBBIHHHHHIIIBBBB", 1, self._form, 1, 10_000_000 // FPS, 0, 0, 0, 0, 0, size, PAYLOAD, 48_000_000, 0, 0, 0, 0)

    def _send(self) -> None:
        """Fill the transfers that wait with what is left of the frame; the next one begins when it is due."""
        if not self._frame:
            data = self._picture()
            room = PAYLOAD - 2
            parts = [data[at : at + room] for at in range(0, len(data), room)]
            self._parity ^= 1
            self._frame = [bytes((2, 0x80 | self._parity | (2 if part is parts[-1] else 0))) + part for part in parts]
        while self._frame and self._waiting:
            self._reply(self._waiting.popleft()[0], 0, self._frame.pop(0))
        if not self._frame:
            self._due = max(self._due + 1 / FPS, time.monotonic())

    def _picture(self) -> bytes:
        """A frame with the moment it was made in it."""
        grey = np.full((HEIGHT, WIDTH), 90, np.uint8)
        stamp.paint(grey, int(time.monotonic() * 1000))
        if self._form == YUYV:
            return np.dstack([grey, np.full_like(grey, 128)]).tobytes()
        return cv2.imencode(".jpg", cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def main(notes: Path) -> None:
    """Plug in; the camera is unplugged by the end of this process, however that comes."""
    ours, kernels = socket.socketpair()
    with ours:
        with kernels:
            words = f"0 {kernels.fileno()} {0x00010002} {HIGH_SPEED}"
            Path("/sys/devices/platform/vhci_hcd.0/attach").write_text(words, "ascii")
        os.nice(-5)
        Webcam(ours, notes).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
