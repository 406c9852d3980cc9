"""A listener on a free loopback port, a thread for each caller: what the tests' misbehaving servers have in common."""

import socket
import threading
from collections.abc import Callable


class Loopback:
    """Hands every caller to `serve` in a thread of its own; `stopping` is set when the threads should end."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self.stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> int:
        """Listen, and say on which port."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._in_thread(self._accept)
        return int(self._listener.getsockname()[1])

    def stop(self) -> None:
        self.stopping.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _in_thread(self, what: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=what, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                caller, _ = self._listener.accept()
            except TimeoutError:
                continue
            self._in_thread(self._serve, caller)
