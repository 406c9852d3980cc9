"""Starts the vendors by hand: prints keys and a configuration for the agent, then one line for every call."""

import argparse
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import cv2
import numpy as np

from agent import config
from agent.domain import Box
from agent.ocr.embedded import Embedded
from agent.vin_text import candidates_in
from tests.broker import Authority
from tests.vendors import VendorServer
from tests.vendors.snippet import snippet


def main() -> None:
    asked = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # before the print: who reads it may ask for the end at once
    with ExitStack() as stack:
        authority = Authority(Path(stack.enter_context(tempfile.TemporaryDirectory()))) if asked.tls else None
        reader = _embedded(stack) if asked.vin is None else _always(asked.vin)
        server = stack.enter_context(VendorServer(reader=reader, port=asked.port, tls=authority))
        server.house.verbose = True
        print(snippet(server, authority.file if authority else None), flush=True)
        while True:
            time.sleep(3600)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.vendors", description="The vendors' APIs on loopback, for trying the agent out.")
    parser.add_argument("--port", type=int, default=8800, help="of 127.0.0.1; 0 for any (8800)")
    parser.add_argument("--tls", action="store_true", help="speak HTTPS with a certificate of an authority made for the occasion")
    parser.add_argument("--vin", help="what every picture shows; without it the embedded reader looks at them")
    return parser.parse_args()


def _always(vin: str) -> Callable[[bytes], str | None]:
    return lambda _: vin


def _embedded(stack: ExitStack) -> Callable[[bytes], str | None]:
    """The VIN that the embedded reader finds in a picture, or nothing."""
    reader = stack.enter_context(Embedded(config.Settings()))

    def read(picture: bytes) -> str | None:
        pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            return None
        height, width = pixels.shape[:2]
        line = reader.read_line(pixels.astype(np.uint8, copy=False), Box(0, 0, width, height))
        found = candidates_in(line.text, line.confidence)
        return found[0].value if found else None

    return read


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
